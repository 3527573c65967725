"""Every outbox keeps the contract; the one in SQLite keeps it within its budget and on bad disks.

See `test_outbox_crash.py` for what a kill leaves.
"""

import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import apsw
import pytest

from edge.errors import OutboxFailed, OutboxFull
from edge.outbox import writer
from edge.outbox.sqlite import SqliteOutbox
from edge.outbox.view import OutboxView
from protocol.codec import decode_fact
from protocol.facts import (
    AnyFact,
    DeviceHealthChanged,
    FactsShed,
    GoodsReceived,
    TagsLeft,
    TagsMoved,
    UnitsSold,
)
from protocol.ids import Seq
from tests.contract.outbox_contract import GTIN, OutboxContract, facts_in, numbers_in, sale
from tests.disk_faults import FaultyDisk, faulty_disk
from tests.memory_outbox import MemoryOutbox

BUDGET_BYTES = 20_000
TELEMETRY = TagsLeft(
    occurred_at_ms=1, source="tags", gtin=GTIN, zone="backroom", epcs=[bytes(12)] * 20
)
MOVE = TagsMoved(
    occurred_at_ms=1,
    source="tags",
    gtin=GTIN,
    from_zone="backroom",
    to_zone="sales_floor",
    epcs=[bytes(12)] * 20,
)
RECEIPT_ON_PAPER = GoodsReceived(
    occurred_at_ms=1,
    source="till-1",
    gtin=GTIN,
    quantity=3,
    measure="units",
    zone="backroom",
    evidence="document",
    document="D-1",
)


