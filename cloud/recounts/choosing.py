"""Which SKU-locations to recount next, by value of information. Pure.

A recount is worth what it is expected to add to the probability that our count is right (expected
value of sample information; Raiffa and Schlaifer 1961, "Applied Statistical Decision Theory",
chapter 4): for the outcomes c of a count,

    value = sum over c of max over n of P(n) P(count says c | n)  -  max over n of P(n)

Staff err, so a count of what is nearly certain is worth nothing, and a count that could only say
what is believed already is worth little.
"""

from collections.abc import Iterable, Mapping
from heapq import nlargest
from typing import Final, NamedTuple

from cloud.sku_location.belief import Estimate, estimate
from cloud.sku_location.belief.counting import count_likelihood
from cloud.sku_location.belief.record import parts
from cloud.sku_location.state import SkuLocation

VALUE_MIN: Final = 0.002
"""What a walk to the shelf is worth at least, in probability of a right count."""
COUNTED_LATELY_MS: Final = 2 * 86_400_000
"""What was counted within this time is not counted again: the same people err alike."""


class Candidate(NamedTuple):
    """A SKU-location, what is believed of it, and what a recount of it is worth (0: nothing)."""

    state: SkuLocation
    known: Estimate
    value: float

    def is_settled(self, confidence_min: float) -> bool:
        """Say whether the book should follow the belief."""
        return self.known.p_best >= confidence_min and self.known.best != self.state.on_hand


def looked_at(state: SkuLocation, now_ms: int) -> Candidate | None:
    """Return a SKU-location as a candidate; `None` where nothing is believed that a count tells."""
    if not state.belief or state.measure != "units":
        return None
    known = estimate(state, now_ms)
    counted_at_ms = parts(state.belief)[0].counted_at_ms
    was_counted = now_ms - counted_at_ms < COUNTED_LATELY_MS
    return Candidate(state, known, 0.0 if was_counted else recount_value(known.distribution))


def choose(candidates: Iterable[Candidate], budget: int) -> list[Candidate]:
    """Return up to `budget` candidates whose recount is worth most, the best first."""
    worthwhile = (candidate for candidate in candidates if candidate.value >= VALUE_MIN)
    return nlargest(budget, worthwhile, key=_rank)


def recount_value(distribution: Mapping[int, float]) -> float:
    """Return by how much a recount is expected to raise the probability of a right count."""
    before = max(distribution.values())
    if before > 1.0 - VALUE_MIN:
        return 0.0
    after = 0.0
    for outcome in distribution:
        after += max(
            share * count_likelihood(outcome, there, 1) for there, share in distribution.items()
        )
    return max(0.0, after - before)


def _rank(candidate: Candidate) -> tuple[float, str]:
    return candidate.value, candidate.state.gtin
