"""One way in which a shelf's weight may have come about, as a Gaussian that a scale corrects.

A hypothesis says how many units of each product lie on the shelf and whether something else lies
there too. What is left unknown are real numbers: the zero `z` of the scale, the weight `f` of what
does not belong there, and of each product the mean weight `w` of its items and the sum `d` of how
far those on the shelf are off that mean. A weight is `z + f + Σ (n·w + d) + noise`, linear in all
of them, so a Kalman filter per hypothesis is exact (Bar-Shalom, Li, Kirubarajan: Estimation with
Applications to Tracking and Navigation, 2001, 5.2); for `w` it is recursive least squares with the
configured weight as prior (Ljung, System Identification, 11.2). Pure. All weights in grams.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

ZERO: Final = 0
FOREIGN: Final = 1
FIRST_PRODUCT: Final = 2
BATCH_SHARE: Final = 0.0004
"""How far items that come are off those before, on average, as a part of their weight."""
ANY_ZERO_VARIANCE_G2: Final = 1e10
"""Of a zero about which a tare has taken all knowledge away."""

Units = tuple[int, ...]


def mean_of(product: int) -> int:
    """Return where the state holds the mean weight of a product's items."""
    return FIRST_PRODUCT + 2 * product


def deviation_of(product: int) -> int:
    """Return where the state holds how far the items on the shelf are off, all together."""
    return FIRST_PRODUCT + 2 * product + 1


@dataclass(slots=True)
class Hypothesis:
    """`units` of each product, and whether something foreign lies there (`has_foreign`).

    `mean` and `covariance` describe the state; `log_weight` is the log of its probability.
    """

    units: Units
    has_foreign: bool
    log_weight: float
    mean: list[float]
    covariance: list[list[float]]

    @property
    def zero_g(self) -> float:
        """What the scale shows when nothing lies on it."""
        return self.mean[ZERO]

    @property
    def foreign_g(self) -> float:
        """What does not belong there weighs; below zero when the zero fell."""
        return self.mean[FOREIGN]

    def item_weight_g(self, product: int) -> float:
        """Return the mean weight of a product's items."""
        return self.mean[mean_of(product)]

    def item_weight_error_g(self, product: int) -> float:
        """Return the standard error of that mean."""
        at = mean_of(product)
        return math.sqrt(max(0.0, self.covariance[at][at]))


class Outlook(NamedTuple):
    """What a hypothesis expects the scale to show, and the variance of that."""

    weight_g: float
    variance_g2: float


def begin(
    units: Units,
    zero_sd_g: float,
    item_weights_g: Sequence[float],
    item_weight_errors_g: Sequence[float],
    item_spreads_g: Sequence[float],
) -> Hypothesis:
    """Return what is known of a shelf with so many units before anything was weighed."""
    size = FIRST_PRODUCT + 2 * len(units)
    mean, covariance = [0.0] * size, [[0.0] * size for _ in range(size)]
    covariance[ZERO][ZERO] = zero_sd_g**2
    for product, count in enumerate(units):
        weight, deviation = mean_of(product), deviation_of(product)
        mean[weight] = item_weights_g[product]
        covariance[weight][weight] = item_weight_errors_g[product] ** 2
        covariance[deviation][deviation] = count * item_spreads_g[product] ** 2
    return Hypothesis(units, False, 0.0, mean, covariance)


def outlook(before: Hypothesis, units: Units, noise_g2: float) -> Outlook:
    """Return what the scale would show with `units` on it, all else as in `before`."""
    seen = [_seen(row, units) for row in before.covariance]
    return Outlook(_seen(before.mean, units), _seen(seen, units) + noise_g2)


def drifted(before: Hypothesis, zero_g2: float) -> Hypothesis:
    """Let the zero become less certain by a variance."""
    after = _copy(before)
    after.covariance[ZERO][ZERO] += zero_g2
    return after


def with_units(before: Hypothesis, changes: Units, item_spreads_g: Sequence[float]) -> Hypothesis:
    """Put units on the shelf or take some off.

    Items are alike: of `n` that are off by `d` together, the `n - k` that stay are off by
    `d·(n-k)/n` on average, with the variance `k·(n-k)/n` of one item's.
    """
    after = _copy(before)
    after.units = tuple(map(_sum, before.units, changes))
    for product, change in enumerate(changes):
        at, spread_g2 = deviation_of(product), item_spreads_g[product] ** 2
        if change > 0:
            after.covariance[at][at] += change * spread_g2
            weight = mean_of(product)
            after.covariance[weight][weight] += (BATCH_SHARE * after.mean[weight]) ** 2
        elif change < 0:
            stay = after.units[product] / before.units[product]
            _scale(after, at, stay)
            after.covariance[at][at] += -change * stay * spread_g2
    return after


