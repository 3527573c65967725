"""What people and shelves count. Pure.

A manual count is good evidence and no more: staff overlook units that were misplaced. A shelf's
weight says how many units lie there; others may be elsewhere, and how often they are, the counts of
this very SKU-location tell.
"""

from cloud.sku_location.belief import rates
from cloud.sku_location.belief.cells import Cells, add
from cloud.sku_location.belief.posterior import DAY_MS, Posterior
from cloud.sku_location.belief.record import ShelfRead

_SHELVES_MAX = 4
_COUNT_VARIANCE = 0.1
_SHOWN_MAX = 20.0
"""One miscount must not teach too much."""
_SHELF_BELIEVED_MS = 3 * DAY_MS


def counted(posterior: Posterior, quantity: int, at_ms: int) -> None:
    """Somebody counted all units of the GTIN."""
    _note_shelf_share(posterior, quantity)
    if not posterior.tags:
        _learn_errors(posterior, quantity)
    posterior.counted_at_ms = at_ms
    known = len(posterior.tags)
    cells = dict(posterior.cells)
    for gone, hidden in _cells_of_count(posterior, quantity):
        add(cells, gone, hidden, rates.SURPRISE)
    posterior.cells = cells
    weighed: Cells = {}
    for (gone, hidden), weight in cells.items():
        there = known - gone + hidden
        add(weighed, gone, hidden, weight * count_likelihood(quantity, there, posterior.step))
    posterior.reweigh(weighed)


def _learn_errors(posterior: Posterior, quantity: int) -> None:
    """Compare how far off the count is with how far off it was expected to be."""
    mean = square = 0.0
    for count, share in posterior.counts.items():
        mean += share * count
        square += share * count * count
    expected = max(0.0, square - mean * mean) + _COUNT_VARIANCE * posterior.step * posterior.step
    shown = min(_SHOWN_MAX, (quantity - mean) * (quantity - mean) / expected)
    factor = 1.0 - rates.ERROR_LEARNT + rates.ERROR_LEARNT * shown
    learnt = int(posterior.error_percent * factor + 0.5)
    posterior.error_percent = min(max(learnt, rates.ERROR_PERCENT_MIN), rates.ERROR_PERCENT_MAX)


def _cells_of_count(posterior: Posterior, quantity: int) -> list[tuple[int, int]]:
    """Return the ways in which a count can be right that are nearest to what was believed."""
    known = len(posterior.tags)
    (gone, hidden), _ = max(posterior.cells.items(), key=lambda item: (item[1], item[0]))
    off = quantity - (known - gone + hidden)
    if off >= 0:
        back = min(off, gone)
        return [(gone, hidden + off), (gone - back, hidden + off - back)]
    from_hidden = min(-off, hidden)
    return [(min(known, gone - off - from_hidden), hidden - from_hidden)]


def count_likelihood(counted_units: int, there: int, step: int) -> float:
    """Return P(staff count so many | so many are there)."""
    off = (counted_units - there) // step if step > 1 else counted_units - there
    if off == 0:
        return rates.COUNT_RIGHT
    likelihood = rates.COUNT_UNDER if off < 0 else rates.COUNT_OVER
    for _ in range(min(abs(off), 12) - 1):
        likelihood *= rates.COUNT_FURTHER
    return max(likelihood, rates.COUNT_FLOOR)


def shelf_counted(
    posterior: Posterior, shelf: bytes, quantity: int, error_centiunits: int, at_ms: int
) -> None:
    """A shelf's weight says so many units lie there. The newest word of each shelf counts."""
    newest = ShelfRead(shelf, at_ms, quantity, error_centiunits)
    others = tuple(read for read in posterior.shelves if read.shelf != shelf)
    posterior.shelves = (*others, newest)[-_SHELVES_MAX:]


def shelf_likelihood(posterior: Posterior, there: int, now_ms: int) -> float:
    """Return how well so many units agree with what the shelves bear; 1 without shelves.

    Shelves follow each other's readings closely, so only their newest word is evidence, and it is
    weighed in when the belief is asked, never kept.
    """
    fresh = [read for read in posterior.shelves if now_ms - read.at_ms <= _SHELF_BELIEVED_MS]
    if not fresh:
        return 1.0
    on_shelves = sum(read.quantity for read in fresh)
    error_units = max(0.02, sum(read.error_centiunits for read in fresh) / 100)
    prior = rates.SHELF_HOLDS_ALL * rates.SHELF_WEIGHT
    total = rates.SHELF_WEIGHT + posterior.shelf_all + posterior.shelf_part
    holds_all = (prior + posterior.shelf_all) / total
    likelihood = 0.0
    spread = min(6, int(3 * error_units) + 1)
    for off in range(-spread, spread + 1):
        elsewhere = there - (on_shelves + off)
        likelihood += _weight_chance(off, error_units) * _elsewhere_chance(elsewhere, holds_all)
    return max(likelihood, 0.0001)


def _weight_chance(off_units: int, error_units: float) -> float:
    """Return a tent as wide as the error: nearly normal, and made of exact arithmetic."""
    width = 2.5 * error_units
    if off_units == 0:
        return 1.0
    return max(0.002, 1.0 - abs(off_units) / width) if width > 0.5 else 0.002


def _elsewhere_chance(units: int, holds_all: float) -> float:
    if units < 0:
        return 0.0
    if units == 0:
        return holds_all
    chance = (1.0 - holds_all) * (1.0 - rates.SHELF_OFF_FURTHER)
    for _ in range(min(units, 40) - 1):
        chance *= rates.SHELF_OFF_FURTHER
    return chance


def _note_shelf_share(posterior: Posterior, counted_units: int) -> None:
    if not posterior.shelves:
        return
    if sum(read.quantity for read in posterior.shelves) == counted_units:
        posterior.shelf_all = min(200, posterior.shelf_all + 1)
    else:
        posterior.shelf_part = min(200, posterior.shelf_part + 1)
