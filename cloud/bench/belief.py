"""`bench belief`: what it costs to know how sure a count is, over many SKU-locations in memory.

Each SKU-location lives a fortnight: a count, a sweep of its tags, sales, tags that leave, a
delivery. What is asserted is a ratio within the run: a sale that a belief hears against a sale of
a SKU-location that believes nothing, `decide` and `evolve` both.
"""

import gc
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct

from cloud.journal.rows import encode_state
from cloud.sku_location.belief import estimate
from cloud.sku_location.decide import cause_of, decide
from cloud.sku_location.evolve import evolve
from cloud.sku_location.refusal import Refused
from cloud.sku_location.state import SkuLocation
from protocol.facts import StockCounted, StockFact, TagsMoved, TagsSwept, UnitsSold

RATIO_MAX: Final = 2.5
"""How much a sale may cost with a belief, in sales without one."""

BENCH_MS: Final = 1_790_000_000_000
MINUTE_MS: Final = 60_000
DAY_MS: Final = 86_400_000
SAMPLES_MAX: Final = 200_000
STORE: Final = "S001"
UNITS: Final = 6
"""Of each SKU-location at first, all of them tagged."""


class BeliefReport(Struct, frozen=True, kw_only=True):
    """What it measured: microseconds a fact, bytes a SKU-location."""

    sku_locations: int
    facts: int
    sale_us: float
    sale_without_belief_us: float
    exit_us: float
    sweep_us: float
    estimate_us: float
    memory_bytes: float
    stored_bytes: float
    belief_bytes: float
    ratio: float
    ratio_max: float = RATIO_MAX

    @property
    def holds(self) -> bool:
        """Say whether a sale costs no more with a belief than it may."""
        return self.ratio <= self.ratio_max


def bench(sku_locations: int) -> BeliefReport:
    """Let so many SKU-locations live, and measure."""
    gc.collect()
    before_bytes = _resident_bytes()
    states = [_newborn(number) for number in range(sku_locations)]
    costs = {
        "count": _tell(states, lambda gtin, _: _count(gtin), BENCH_MS),
        "sweep": _tell(states, _sweep, BENCH_MS + MINUTE_MS),
        "sale": _tell(states, lambda gtin, _: _sale(gtin), BENCH_MS + DAY_MS),
        "exit": _tell(states, _exit, BENCH_MS + DAY_MS + MINUTE_MS),
        "sweep again": _tell(states, _sweep_again, BENCH_MS + 7 * DAY_MS),
    }
    gc.collect()
    memory_bytes = (_resident_bytes() - before_bytes) / sku_locations
    sample = random.Random(1).sample(states, min(SAMPLES_MAX, sku_locations))  # noqa: S311 # No secret.
    bare = [_newborn(number) for number in range(len(sample))]
    bare_us = _tell(bare, lambda gtin, _: _sale(gtin), BENCH_MS + DAY_MS)
    return BeliefReport(
        sku_locations=sku_locations,
        facts=len(costs) * sku_locations,
        sale_us=round(costs["sale"], 2),
        sale_without_belief_us=round(bare_us, 2),
        exit_us=round(costs["exit"], 2),
        sweep_us=round(costs["sweep again"], 2),
        estimate_us=round(_estimate_us(sample), 2),
        memory_bytes=round(memory_bytes, 1),
        stored_bytes=round(sum(len(encode_state(state)) for state in sample) / len(sample), 1),
        belief_bytes=round(sum(len(state.belief) for state in sample) / len(sample), 1),
        ratio=round(costs["sale"] / bare_us, 2),
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


def _resident_bytes() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("/proc/self/status does not say VmRSS")
