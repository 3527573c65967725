"""A till's documents become facts, each once, in the order of their names."""

import logging
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import date
from pathlib import Path

import msgspec
import pytest

from edge.devices import pos_journal, taken_documents
from edge.devices.driver import POLL_MAX_MS
from edge.devices.pos_journal import PosJournalDriver
from edge.devices.pos_journal_settings import PosJournalSettings
from edge.devices.taken_documents import TakenDocuments
from edge.errors import DeviceFault
from protocol.facts import GoodsReceived, SaleVoided, StockCounted, UnitsReturned, UnitsSold
from simulators.devices.till import Till, TillItem
from tests.device_fakes import Crash, MemoryOutbox, RememberingReport, poll_until

COAT = TillItem("00614141999996", 1)
AT_MS = 1_773_500_000_000
SLACK_S = 1.0
"""What a busy test machine may add to a bound."""


class Lane:
    """A till, its spool, and whatever driver reads it at the moment."""

    def __init__(self, folder: Path) -> None:
        self.spool = folder / "till-1"
        self.till = Till(spool=self.spool, workstation="3", business_day=date(2026, 3, 14))
        self.outbox = MemoryOutbox()
        self.report = RememberingReport()
        self.settings = PosJournalSettings(name="till-1", spool=str(self.spool))
        self.driver: PosJournalDriver | None = None

    def start(self, **changes: object) -> PosJournalDriver:
        self.stop()
        self.settings = msgspec.structs.replace(self.settings, **changes)
        self.driver = PosJournalDriver(self.settings, self.outbox, lambda: AT_MS)
        self.driver.open(self.report)
        return self.driver

    def stop(self) -> None:
        if self.driver is not None:
            self.driver.close()
            self.driver = None

    def documents(self) -> list[str]:
        return sorted(path.name for path in self.spool.glob("*.xml"))

    def drain(self) -> None:
        assert self.driver is not None
        poll_until(self.driver, lambda: not self.documents())


@pytest.fixture
def lane(tmp_path: Path) -> Iterator[Lane]:
    lane = Lane(tmp_path)
    yield lane
    lane.stop()


def test_everything_a_till_does_becomes_facts_in_order(lane: Lane) -> None:
    sold = lane.till.sell([COAT], AT_MS)
    lane.till.refund([COAT], AT_MS + 1, original=sold)
    lane.till.void(sold, AT_MS + 2)
    lane.till.count([COAT], AT_MS + 3)
    lane.till.receive([COAT], AT_MS + 4, "DN-7")
    lane.start(receiving_zone="sales_floor")
    lane.drain()
    kinds = [UnitsSold, UnitsReturned, SaleVoided, StockCounted, GoodsReceived]
    assert [type(fact) for fact in lane.outbox.facts] == kinds
    assert [fact.occurred_at_ms for fact in lane.outbox.facts] == [AT_MS + n for n in range(5)]
    assert {fact.source for fact in lane.outbox.facts} == {"till-1"}
    received = lane.outbox.facts[-1]
    assert isinstance(received, GoodsReceived)
    assert received.zone == "sales_floor"
    assert (lane.report.readings, lane.report.facts) == (5, 5)
    assert lane.report.now == "healthy"


def test_a_document_that_comes_later_ends_the_wait(
    lane: Lane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pos_journal, "WAIT_MS", 60_000)  # No scan would find it in time.
    driver = lane.start()
    with ThreadPoolExecutor(1) as other:
        polled = other.submit(driver.poll)
        while not polled.done():  # The watch begins at some time in the poll.
            lane.till.sell([COAT], AT_MS)
            wait([polled], timeout=0.1)
        polled.result(timeout=0)
    assert lane.outbox.facts


def test_a_poll_of_an_empty_spool_returns_in_time(lane: Lane) -> None:
    driver = lane.start()
    started = time.monotonic()
    for _ in range(3):
        driver.poll()
    assert time.monotonic() - started < 3 * POLL_MAX_MS / 1000 + SLACK_S


def test_a_lost_notification_delays_a_document_but_never_loses_it(lane: Lane) -> None:
    driver = lane.start()
    assert driver._watch is not None
    driver._watch.close()  # From now on it notices nothing.
    lane.till.sell([COAT], AT_MS)
    driver.poll()
    assert len(lane.outbox.facts) == 1


def test_a_file_that_is_still_being_written_is_left_alone(lane: Lane) -> None:
    (lane.spool / ".later.xml.tmp").write_text("<half")
    (lane.spool / ".later.xml").write_text("<half")
    (lane.spool / "later.tmp").write_text("<half")
    driver = lane.start()
    driver.poll()
    assert lane.outbox.facts == []
    assert len(list(lane.spool.iterdir())) == 3


