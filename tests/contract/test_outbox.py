"""The outbox: durable, numbered, bounded. See `test_outbox_crash.py` for what a crash leaves."""

import itertools
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.errors import OutboxFailed, OutboxFull
from edge.outbox.sqlite import SqliteOutbox
from edge.outbox.view import OutboxView
from protocol.codec import decode_fact
from protocol.facts import AnyFact, FactsShed, TagsLeft, TagsMoved, UnitsSold
from protocol.ids import Seq

GTIN = "00614141123452"
BUDGET_BYTES = 20_000


def sale(number: int) -> UnitsSold:
    return UnitsSold(
        occurred_at_ms=number,
        source="till-1",
        gtin=GTIN,
        quantity=1,
        measure="units",
        transaction=f"1/2026-11-24/{number}",
        line=1,
    )


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


def open_outbox(folder: Path, first_epoch: int = 1) -> SqliteOutbox:
    return SqliteOutbox(
        folder / "outbox.db",
        disk_budget_bytes=BUDGET_BYTES,
        mint_epoch=itertools.count(first_epoch).__next__,
        clock_ms=lambda: 5,
    )


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[SqliteOutbox]:
    opened = open_outbox(tmp_path)
    yield opened
    opened.close()


def facts_in(outbox: SqliteOutbox) -> list[AnyFact]:
    return [decode_fact(pending.data) for pending in outbox.read(Seq(0), 10_000, 10_000_000)]


def fill_with(outbox: SqliteOutbox, fact: AnyFact) -> int:
    for admitted in range(10_000):
        try:
            outbox.append([fact])
        except OutboxFull:
            return admitted
    raise AssertionError("the outbox has no bound")


def test_facts_are_numbered_from_one_without_gaps(outbox: SqliteOutbox) -> None:
    outbox.append([sale(1), sale(2)])
    outbox.append([sale(3)])
    pending = outbox.read(Seq(0), 10, 100_000)
    assert [fact.seq for fact in pending] == [1, 2, 3]
    assert [decode_fact(fact.data) for fact in pending] == [sale(1), sale(2), sale(3)]


def test_a_read_is_bounded_by_count_and_bytes_but_gives_at_least_one(outbox: SqliteOutbox) -> None:
    outbox.append([sale(number) for number in range(10)])
    assert [fact.seq for fact in outbox.read(Seq(4), 2, 100_000)] == [5, 6]
    assert [fact.seq for fact in outbox.read(Seq(4), 10, 1)] == [5]


def test_what_was_acknowledged_is_forgotten_and_its_numbers_never_given_again(
    tmp_path: Path,
) -> None:
    outbox = open_outbox(tmp_path)
    outbox.append([sale(1), sale(2)])
    outbox.trim(outbox.status().epoch, Seq(2))
    assert outbox.status().pending == 0
    outbox.close()
    outbox = open_outbox(tmp_path, first_epoch=9)
    outbox.append([sale(3)])
    assert (outbox.status().epoch, outbox.status().first_seq) == (1, 3)
    outbox.close()


def test_an_acknowledgement_of_another_epoch_forgets_nothing(outbox: SqliteOutbox) -> None:
    outbox.append([sale(1)])
    outbox.trim(outbox.status().epoch, Seq(0))
    outbox.start_epoch(Seq(1))
    outbox.trim(outbox.status().epoch - 1, Seq(1))  # type: ignore[arg-type] # An epoch is a number.
    assert outbox.status().pending == 1


def test_a_new_epoch_keeps_what_was_not_delivered_and_numbers_it_from_one(
    outbox: SqliteOutbox,
) -> None:
    outbox.append([sale(number) for number in range(1, 6)])
    epoch = outbox.start_epoch(Seq(4))
    assert epoch == 2
    assert [fact.seq for fact in outbox.read(Seq(0), 10, 100_000)] == [1, 2]
    assert facts_in(outbox) == [sale(4), sale(5)]
    outbox.append([sale(6)])
    assert outbox.status().next_seq == 4


def test_a_new_epoch_with_nothing_to_keep_begins_at_one(outbox: SqliteOutbox) -> None:
    outbox.append([sale(1), sale(2)])
    outbox.start_epoch(Seq(3))
    outbox.append([sale(3)])
    assert [fact.seq for fact in outbox.read(Seq(0), 10, 100_000)] == [1]


