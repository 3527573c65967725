"""Recordings of goods-in, as a folder of CSV files.

`recordings/set{N}_rec{M}.csv` (or `.csv.gz`) holds one recording of the box of set N: `time` (s),
`epc` (hexadecimal), `beam_id`, `rssi` (1/10 dBm); further columns, such as `phase` and
`frequency`, are not looked at. Rows may stand in any order. `in_box_set{N}.txt` lists the EPCs
that were in that box, one a line. Every problem is a `GoodsInInvalid` that names file and line.
"""

import csv
import gzip
import io
import math
import re
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from edge.errors import Mistake
from edge.sensing.goods_in_reads import SessionReads
from edge.sensing.readings import TagReading
from protocol.ids import Epc

FILE_BYTES_MAX: Final = 256 * 1_048_576
"""The largest file, unpacked."""
RECORDINGS_MAX: Final = 10_000
BEAM_MAX: Final = 65_535
RSSI_MIN_DBM: Final = -150.0
RSSI_MAX_DBM: Final = 30.0
TIME_MAX_S: Final = 1e12
EPC_BYTES_MAX: Final = 62

_NAME: Final = re.compile(r"set(\d{1,9})_rec(\d{1,9})\.csv(\.gz)?")
_COLUMNS: Final = ("time", "epc", "beam_id", "rssi")


class GoodsInInvalid(Mistake):
    """A file of goods-in recordings cannot be used; the text names it, the line and what is."""


class RecordingName(NamedTuple):
    """The box (set) a recording is of, and which of its recordings it is."""

    set_number: int
    recording_number: int

    @property
    def box(self) -> str:
        """What goods-in calls the box."""
        return f"set{self.set_number}"

    def __str__(self) -> str:
        """Return the stem of the file's name."""
        return f"set{self.set_number}_rec{self.recording_number}"


class GoodsInRecording(NamedTuple):
    """One recording, in time order. Times are milliseconds on the recording's own clock."""

    name: RecordingName
    readings: tuple[TagReading, ...]

    def reads(self) -> SessionReads:
        """Return the readings as a session takes them in."""
        reads = SessionReads()
        reads.observe(self.readings)
        return reads


Labels = Mapping[int, frozenset[Epc]]
"""The EPCs in the box of each set."""


def load_recordings(folder: Path) -> list[GoodsInRecording]:
    """Return a folder's recordings by set and number, or raise `GoodsInInvalid`."""
    inner = folder / "recordings"
    where = inner if inner.is_dir() else folder
    try:
        found = [(m, path) for path in where.iterdir() if (m := _NAME.fullmatch(path.name))]
    except OSError as error:
        raise GoodsInInvalid(f"{where}: {error.strerror or error}") from error
    if not found:
        raise GoodsInInvalid(f"{where}: no recordings: expected set1_rec1.csv or set1_rec1.csv.gz")
    if len(found) > RECORDINGS_MAX:
        raise GoodsInInvalid(f"{where}: {len(found)} recordings: at most {RECORDINGS_MAX}")
    paths: dict[RecordingName, Path] = {}
    for match, path in found:
        name = RecordingName(int(match[1]), int(match[2]))
        if name in paths:
            raise GoodsInInvalid(f"{path}: the same recording as {paths[name].name}")
        paths[name] = path
    return [load_recording(paths[name], name) for name in sorted(paths)]


def load_recording(path: Path, name: RecordingName) -> GoodsInRecording:
    """Return one recording, or raise `GoodsInInvalid`."""
    rows = csv.DictReader(io.StringIO(_text(path), newline=""))
    try:
        missing = [column for column in _COLUMNS if column not in (rows.fieldnames or ())]
        if missing:
            raise GoodsInInvalid(f"{path}:1: no column {', '.join(missing)}")
        readings = [_reading(row, f"{path}:{rows.line_num}") for row in rows]
    except csv.Error as error:
        raise GoodsInInvalid(f"{path}:{rows.line_num}: {error}") from error
    if not readings:
        raise GoodsInInvalid(f"{path}: it has no reads")
    readings.sort(key=lambda reading: reading.last_seen_ms)
    return GoodsInRecording(name, tuple(readings))


def load_labels(folder: Path, recordings: list[GoodsInRecording]) -> Labels:
    """Return what is in the box of each set that has recordings, or raise `GoodsInInvalid`."""
    numbers = sorted({recording.name.set_number for recording in recordings})
    return {number: _in_box(folder / f"in_box_set{number}.txt") for number in numbers}


def _in_box(path: Path) -> frozenset[Epc]:
    epcs: set[Epc] = set()
    for number, line in enumerate(_text(path).splitlines(), start=1):
        text = line.strip()
        if not text:
            continue
        epc = _epc(text, f"{path}:{number}")
        if epc in epcs:
            raise GoodsInInvalid(f"{path}:{number}: {text}: is listed twice")
        epcs.add(epc)
    if not epcs:
        raise GoodsInInvalid(f"{path}: it lists no EPC")
    return frozenset(epcs)


def _reading(row: dict[str | None, str | None], at: str) -> TagReading:
    time_s, epc, beam, rssi = (_cell(row, column, at) for column in _COLUMNS)
    at_ms = round(_number(time_s, f"{at}: time", 0, TIME_MAX_S) * 1_000)
    beam_id = _number(beam, f"{at}: beam_id", 0, BEAM_MAX)
    if not beam_id.is_integer():
        raise GoodsInInvalid(f"{at}: beam_id: {beam!r} is not a whole number")
    rssi_dbm = _number(rssi, f"{at}: rssi", RSSI_MIN_DBM * 10, RSSI_MAX_DBM * 10) / 10
    return TagReading("recording", int(beam_id), _epc(epc, at), rssi_dbm, at_ms, at_ms, 1)


def _cell(row: dict[str | None, str | None], column: str, at: str) -> str:
    value = row.get(column)
    if value is None or not value.strip():
        raise GoodsInInvalid(f"{at}: {column}: is missing")
    return value.strip()


def _number(text: str, at: str, least: float, most: float) -> float:
    try:
        value = float(text)
    except ValueError as error:
        raise GoodsInInvalid(f"{at}: {text[:40]!r} is not a number") from error
    if not (math.isfinite(value) and least <= value <= most):
        raise GoodsInInvalid(f"{at}: {text[:40]} is not between {least:g} and {most:g}")
    return value


def _epc(text: str, at: str) -> Epc:
    try:
        raw = bytes.fromhex(text)
    except ValueError as error:
        raise GoodsInInvalid(f"{at}: epc: {text[:140]!r} is not hexadecimal bytes") from error
    if not 1 <= len(raw) <= EPC_BYTES_MAX:
        raise GoodsInInvalid(f"{at}: epc: {len(raw)} bytes: expected 1 to {EPC_BYTES_MAX}")
    return Epc(raw)


def _text(path: Path) -> str:
    try:
        raw = b"".join(_pieces(path))
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise GoodsInInvalid(f"{path}: not a whole gzip file: {error}") from error
    except OSError as error:
        raise GoodsInInvalid(f"{path}: {error.strerror or error}") from error
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise GoodsInInvalid(f"{path}:{line}: not UTF-8") from error


def _pieces(path: Path) -> Iterator[bytes]:
    size = 0
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        while piece := file.read(1_048_576):
            size += len(piece)
            if size > FILE_BYTES_MAX:
                raise GoodsInInvalid(f"{path}: larger than {FILE_BYTES_MAX} bytes")
            yield piece
