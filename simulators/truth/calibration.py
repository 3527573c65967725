"""Whether what is said to be 90 % sure is right nine times in ten. Pure; randomness is passed in.

A count is a whole number, so an interval that holds 90 % hardly exists: the smallest one that holds
at least as much usually holds 99 %, and covers so often. Two ways out are reported side by side:

- the *randomised probability integral transform* (Czado, Gneiting and Held 2009, "Predictive model
  assessment for count data", Biometrics 65, section 2; Smith 1985): with u uniform on [0, 1] and
  the truth n, PIT = P(N < n) + u P(N = n) is uniform when the distribution is right, so the central
  50 % and 90 % intervals cover when PIT lies in [0.25, 0.75] and [0.05, 0.95];
- the plain coverage of the interval of whole numbers, next to the probability that it held.

`Reliability` asks the same of the best count: of all counts that were said to be 97 % sure, how
many were right (DeGroot and Fienberg 1983). The logarithmic score (Good 1952) is what a better
belief makes smaller.
"""

import math
from bisect import bisect_right
from collections.abc import Mapping
from typing import Final, NamedTuple

from simulators.truth.accuracy import share

PIT_BINS: Final = 10
SURENESS: Final = (0.0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 1.0)
"""Bounds of the buckets in which counts are put by how sure they were."""
_LOG_FLOOR: Final = 1e-6
_ALMOST_ONE: Final = 1e-9


class Forecast(NamedTuple):
    """What was said of one SKU-location: the best count, an interval, and all it rests on."""

    best: int
    low: int
    high: int
    distribution: Mapping[int, float]


def pit(distribution: Mapping[int, float], truth: int, u: float) -> float:
    """Return the randomised probability integral transform of the truth; `u` is from 0 to 1."""
    below = sum(chance for count, chance in distribution.items() if count < truth)
    return below + u * distribution.get(truth, 0.0)


class Bucket:
    """Counts that were about as sure: how many, how sure together, how many of them right."""

    __slots__ = ("exact", "said", "sure")

    def __init__(self) -> None:
        self.said = 0
        self.sure = 0.0
        self.exact = 0

    def merge(self, other: "Bucket") -> None:
        """Take another's counts in."""
        self.said += other.said
        self.sure += other.sure
        self.exact += other.exact


class Calibration:
    """Sums over forecasts."""

    def __init__(self) -> None:
        self.forecasts = 0
        self.pit_50 = 0
        self.pit_90 = 0
        self.covered = 0
        self.held = 0.0
        self.log_score_nats = 0.0
        self.histogram = [0] * PIT_BINS
        self.buckets = [Bucket() for _ in SURENESS[1:]]

    def add(self, forecast: Forecast, truth: int, u: float) -> None:
        """Take in a forecast and what was true; `u` is uniform from 0 to 1, a new one each time."""
        distribution = forecast.distribution
        at = pit(distribution, truth, u)
        self.forecasts += 1
        self.pit_50 += 0.25 <= at <= 0.75
        self.pit_90 += 0.05 <= at <= 0.95
        self.covered += forecast.low <= truth <= forecast.high
        self.held += _held(forecast)
        self.log_score_nats -= math.log(max(distribution.get(truth, 0.0), _LOG_FLOOR))
        self.histogram[min(PIT_BINS - 1, int(at * PIT_BINS))] += 1
        sure = distribution.get(forecast.best, 0.0)
        bucket = self.buckets[_bucket(sure)]
        bucket.said += 1
        bucket.sure += sure
        bucket.exact += forecast.best == truth

    def merge(self, other: "Calibration") -> None:
        """Take another's forecasts in."""
        self.forecasts += other.forecasts
        self.pit_50 += other.pit_50
        self.pit_90 += other.pit_90
        self.covered += other.covered
        self.held += other.held
        self.log_score_nats += other.log_score_nats
        for number, count in enumerate(other.histogram):
            self.histogram[number] += count
        for mine, theirs in zip(self.buckets, other.buckets, strict=True):
            mine.merge(theirs)

    @property
    def coverage_50(self) -> float:
        """How often the randomised central 50 % interval covered the truth."""
        return share(self.pit_50, self.forecasts)

    @property
    def coverage_90(self) -> float:
        """How often the randomised central 90 % interval covered the truth."""
        return share(self.pit_90, self.forecasts)

    @property
    def plain_coverage(self) -> float:
        """How often the interval of whole numbers covered the truth."""
        return share(self.covered, self.forecasts)

    @property
    def plain_nominal(self) -> float:
        """How often it should have: the mean probability that it held."""
        return share(self.held, self.forecasts)

    @property
    def mean_log_score_nats(self) -> float:
        """The mean of -log P(truth); smaller is better."""
        return share(self.log_score_nats, self.forecasts)


def _held(forecast: Forecast) -> float:
    low, high = forecast.low, forecast.high
    held = sum(chance for count, chance in forecast.distribution.items() if low <= count <= high)
    return min(1.0, held)


def _bucket(sure: float) -> int:
    last = len(SURENESS) - 2
    return min(last, bisect_right(SURENESS, min(sure, 1.0 - _ALMOST_ONE)) - 1)
