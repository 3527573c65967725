"""A spool that somebody fills with anything: one clear line each, nothing lost, nothing blocked."""

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from edge.devices.pos_journal import PosJournalDriver
from edge.devices.pos_journal_settings import PosJournalSettings
from edge.devices.quarantine import Quarantine
from edge.errors import DeviceFault
from simulators.devices.till import Till, TillItem
from tests.device_fakes import MemoryOutbox, RememberingReport, poll_until

COAT = TillItem("00614141999996", 1)
AT_MS = 1_773_500_000_000
HUGE_BYTES = 200 * 1024 * 1024
MEMORY_MAX_MB = 150
BOMB = (
    '<!DOCTYPE POSLog [<!ENTITY e0 "lol">'
    + "".join(f'<!ENTITY e{n + 1} "{f"&e{n};" * 10}">' for n in range(9))
    + "]><POSLog>&e9;</POSLog>"
).encode()


class Spool:
    """A spool directory with its driver."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "till-1"
        self.quarantine = folder / "quarantine"
        self.till = Till(spool=self.folder, workstation="3", business_day=date(2026, 3, 14))
        self.outbox = MemoryOutbox()
        self.report = RememberingReport()
        settings = PosJournalSettings(name="till-1", spool=str(self.folder))
        self.driver = PosJournalDriver(settings, self.outbox, lambda: AT_MS)
        self.driver.open(self.report)

    def drain(self) -> None:
        poll_until(self.driver, lambda: not any(self.folder.glob("*.xml")))


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    spool = Spool(tmp_path)
    yield spool
    spool.driver.close()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not well-formed XML: no element found"),
        (b"PK\x03\x04" + bytes(range(256)) * 40, "not well-formed XML"),
        (b"<POSLog><Transaction>", "not well-formed XML"),
        (BOMB, "it declares a DTD, which is not allowed"),
        (
            b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
            "it declares a DTD, which is not allowed",
        ),
        (b"<html/>", "the root is 'html'"),
        (b"<a>" + b"<b/>" * 100_000 + b"</a>", "more than 60000 elements"),
    ],
)
def test_a_file_that_is_no_poslog_is_quarantined_with_its_reason(
    spool: Spool, caplog: pytest.LogCaptureFixture, content: bytes, reason: str
) -> None:
    (spool.folder / "0-bad.xml").write_bytes(content)
    spool.till.sell([COAT], AT_MS)
    (spool.folder / "zz.xml").write_bytes(content)
    spool.drain()
    assert (spool.quarantine / "0-bad.xml").read_bytes() == content
    told = (spool.quarantine / "0-bad.xml.reason.txt").read_text()
    assert told.startswith(reason)
    assert f"device till-1, spool {spool.folder}, 2026-03-14T14:53:20Z" in told
    assert len(spool.outbox.facts) == 1, "what comes after a bad file is taken"
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2
    assert all("\n" not in record.getMessage() for record in caplog.records)
    assert reason in caplog.messages[0]
    assert [health for health, _ in spool.report.said] == [
        "healthy",
        "degraded",
        "healthy",
        "degraded",
    ]
    assert reason in spool.report.detail


def test_a_huge_file_is_judged_by_its_size_alone(spool: Spool) -> None:
    with (spool.folder / "huge.xml").open("wb") as file:
        file.truncate(HUGE_BYTES)
    spool.drain()
    told = (spool.quarantine / "huge.xml.reason.txt").read_text()
    assert told.startswith(f"it has {HUGE_BYTES} bytes; at most 4194304 are read")


def test_what_is_no_file_is_quarantined_unread(spool: Spool, tmp_path: Path) -> None:
    os.mkfifo(spool.folder / "fifo.xml")
    (spool.folder / "folder.xml").mkdir()
    (spool.folder / "link.xml").symlink_to("/etc/passwd")
    (spool.folder / "loop.xml").symlink_to("loop.xml")
    poll_until(spool.driver, lambda: not any(spool.folder.iterdir()))
    for name in ("fifo.xml", "folder.xml", "link.xml", "loop.xml"):
        told = (spool.quarantine / f"{name}.reason.txt").read_text()
        assert told.startswith("it is no regular file"), name
    assert (spool.quarantine / "link.xml").is_symlink()


def test_files_of_one_name_are_all_kept(spool: Spool) -> None:
    for number in range(3):
        (spool.folder / "bad.xml").write_text(f"<{number}")
        spool.drain()
    kept = {path.name: path.read_text() for path in spool.quarantine.iterdir()}
    assert [kept[name] for name in ("bad.xml", "bad.xml.1", "bad.xml.2")] == ["<0", "<1", "<2"]
    assert len(kept) == 6


@pytest.mark.parametrize(
    "name",
    [b"\xff\xfe.xml", b"new\nline.xml", b"n" * 251 + b".xml", "ж".encode() * 120 + b".xml"],
)
def test_a_file_may_have_any_name(
    spool: Spool, caplog: pytest.LogCaptureFixture, name: bytes
) -> None:
    (spool.folder / os.fsdecode(name)).write_text("<")
    spool.drain()
    assert len(list(spool.quarantine.iterdir())) == 2
    (message,) = caplog.messages
    assert "\n" not in message
    message.encode()  # A log file can hold it.


def test_a_file_moved_back_is_tried_again(spool: Spool) -> None:
    spool.till.sell([COAT], AT_MS)
    (written,) = spool.folder.iterdir()
    content = written.read_bytes()
    written.write_bytes(content.replace(b"00614141999996", b"00614141999997"))
    spool.drain()
    assert "check digit should be 6" in spool.report.detail
    kept = spool.quarantine / written.name
    kept.write_bytes(content)
    kept.rename(spool.folder / written.name)
    spool.drain()
    assert len(spool.outbox.facts) == 1
    assert spool.report.now == "healthy"


def test_a_quarantine_on_another_disk_is_a_fault_that_leaves_nothing_behind(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    (spool.folder / "bad.xml").write_text("<")

    def other_disk(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(Path, "rename", other_disk)
    with pytest.raises(DeviceFault, match=r"till-1: spool .*cross-device"):
        spool.drain()
    assert list(spool.quarantine.iterdir()) == []
    assert (spool.folder / "bad.xml").exists()


def test_a_reason_without_its_file_keeps_its_name(tmp_path: Path) -> None:
    quarantine = Quarantine(tmp_path / "quarantine")
    quarantine.directory.mkdir()
    (quarantine.directory / "a.xml.reason.txt").write_text("of a file that a crash left behind")
    (tmp_path / "a.xml").write_text("<")
    assert quarantine.take(tmp_path / "a.xml", "bad").name == "a.xml.1"


def test_hostile_files_cost_little_memory(tmp_path: Path) -> None:
    """Peak memory of a process that reads the worst 4 MiB of each kind we know of."""
    folder = tmp_path / "till-1"
    folder.mkdir()
    mega = 4 * 1024 * 1024
    (folder / "a-elements.xml").write_bytes((b"<a>" + b"<b/>" * mega)[:mega])
    (folder / "b-deep.xml").write_bytes((b"<a>" * mega)[:mega])
    attributes = b"".join(b'a%x="" ' % number for number in range(380_000))
    (folder / "c-attributes.xml").write_bytes(b"<a " + attributes + b"/>")
    (folder / "d-text.xml").write_bytes(b"<a>" + b"x" * (mega - 7) + b"</a>")
    (folder / "e-bomb.xml").write_bytes(BOMB)
    with (folder / "f-huge.xml").open("wb") as file:
        file.truncate(HUGE_BYTES)
    program = Path(__file__).with_name("drain_spool.py")
    result = subprocess.run(
        [sys.executable, str(program), str(folder)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert not any(folder.iterdir())
    assert int(result.stdout) < MEMORY_MAX_MB