@pytest.mark.parametrize("count", [1, 100])
def test_documents_that_wait_are_recorded_in_few_appends(lane: Lane, count: int) -> None:
    for _ in range(count):
        lane.till.sell([COAT], AT_MS)
    lane.start()
    lane.drain()
    assert len(lane.outbox.facts) == count
    assert lane.outbox.appends == -(-count // 32)


def test_a_full_outbox_leaves_the_documents_where_they_are(lane: Lane) -> None:
    for _ in range(3):
        lane.till.sell([COAT], AT_MS)
    before = lane.documents()
    driver = lane.start()
    lane.outbox.full = True
    driver.poll()
    driver.poll()
    assert lane.documents() == before
    assert lane.report.said[-1] == ("degraded", "the outbox is full; 3 files wait")
    lane.outbox.full = False
    lane.drain()
    assert [fact.transaction for fact in lane.outbox.facts if isinstance(fact, UnitsSold)] == [
        f"3/2026-03-14/{sequence}" for sequence in (1, 2, 3)
    ]
    assert lane.report.now == "healthy"


@pytest.mark.parametrize("act", ["sell", "receive"])
def test_a_crash_before_the_outbox_is_durable_loses_nothing(lane: Lane, act: str) -> None:
    write(lane.till, act)
    driver = lane.start()
    lane.outbox.crash = "before"
    with pytest.raises(Crash):
        driver.poll()
    lane.outbox.crash = None
    lane.start()
    lane.drain()
    assert len(lane.outbox.facts) == 1


def test_a_sale_read_twice_after_a_crash_has_one_business_key(lane: Lane) -> None:
    lane.till.sell([COAT], AT_MS)
    crash_between_append_and_delete(lane)
    lane.start()
    lane.drain()
    first, second = lane.outbox.facts
    assert first == second


@pytest.mark.parametrize("act", ["count", "receive"])
def test_a_stock_document_read_twice_after_a_crash_is_told_once(lane: Lane, act: str) -> None:
    write(lane.till, act)
    crash_between_append_and_delete(lane)
    lane.start()
    lane.drain()
    assert len(lane.outbox.facts) == 1


def test_a_stock_document_dropped_again_later_is_told_once(lane: Lane) -> None:
    write(lane.till, "receive")
    (name,) = lane.documents()
    content = (lane.spool / name).read_bytes()
    lane.start()
    lane.drain()
    (lane.spool / "again.xml").write_bytes(content)
    (lane.spool / "and-again.xml").write_bytes(content)
    lane.drain()
    assert len(lane.outbox.facts) == 1
    assert lane.report.now == "healthy"


def test_a_stock_document_that_changed_is_refused(lane: Lane) -> None:
    write(lane.till, "receive")
    (name,) = lane.documents()
    content = (lane.spool / name).read_bytes()
    lane.start()
    lane.drain()
    (lane.spool / name).write_bytes(content.replace(b">1</Quantity", b">9</Quantity"))
    lane.drain()
    assert len(lane.outbox.facts) == 1
    assert "taken before with another content" in lane.report.detail


def test_the_oldest_stock_documents_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(taken_documents, "DOCUMENTS_REMEMBERED_MAX", 2)
    outbox = MemoryOutbox()
    for number in range(4):
        taken = TakenDocuments(outbox, "till-1")
        document = {f"count/{number}": b"digest"}
        outbox.append([], taken.checkpoints(document))
        taken.committed(document)
    assert set(outbox.stored) == {"document/till-1/count/2", "document/till-1/count/3"}
    reopened = TakenDocuments(outbox, "till-1")
    assert [reopened.digest_of(f"count/{n}") for n in range(4)] == [
        None,
        None,
        b"digest",
        b"digest",
    ]


def test_taken_documents_are_kept_where_the_settings_say(lane: Lane, tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    lane.start(archive=str(archive))
    for _ in range(2):
        (lane.spool / "same.xml").write_bytes(
            b'<POSLog xmlns="http://www.nrf-arts.org/IXRetail/namespace/"/>'
        )
        lane.drain()
    assert sorted(path.name for path in archive.iterdir()) == ["same.xml", "same.xml.1"]


def test_a_spool_that_disappears_is_a_device_fault_and_is_made_again(lane: Lane) -> None:
    driver = lane.start()
    lane.spool.rmdir()
    with pytest.raises(DeviceFault, match=r"till-1: .*till-1"):
        poll_until(driver, lambda: False)
    lane.start()
    assert lane.spool.is_dir()


def test_a_spool_that_is_not_writable_is_a_fault_before_anything_is_recorded(
    lane: Lane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # The superuser may write anywhere.
    lane.till.sell([COAT], AT_MS)
    with pytest.raises(DeviceFault, match="it must be writable"):
        lane.start()
    assert lane.outbox.facts == []


def test_a_spool_that_cannot_be_made_is_one_clear_fault(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    settings = PosJournalSettings(name="till-1", spool=str(tmp_path / "file" / "spool"))
    driver = PosJournalDriver(settings, MemoryOutbox(), lambda: AT_MS)
    with pytest.raises(DeviceFault, match=r"till-1: spool .*Not a directory"):
        driver.open(RememberingReport())
    driver.close()


@pytest.mark.parametrize(
    ("toml", "problem"),
    [
        ('name = "t"\nspool = "s"\ntime_zone = "Mars/Olympus"', "use an IANA name"),
        ('name = "a/b"\nspool = "s"', "regex"),
        ('name = "t"\nspool = "s"\nspol = "x"', "unknown field `spol`"),
        ('name = "t"\nspool = ""', "length >= 1 - at `\\$.spool`"),
        ('name = "t"\nspool = "s"\nfile_bytes_max = 0', "file_bytes_max"),
        ('name = "t"\nspool = "s"\nreceiving_zone = "roof"', "receiving_zone"),
    ],
)
def test_a_wrong_setting_is_named(toml: str, problem: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=problem):
        msgspec.toml.decode(toml, type=PosJournalSettings)


def test_watching_logs_no_line_for_each_document(
    lane: Lane, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    lane.start()
    lane.till.sell([COAT], AT_MS)
    lane.drain()
    assert caplog.records == []


def write(till: Till, act: str) -> None:
    acts: dict[str, Callable[[], str]] = {
        "sell": lambda: till.sell([COAT], AT_MS),
        "count": lambda: till.count([COAT], AT_MS),
        "receive": lambda: till.receive([COAT], AT_MS, "DN-7"),
    }
    acts[act]()


def crash_between_append_and_delete(lane: Lane) -> None:
    driver = lane.start()
    lane.outbox.crash = "after"
    with pytest.raises(Crash):
        driver.poll()
    lane.outbox.crash = None
    assert len(lane.documents()) == 1
