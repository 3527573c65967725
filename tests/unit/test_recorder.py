"""The recorder: a device never waits for it, and what it could not keep the file says."""

import threading
from pathlib import Path

import pytest

from edge.config import load_settings
from edge.errors import ConfigInvalid
from edge.recording.errors import RecordingRefused
from edge.recording.file import RecordingFile
from edge.recording.reader import RecordingReader
from edge.recording.recorder import Recorder
from edge.recording.records import (
    CheckpointsHeld,
    DocumentLeftOut,
    DocumentTaken,
    Ended,
    LlrpMessage,
    Record,
    RecordsDropped,
)
from edge.recording.session import only
from edge.recording.settings import RecordingSettings
from edge.recording.spool import SpoolRecorder
from edge.recording.starting import agent_recorder, recorder_at
from tests.device_fakes import RememberingReport
from tests.recordings import HEADER

NOW_MS = 1_773_500_000_000
DEADLINE_S = 10.0
CONFIG = """
store = "S001"
[broker]
url = "mqtts://secret-broker"
ca_file = "store.toml"
certificate_file = "store.toml"
key_file = "store.toml"
[recording]
path = "./raw/day.strec"
max_bytes = 180000
[[llrp]]
name = "dock-reader"
host = "secret-host"
antennas = [{ id = 1, zone = "backroom" }]
[[pos_journal]]
name = "till-1"
spool = "./secret-spool"
"""


