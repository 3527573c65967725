"""The store's mirror: what it takes, what it asks for again, and what is to be expected by now."""

import random
from pathlib import Path

import pytest

from edge.errors import OutboxFailed
from edge.mirror.expected import NOTHING_PENDING, Pending, pending_effects
from edge.mirror.sqlite import MirrorFailed, SqliteMirror
from edge.mirror.stock import stock_lines
from edge.outbox.sqlite import SqliteOutbox
from protocol.facts import (
    AnyFact,
    DeviceHealthChanged,
    GoodsReceived,
    ReturnVoided,
    SaleVoided,
    ShelfCounted,
    StockCounted,
    TagsAppeared,
    TagsMoved,
    UnitsReturned,
    UnitsSold,
    Zone,
)
from protocol.updates import MirrorState, MirrorUpdate, ReorderSignal

GTIN = "00614141123452"
OTHER = "00614141000012"


def state(version: int, on_hand: int, gtin: str = GTIN) -> MirrorState:
    return MirrorState(
        gtin=gtin,
        version=version,
        measure="units",
        on_hand=on_hand,
        reserved=0,
        unavailable=0,
        incoming=0,
        on_order=0,
        as_of_ms=1_700_000_000_000,
    )


def update(
    previous: int, position: int, *states: MirrorState, epoch: int = 7, through_seq: int = 0
) -> MirrorUpdate:
    return MirrorUpdate(
        store="S001",
        previous_position=previous,
        position=position,
        epoch=epoch,
        through_seq=through_seq,
        states=list(states),
    )


def signal(revision: int, status: str, number: int = 1, gtin: str = GTIN) -> ReorderSignal:
    return ReorderSignal(
        store="S001",
        reorder_id=f"S001-{gtin}-{number}",
        revision=revision,
        gtin=gtin,
        status=status,  # type: ignore[arg-type] # The tests pass only the statuses there are.
        quantity=12,
        received=0,
    )


@pytest.fixture
def mirror(tmp_path: Path) -> SqliteMirror:
    return SqliteMirror(tmp_path / "mirror.db")


def on_hand(mirror: SqliteMirror, gtin: str = GTIN) -> int | None:
    states = mirror.states(gtin)
    return states[0].on_hand if states else None


# What the mirror takes.


def test_updates_in_order_make_the_newest_state(mirror: SqliteMirror) -> None:
    mirror.apply(update(0, 3, state(1, 10), through_seq=4))
    mirror.apply(update(3, 5, state(2, 9), through_seq=5))
    assert on_hand(mirror) == 9
    assert mirror.progress() == (5, 7, 5)
    assert not mirror.is_behind


def test_a_second_copy_of_an_older_update_changes_nothing(mirror: SqliteMirror) -> None:
    first, second = update(0, 3, state(1, 10)), update(3, 5, state(2, 9), through_seq=5)
    for each in (first, second, second):
        mirror.apply(each)
    mirror.apply(update(2, 4, state(1, 10)))
    assert on_hand(mirror) == 9
    assert mirror.progress() == (5, 7, 5)


def behind(mirror: SqliteMirror) -> bool:
    return mirror.is_behind


def test_after_a_gap_nothing_is_taken_until_the_gap_is_filled(mirror: SqliteMirror) -> None:
    mirror.apply(update(0, 3, state(1, 10), through_seq=1))
    mirror.apply(update(5, 6, state(3, 7), through_seq=3))
    assert behind(mirror)
    assert on_hand(mirror) == 10
    assert mirror.progress() == (3, 7, 1)
    mirror.apply(update(3, 6, state(3, 7), through_seq=3))
    assert not behind(mirror)
    assert on_hand(mirror) == 7


def test_an_empty_answer_ends_the_asking(mirror: SqliteMirror) -> None:
    mirror.reset()
    assert mirror.is_behind
    mirror.apply(update(0, 0))
    assert not mirror.is_behind


def test_a_cloud_that_starts_over_replaces_everything(mirror: SqliteMirror) -> None:
    mirror.apply(update(0, 90, state(50, 10), state(3, 4, OTHER)))
    mirror.apply(update(0, 8, state(2, 6), epoch=9, through_seq=1))
    assert on_hand(mirror) == 6
    assert on_hand(mirror, OTHER) is None
    assert mirror.progress() == (8, 9, 1)


def test_the_mirror_survives_a_restart(tmp_path: Path) -> None:
    first = SqliteMirror(tmp_path / "mirror.db")
    first.apply(update(0, 3, state(1, 10)))
    first.apply_signal(signal(1, "open"))
    first.close()
    second = SqliteMirror(tmp_path / "mirror.db")
    assert (second.position, on_hand(second)) == (3, 10)
    assert len(second.open_reorders()) == 1


def test_a_damaged_file_begins_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "mirror.db"
    path.write_bytes(random.Random(1).randbytes(8_192))
    assert SqliteMirror(path).position == 0
    assert len(caplog.records) == 1
    with pytest.raises(MirrorFailed):
        SqliteMirror(tmp_path / "absent.db", read_only=True)


# Reorders.


def test_a_reorder_is_open_until_it_is_received(mirror: SqliteMirror) -> None:
    mirror.apply_signal(signal(1, "open"))
    mirror.apply_signal(signal(2, "despatched"))
    assert [reorder.revision for reorder in mirror.open_reorders()] == [2]
    mirror.apply_signal(signal(3, "received"))
    assert mirror.open_reorders() == []


