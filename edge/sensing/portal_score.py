"""How sure it is that a tag went through a portal, from how its two sides read it over time.

Pure. The series of a passage is cut into bins of `BIN_MS`; each side's reads are added up in a bin
by power, in milliwatts, for one strong read says more of where a tag is than many weak ones. What a
crossing looks like, and neither a tag that lingers near the portal nor a stray, is put into a few
numbers, each between about -3 and 3 and large for a crossing; a logistic regression turns them
into a probability (Cox, "The regression analysis of binary sequences", 1958).
"""

import math
import operator
from collections.abc import Mapping
from typing import Final, NamedTuple

from edge.sensing.portal_weights import INTERCEPT, LINEAR, MEANS, PRODUCTS, SCALES

BIN_MS: Final = 200
EDGE_SHARE: Final = 0.3
"""The first and the last part of a passage by time, whose balance says where a tag came from."""
CENTROID_SCALE_S: Final = 0.5
ORDER_SCALE_S: Final = 0.4
NOMINAL_PEAK_DBM: Final = -58.0
CONFIDENCE_MAX: Final = 0.999
"""No model is surer than the simulation that taught it."""
DOUBTFUL_MAX: Final = 0.85
"""Who goes through a doorway comes near both sides, and goes from one to the other. What one side
has read fewer than `READS_MIN` times, or never stronger than `NOMINAL_PEAK_DBM`, or what began
or ended less clearly than `ENDS_MIN` on its side, or went to and fro, is at most so sure."""
READS_MIN: Final = 4
ENDS_MIN: Final = 0.45
TREND_MIN: Final = 0.65


class Bin:
    """What both sides read of a tag in one bin."""

    __slots__ = ("inside_mw", "inside_reads", "outside_mw", "outside_reads")

    def __init__(self) -> None:
        self.inside_mw = self.outside_mw = 0.0
        self.inside_reads = self.outside_reads = 0


class Score(NamedTuple):
    """Whether a tag went inwards, rather than outwards, and the numbers that speak for it."""

    is_inwards: bool
    features: tuple[float, ...]

    @property
    def confidence(self) -> float:
        """The probability that it went that way."""
        values = [
            (value - mean) / scale
            for value, mean, scale in zip(self.features, MEANS, SCALES, strict=True)
        ]
        logit = INTERCEPT
        for index, (value, linear, products) in enumerate(
            zip(values, LINEAR, PRODUCTS, strict=True)
        ):
            products_sum = sum(map(operator.mul, products, values[index:]))
            logit += value * (linear + products_sum)
        probability = 1.0 / (1.0 + math.exp(-max(-50.0, min(50.0, logit))))
        return min(CONFIDENCE_MAX if self.is_plain else DOUBTFUL_MAX, probability)

    @property
    def ends(self) -> float:
        """How clearly it began on one side and ended on the other, from -1 to 1."""
        return self.features[0]

    @property
    def is_plain(self) -> bool:
        """Whether both sides have read it near enough and often enough, one after the other."""
        ends, _, _, trend, weaker_peak, _, fewer_reads, *_ = self.features
        is_near = weaker_peak >= 0.0 and fewer_reads >= _LOG_READS_MIN
        return is_near and ends >= ENDS_MIN and trend >= TREND_MIN


FEATURES: Final = (
    "ends",
    "centroids",
    "order",
    "trend",
    "weaker peak",
    "peak difference",
    "fewer reads",
    "duration",
    "target below peak",
)
_LOG_READS_MIN: Final = math.log(READS_MIN)


def score(bins: Mapping[int, Bin], peak_mw: float) -> Score | None:
    """Return which way a tag went if it went, from bins by number; `None` if one side read it.

    `peak_mw` is the strongest read of the whole passage, also of what the bins have forgotten.
    """
    numbers = sorted(bins)
    first, last = numbers[0], numbers[-1]
    edge = max(1.0, EDGE_SHARE * (last - first + 1))
    start_in = start_out = end_in = end_out = 0.0
    sum_in = sum_out = moment_in = moment_out = 0.0
    reads_in = reads_out = 0
    peak_in = peak_out = 0.0
    first_in = first_out = last_in = last_out = -1
    total = time = square = lean = cross = lean_square = 0.0
    for number in numbers:
        cell = bins[number]
        power_in, power_out = cell.inside_mw, cell.outside_mw
        age = number - first
        if power_in:
            sum_in += power_in
            moment_in += power_in * age
            reads_in += cell.inside_reads
            peak_in = max(peak_in, power_in / cell.inside_reads)
            first_in, last_in = (age if first_in < 0 else first_in), age
        if power_out:
            sum_out += power_out
            moment_out += power_out * age
            reads_out += cell.outside_reads
            peak_out = max(peak_out, power_out / cell.outside_reads)
            first_out, last_out = (age if first_out < 0 else first_out), age
        level_in, level_out = math.sqrt(power_in), math.sqrt(power_out)
        if age < edge:
            start_in += level_in
            start_out += level_out
        if last - number < edge:
            end_in += level_in
            end_out += level_out
        weight = level_in + level_out
        balance = (level_in - level_out) / weight
        total += weight
        time += weight * age
        square += weight * age * age
        lean += weight * balance
        cross += weight * balance * age
        lean_square += weight * balance * balance
    if not reads_in or not reads_out:
        return None
    start = (start_in - start_out) / (start_in + start_out)
    end = (end_in - end_out) / (end_in + end_out)
    seconds = BIN_MS / 1_000.0
    centroids = math.tanh((moment_in / sum_in - moment_out / sum_out) * seconds / CENTROID_SCALE_S)
    began = math.tanh((first_in - first_out) * seconds / ORDER_SCALE_S)
    ended = math.tanh((last_in - last_out) * seconds / ORDER_SCALE_S)
    sign = 1.0 if end - start + centroids + ended >= 0.0 else -1.0
    variance = (square - time * time / total) * (lean_square - lean * lean / total)
    trend = (cross - time * lean / total) / math.sqrt(variance) if variance > 1e-18 else 0.0
    peaks_dbm = 10.0 * math.log10(peak_in), 10.0 * math.log10(peak_out)
    target_dbm = peaks_dbm[0] if sign > 0.0 else peaks_dbm[1]
    features = (
        min(-sign * start, sign * end),
        sign * centroids,
        min(sign * began, sign * ended),
        sign * trend,
        max(-2.5, min(2.5, (min(peaks_dbm) - NOMINAL_PEAK_DBM) / 10.0)),
        -abs(peaks_dbm[0] - peaks_dbm[1]) / 10.0,
        math.log(min(reads_in, reads_out)),
        math.log((last - first + 1) * seconds),
        max(-3.0, (target_dbm - 10.0 * math.log10(peak_mw)) / 10.0),
    )
    return Score(sign > 0.0, features)
