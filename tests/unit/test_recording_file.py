"""A recording's file: whole or torn it is read, damaged or hostile it is refused in words."""

import gzip
import tempfile
import zlib
from pathlib import Path

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.recording.errors import RecordingInvalid
from edge.recording.file import RecordingFile
from edge.recording.framing import MAGIC, encoded, frame
from edge.recording.reader import RecordingReader
from edge.recording.records import (
    FORMAT_VERSION,
    RECORD_BYTES_MAX,
    DeviceHeader,
    Ended,
    Header,
    LlrpMessage,
    Record,
)

HEADER = Header(
    format_version=FORMAT_VERSION,
    store="S001",
    agent_version="0.1.0",
    started_utc_ms=1_000_000,
    started_monotonic_ms=5_000,
    devices=[DeviceHeader(name="dock", kind="llrp", settings={"session": 1})],
    settings={"tags": {"leave_after_ms": 10_000}},
)
ENDED = Ended(monotonic_ms=9_000, utc_ms=1_004_000, reason="stopped")


def message(number: int, size_bytes: int = 40) -> LlrpMessage:
    data = number.to_bytes(4, "big") * (size_bytes // 4)
    return LlrpMessage(monotonic_ms=5_000 + number, utc_ms=1_000_000, device="dock", data=data)


def write(
    path: Path,
    count: int,
    *,
    is_gzip: bool = False,
    max_bytes: int = 1_000_000,
    is_closed: bool = True,
) -> list[LlrpMessage]:
    file = RecordingFile(path, HEADER, max_bytes=max_bytes, is_gzip=is_gzip)
    messages = [message(number) for number in range(count)]
    kept = [each for each in messages if file.append(each)]
    if is_closed:
        file.close(ENDED)
    else:
        file.sync()
        file.abandon()
    return kept


def read(path: Path) -> tuple[list[Record], RecordingReader]:
    with RecordingReader(path) as reader:
        assert reader.header == HEADER
        return list(reader.records()), reader


@pytest.mark.parametrize("is_gzip", [False, True])
def test_what_was_written_is_read(tmp_path: Path, is_gzip: bool) -> None:
    written = write(tmp_path / "a", 500, is_gzip=is_gzip)
    records, reader = read(tmp_path / "a")
    assert records == [*written, ENDED]
    assert reader.torn is None


def test_a_stranger_can_read_the_format_as_documented(tmp_path: Path) -> None:
    """With zlib and msgpack alone, from docs/record-and-replay.md."""
    write(tmp_path / "a.gz", 3, is_gzip=True)
    content = gzip.decompress((tmp_path / "a.gz").read_bytes())
    assert content.startswith(b"\x93STREC\r\n")
    at, payloads = 8, []
    while at < len(content):
        length, checksum = (int.from_bytes(content[at + i : at + i + 4], "big") for i in (0, 4))
        payload = content[at + 8 : at + 8 + length]
        assert zlib.crc32(payload) == checksum
        payloads.append(msgpack.unpackb(payload))
        at += 8 + length
    assert payloads[0][:2] == [1, "S001"]
    assert payloads[1] == [2, 5_000, 1_000_000, "dock", bytes(40)]
    assert payloads[-1] == [11, 9_000, 1_004_000, "stopped"]


def test_a_file_that_is_there_is_never_touched(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("precious")
    with pytest.raises(FileExistsError):
        write(tmp_path / "a", 1)
    assert (tmp_path / "a").read_text() == "precious"


@pytest.mark.parametrize("is_gzip", [False, True])
def test_a_file_never_grows_past_its_limit_and_says_that_it_is_full(
    tmp_path: Path, is_gzip: bool
) -> None:
    path = tmp_path / "a"
    kept = write(path, 100_000 if is_gzip else 5_000, is_gzip=is_gzip, max_bytes=65_536)
    assert 30_000 < path.stat().st_size <= 65_536
    records, _ = read(path)
    assert records[:-1] == kept
    assert len(kept) > 500


def test_a_file_cut_anywhere_is_read_up_to_there(tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    written = write(whole, 5, is_closed=False)
    data = whole.read_bytes()
    starts = len(MAGIC + frame(encoded(HEADER)))
    for length in range(starts, len(data)):
        cut.write_bytes(data[:length])
        records, reader = read(cut)
        assert records == written[: len(records)]
        assert (reader.torn is None) == (data[:length] == data[: _end_of(records)])
    for length in range(starts):
        cut.write_bytes(data[:length])
        with pytest.raises(RecordingInvalid, match="cut: "):
            RecordingReader(cut)


def _end_of(records: list[Record]) -> int:
    return len(MAGIC + frame(encoded(HEADER)) + b"".join(frame(encoded(each)) for each in records))


def test_a_gzip_file_cut_anywhere_is_read_up_to_there(tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    file = RecordingFile(whole, HEADER, max_bytes=1_000_000, is_gzip=True)
    header_ends = whole.stat().st_size
    written = []
    ends = []
    for number in range(6):
        file.append(message(number))
        file.sync()
        written.append(message(number))
        ends.append(whole.stat().st_size)
    file.abandon()
    data = whole.read_bytes()
    for length in range(header_ends, len(data) + 1):
        cut.write_bytes(data[:length])
        records, _ = read(cut)
        assert records == written[: len(records)]
        assert len(records) >= sum(end <= length for end in ends)


def test_blocks_that_were_never_written_are_a_torn_tail(tmp_path: Path) -> None:
    path = tmp_path / "a"
    written = write(path, 5, is_closed=False)
    whole = path.stat().st_size
    with path.open("ab") as file:
        file.write(bytes(1_000_000))
    records, reader = read(path)
    assert records == written
    assert reader.torn == (whole, 1_000_000)


def test_damage_before_the_end_is_no_torn_tail(tmp_path: Path) -> None:
    path = tmp_path / "a"
    write(path, 5)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(RecordingInvalid, match="damaged at byte"):
        read(path)


def test_a_newer_format_is_refused_by_its_number(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(MAGIC + frame(msgpack.packb([2, "whatever"])))
    with pytest.raises(RecordingInvalid, match="format version 2; this program reads 1"):
        RecordingReader(path)


def test_a_gzip_bomb_is_refused_in_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with gzip.open(path, "wb") as file:
        file.write(MAGIC + (RECORD_BYTES_MAX + 1).to_bytes(4, "big"))
        for _ in range(100):
            file.write(bytes(1_048_576))
    with pytest.raises(RecordingInvalid, match="a record of"):
        RecordingReader(path)


def test_no_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(RecordingInvalid, match="No such file"):
        RecordingReader(tmp_path / "nothing")


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.binary() | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


def swallow(data: bytes) -> None:
    """Read whatever it is; nothing but the typed error may come out."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a"
        path.write_bytes(data)
        try:
            with RecordingReader(path) as reader:
                for _ in reader.records():
                    pass
        except RecordingInvalid as error:
            assert "\n" not in str(error)  # noqa: PT017 # The error is one of two right outcomes.


@given(st.binary())
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    swallow(data)
    swallow(MAGIC + data)
    swallow(MAGIC + frame(encoded(HEADER)) + data)
    swallow(gzip.compress(data))
    swallow(gzip.compress(MAGIC + frame(encoded(HEADER)))[:-8] + data)


@given(JUNK, JUNK)
def test_any_content_in_sound_frames_is_read_or_refused(first: object, second: object) -> None:
    swallow(MAGIC + frame(msgpack.packb(first)) + frame(msgpack.packb(second)))
    swallow(MAGIC + frame(encoded(HEADER)) + frame(msgpack.packb(second)))


@settings(max_examples=200)
@given(st.data())
def test_any_change_of_a_recording_is_read_or_refused(data: st.DataObject) -> None:
    sound = bytearray(MAGIC + frame(encoded(HEADER)))
    for number in range(3):
        sound += frame(encoded(message(number)))
    for _ in range(data.draw(st.integers(1, 4))):
        sound[data.draw(st.integers(0, len(sound) - 1))] = data.draw(st.integers(0, 255))
    swallow(bytes(sound))
