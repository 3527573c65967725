"""One SKU-location: which events follow from what, and that its ledger always closes (P5)."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from cloud.sku_location.commands import SetPolicy
from cloud.sku_location.decide import cause_of, cause_of_command, decide
from cloud.sku_location.events import (
    AnyEvent,
    CountEvent,
    Fulfilled,
    LedgerEvent,
    ObservedEvent,
    ReorderFilled,
    ReorderOpened,
    ReorderReceived,
    WrittenOff,
)
from cloud.sku_location.evolve import evolve
from cloud.sku_location.refusal import Refusal, Refused
from cloud.sku_location.state import Cause, Policy, SkuLocation, ledger_closes, reorder_id
from protocol.facts import (
    GoodsReceived,
    ReturnVoided,
    SaleVoided,
    StockCounted,
    StockFact,
    TagsMoved,
    UnitsReturned,
    UnitsSold,
    Zone,
)
from tests.shard_inputs import (
    GTIN,
    STORE,
    appeared,
    counted,
    moved,
    received,
    return_voided,
    returned,
    sale_voided,
    shelf_counted,
    sold,
)

EMPTY = SkuLocation(store=STORE, gtin=GTIN)
POLICY = Policy(reorder_point=5, order_up_to=20)
Message = StockFact | SetPolicy


def policy(value: Policy | None = POLICY) -> SetPolicy:
    return SetPolicy(store=STORE, gtin=GTIN, policy=value)


def cause(message: Message, now_ms: int = 100) -> Cause:
    if isinstance(message, SetPolicy):
        return cause_of_command("SetPolicy", now_ms)
    return cause_of(message, 7, 1)


def events_of(state: SkuLocation, message: Message, now_ms: int = 100) -> list[AnyEvent]:
    decision = decide(state, message, cause(message, now_ms), now_ms)
    assert not isinstance(decision, Refused)
    return decision


def after(messages: Sequence[Message], state: SkuLocation = EMPTY) -> SkuLocation:
    for message in messages:
        for event in events_of(state, message):
            state = evolve(state, event)
            assert ledger_closes(state)
    return state


def refusal_of(state: SkuLocation, message: Message) -> Refused:
    decision = decide(state, message, cause(message), 100)
    assert isinstance(decision, Refused)
    return decision


@pytest.mark.parametrize(
    ("fact", "changed"),
    [
        (sold(3), {"sold": 3, "on_hand": 7}),
        (sale_voided(3), {"sold": -3, "on_hand": 13}),
        (returned(3), {"returned": 3, "on_hand": 13}),
        (return_voided(3), {"returned": -3, "on_hand": 7}),
        (received(3), {"received": 3, "on_hand": 13}),
        (received(3, zone="backroom"), {"received": 3, "on_hand": 13, "backroom": 3}),
        (counted(12), {"found": 2, "on_hand": 12}),
        (counted(7), {"lost": 3, "on_hand": 7}),
        (counted(10), {}),
        (moved("backroom", "sales_floor", 2), {"backroom": -2}),
        (moved("sales_floor", "backroom", 2), {"backroom": 2}),
        (moved("sales_floor", "transit", 2), {"moved": 2, "on_hand": 8}),
        (moved("backroom", "transit", 2), {"moved": 2, "on_hand": 8, "backroom": -2}),
        (moved("transit", "backroom", 2), {"moved": -2, "on_hand": 12, "backroom": 2}),
        (moved("backroom", "exit", 2), {"backroom": -2}),
    ],
)
def test_a_fact_changes_exactly_the_columns_it_is_about(
    fact: StockFact, changed: dict[str, int]
) -> None:
    before = after([counted(10)])
    now = after([fact], before)
    columns = ("opening", "received", "returned", "found", "sold", "moved", "lost")
    for column in (*columns, "on_hand", "backroom"):
        expected = getattr(before, column)
        if column == "on_hand":
            expected = changed.get(column, expected)
        else:
            expected += changed.get(column, 0)
        assert getattr(now, column) == expected, column
    assert now.version == before.version + 1


@pytest.mark.parametrize(
    "fact",
    [
        appeared(),
        moved("transit", "transit"),
        moved("backroom", "backroom"),
    ],
)
def test_what_says_nothing_of_the_count_makes_no_version(fact: StockFact) -> None:
    assert events_of(after([counted(10)]), fact) == []


@pytest.mark.parametrize(
    "fact",
    [shelf_counted(4), moved("sales_floor", "exit", 2), moved("exit", "sales_floor", 2)],
)
def test_evidence_changes_the_belief_and_no_column(fact: StockFact) -> None:
    before = after([counted(10)])
    (event,) = events_of(before, fact)
    state = evolve(before, event)
    assert state.belief != before.belief
    unchanged = replace(
        state,
        belief=before.belief,
        version=before.version,
        cause=before.cause,
        as_of_ms=before.as_of_ms,
    )
    assert unchanged == before


def test_the_first_count_is_the_opening_and_later_ones_find_or_lose() -> None:
    state = after([sold(2), counted(10)])
    assert (state.opening, state.on_hand, state.found) == (12, 10, 0)
    state = after([counted(11), counted(4)], state)
    assert (state.opening, state.found, state.lost, state.on_hand) == (12, 1, 7, 4)


def test_a_first_count_may_open_below_the_book() -> None:
    state = after([received(5), counted(3)])
    assert (state.opening, state.received, state.on_hand) == (-2, 5, 3)


def test_a_sale_of_what_the_book_does_not_have_wins_over_the_book() -> None:
    assert after([sold(3)]).on_hand == -3


def test_every_event_makes_one_version_and_carries_its_cause_and_time() -> None:
    fact = received(40)
    state = after([counted(1), policy()])
    events = events_of(state, fact, now_ms=777)
    assert len(events) == 2
    for event in events:
        following = evolve(state, event)
        assert following.version == state.version + 1
        assert event.cause == following.cause == cause(fact, 777)
        assert following.as_of_ms == 777
        state = following


def test_a_command_happens_when_it_is_stamped_and_a_fact_when_it_was_observed() -> None:
    assert cause(policy(), now_ms=55).occurred_at_ms == 55
    assert cause(sold(1), now_ms=55).occurred_at_ms == 5


@pytest.mark.parametrize(
    "fact", [sold(200, measure="grams"), received(1, measure="grams"), counted(1, measure="grams")]
)
def test_another_measure_is_refused_for_ever(fact: StockFact) -> None:
    refused = refusal_of(after([sold(1)]), fact)
    assert refused.reason == Refusal.MEASURE_CONFLICT
    assert "units" in refused.detail
    assert "grams" in refused.detail


def test_tags_are_units_and_conflict_with_weighed_goods() -> None:
    state = after([sold(200, measure="grams")])
    refused = refusal_of(state, moved("backroom", "sales_floor"))
    assert refused.reason == Refusal.MEASURE_CONFLICT


def test_a_tag_listed_twice_in_one_move_is_refused() -> None:
    tag = bytes(12)
    fact = moved("backroom", "transit")
    twice = type(fact)(
        occurred_at_ms=5,
        source="dock",
        gtin=GTIN,
        from_zone="backroom",
        to_zone="transit",
        epcs=[tag, tag],
    )
    assert refusal_of(EMPTY, twice).reason == Refusal.REPEATED_TAG


def test_a_position_at_the_reorder_point_opens_one_reorder_up_to_the_level() -> None:
    state = after([counted(6), policy()])
    assert state.reorder is None
    state = after([sold(1)], state)
    assert state.reorder is not None
    assert (state.reorder.number, state.reorder.status) == (1, "open")
    assert (state.reorder.quantity, state.on_order, state.position) == (15, 15, 20)
    again = after([sold(1)], state).reorder
    assert again is not None
    assert (again.number, again.revision, again.quantity) == (1, 2, 16)


def test_a_policy_set_below_the_position_reorders_at_once() -> None:
    state = after([counted(2), policy()])
    assert state.reorder is not None
    assert state.reorder.quantity == 18


def test_a_store_whose_stock_nobody_knows_yet_orders_nothing() -> None:
    state = after([policy(), sold(1)])
    assert state.reorder is None
    assert after([counted(50)], state).reorder is None
    assert after([counted(3)], state).reorder is not None


def test_deliveries_fill_a_reorder_and_the_last_one_closes_it() -> None:
    state = after([counted(5), policy(), received(4)])
    assert state.reorder is not None
    assert (state.reorder.status, state.reorder.received, state.reorder.revision) == ("open", 4, 2)
    assert (state.on_order, state.position) == (11, 20)
    state = after([received(11)], state)
    assert state.reorder is not None
    assert (state.reorder.status, state.reorder.received, state.reorder.revision) == (
        "received",
        15,
        3,
    )
    assert (state.on_order, state.position) == (0, 20)


def test_a_closed_reorder_is_followed_by_the_next_when_the_position_is_still_low() -> None:
    state = after([counted(5), policy(), received(4), sold(30)])
    events = events_of(state, received(11))
    assert [type(event) for event in events[1:]] == [ReorderReceived, ReorderOpened]
    state = after([received(11)], state)
    assert state.reorder is not None
    assert (state.reorder.number, state.reorder.revision, state.position) == (2, 1, 20)


def test_a_delivery_beyond_the_order_closes_it_and_counts_in_full() -> None:
    state = after([counted(5), policy(), received(99)])
    assert state.reorder is not None
    assert (state.reorder.status, state.reorder.received, state.on_hand) == ("received", 99, 104)


def test_goods_back_from_transit_fill_no_reorder() -> None:
    state = after([counted(5), policy(), moved("transit", "backroom", 3)])
    assert state.reorder is not None
    assert state.reorder.received == 0


def test_a_withdrawn_policy_opens_nothing_more_and_keeps_what_is_open() -> None:
    state = after([counted(5), policy(), policy(None), received(15), sold(20)])
    assert state.reorder is not None
    assert (state.reorder.number, state.reorder.status) == (1, "received")


def test_a_policy_that_would_order_nothing_orders_nothing() -> None:
    lopsided = policy(Policy(reorder_point=10, order_up_to=5))
    assert after([counted(7), lopsided]).reorder is None


def test_the_same_policy_again_is_no_event() -> None:
    assert events_of(after([policy()]), policy()) == []


def test_a_reorder_is_named_by_store_gtin_and_number() -> None:
    assert reorder_id("S001", GTIN, 3) == f"S001-{GTIN}-3"


def test_evolve_is_total() -> None:
    filled = ReorderFilled(cause=cause(policy()), at_ms=1, quantity=1)
    assert evolve(EMPTY, filled).reorder is None


def ledger_events() -> Iterator[LedgerEvent]:
    fields: dict[str, Any] = {
        "cause": cause(policy()),
        "at_ms": 1,
        "measure": "units",
        "quantity": 3,
        "happened_at_ms": 1,
    }
    for kind in ObservedEvent.__subclasses__():
        for absorbed_by in (None, "opening", "count"):
            yield kind(**fields, absorbed_by=absorbed_by)
    for count in CountEvent.__subclasses__():
        yield count(**fields)
    yield WrittenOff(**fields, reason="damaged")
    yield WrittenOff(**fields, reason=None)
    yield Fulfilled(**fields, reservation_id="r")


@pytest.mark.parametrize("event", list(ledger_events()), ids=str)
def test_every_ledger_event_has_a_column(event: LedgerEvent) -> None:
    state = evolve(EMPTY, event)
    is_absorbed = isinstance(event, ObservedEvent) and event.absorbed_by is not None
    assert abs(state.on_hand) == (0 if is_absorbed else 3)
    assert ledger_closes(state)


zones = st.sampled_from(["sales_floor", "backroom", "exit", "transit"])
quantities = st.integers(1, 40)
messages = st.one_of(
    quantities.map(sold),
    quantities.map(returned),
    quantities.map(sale_voided),
    quantities.map(return_voided),
    st.builds(received, quantities, st.just(GTIN), zones),
    st.integers(0, 60).map(counted),
    st.builds(moved, zones, zones, st.integers(1, 5)),
    st.just(appeared()),
    quantities.map(shelf_counted),
    st.builds(Policy, reorder_point=st.integers(0, 20), order_up_to=st.integers(0, 60)).map(policy),
    st.just(policy(None)),
)


INSIDE: set[Zone] = {"sales_floor", "backroom", "exit"}


def expected_on_hand(on_hand: int, message: Message) -> int:
    """Return what a shop assistant would say is there."""
    if isinstance(message, UnitsSold | ReturnVoided):
        return on_hand - message.quantity
    if isinstance(message, UnitsReturned | SaleVoided | GoodsReceived):
        return on_hand + message.quantity
    if isinstance(message, StockCounted):
        return message.quantity
    if isinstance(message, TagsMoved):
        came = (message.to_zone in INSIDE) - (message.from_zone in INSIDE)
        return on_hand + came * len(message.epcs)
    return on_hand


@given(st.lists(messages, max_size=60))
def test_at_every_version_the_ledger_closes_and_on_hand_is_what_a_shop_assistant_says(
    told: list[Message],
) -> None:
    state, on_hand = EMPTY, 0
    for message in told:
        on_hand = expected_on_hand(on_hand, message)
        for event in events_of(state, message):
            version = state.version
            state = evolve(state, event)
            assert state.version == version + 1
            assert ledger_closes(state)
        assert state.on_hand == on_hand


@given(st.lists(messages, max_size=60))
def test_reorders_are_numbered_without_gaps_and_one_at_a_time_is_open(
    told: list[Message],
) -> None:
    state = EMPTY
    for message in told:
        for event in events_of(state, message):
            before, state = state.reorder, evolve(state, event)
            if isinstance(event, ReorderOpened):
                assert before is None or before.status in ("received", "cancelled")
                assert event.number == (0 if before is None else before.number) + 1
                assert event.quantity > 0
