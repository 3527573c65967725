"""Late facts and overlapping counts: what counts is when things happened, not when they arrived."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from cloud.sku_location.decide import cause_of, decide
from cloud.sku_location.evolve import evolve
from cloud.sku_location.movements import MOVEMENTS_MAX
from cloud.sku_location.refusal import Refusal, Refused
from cloud.sku_location.state import SkuLocation, ledger_closes
from protocol.facts import StockCounted, StockFact
from tests.properties.counting import LONG
from tests.shard_inputs import GTIN, NOW_MS, STORE, counted, received, returned, sold

Timed = tuple[int, StockFact]

movements = st.one_of(
    st.integers(1, 9).map(sold), st.integers(1, 9).map(received), st.integers(1, 9).map(returned)
)
facts = st.one_of(movements, st.integers(0, 40).map(counted))
BEFORE_MS = 3_600_000


@st.composite
def days(draw: st.DrawFn, size_max: int = MOVEMENTS_MAX) -> list[Timed]:
    """Facts of one SKU-location, each at a time of its own, in the order of these times."""
    happened = draw(st.lists(facts, max_size=size_max))
    start_ms = NOW_MS - BEFORE_MS
    return [(start_ms + 1_000 * number, fact) for number, fact in enumerate(happened)]


def told(state: SkuLocation, timed: Timed) -> SkuLocation:
    occurred_at_ms, fact = timed
    fact = replace(fact, occurred_at_ms=occurred_at_ms)
    events = decide(state, fact, cause_of(fact, 1, 1), NOW_MS)
    assert not isinstance(events, Refused)
    for event in events:
        state = evolve(state, event)
        assert ledger_closes(state)
    return state


def signed(fact: StockFact) -> int:
    assert not isinstance(fact, StockCounted)
    quantity: int = getattr(fact, "quantity", 0)
    return -quantity if type(fact).__name__ == "UnitsSold" else quantity


def expected(day: list[Timed]) -> int:
    """Return what is there: the newest count, and what moved after it."""
    on_hand = 0
    for _, fact in sorted(day, key=lambda timed: timed[0]):
        on_hand = fact.quantity if isinstance(fact, StockCounted) else on_hand + signed(fact)
    return on_hand


@LONG
@given(days(), st.randoms(use_true_random=False))
def test_facts_and_counts_lead_to_the_same_count_in_whatever_order_they_arrive(
    day: list[Timed], random: object
) -> None:
    arrived = list(day)
    random.shuffle(arrived)  # type: ignore[attr-defined] # Hypothesis' Random, whose type is private.
    state = SkuLocation(store=STORE, gtin=GTIN)
    for timed in arrived:
        state = told(state, timed)
    assert state.on_hand == expected(day)
    assert (state.found >= 0) or not state.counted


@LONG
@given(days(), st.integers(0, MOVEMENTS_MAX))
def test_a_sale_before_a_count_that_arrives_after_it_is_deducted_once(
    day: list[Timed], cut: int
) -> None:
    before, after = day[:cut], day[cut:]
    count_at_ms = NOW_MS - BEFORE_MS + 1_000 * cut - 500
    truth = 50 + sum(signed(fact) for _, fact in before if not isinstance(fact, StockCounted))
    moved_after = [timed for timed in after if not isinstance(timed[1], StockCounted)]
    late = [timed for timed in before if not isinstance(timed[1], StockCounted)]
    state = told(SkuLocation(store=STORE, gtin=GTIN), (NOW_MS - 2 * BEFORE_MS, counted(50)))
    for timed in [(count_at_ms, counted(max(0, truth))), *moved_after, *late]:
        state = told(state, timed)
    assert state.on_hand == max(0, truth) + sum(signed(fact) for _, fact in moved_after)
    if truth >= 0:
        assert (state.found, state.lost) == (0, 0)


def test_a_count_older_than_what_is_remembered_is_refused_and_changes_nothing() -> None:
    state = told(SkuLocation(store=STORE, gtin=GTIN), (NOW_MS - BEFORE_MS, counted(500)))
    for number in range(MOVEMENTS_MAX + 1):
        state = told(state, (NOW_MS - 1_000 + number, sold(1)))
    late = replace(counted(400), occurred_at_ms=NOW_MS - 2_000)
    refused = decide(state, late, cause_of(late, 1, 1), NOW_MS)
    assert isinstance(refused, Refused)
    assert refused.reason == Refusal.COUNT_OUTDATED


@LONG
@given(st.integers(0, 2**53 - 1))
def test_a_clock_that_cannot_be_right_is_not_believed(occurred_at_ms: int) -> None:
    state = told(SkuLocation(store=STORE, gtin=GTIN), (NOW_MS - BEFORE_MS, counted(10)))
    state = told(state, (occurred_at_ms, sold(3)))
    is_early = 1_577_836_800_000 <= occurred_at_ms < NOW_MS - BEFORE_MS
    assert state.on_hand == (10 if is_early else 7)
