"""An estimator that remembers says what an estimate from scratch says, whatever happened since."""

import random

from cloud.sku_location.belief import Estimator, estimate
from cloud.sku_location.decide import cause_of, decide
from cloud.sku_location.evolve import evolve
from cloud.sku_location.refusal import Refused
from cloud.sku_location.state import SkuLocation
from protocol.facts import StockFact
from tests.shard_inputs import (
    GTIN,
    NOW_MS,
    OTHER_GTIN,
    STORE,
    counted,
    moved,
    received,
    returned,
    shelf_counted,
    sold,
)

HOUR_MS = 3_600_000


def some_fact(rng: random.Random, gtin: str) -> StockFact:
    facts: list[StockFact] = [
        *[sold(rng.randint(1, 2), gtin)] * 12,
        returned(1, gtin),
        received(6, gtin),
        moved("transit", "sales_floor", rng.randint(1, 3), gtin),
        moved("sales_floor", "exit", 1, gtin),
        shelf_counted(rng.randint(0, 9), gtin),
        counted(rng.randint(5, 15), gtin),
    ]
    return rng.choice(facts)


def told(state: SkuLocation, fact: StockFact, seq: int, now_ms: int) -> SkuLocation:
    events = decide(state, fact, cause_of(fact, 1, seq), now_ms)
    if isinstance(events, Refused):
        return state
    for event in events:
        state = evolve(state, event)
    return state


def test_what_is_remembered_changes_no_estimate() -> None:
    rng = random.Random(7)
    # Room for one: the other is thought through from scratch each time.
    estimator = Estimator(remembered_max=1)
    states = {gtin: SkuLocation(store=STORE, gtin=gtin) for gtin in (GTIN, OTHER_GTIN)}
    now_ms = NOW_MS
    for seq in range(1, 600):
        now_ms += rng.choice([1_000, 60_000, HOUR_MS])
        gtin = rng.choice([GTIN, GTIN, GTIN, OTHER_GTIN])
        states[gtin] = told(states[gtin], some_fact(rng, gtin), seq, now_ms)
        assert estimator.estimate(states[gtin], now_ms) == estimate(states[gtin], now_ms)