def test_a_late_copy_does_not_open_a_closed_reorder_again(mirror: SqliteMirror) -> None:
    for each in (signal(1, "open"), signal(2, "cancelled"), signal(1, "open")):
        mirror.apply_signal(each)
    assert mirror.open_reorders() == []


def test_only_the_last_closed_reorder_of_a_gtin_is_remembered(mirror: SqliteMirror) -> None:
    for number in range(1, 20):
        mirror.apply_signal(signal(1, "open", number))
        mirror.apply_signal(signal(2, "received", number))
    assert len(mirror._rows("SELECT 1 FROM reorders")) == 1


# What is to be expected.


def sold(quantity: int, gtin: str = GTIN) -> UnitsSold:
    return UnitsSold(
        occurred_at_ms=1,
        source="till-1",
        gtin=gtin,
        quantity=quantity,
        measure="units",
        transaction="T1",
        line=1,
    )


def returned(quantity: int) -> UnitsReturned:
    return UnitsReturned(
        occurred_at_ms=1,
        source="till-1",
        gtin=GTIN,
        quantity=quantity,
        measure="units",
        transaction="T2",
        line=1,
    )


def voided(kind: type[SaleVoided] | type[ReturnVoided], quantity: int) -> AnyFact:
    return kind(
        occurred_at_ms=1,
        source="till-1",
        gtin=GTIN,
        quantity=quantity,
        measure="units",
        transaction="T3",
        line=1,
        voided_transaction="T1",
    )


def received(quantity: int) -> GoodsReceived:
    return GoodsReceived(
        occurred_at_ms=1,
        source="dock",
        gtin=GTIN,
        quantity=quantity,
        measure="units",
        zone="backroom",
        evidence="portal",
    )


def counted(quantity: int) -> StockCounted:
    return StockCounted(
        occurred_at_ms=1,
        source="sweep",
        gtin=GTIN,
        quantity=quantity,
        measure="units",
        evidence="sweep",
    )


def moved(from_zone: Zone, to_zone: Zone, tags: int) -> TagsMoved:
    epcs = [bytes([index]) for index in range(1, tags + 1)]
    return TagsMoved(
        occurred_at_ms=1, source="tags", gtin=GTIN, from_zone=from_zone, to_zone=to_zone, epcs=epcs
    )


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ([sold(3)], 7),
        ([returned(2)], 12),
        ([voided(SaleVoided, 2)], 12),
        ([voided(ReturnVoided, 2)], 8),
        ([received(5)], 15),
        ([counted(4)], 4),
        ([sold(1), counted(4), sold(1)], 3),
        ([moved("backroom", "sales_floor", 3)], 10),
        ([moved("backroom", "transit", 3)], 7),
        ([moved("transit", "backroom", 3)], 13),
        ([moved("sales_floor", "exit", 3)], 10),
        ([sold(12)], -2),
    ],
)
def test_pending_facts_change_what_is_expected(facts: list[AnyFact], expected: int) -> None:
    assert pending_effects(facts).get(GTIN, NOTHING_PENDING).expected(10) == expected


def test_telemetry_and_evidence_change_nothing() -> None:
    facts: list[AnyFact] = [
        TagsAppeared(occurred_at_ms=1, source="t", gtin=GTIN, zone="backroom", epcs=[b"1"]),
        ShelfCounted(occurred_at_ms=1, source="s", gtin=GTIN, shelf="A", quantity=3, weight_g=9),
        DeviceHealthChanged(occurred_at_ms=1, source="d", health="lost", detail=""),
    ]
    effects = pending_effects(facts)
    assert effects.get(GTIN, NOTHING_PENDING).expected(10) == 10


def test_the_effect_of_a_count_does_not_depend_on_the_base() -> None:
    assert pending_effects([counted(4), sold(1)])[GTIN] == Pending(2, 4, -1)


# What `stock` shows.


@pytest.fixture
def outbox(tmp_path: Path) -> SqliteOutbox:
    return SqliteOutbox(
        tmp_path / "outbox.db",
        disk_budget_bytes=1_048_576,
        mint_epoch=lambda: 7,
        clock_ms=lambda: 1,
    )


def test_stock_shows_authoritative_counts_with_what_is_pending(
    tmp_path: Path, mirror: SqliteMirror, outbox: SqliteOutbox
) -> None:
    outbox.append([sold(1), sold(2), sold(1, OTHER)])
    mirror.apply(update(0, 3, state(1, 10), through_seq=1))
    lines = {line.gtin: line for line in stock_lines(outbox._path, tmp_path / "mirror.db", None)}
    outbox.close()
    assert (lines[GTIN].on_hand, lines[GTIN].pending, lines[GTIN].expected) == (10, 1, 8)
    assert lines[GTIN].as_of == "2023-11-14T22:13:20.000Z"
    assert (lines[OTHER].version, lines[OTHER].expected) == (0, -1)


def test_facts_of_a_new_epoch_are_all_pending(
    tmp_path: Path, mirror: SqliteMirror, outbox: SqliteOutbox
) -> None:
    outbox.append([sold(1), sold(2)])
    mirror.apply(update(0, 3, state(1, 10), epoch=6, through_seq=50))
    (line,) = stock_lines(outbox._path, tmp_path / "mirror.db", GTIN)
    outbox.close()
    assert line.expected == 7


def test_a_missing_outbox_is_one_clear_error(tmp_path: Path, mirror: SqliteMirror) -> None:
    with pytest.raises(OutboxFailed):
        list(stock_lines(tmp_path / "none.db", tmp_path / "mirror.db", None))
