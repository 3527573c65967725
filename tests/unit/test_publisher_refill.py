"""The refill reads everything that changed after a position, in pages that never skip a row."""

from collections.abc import Iterator

import pytest

from cloud.journal.memory import MemoryJournal
from cloud.journal.rows import (
    JournalWrite,
    ReorderRow,
    StateRow,
    StoreRow,
    encode_reorder,
    encode_state,
)
from cloud.publisher.refill import PAGE_ROWS, Page, Refill
from cloud.sku_location.state import Cause, Policy, Reorder, SkuLocation
from protocol.topics import Topics

TOPICS = Topics()
CAUSE = Cause(kind="UnitsSold", epoch=1, seq=1, occurred_at_ms=0)


def state_row(store: str, number: int, position: int) -> StateRow:
    gtin = f"{number:014d}"
    state = SkuLocation(store=store, gtin=gtin, version=1, measure="units", cause=CAUSE)
    return StateRow(store, gtin, position, encode_state(state))


def reorder_row(number: int, position: int, status: str) -> ReorderRow:
    reorder = Reorder(
        number=number,
        revision=1,
        status=status,  # type: ignore[arg-type] # The tests name only statuses that exist.
        quantity=1,
        received=0,
        opened_at_ms=0,
        updated_at_ms=0,
    )
    return ReorderRow("S001", f"{7:014d}", number, position, "units", encode_reorder(reorder))


def journal_of(states: list[StateRow], reorders: list[ReorderRow] | None = None) -> MemoryJournal:
    journal = MemoryJournal()
    owner_epoch = journal.take_ownership("0-of-1", 1, 0)
    newest = {row.store: max(r.position for r in states if r.store == row.store) for row in states}
    stores = [StoreRow(store, position, 1) for store, position in newest.items()]
    write = JournalWrite(states=states, stores=stores, reorders=reorders or [])
    journal.commit(owner_epoch, write)
    return journal


def pages_of(refill: Refill) -> Iterator[Page]:
    while (page := refill.next_page()) is not None:
        yield page


def keys_of(refill: Refill) -> list[str]:
    return [entry.key for page in pages_of(refill) for entry in page.entries]


def test_every_state_of_every_store_is_read_once() -> None:
    states = [state_row(f"S{n % 3}", n, 1 + n // 7) for n in range(4 * PAGE_ROWS)]
    keys = keys_of(Refill(journal_of(states), 0, TOPICS))
    assert len(keys) == len(set(keys)) == len(states)


def test_rows_of_one_position_are_never_parted() -> None:
    states = [state_row("S1", n, 5) for n in range(PAGE_ROWS + 100)]
    states += [state_row("S1", 10_000 + n, 6) for n in range(10)]
    sizes = [len(page.entries) for page in pages_of(Refill(journal_of(states), 0, TOPICS))]
    assert sizes == [PAGE_ROWS + 100, 10]


def test_only_what_changed_after_the_position_is_read() -> None:
    states = [state_row("S1", n, n) for n in range(1, 11)] + [state_row("S2", 99, 3)]
    (page,) = pages_of(Refill(journal_of(states), 7, TOPICS))
    assert (page.store, page.position, len(page.entries)) == ("S1", 10, 3)
    assert {entry.after for entry in page.entries} == {7}


def test_a_state_with_nothing_but_a_policy_is_not_published() -> None:
    policy = Policy(reorder_point=1, order_up_to=2)
    silent = SkuLocation(store="S1", gtin=f"{5:014d}", version=1, policy=policy, cause=CAUSE)
    row = StateRow("S1", silent.gtin, 2, encode_state(silent))
    assert keys_of(Refill(journal_of([row, state_row("S1", 6, 3)]), 0, TOPICS)) == [
        f"st/1/S1/stock/{6:014d}"
    ]


@pytest.mark.parametrize(("since", "numbers"), [(0, [3]), (1, [2, 3]), (2, [3])])
def test_closed_reorders_are_told_only_to_a_broker_that_may_retain_them(
    since: int, numbers: list[int]
) -> None:
    reorders = [
        reorder_row(1, 1, "received"),
        reorder_row(2, 2, "cancelled"),
        reorder_row(3, 3, "open"),
    ]
    journal = journal_of([state_row("S001", 7, 1)], reorders)
    keys = [key for key in keys_of(Refill(journal, since, TOPICS)) if "reorders" in key]
    assert keys == [f"st/1/S001/reorders/S001-{7:014d}-{n}" for n in numbers]
