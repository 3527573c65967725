"""What may have happened to a shelf between two weighings, and how likely each is. Pure.

The chances are rough on purpose: weights decide, and chances only where weights cannot. That `k`
items were taken has a chance of 1/(k(k+1)), whose tail is long enough for a shelf that is emptied
or filled at once.
"""

import math
from collections.abc import Iterator
from enum import IntEnum
from itertools import product as combinations
from typing import Final, NamedTuple

from edge.sensing.shelf_hypotheses import Hypothesis, Units, outlook

FOREIGN_SD_G: Final = 3_000.0
"""How heavy things are that do not belong on a shelf, hands included."""
STEPS_MAX: Final = 24
"""How many counts are looked at around the most likely one. When more are likely, not each."""
MIXED_CHANGE_MAX: Final = 24
"""How many units of the first of two products come or go between two weighings."""
_LIKELY_SDS: Final = 4.5
_POSSIBLE_SDS2: Final = 36.0
_TAKEN_SHARE: Final = 0.6


class Motion(IntEnum):
    """What was seen between two weighings at rest."""

    NONE = 0
    """Rest went on."""
    UNSEEN = 1
    """Another weight, although the scale never said that it moves: like a tare."""
    UNWATCHED = 2
    """Another weight, and readings so far apart that a movement may have been missed."""
    SEEN = 3
    """The scale moved."""


class Chances(NamedTuple):
    """How likely something happened: to units, that a thing was left, taken away, a tare."""

    changed: float
    left: float
    removed: float
    tared: float


CHANCES: Final = {
    Motion.NONE: Chances(changed=1e-4, left=1e-6, removed=1e-4, tared=1e-6),
    Motion.UNSEEN: Chances(changed=0.05, left=1e-3, removed=0.05, tared=2e-3),
    Motion.UNWATCHED: Chances(changed=0.4, left=1e-3, removed=0.2, tared=1e-4),
    Motion.SEEN: Chances(changed=0.5, left=1e-3, removed=0.2, tared=1e-5),
}


class Changes(NamedTuple):
    """Changes of units that may explain a weight; `stride` above 1: not each was looked at."""

    units: list[Units]
    stride: int


def log_chance(changes: Units, chances: Chances) -> float:
    """Return the log of the chance of just these changes."""
    total = 0.0
    for change in changes:
        count = abs(change)
        if count == 0:
            total += math.log(1 - chances.changed)
        else:
            share = _TAKEN_SHARE if change < 0 else 1 - _TAKEN_SHARE
            total += math.log(chances.changed * share / (count * (count + 1)))
    return total


def likely_changes(
    before: Hypothesis, weight_g: float, noise_g2: float, item_spreads_g: tuple[float, ...]
) -> Changes:
    """Return the changes of units, none included, after which the scale may show `weight_g`."""
    off_g = weight_g - outlook(before, before.units, noise_g2).weight_g
    if len(before.units) == 1:
        return _of_one(before, off_g, noise_g2, item_spreads_g[0])
    found = {tuple(0 for _ in before.units)}
    for changes in _of_two(before, off_g):
        units = tuple(count + change for count, change in zip(before.units, changes, strict=True))
        expected = outlook(before, units, noise_g2)
        items_g2 = sum(
            abs(change) * spread_g**2
            for change, spread_g in zip(changes, item_spreads_g, strict=True)
        )
        off2 = (weight_g - expected.weight_g) ** 2
        if off2 <= _POSSIBLE_SDS2 * (expected.variance_g2 + items_g2):
            found.add(changes)
    return Changes(sorted(found), 1)


def _of_one(before: Hypothesis, off_g: float, noise_g2: float, spread_g: float) -> Changes:
    (count,) = before.units
    item_g = before.item_weight_g(0)
    middle = max(-count, round(off_g / item_g))
    variance_g2 = outlook(before, (count + middle,), noise_g2).variance_g2
    sd_g = math.sqrt(variance_g2 + abs(middle) * spread_g**2)
    grid = around(middle, sd_g / item_g)
    found = {(change,) for change in grid if change >= -count}
    return Changes(sorted(found | {(0,)}), grid.step)


def around(middle: int, sd: float) -> range:
    """Return the whole numbers that are likely, or every so many-th when they are too many."""
    reach = math.ceil(_LIKELY_SDS * sd)
    stride = max(1, math.ceil(2 * reach / STEPS_MAX))
    steps = math.ceil(reach / stride)
    return range(middle - steps * stride, middle + steps * stride + 1, stride)


def _of_two(before: Hypothesis, off_g: float) -> Iterator[Units]:
    first, second = before.units
    least = -min(first, MIXED_CHANGE_MAX)
    for change in range(least, MIXED_CHANGE_MAX + 1):
        rest_g = off_g - change * before.item_weight_g(0)
        middle = round(rest_g / before.item_weight_g(1))
        for other in range(middle - 1, middle + 2):
            if other >= -second:
                yield change, other


def first_counts(
    weight_g: float, item_weights_g: tuple[float, ...], sds_g: tuple[float, ...], zero_sd_g: float
) -> Changes:
    """Return the units that may lie on a shelf of which nothing is known but its weight.

    `sds_g` is how sure the weight of one item is, on average over many of them.
    """
    if len(item_weights_g) == 1:
        middle = max(0, round(weight_g / item_weights_g[0]))
        sd_g = math.hypot(zero_sd_g, middle * sds_g[0])
        grid = around(middle, sd_g / item_weights_g[0])
        return Changes([(count,) for count in grid if count >= 0], grid.step)
    first_g, second_g = item_weights_g
    most = max(0, min(STEPS_MAX**2, math.ceil(weight_g / first_g) + 1))
    found = set[Units]()
    for count, step in combinations(range(most + 1), (-1, 0, 1)):
        other = round((weight_g - count * first_g) / second_g) + step
        if other >= 0:
            found.add((count, other))
    return Changes(sorted(found), 1)