def open_outbox(
    folder: Path, first_epoch: int = 1, on_failure: Callable[[str], None] | None = None
) -> SqliteOutbox:
    return SqliteOutbox(
        folder / "outbox.db",
        disk_budget_bytes=BUDGET_BYTES,
        mint_epoch=itertools.count(first_epoch).__next__,
        clock_ms=lambda: 5,
        on_failure=on_failure,
    )


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[SqliteOutbox]:
    opened = open_outbox(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def disk() -> Iterator[FaultyDisk]:
    with faulty_disk() as disk:
        yield disk


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    moment = threading.Event()
    while not condition():
        assert time.monotonic() < deadline
        moment.wait(0.005)


def append_for_ever(outbox: SqliteOutbox) -> None:
    for number in itertools.count(100):
        outbox.append([sale(number)])


def fill_with(outbox: SqliteOutbox, fact: AnyFact) -> int:
    for admitted in range(10_000):
        try:
            outbox.append([fact])
        except OutboxFull:
            return admitted
    raise AssertionError("the outbox has no bound")


class TestMemoryOutbox(OutboxContract):
    @pytest.fixture
    def outbox(self) -> MemoryOutbox:
        return MemoryOutbox()


class TestSqliteOutbox(OutboxContract):
    pass


# What it finds again.


def test_numbers_are_never_given_again_even_after_everything_was_forgotten(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path)
    outbox.append([sale(1), sale(2)])
    outbox.trim(outbox.status().epoch, Seq(2))
    outbox.close()
    outbox = open_outbox(tmp_path, first_epoch=9)
    outbox.append([sale(3)])
    status = outbox.status()
    outbox.close()
    assert (status.epoch, status.first_seq, status.next_seq) == (1, 3, 4)


def test_an_acknowledgement_reaches_the_disk_without_another_append(
    outbox: SqliteOutbox, tmp_path: Path
) -> None:
    outbox.append([sale(1), sale(2)])
    outbox.trim(outbox.status().epoch, Seq(1))
    wait_until(lambda: [seq for seq, _ in pending_on_disk(tmp_path)] == [2])
    assert outbox.status().pending_bytes < 2 * 80


def pending_on_disk(folder: Path) -> list[tuple[int, AnyFact]]:
    view = OutboxView(folder / "outbox.db")
    try:
        return list(view.pending())
    finally:
        view.close()


def test_facts_and_checkpoints_are_found_again_in_the_epoch_that_was_started(
    tmp_path: Path,
) -> None:
    outbox = open_outbox(tmp_path)
    outbox.append([sale(1), sale(2), sale(3)], {"tag/aa": b"1"})
    outbox.start_epoch(Seq(3))
    outbox.close()
    outbox = open_outbox(tmp_path, first_epoch=9)
    assert (outbox.status().epoch, facts_in(outbox)) == (2, [sale(3)])
    assert outbox.checkpoints("tag/") == {"tag/aa": b"1"}
    outbox.close()


def test_renumbering_many_facts_keeps_their_order(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path)
    outbox.append([sale(number) for number in range(1, 5_001)])
    outbox.start_epoch(Seq(2))
    assert numbers_in(outbox) == list(range(1, 5_000))
    assert facts_in(outbox) == [sale(number) for number in range(2, 5_001)]
    outbox.close()


def test_a_fact_is_durable_before_anybody_is_told(outbox: SqliteOutbox, tmp_path: Path) -> None:
    seen: list[int] = []
    outbox.on_append(lambda: seen.append(len(pending_on_disk(tmp_path))))
    outbox.append([sale(1)])
    wait_until(lambda: bool(seen))
    assert seen == [1]


def test_a_fact_that_the_cloud_would_refuse_is_refused_where_it_was_made(
    outbox: SqliteOutbox,
) -> None:
    bad = UnitsSold(
        occurred_at_ms=1,
        source="till-1",
        gtin=GTIN,
        quantity=0,
        measure="units",
        transaction="1",
        line=1,
    )
    with pytest.raises(ValueError, match=r"UnitsSold: .*>= 1"):
        outbox.append([sale(1), bad])
    assert facts_in(outbox) == []


# The disk budget.


def test_telemetry_is_refused_before_anything_else_and_a_sale_never(outbox: SqliteOutbox) -> None:
    telemetry = fill_with(outbox, TELEMETRY)
    moves = fill_with(outbox, MOVE)
    for number in range(400):
        outbox.append([sale(number)])
    outbox.append([RECEIPT_ON_PAPER])
    facts = facts_in(outbox)
    assert telemetry > 0
    assert moves > 0
    assert facts.count(MOVE) == moves
    assert sum(isinstance(fact, UnitsSold) for fact in facts) == 400
    assert TELEMETRY not in facts


def test_shed_telemetry_keeps_its_numbers(outbox: SqliteOutbox) -> None:
    fill_with(outbox, TELEMETRY)
    fill_with(outbox, MOVE)
    facts = facts_in(outbox)
    assert numbers_in(outbox) == list(range(1, len(facts) + 1))
    assert any(isinstance(fact, FactsShed) for fact in facts)


def test_facts_that_belong_together_are_never_split(outbox: SqliteOutbox) -> None:
    fill_with(outbox, MOVE)
    before = outbox.status().next_seq
    with pytest.raises(OutboxFull):
        outbox.append([TELEMETRY, MOVE], {"tag/aa": b"1"})
    assert outbox.status().next_seq == before
    assert outbox.checkpoints("tag/") == {}
    outbox.append([TELEMETRY, sale(1)], {"tag/aa": b"1"})
    assert outbox.status().next_seq == before + 2
    assert outbox.checkpoints("tag/") == {"tag/aa": b"1"}


def test_a_checkpoint_without_facts_is_always_taken(outbox: SqliteOutbox) -> None:
    fill_with(outbox, MOVE)
    outbox.append([], {"tag/aa": b"1"})
    assert outbox.checkpoints("tag/") == {"tag/aa": b"1"}


def test_what_was_shed_is_told_when_there_is_room_again(outbox: SqliteOutbox) -> None:
    fill_with(outbox, TELEMETRY)
    assert outbox.status().telemetry_shed == 1
    outbox.trim(outbox.status().epoch, Seq(outbox.status().next_seq - 1))
    outbox.append([sale(1)])
    outbox.append([sale(2)])
    marker = FactsShed(occurred_at_ms=5, source="outbox", telemetry=1, stock=0)
    assert facts_in(outbox).count(marker) == 1
    assert outbox.status().telemetry_shed == 0


def test_what_was_shed_is_told_and_announced_without_another_append(outbox: SqliteOutbox) -> None:
    fill_with(outbox, TELEMETRY)
    told = threading.Event()
    outbox.on_append(told.set)
    outbox.trim(outbox.status().epoch, Seq(outbox.status().next_seq - 1))
    assert told.wait(10)
    assert [type(fact) for fact in facts_in(outbox)] == [FactsShed]


def test_a_stock_fact_that_is_offered_again_was_never_shed(outbox: SqliteOutbox) -> None:
    fill_with(outbox, MOVE)
    for _ in range(5):
        with pytest.raises(OutboxFull):
            outbox.append([MOVE, TELEMETRY])
    assert outbox.status().stock_shed == 0
    assert outbox.status().telemetry_shed == 5


def test_what_was_shed_is_not_forgotten_by_a_restart(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path)
    fill_with(outbox, TELEMETRY)
    outbox.close()
    outbox = open_outbox(tmp_path)
    outbox.trim(outbox.status().epoch, Seq(outbox.status().next_seq - 1))
    outbox.append([sale(1)])
    marker = FactsShed(occurred_at_ms=5, source="outbox", telemetry=1, stock=0)
    assert marker in facts_in(outbox)
    outbox.close()


def test_shedding_many_small_facts_for_one_large_append_stays_within_the_budget(
    tmp_path: Path,
) -> None:
    outbox = SqliteOutbox(
        tmp_path / "outbox.db",
        disk_budget_bytes=300_000,
        mint_epoch=lambda: 1,
        clock_ms=lambda: 5,
    )
    small = DeviceHealthChanged(
        occurred_at_ms=1, source="reader-with-a-name", health="degraded", detail="x" * 30
    )
    outbox.append([small] * 2_000)
    outbox.append([MOVE] * 560)
    with pytest.raises(OutboxFull):
        outbox.append([MOVE] * 400)
    assert outbox.status().pending_bytes <= 300_000
    outbox.close()


# Disks that fail.


def test_a_full_disk_refuses_everything_and_loses_nothing(disk: FaultyDisk, tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path)
    outbox.append([sale(1)])
    disk.is_full = True
    for _ in range(3):
        with pytest.raises(OutboxFull, match="disk is full"):
            outbox.append([sale(2)], {"tag/aa": b"1"})
    disk.is_full = False
    outbox.append([sale(2)])
    assert facts_in(outbox) == [sale(1), sale(2)]
    assert numbers_in(outbox) == [1, 2]
    assert outbox.checkpoints("tag/") == {}
    outbox.close()


def test_an_acknowledgement_that_meets_a_full_disk_is_kept_for_later(
    disk: FaultyDisk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "TRIM_DELAY_S", 0.01)
    outbox = open_outbox(tmp_path)
    outbox.append([sale(1), sale(2)])
    disk.is_full = True
    outbox.trim(outbox.status().epoch, Seq(1))
    with pytest.raises(OutboxFull):
        outbox.append([sale(3)])
    disk.is_full = False
    wait_until(lambda: [seq for seq, _ in pending_on_disk(tmp_path)] == [2])
    outbox.close()


def test_a_full_disk_is_logged_once_until_there_is_room(
    disk: FaultyDisk, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    outbox = open_outbox(tmp_path)
    disk.is_full = True
    with caplog.at_level(logging.WARNING):
        for _ in range(5):
            with pytest.raises(OutboxFull):
                outbox.append([sale(1)])
    disk.is_full = False
    outbox.close()
    assert len(caplog.records) == 1


def test_closing_on_a_full_disk_ends_and_releases_the_file(
    disk: FaultyDisk, tmp_path: Path
) -> None:
    outbox = open_outbox(tmp_path)
    outbox.append([sale(1)])
    disk.is_full = True
    outbox.trim(outbox.status().epoch, Seq(1))
    outbox.close()
    disk.is_full = False
    open_outbox(tmp_path).close()


@pytest.mark.parametrize("ending", ["-wal", ".db"])
def test_after_a_failed_fsync_nothing_is_promised_any_more(
    disk: FaultyDisk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    monkeypatch.setattr(writer, "LOG_PAGES_MAX", 1)
    failures: list[str] = []
    outbox = open_outbox(tmp_path, on_failure=failures.append)
    outbox.append([sale(1)])
    disk.sync_fails_on = ending
    with pytest.raises(OutboxFailed):
        append_for_ever(outbox)
    failed_syncs = disk.failed_syncs
    disk.sync_fails_on = None
    for _ in range(3):
        with pytest.raises(OutboxFailed):
            outbox.append([sale(2)])
    with pytest.raises(OutboxFailed):
        outbox.start_epoch(Seq(1))
    assert (len(failures), failed_syncs) == (1, 1)
    outbox.close()


def test_everybody_who_waits_is_told_of_a_failure(disk: FaultyDisk, tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path)
    disk.sync_fails_on = "-wal"
    outcomes: list[str] = []

    def append() -> None:
        try:
            outbox.append([sale(1)])
        except OutboxFailed as error:
            outcomes.append(str(error))

    threads = [threading.Thread(target=append) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(outcomes) == 20
    outbox.close()


def test_a_failure_that_nobody_foresaw_leaves_nobody_waiting(tmp_path: Path) -> None:
    failures: list[str] = []
    outbox = open_outbox(tmp_path, on_failure=failures.append)

    def notify() -> None:
        raise RuntimeError("a listener is broken")

    outbox.on_append(notify)
    outbox.append([sale(1)])  # It is durable, whatever the listener does.
    with pytest.raises(OutboxFailed, match="listener is broken"):
        outbox.append([sale(2)])
    assert len(failures) == 1
    outbox.close()


def test_after_closing_an_append_is_refused_and_never_waits(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path)
    outbox.close()
    outbox.close()
    with pytest.raises(OutboxFailed, match="closed"):
        outbox.append([sale(1)])


def test_appends_that_race_with_closing_are_durable_or_refused(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path)
    durable: list[int] = []

    def append(thread: int) -> None:
        for number in range(100):
            try:
                outbox.append([sale(1000 * thread + number)])
            except OutboxFailed:
                return
            durable.append(1000 * thread + number)

    threads = [threading.Thread(target=append, args=(thread,)) for thread in range(8)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(durable) > 20)
    outbox.close()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
    stored = [fact.occurred_at_ms for _, fact in pending_on_disk(tmp_path)]
    assert sorted(stored) == sorted(durable)


# Who may open it.


def test_a_second_agent_on_the_same_outbox_is_refused(outbox: SqliteOutbox, tmp_path: Path) -> None:
    outbox.append([sale(1)])
    with pytest.raises(OutboxFailed, match="another agent"):
        open_outbox(tmp_path)


def test_an_outbox_that_cannot_be_opened_does_not_stay_locked(tmp_path: Path) -> None:
    open_outbox(tmp_path).close()
    connection = apsw.Connection(str(tmp_path / "outbox.db"))
    connection.execute("PRAGMA user_version=99")
    with pytest.raises(OutboxFailed, match="newer release"):
        open_outbox(tmp_path)
    connection.execute("PRAGMA user_version=2")
    connection.close()
    open_outbox(tmp_path).close()


def test_a_file_that_is_no_database_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "outbox.db").write_bytes(b"this is a letter to the bank" * 100)
    with pytest.raises(OutboxFailed, match=r"outbox\.db"):
        open_outbox(tmp_path)


def test_the_outbox_of_the_first_release_is_opened_with_its_facts(tmp_path: Path) -> None:
    connection = apsw.Connection(str(tmp_path / "outbox.db"))
    script = Path(writer.__file__).parent / "migrations" / "0001_outbox.sql"
    connection.execute(script.read_text())
    connection.execute("INSERT INTO life VALUES (1, 7, 4)")
    connection.execute("PRAGMA user_version=1")
    connection.close()
    outbox = open_outbox(tmp_path)
    assert (outbox.status().epoch, outbox.status().next_seq) == (7, 4)
    outbox.close()


def test_a_view_shows_what_is_pending_while_the_agent_runs(
    outbox: SqliteOutbox, tmp_path: Path
) -> None:
    outbox.append([sale(1), sale(2)])
    view = OutboxView(tmp_path / "outbox.db")
    outbox.append([sale(3)])  # After the look: not in it.
    assert [(seq, fact) for seq, fact in view.pending()] == [(1, sale(1)), (2, sale(2))]
    assert (view.epoch, view.next_seq) == (1, 3)
    view.close()
    assert decode_fact(outbox.read(Seq(2), 1, 1)[0].data) == sale(3)
