"""`bench belief`: what it costs to know how sure a count is, over many SKU-locations in memory.

Each SKU-location lives a fortnight: a count, a sweep of its tags, sales, tags that leave, a
delivery. What is asserted is a ratio within the run: a sale that a belief hears against a sale of
a SKU-location that believes nothing, `decide` and `evolve` both.
"""

import gc
import random
import time
from collections.abc import Callable, Sequence
from typing import Final

from cloud.bench.measuring import resident_bytes
from cloud.bench.showing import Advance
from cloud.bench.traffic import BENCH_MS, DAY_MS
from cloud.journal.rows import encode_state
from cloud.sku_location.belief import estimate
from cloud.sku_location.decide import cause_of, decide
from cloud.sku_location.evolve import evolve
from cloud.sku_location.refusal import Refused
from cloud.sku_location.state import SkuLocation
from protocol.bench_report import BenchReport, Figure
from protocol.facts import StockCounted, StockFact, TagsMoved, TagsSwept, UnitsSold

RATIO_MAX: Final = 2.5
"""How much a sale may cost with a belief, in sales without one."""

MINUTE_MS: Final = 60_000
SAMPLES_MAX: Final = 200_000
STORE: Final = "S001"
UNITS: Final = 6
"""Of each SKU-location at first, all of them tagged."""


def bench(sku_locations: int, seed: int, advance: Advance) -> BenchReport:
    """Let so many SKU-locations live, and measure."""
    gc.collect()
    before_bytes = resident_bytes()
    states = [_newborn(number) for number in range(sku_locations)]
    costs: dict[str, float] = {}
    for name, (fact_of, at_ms) in FORTNIGHT.items():
        costs[name] = _tell(states, fact_of, at_ms)
        advance(len(costs) / (len(FORTNIGHT) + 1))
    gc.collect()
    memory_bytes = (resident_bytes() - before_bytes) / sku_locations
    rng = random.Random(seed)  # noqa: S311 # No secret.
    sample = rng.sample(states, min(SAMPLES_MAX, sku_locations))
    bare = [_newborn(number) for number in range(len(sample))]
    bare_us = _tell(bare, lambda gtin, _: _sale(gtin), BENCH_MS + DAY_MS)
    stored = sum(len(encode_state(state)) for state in sample) / len(sample)
    beliefs = sum(len(state.belief) for state in sample) / len(sample)
    return BenchReport(
        bench="belief",
        seed=seed,
        conditions={"sku_locations": sku_locations, "facts": len(costs) * sku_locations},
        figures=[
            Figure(name="a sale", value=costs["sale"], unit="us"),
            Figure(name="a sale without a belief", value=bare_us, unit="us"),
            Figure(
                name="a sale, in sales without a belief",
                value=costs["sale"] / bare_us,
                unit="",
                at_most=RATIO_MAX,
                is_ratio=True,
            ),
            Figure(name="a tag that leaves", value=costs["exit"], unit="us"),
            Figure(name="a sweep", value=costs["sweep again"], unit="us"),
            Figure(name="asking how sure", value=_estimate_us(sample), unit="us"),
            Figure(name="memory, awake", value=memory_bytes, unit="bytes"),
            Figure(name="stored", value=stored, unit="bytes"),
            Figure(name="of that the belief", value=beliefs, unit="bytes"),
        ],
    )


def _newborn(number: int) -> SkuLocation:
    return SkuLocation(store=STORE, gtin=f"{number:014d}")


def _tell(
    states: list[SkuLocation], fact_of: Callable[[str, int], StockFact], now_ms: int
) -> float:
    """Tell each SKU-location a fact; return the mean cost of deciding it, in microseconds."""
    spent_ns = 0
    for index, state in enumerate(states):
        fact = fact_of(state.gtin, index)
        cause = cause_of(fact, 1, index + 1)
        begun_ns = time.perf_counter_ns()
        events = decide(state, fact, cause, now_ms)
        if isinstance(events, Refused):
            raise AssertionError(f"the bench's own fact is refused: {events}")
        for event in events:
            state = evolve(state, event)  # noqa: PLW2901 # The state that the next event finds.
        spent_ns += time.perf_counter_ns() - begun_ns
        states[index] = state
    return spent_ns / 1_000 / len(states)


def _estimate_us(states: Sequence[SkuLocation]) -> float:
    begun_ns = time.perf_counter_ns()
    for state in states:
        estimate(state, BENCH_MS + 8 * DAY_MS)
    return (time.perf_counter_ns() - begun_ns) / 1_000 / len(states)


def _epcs(index: int) -> list[bytes]:
    return [(index * UNITS + unit).to_bytes(12) for unit in range(UNITS)]


def _count(gtin: str) -> StockFact:
    return StockCounted(
        occurred_at_ms=BENCH_MS,
        source="staff",
        gtin=gtin,
        quantity=UNITS,
        measure="units",
        evidence="document",
    )


def _sweep(gtin: str, index: int) -> StockFact:
    return _swept(gtin, _epcs(index), BENCH_MS + MINUTE_MS)


def _sweep_again(gtin: str, index: int) -> StockFact:
    """Read all that are left, or all but one."""
    read = _epcs(index)[1 : UNITS if index % 5 else UNITS - 1]
    return _swept(gtin, read, BENCH_MS + 7 * DAY_MS)


def _swept(gtin: str, epcs: list[bytes], at_ms: int) -> StockFact:
    return TagsSwept(
        occurred_at_ms=at_ms,
        source="handheld",
        gtin=gtin,
        sweep="weekly",
        quantity=len(epcs),
        is_complete=True,
        epcs=epcs,
    )


def _sale(gtin: str) -> StockFact:
    return UnitsSold(
        occurred_at_ms=BENCH_MS + DAY_MS,
        source="till",
        gtin=gtin,
        quantity=1,
        measure="units",
        transaction="1",
        line=1,
    )


def _exit(gtin: str, index: int) -> StockFact:
    return TagsMoved(
        occurred_at_ms=BENCH_MS + DAY_MS + MINUTE_MS,
        source="exit",
        gtin=gtin,
        from_zone="sales_floor",
        to_zone="exit",
        epcs=_epcs(index)[:1],
    )


FORTNIGHT: Final[dict[str, tuple[Callable[[str, int], StockFact], int]]] = {
    "count": (lambda gtin, _: _count(gtin), BENCH_MS),
    "sweep": (_sweep, BENCH_MS + MINUTE_MS),
    "sale": (lambda gtin, _: _sale(gtin), BENCH_MS + DAY_MS),
    "exit": (_exit, BENCH_MS + DAY_MS + MINUTE_MS),
    "sweep again": (_sweep_again, BENCH_MS + 7 * DAY_MS),
}
"""What each of them hears, and when."""