class SlowFile(RecordingFile):
    """A disk that waits until it is let go, or fails."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, HEADER, max_bytes=10_000_000, is_gzip=False)
        self.may_sync = threading.Event()
        self.is_syncing = threading.Event()
        self.failure: OSError | None = None

    def sync(self) -> None:
        if hasattr(self, "may_sync"):  # The header is written before.
            self.is_syncing.set()
            assert self.may_sync.wait(DEADLINE_S)
            if self.failure is not None:
                raise self.failure
        super().sync()


def recorder(file: RecordingFile, **options: int) -> Recorder:
    return Recorder(file, lambda: NOW_MS, lambda: 5_000, **options)  # type: ignore[arg-type] # One is a bool.


def records(path: Path) -> list[Record]:
    with RecordingReader(path) as reader:
        return list(reader.records())


def test_a_full_buffer_drops_counts_and_says_so_where_it_was(tmp_path: Path) -> None:
    file = SlowFile(tmp_path / "a")
    tap = recorder(file, buffer_bytes_max=100_000)
    tap.start()
    tap.llrp_message("dock", bytes(30_000), 1, NOW_MS)
    assert file.is_syncing.wait(DEADLINE_S)  # The disk hangs from here on.
    for number in range(2, 12):
        tap.llrp_message("dock", bytes(30_000), number, NOW_MS)
    assert tap.dropped_records == 7
    file.may_sync.set()
    while tap.written_records < 4:
        assert not tap.wait_until_over(0.01)
    tap.llrp_message("dock", bytes(10), 20, NOW_MS)
    tap.close()
    found = records(tmp_path / "a")
    assert [type(each) for each in found] == [LlrpMessage] * 4 + [RecordsDropped] + [
        LlrpMessage,
        Ended,
    ]
    gap = found[4]
    assert isinstance(gap, RecordsDropped)
    assert (gap.records, gap.size_bytes, gap.monotonic_ms) == (7, 210_000, 20)


def test_what_is_dropped_at_the_very_end_is_said_too(tmp_path: Path) -> None:
    path = tmp_path / "a"
    file = RecordingFile(path, HEADER, max_bytes=1_000_000, is_gzip=False)
    tap = recorder(file, buffer_bytes_max=1_000)
    tap.llrp_message("dock", bytes(2_000), 1, NOW_MS)
    tap.start()
    tap.close()
    assert [type(each) for each in records(path)] == [RecordsDropped, Ended]


def test_a_disk_that_fails_ends_the_recording_and_nothing_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = SlowFile(tmp_path / "a")
    file.failure = OSError(28, "No space left on device")
    file.may_sync.set()
    tap = recorder(file)
    tap.start()
    tap.llrp_message("dock", b"abc", 1, NOW_MS)
    assert tap.wait_until_over(DEADLINE_S)
    tap.llrp_message("dock", b"abc", 2, NOW_MS)
    tap.close()
    assert (tap.state, tap.failure) == ("failed", "No space left on device")
    assert [record.getMessage() for record in caplog.records] == [
        "the recording ended: No space left on device; the agent goes on without it"
    ]


def test_a_full_file_ends_with_its_reason(tmp_path: Path) -> None:
    path = tmp_path / "a"
    tap = recorder(RecordingFile(path, HEADER, max_bytes=65_536, is_gzip=False))
    tap.start()
    for number in range(10):
        tap.llrp_message("dock", bytes(20_000), number, NOW_MS)
    assert tap.wait_until_over(DEADLINE_S)
    last = records(path)[-1]
    assert isinstance(last, Ended)
    assert (last.reason, tap.state) == ("full", "full")


def test_documents_can_be_left_out_and_leave_only_size_and_digest(tmp_path: Path) -> None:
    path = tmp_path / "a"
    tap = recorder(
        RecordingFile(path, HEADER, max_bytes=65_536, is_gzip=False), keeps_documents=False
    )
    tap.start()
    tap.document("till-1", b"<POSLog>private</POSLog>")
    tap.close()
    (document, _) = records(path)
    assert isinstance(document, DocumentLeftOut)
    assert (document.size_bytes, len(document.digest)) == (24, 8)
    assert b"private" not in path.read_bytes()


def test_what_sensing_remembers_is_kept_in_parts(tmp_path: Path) -> None:
    path = tmp_path / "a"
    tap = recorder(RecordingFile(path, HEADER, max_bytes=1_000_000, is_gzip=False))
    values = {f"tag/{number:04}": b"x" for number in range(2_500)}
    tap.checkpoints(values)
    tap.start()
    tap.close()
    parts = [each for each in records(path) if isinstance(each, CheckpointsHeld)]
    assert len(parts) == 3
    assert {name: value for part in parts for name, value in part.values.items()} == values


def test_the_agents_files_share_one_limit_and_none_is_overwritten(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "store.toml").write_text(CONFIG)
    settings = load_settings(tmp_path / "store.toml")
    for _ in range(2):
        tap = agent_recorder(settings, lambda: NOW_MS, lambda: 5_000)
        assert tap is not None
        tap.start()
        for number in range(4):
            tap.llrp_message("dock-reader", bytes(15_000), number, NOW_MS)
        tap.close()
    sizes = {path.name: path.stat().st_size for path in (tmp_path / "raw").iterdir()}
    assert sizes.keys() == {"day.strec", "day-2.strec"}
    assert sum(sizes.values()) <= 180_000
    assert agent_recorder(settings, lambda: NOW_MS, lambda: 5_000) is None
    assert "2 earlier files have used its limit of 180000 bytes" in caplog.text


def test_a_header_holds_no_address_no_path_and_no_secret(tmp_path: Path) -> None:
    (tmp_path / "store.toml").write_text(CONFIG)
    settings = load_settings(tmp_path / "store.toml")
    recording = RecordingSettings(path="unused")
    tap = recorder_at(tmp_path / "a", settings, recording, lambda: NOW_MS, lambda: 5_000)
    tap.close()
    assert b"secret" not in (tmp_path / "a").read_bytes()
    with RecordingReader(tmp_path / "a") as reader:
        assert [(each.name, each.kind) for each in reader.header.devices] == [
            ("dock-reader", "llrp"),
            ("till-1", "pos_journal"),
        ]
        assert reader.header.devices[0].settings["antennas"][0]["zone"] == "backroom"
    with pytest.raises(RecordingRefused, match="such a file already"):
        recorder_at(tmp_path / "a", settings, recording, lambda: NOW_MS, lambda: 5_000)


def test_a_spool_is_recorded_once_and_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "store.toml").write_text(CONFIG)
    settings = load_settings(tmp_path / "store.toml").pos_journal[0]
    spool = tmp_path / "secret-spool"
    spool.mkdir()
    (spool / "2.xml").write_text("second")
    (spool / "1.xml").write_text("first")
    (spool / ".3.xml").write_text("half written")
    file = RecordingFile(tmp_path / "a", HEADER, max_bytes=65_536, is_gzip=False)
    tap = recorder(file)
    driver = SpoolRecorder(settings, tap)
    driver.open(RememberingReport())
    driver.poll()
    (spool / "4.xml").write_text("third")
    driver.poll()
    driver.close()
    tap.start()
    tap.close()
    documents = [each.data for each in records(tmp_path / "a") if isinstance(each, DocumentTaken)]
    assert documents == [b"first", b"second", b"third"]
    assert sorted(path.name for path in spool.iterdir()) == [".3.xml", "1.xml", "2.xml", "4.xml"]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("pth = './x'", "recording.pth: there is no such setting; did you mean 'path'?"),
        ("max_bytes = 5", "recording.max_bytes = 5: expected 65536 to 1099511627776 bytes"),
        ("gzip = true", "recording.path: is missing; without it nothing is recorded"),
    ],
)
def test_a_mistake_in_the_settings_is_named(tmp_path: Path, line: str, told: str) -> None:
    text = CONFIG.replace('path = "./raw/day.strec"\nmax_bytes = 180000', line)
    (tmp_path / "store.toml").write_text(text)
    with pytest.raises(ConfigInvalid) as invalid:
        load_settings(tmp_path / "store.toml")
    assert told in str(invalid.value)


def test_a_recorder_that_never_began_still_writes_what_it_was_shown(tmp_path: Path) -> None:
    path = tmp_path / "a"
    tap = recorder(RecordingFile(path, HEADER, max_bytes=65_536, is_gzip=False))
    tap.serial_bytes("scanner-1", b"4006381333931\r")
    tap.close()
    assert [type(each).__name__ for each in records(path)] == ["SerialBytes", "Ended"]


def test_a_recording_makes_no_device_do_anything(tmp_path: Path) -> None:
    printer = '[[receipt_printer]]\nname = "printer-1"\nhost = "10.0.0.9"\n'
    (tmp_path / "store.toml").write_text(CONFIG + printer)
    settings = load_settings(tmp_path / "store.toml")
    assert settings.receipt_printer
    assert not only(settings, []).receipt_printer
    with pytest.raises(RecordingRefused, match="known are dock-reader, till-1"):
        only(settings, ["printer-1"])
