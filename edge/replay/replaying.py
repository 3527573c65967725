"""Runs one recording: file in, inputs or facts out, with a summary of what was in it.

The thin shell around decoding and sensing. Faster than real time: nothing waits, time is what the
records say.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from msgspec import Struct

from edge.config import EdgeSettings
from edge.recording.header import devices_of
from edge.recording.reader import RecordingReader
from edge.recording.records import Ended, Header
from edge.replay.decoding import Decoding
from edge.replay.errors import ReplayRefused
from edge.replay.inputs import Input, TagsRead
from edge.replay.sensing import ReplaySensing, SensedFact

MS_PER_S: Final = 1_000
READINGS_IN_MEMORY_MAX: Final = 5_000_000
"""A search keeps decoded readings, of roughly 250 bytes each."""


class Summary(Struct, frozen=True, kw_only=True):
    """What a recording held and how it was replayed. `speed_factor` is recorded time per time."""

    store: str
    recorded_s: float
    replayed_in_s: float
    speed_factor: float
    size_bytes: int
    records: int
    readings: int
    facts: int
    known_tags: int
    dropped_records: int
    documents_left_out: int
    refused_documents: int
    serial_bytes: int
    reader_faults: int
    ending: str
    unknown_devices: dict[str, int]


class Replay:
    """One pass over a recording. Context managers of the file are opened and closed here."""

    def __init__(self, path: Path, settings: EdgeSettings, *, to_s: float | None = None) -> None:
        self._path = path
        self._settings = settings
        self._to_ms = None if to_s is None else to_s * MS_PER_S
        self._sensing = ReplaySensing(settings)
        self._facts = 0
        self._size_bytes = 0
        self._ending = "unfinished"
        with RecordingReader(path) as reader:
            self.header: Header = reader.header
        self._decoding = Decoding(self.header, settings.llrp)
        self._require_a_known_device()

    def inputs(self) -> Iterator[Input]:
        """Yield what sensing is given. Raises `RecordingInvalid`."""
        with RecordingReader(self._path) as reader:
            for record in reader.records():
                if self._to_ms is not None and self._is_over(record.monotonic_ms):
                    self._ending = "stopped at --to"
                    break
                if isinstance(record, Ended):
                    self._ending = record.reason
                yield from self._decoding.inputs(record)
            if reader.torn is not None:
                self._ending = f"torn at byte {reader.torn.offset}"
            self._size_bytes = reader.size_bytes

    def facts(self) -> Iterator[SensedFact]:
        """Yield the facts that follow, in order. Raises `RecordingInvalid`."""
        for each in self.inputs():
            for sensed in self._sensing.sense(each):
                self._facts += 1
                yield sensed

    def inputs_in_memory(self) -> list[Input]:
        """Return all inputs, decoded once for many runs of sensing. Raises `ReplayRefused`."""
        kept: list[Input] = []
        readings = 0
        for each in self.inputs():
            kept.append(each)
            readings += len(each.readings) if isinstance(each, TagsRead) else 1
            if readings > READINGS_IN_MEMORY_MAX:
                raise ReplayRefused(
                    f"{self._path}: more than {READINGS_IN_MEMORY_MAX} readings; "
                    "tune on a part of it with --to"
                )
        return kept

    def summary(self, elapsed_s: float) -> Summary:
        """Return what was replayed, which took `elapsed_s`."""
        decoding, sensing = self._decoding, self._sensing
        recorded_s = decoding.at_ms / MS_PER_S
        return Summary(
            store=self.header.store,
            recorded_s=recorded_s,
            replayed_in_s=round(elapsed_s, 3),
            speed_factor=round(recorded_s / max(elapsed_s, 1e-6), 1),
            size_bytes=self._size_bytes,
            records=decoding.records,
            readings=decoding.readings,
            facts=self._facts,
            known_tags=sensing.known_tags,
            dropped_records=decoding.dropped_records,
            documents_left_out=decoding.documents_left_out,
            refused_documents=sensing.refused_documents,
            serial_bytes=decoding.serial_bytes,
            reader_faults=decoding.faults,
            ending=self._ending,
            unknown_devices=dict(decoding.unknown_devices + sensing.unknown_devices),
        )

    def _is_over(self, monotonic_ms: int) -> bool:
        assert self._to_ms is not None, "asked with a limit only"  # noqa: S101 # Our own rule.
        return monotonic_ms - self.header.started_monotonic_ms >= self._to_ms

    def _require_a_known_device(self) -> None:
        recorded = [device.name for device in self.header.devices]
        tables = devices_of(self._settings).values()
        configured = {device.name for table in tables for device in table}
        if recorded and not configured & set(recorded):
            names = ", ".join(sorted(recorded))
            raise ReplayRefused(f"{self._path}: the settings have none of its devices ({names})")