def with_foreign(before: Hypothesis, sd_g: float) -> Hypothesis:
    """Let something of unknown weight lie there, or let the zero be stepped by as much."""
    after = _copy(before)
    after.has_foreign = True
    after.covariance[FOREIGN][FOREIGN] += sd_g**2
    return after


def without_foreign(before: Hypothesis) -> Hypothesis:
    """Take what is foreign away."""
    after = _copy(before)
    after.has_foreign = False
    _scale(after, FOREIGN, 0.0)
    return after


def tared(before: Hypothesis) -> Hypothesis:
    """Let the zero be anything: the scale was tared with all this on it."""
    after = without_foreign(before)
    _scale(after, ZERO, 0.0)
    after.covariance[ZERO][ZERO] = ANY_ZERO_VARIANCE_G2
    return after


def weighed(before: Hypothesis, weight_g: float, noise_g2: float) -> Hypothesis:
    """Return the hypothesis after a weighing, its log weight changed by the log likelihood."""
    units, covariance = before.units, before.covariance
    seen = [_seen(row, units) for row in covariance]
    variance_g2 = _seen(seen, units) + noise_g2
    surprise_g = weight_g - _seen(before.mean, units)
    step = surprise_g / variance_g2
    return Hypothesis(
        units,
        before.has_foreign,
        before.log_weight + log_density(surprise_g, variance_g2),
        [value + each * step for value, each in zip(before.mean, seen, strict=True)],
        [
            [value - each * (mine / variance_g2) for value, each in zip(row, seen, strict=True)]
            for row, mine in zip(covariance, seen, strict=True)
        ],
    )


def merged(parts: Sequence[Hypothesis]) -> Hypothesis:
    """Return one hypothesis for several of the same units: the same mean and covariance.

    Moment matching as in the generalised pseudo-Bayesian filter (Bar-Shalom et al., 11.6).
    """
    if len(parts) == 1:
        return parts[0]
    log_weight = log_sum([part.log_weight for part in parts])
    shares = [math.exp(part.log_weight - log_weight) for part in parts]
    size = range(len(parts[0].mean))
    mean = [
        sum(share * part.mean[i] for share, part in zip(shares, parts, strict=True)) for i in size
    ]
    covariance = [[0.0 for _ in size] for _ in size]
    for share, part in zip(shares, parts, strict=True):
        off = [part.mean[i] - mean[i] for i in size]
        for i in size:
            for j in size:
                covariance[i][j] += share * (part.covariance[i][j] + off[i] * off[j])
    first = parts[0]
    return Hypothesis(first.units, first.has_foreign, log_weight, mean, covariance)


def log_density(off_g: float, variance_g2: float) -> float:
    """Return the log of the normal density, `off_g` from its middle."""
    return -0.5 * (off_g * off_g / variance_g2 + math.log(2 * math.pi * variance_g2))


def log_sum(logs: Sequence[float]) -> float:
    """Return the log of the sum of what these are logs of."""
    highest = max(logs)
    return highest + math.log(sum(math.exp(each - highest) for each in logs))


def _seen(of: Sequence[float], units: Units) -> float:
    """Return the sum of a vector's parts as a scale sees them: item weights times their number."""
    total = of[ZERO] + of[FOREIGN]
    at = FIRST_PRODUCT
    for count in units:
        total += count * of[at] + of[at + 1]
        at += 2
    return total


def _copy(of: Hypothesis) -> Hypothesis:
    covariance = [row.copy() for row in of.covariance]
    return Hypothesis(of.units, of.has_foreign, of.log_weight, of.mean.copy(), covariance)


def _scale(changed: Hypothesis, at: int, factor: float) -> None:
    """Multiply one quantity of the state by a factor."""
    changed.mean[at] *= factor
    for row in changed.covariance:
        row[at] *= factor
    changed.covariance[at] = [value * factor for value in changed.covariance[at]]


def _sum(left: int, right: int) -> int:
    return left + right
