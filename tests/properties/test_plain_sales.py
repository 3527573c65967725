"""A run of plain sales makes the very state that telling them one by one makes."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from cloud.sku_location.decide import cause_of, decide
from cloud.sku_location.evolve import evolve
from cloud.sku_location.movements import happened_at_ms
from cloud.sku_location.refusal import Refused
from cloud.sku_location.selling import SaleRun, may_run
from cloud.sku_location.state import SkuLocation
from protocol.facts import Measure, StockFact, UnitsSold
from tests.properties.counting import LONG
from tests.shard_inputs import GTIN, NOW_MS, STORE, counted, moved, received, returned, sold

moments = st.integers(-40, 40).map(lambda step: NOW_MS + step * 60_000)
quantities = st.sampled_from([1, 1, 1, 2, 7, 40])
measures: st.SearchStrategy[Measure] = st.sampled_from(["units", "units", "units", "grams"])


@st.composite
def sales(draw: st.DrawFn) -> UnitsSold:
    fact = sold(draw(quantities), measure=draw(measures))
    return replace(fact, occurred_at_ms=draw(moments))


@st.composite
def facts(draw: st.DrawFn) -> Any:
    fact: Any = draw(
        st.sampled_from(
            [
                counted(20),
                counted(0),
                received(12),
                returned(2),
                moved("transit", "sales_floor", 2),
                moved("sales_floor", "exit"),
            ]
        )
    )
    return replace(fact, occurred_at_ms=draw(moments))


def told(state: SkuLocation, fact: StockFact, seq: int, now_ms: int) -> SkuLocation:
    decision = decide(state, fact, cause_of(fact, 1, seq), now_ms)
    if isinstance(decision, Refused):
        return state
    for event in decision:
        state = evolve(state, event)
    return state


@LONG
@given(st.lists(facts(), max_size=6), st.lists(sales(), min_size=1, max_size=60))
def test_a_run_is_the_sum_of_its_sales(before: list[StockFact], after: list[UnitsSold]) -> None:
    state = SkuLocation(store=STORE, gtin=GTIN)
    for seq, fact in enumerate(before, 1):
        state = told(state, fact, seq, NOW_MS + 3_600_000)
    assert may_run(state)
    run, one_by_one, heard = SaleRun(state), state, 0
    for seq, sale in enumerate(after, 100):
        now_ms = NOW_MS + 3_600_000 + seq
        if not run.hear(sale, happened_at_ms(sale.occurred_at_ms, now_ms)):
            continue
        heard += 1
        one_by_one = told(one_by_one, sale, seq, now_ms)
        assert run.state(cause_of(sale, 1, seq), now_ms) == one_by_one
    assert one_by_one.version == state.version + heard