def test_checkpoints_commit_with_their_facts_and_outlive_them(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path)
    outbox.append([sale(1)], {"tag/aa": b"1", "tag/ab": b"2", "other": b"3"})
    outbox.append([], {"tag/aa": None})
    outbox.trim(outbox.status().epoch, Seq(1))
    outbox.close()
    outbox = open_outbox(tmp_path)
    assert outbox.checkpoints("tag/") == {"tag/ab": b"2"}
    outbox.close()


def test_concurrent_appends_are_all_stored_once_and_in_one_sequence(outbox: SqliteOutbox) -> None:
    def append_some(thread: int) -> None:
        for number in range(10):
            outbox.append([sale(100 * thread + number)])

    threads = [threading.Thread(target=append_some, args=(thread,)) for thread in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pending = outbox.read(Seq(0), 1_000, 1_000_000)
    assert [fact.seq for fact in pending] == list(range(1, 81))
    assert len({fact.data for fact in pending}) == 80


def test_the_uplink_is_told_after_a_fact_is_durable(outbox: SqliteOutbox, tmp_path: Path) -> None:
    seen: list[int] = []
    outbox.on_append(lambda: seen.append(len(list(OutboxView(tmp_path / "outbox.db").pending()))))
    outbox.append([sale(1)])
    deadline = time.monotonic() + 5
    while not seen:
        assert time.monotonic() < deadline
    assert seen == [1]


def test_telemetry_is_refused_before_anything_else_and_a_sale_never(outbox: SqliteOutbox) -> None:
    telemetry = fill_with(outbox, TELEMETRY)
    moves = fill_with(outbox, MOVE)
    for number in range(400):
        outbox.append([sale(number)])
    facts = facts_in(outbox)
    assert telemetry > 0
    assert moves > 0
    assert facts.count(MOVE) == moves
    assert sum(isinstance(fact, UnitsSold) for fact in facts) == 400
    assert TELEMETRY not in facts
    assert outbox.status().telemetry_shed == 1
    assert outbox.status().stock_shed == 1


def test_shed_telemetry_keeps_its_numbers(outbox: SqliteOutbox) -> None:
    fill_with(outbox, TELEMETRY)
    fill_with(outbox, MOVE)
    pending = outbox.read(Seq(0), 10_000, 10_000_000)
    assert [fact.seq for fact in pending] == list(range(1, len(pending) + 1))
    assert any(isinstance(decode_fact(fact.data), FactsShed) for fact in pending)


def test_what_was_shed_is_told_when_there_is_room_again(outbox: SqliteOutbox) -> None:
    fill_with(outbox, TELEMETRY)
    outbox.trim(outbox.status().epoch, Seq(outbox.status().next_seq - 1))
    outbox.append([sale(1)])
    outbox.append([sale(2)])
    marker = FactsShed(occurred_at_ms=5, source="outbox", telemetry=1, stock=0)
    assert facts_in(outbox).count(marker) == 1
    assert outbox.status().telemetry_shed == 0


def test_a_second_agent_on_the_same_outbox_is_refused(outbox: SqliteOutbox, tmp_path: Path) -> None:
    outbox.append([sale(1)])
    with pytest.raises(OutboxFailed, match="another agent"):
        open_outbox(tmp_path)


def test_an_outbox_of_a_newer_release_is_refused(outbox: SqliteOutbox, tmp_path: Path) -> None:
    outbox._db.execute("PRAGMA user_version=99")
    outbox.close()
    with pytest.raises(OutboxFailed, match="newer release"):
        open_outbox(tmp_path)


def test_after_a_failed_write_nothing_is_promised_any_more(tmp_path: Path) -> None:
    failures: list[str] = []
    outbox = SqliteOutbox(
        tmp_path / "outbox.db",
        disk_budget_bytes=BUDGET_BYTES,
        mint_epoch=lambda: 1,
        clock_ms=lambda: 5,
        on_failure=failures.append,
    )
    outbox._db.execute("DROP TABLE facts")
    with pytest.raises(OutboxFailed):
        outbox.append([sale(1)])
    with pytest.raises(OutboxFailed):
        outbox.append([sale(2)])
    assert len(failures) == 1
    outbox.close()
