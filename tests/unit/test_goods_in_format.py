"""Folders of goods-in recordings: what is read, and how each mistake is told."""

import gzip
from pathlib import Path

import pytest

from edge.replay.goods_in_format import (
    GoodsInInvalid,
    GoodsInRecording,
    RecordingName,
    load_labels,
    load_recordings,
)
from protocol.ids import Epc

HEADER = "time,epc,beam_id,rssi,phase,frequency"
FIRST = "1570715231.829273,30347A12301D63859682FFB3,0,-659,60,866900000"
SECOND = "1570715231.900000,E28011700000020EC2506956,1,-453,15,866900000"


def _write(folder: Path, *lines: str, name: str = "set1_rec1.csv") -> Path:
    path = folder / "recordings" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    return path


def _labels(folder: Path, text: str) -> Path:
    path = folder / "in_box_set1.txt"
    path.write_text(text)
    return path


def _empty(number: int) -> GoodsInRecording:
    return GoodsInRecording(RecordingName(number, 1), ())


def test_rows_become_readings_in_dbm_and_time_order(tmp_path: Path) -> None:
    _write(tmp_path, HEADER, SECOND, FIRST)
    (recording,) = load_recordings(tmp_path)

    first, second = recording.readings
    assert recording.name == RecordingName(1, 1)
    assert (first.epc.hex().upper(), first.antenna) == ("30347A12301D63859682FFB3", 0)
    assert (first.rssi_dbm, second.rssi_dbm) == (-65.9, -45.3)
    assert second.last_seen_ms - first.last_seen_ms == 71


def test_packed_and_plain_files_are_the_same(tmp_path: Path) -> None:
    _write(tmp_path, HEADER, FIRST)
    packed = tmp_path / "recordings" / "set1_rec10.csv.gz"
    packed.write_bytes(gzip.compress(f"{HEADER}\r\n{FIRST}\r\n".encode()))
    plain, unpacked = load_recordings(tmp_path)

    assert unpacked.name == RecordingName(1, 10)
    assert plain.readings == unpacked.readings


def test_recordings_may_lie_in_the_folder_itself(tmp_path: Path) -> None:
    _write(tmp_path, HEADER, FIRST)

    assert load_recordings(tmp_path / "recordings") == load_recordings(tmp_path)


def test_columns_may_stand_in_any_order_and_some_are_optional(tmp_path: Path) -> None:
    _write(tmp_path, "rssi,beam_id,epc,time", "-453,1,E2801170,5.25")
    (recording,) = load_recordings(tmp_path)

    assert recording.readings[0].last_seen_ms == 5_250


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("soon,E280,0,-659", ":3: time: 'soon' is not a number"),
        ("nan,E280,0,-659", ":3: time: nan is not between"),
        ("1.0,E28,0,-659", ":3: epc: 'E28' is not hexadecimal bytes"),
        ("1.0,E280ZZ,0,-659", ":3: epc: 'E280ZZ' is not hexadecimal bytes"),
        (f"1.0,{'E2' * 63},0,-659", ":3: epc: 63 bytes: expected 1 to 62"),
        ("1.0,E280,0.5,-659", ":3: beam_id: '0.5' is not a whole number"),
        ("1.0,E280,-1,-659", ":3: beam_id: -1 is not between"),
        ("1.0,E280,0,-6590", ":3: rssi: -6590 is not between -1500 and 300"),
        ("1.0,E280,0", ":3: rssi: is missing"),
        ("1.0,,0,-659", ":3: epc: is missing"),
    ],
)
def test_a_bad_row_is_told_with_file_and_line(tmp_path: Path, row: str, said: str) -> None:
    path = _write(tmp_path, "time,epc,beam_id,rssi", "1.0,E280,0,-659", row)

    with pytest.raises(GoodsInInvalid) as caught:
        load_recordings(tmp_path)
    assert str(caught.value).startswith(f"{path}{said}")


def test_missing_columns_are_told(tmp_path: Path) -> None:
    _write(tmp_path, "time,epc", "1.0,E280")

    with pytest.raises(GoodsInInvalid, match=r"csv:1: no column beam_id, rssi"):
        load_recordings(tmp_path)


def test_an_empty_recording_is_told(tmp_path: Path) -> None:
    _write(tmp_path, HEADER)

    with pytest.raises(GoodsInInvalid, match="has no reads"):
        load_recordings(tmp_path)


def test_a_torn_gzip_file_is_told(tmp_path: Path) -> None:
    path = _write(tmp_path, HEADER, name="set1_rec1.csv.gz")
    path.write_bytes(gzip.compress(f"{HEADER}\n{FIRST}\n".encode())[:-6])

    with pytest.raises(GoodsInInvalid, match="not a whole gzip file"):
        load_recordings(tmp_path)


def test_bytes_that_are_no_text_are_told_with_their_line(tmp_path: Path) -> None:
    path = _write(tmp_path, HEADER)
    path.write_bytes(f"{HEADER}\n".encode() + b"1.0,\xff,0,-659\n")

    with pytest.raises(GoodsInInvalid, match=r"csv:2: not UTF-8"):
        load_recordings(tmp_path)


def test_the_same_recording_twice_is_told(tmp_path: Path) -> None:
    _write(tmp_path, HEADER, FIRST)
    _write(tmp_path, HEADER, FIRST, name="set01_rec1.csv")

    with pytest.raises(GoodsInInvalid, match="the same recording as"):
        load_recordings(tmp_path)


@pytest.mark.parametrize("name", ["", "nowhere"])
def test_a_folder_without_recordings_is_told(tmp_path: Path, name: str) -> None:
    with pytest.raises(GoodsInInvalid, match=str(tmp_path / name)):
        load_recordings(tmp_path / name)


def test_labels_are_read_for_the_sets_that_are_there(tmp_path: Path) -> None:
    _labels(tmp_path, "e2801170\n\nE2801171\n")

    labels = load_labels(tmp_path, [_empty(1)])

    assert labels == {1: {Epc(bytes.fromhex("E2801170")), Epc(bytes.fromhex("E2801171"))}}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("E280\nbox", ":2: epc: 'box' is not hexadecimal"),
        ("E280\ne280", ":2: e280: is listed twice"),
        ("\n", ": it lists no EPC"),
    ],
)
def test_bad_labels_are_told_with_file_and_line(tmp_path: Path, text: str, said: str) -> None:
    path = _labels(tmp_path, text)

    with pytest.raises(GoodsInInvalid) as caught:
        load_labels(tmp_path, [_empty(1)])
    assert str(caught.value).startswith(f"{path}{said}")


def test_a_set_without_labels_is_told(tmp_path: Path) -> None:
    with pytest.raises(GoodsInInvalid, match=r"in_box_set2\.txt: No such file"):
        load_labels(tmp_path, [_empty(2)])
