"""How many there are, and how sure that is: what a belief says when it is asked. Pure."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from cloud.sku_location.belief.believe import posterior_of
from cloud.sku_location.belief.counting import shelf_likelihood
from cloud.sku_location.belief.elapsed import settle
from cloud.sku_location.belief.leaving import depart_unseen, take_away_units
from cloud.sku_location.belief.posterior import Posterior
from cloud.sku_location.state import SkuLocation

INTERVAL: Final = 0.9


class Estimate(NamedTuple):
    """The best count, the smallest interval that holds it with 90 %, and what follows.

    `p_best` is P(on hand = best), `p_out` P(on hand = 0), and `p_phantom` the same while the book
    says that there are some. Where nothing is believed yet, the book stands alone, with `p_best` 0.
    """

    best: int
    low: int
    high: int
    p_best: float
    p_out: float
    p_phantom: float
    distribution: Mapping[int, float]


def estimate(state: SkuLocation, now_ms: int) -> Estimate:
    """Return what is believed of a SKU-location at a time."""
    if not state.belief:
        book = max(0, state.on_hand)
        return Estimate(book, book, book, 0.0, 0.0, 0.0, {book: 1.0})
    posterior = posterior_of(state.belief)
    settle(posterior, now_ms)
    return estimate_of(posterior, now_ms, state.on_hand)


def estimate_of(posterior: Posterior, now_ms: int, book: int) -> Estimate:
    """Return what a settled belief says, beside the book."""
    if posterior.open:
        _let_open_sales_leave(posterior)
    distribution = _with_shelves(posterior, posterior.counts, now_ms)
    likeliest = max(distribution.values())
    candidates = [count for count, share in distribution.items() if share == likeliest]
    best = min(candidates, key=lambda count: abs(count - book))
    low, high = interval(distribution, best, INTERVAL)
    p_out = distribution.get(0, 0.0)
    return Estimate(
        best=best,
        low=low,
        high=high,
        p_best=distribution[best],
        p_out=p_out,
        p_phantom=p_out if book > 0 else 0.0,
        distribution=distribution,
    )


def interval(distribution: Mapping[int, float], best: int, share: float) -> tuple[int, int]:
    """Return the bounds of the shortest run of counts around the best one that holds a share.

    The counts of the distribution are in order.
    """
    counts = list(distribution)
    low = high = counts.index(best)
    held = distribution[best]
    while held < share and (low > 0 or high < len(counts) - 1):
        below = distribution[counts[low - 1]] if low > 0 else -1.0
        above = distribution[counts[high + 1]] if high < len(counts) - 1 else -1.0
        if above > below:
            high += 1
            held += above
        else:
            low -= 1
            held += below
    return counts[low], counts[high]


def _let_open_sales_leave(posterior: Posterior) -> None:
    """What was just sold has left, though no reader has said so yet."""
    for item in posterior.open:
        if item.kind == "sale":
            for _ in range(item.quantity):
                depart_unseen(posterior, 0.0)
        elif item.kind == "shipment":
            take_away_units(posterior, item.quantity)
        elif item.kind == "return":
            posterior.cells = {
                (gone, hidden + item.quantity): weight
                for (gone, hidden), weight in posterior.cells.items()
            }


def _with_shelves(
    posterior: Posterior, distribution: dict[int, float], now_ms: int
) -> dict[int, float]:
    if not posterior.shelves:
        return distribution
    weighed = {
        count: share * shelf_likelihood(posterior, count, now_ms)
        for count, share in distribution.items()
    }
    total = sum(weighed.values())
    return {count: weight / total for count, weight in weighed.items()}
