"""How many units lie on a shelf, tracked from weighing to weighing by weighed hypotheses.

The rules:

- Each weighing at rest asks of every hypothesis what may have happened since the one before:
  nothing, units came or went, something foreign was left or taken away, the scale was tared.
- Each answer is weighed by its chance and by how well it explains the weight.
- Hypotheses of the same units are merged, those that explain nothing are dropped, and at most
  `HYPOTHESES_MAX` are kept: a multiple-hypothesis tracker (Reid 1979; Blackman 2004).
- The count is the most likely one; its error is what the other hypotheses make of it.

The zero needs no rule of its own. While hypotheses with nothing on the shelf hold, a weighing
corrects the zero alone; while goods lie there, what is no item moves it slowly. Pure.
"""

import math
from collections.abc import Iterator, Sequence
from statistics import NormalDist
from typing import Final, NamedTuple

from edge.sensing import shelf_hypotheses as states
from edge.sensing.shelf_hypotheses import Hypothesis, Units, log_sum
from edge.sensing.shelf_moves import (
    CHANCES,
    FOREIGN_SD_G,
    Chances,
    Motion,
    first_counts,
    likely_changes,
    log_chance,
)
from edge.sensing.shelf_spreads import Spread
from edge.sensing.shelf_traits import Shelf

HYPOTHESES_MAX: Final = 32
LOG_WEIGHT_DROP: Final = 14.0
"""A hypothesis less likely than the best by this factor (e^14) is dropped."""
FIRST_SIGHT_SDS: Final = 3.0
"""A first weight that is farther from whole units than this many deviations is no count."""
STEADY_SDS: Final = 3.0
"""While rest goes on and the weight is this near to what was expected, nothing has happened."""
ERROR_UNITS_MIN: Final = 0.02
"""What no model knows: an item that is not itself, a gift that sticks to one."""
CONFIDENT: Final = 0.95
HOUR_MS: Final = 3_600_000
DRIFT_MS_MAX: Final = 720 * HOUR_MS
TARE_SD_G: Final = 0.5
"""What a scale shows right after a tare is nothing, but for its own rounding."""
ONE_IS_LESS: Final = 0.1
"""How likely a unit broke when the weight fell by what is no whole number of units."""
SETTLING_STEPS: Final = 0.7
"""A change of load leaves an error of so many steps of the display, however small it is."""
LOAD_SETTLING_G2: Final = 1.0
_NORMAL: Final = NormalDist()


class Estimate(NamedTuple):
    """What the hypotheses say together.

    `units` is the most likely count of each product, `errors` the standard error of each,
    `probability` that `units` are right in all products. `foreign` is how likely something lies
    there that does not belong, and `best` the most likely hypothesis.
    """

    units: Units
    errors: tuple[float, ...]
    probability: float
    foreign: float
    best: Hypothesis


class Weighing(NamedTuple):
    """A weight at rest with the variance of its noise."""

    weight_g: float
    noise_g2: float
    at_ms: int
    motion: Motion


class _Moved(NamedTuple):
    """A hypothesis before it is weighed, and what it takes to have happened."""

    hypothesis: Hypothesis
    before: Hypothesis
    changes: Units


class ShelfTracker:
    """The hypotheses about one shelf; none while no whole units have explained a weight yet."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._none = tuple(0 for _ in shelf.products)
        self.spreads = [Spread(product.item_weight_sd_g**2) for product in shelf.products]
        self.hypotheses: list[Hypothesis] = []
        self.stride = 1
        self.weighed_g = 0.0
        self.weighed_at_ms = 0

    def weigh(self, weighing: Weighing) -> None:
        """Take a weight at rest in."""
        if self.hypotheses:
            self._go_on(weighing)
        else:
            self._begin(weighing)
        self.weighed_g, self.weighed_at_ms = weighing.weight_g, weighing.at_ms

    def estimate(self) -> Estimate | None:
        """Return what is known, or `None` while no whole units explained a weight."""
        if not self.hypotheses:
            return None
        chances: dict[Units, float] = {}
        foreign = 0.0
        for each in self.hypotheses:
            chance = math.exp(each.log_weight)
            chances[each.units] = chances.get(each.units, 0.0) + chance
            foreign += chance * each.has_foreign
        units = max(chances, key=lambda units: (chances[units], units))
        best = max(self.hypotheses, key=lambda each: (each.units == units, each.log_weight))
        probability = min(1.0, chances[units])
        errors = tuple(self._error_units(units, at) for at in range(len(units)))
        return Estimate(units, errors, probability, min(1.0, foreign), best)

    def _error_units(self, units: Units, product: int) -> float:
        """Return the standard error of a product's count.

        It is the larger of two: the root of the mean square by which the hypotheses without
        anything foreign are off; and the error of a normal measurement whose rounding is as often
        right as this count is. A foreign thing that weighs as much as many units is unlikely but
        far off, so it only counts in the second.
        """
        right, total, squares = 0.0, 0.0, 0.0
        for each in self.hypotheses:
            chance = math.exp(each.log_weight)
            off = each.units[product] - units[product]
            right += chance * (off == 0)
            if not each.has_foreign:
                total += chance
                squares += chance * off * off
        mean_square = squares / total if total else 0.0
        floor = ERROR_UNITS_MIN**2 + (self.stride**2 - 1) / 12
        return max(math.sqrt(floor + mean_square), _error_of_rounding(right))

    def accept_zero_step(self) -> None:
        """Take for a step of the zero what was taken for something foreign, and lasts.

        A broken item may be behind it too: some doubt about one unit is left.
        """
        stepped: list[Hypothesis] = []
        for each in self.hypotheses:
            if each.has_foreign:
                stepped.append(self._with_zero_for(each, self._none, 1 - ONE_IS_LESS))
                stepped += [
                    self._with_zero_for(each, less, ONE_IS_LESS / len(self._none))
                    for less in self._one_less(each)
                ]
            else:
                stepped.append(each)
        self._keep(stepped)

    def _one_less(self, of: Hypothesis) -> Iterator[Units]:
        for product, count in enumerate(of.units):
            if count:
                yield tuple(-(at == product) for at in range(len(of.units)))

    def _with_zero_for(self, of: Hypothesis, changes: Units, chance: float) -> Hypothesis:
        """Return a hypothesis whose zero is whatever the last weight makes it."""
        free = states.tared(states.with_units(of, changes, self.item_spreads_g))
        settled = states.weighed(free, self.weighed_g, LOAD_SETTLING_G2)
        settled.log_weight = of.log_weight + math.log(chance)
        return settled

    @property
    def item_spreads_g(self) -> tuple[float, ...]:
        """The standard deviation of one item's weight, of each product."""
        return tuple(math.sqrt(spread.variance_g2) for spread in self.spreads)

    def _begin(self, weighing: Weighing) -> None:
        products = self._shelf.products
        weights_g = tuple(product.item_weight_g for product in products)
        errors_g = tuple(product.item_weight_error_g for product in products)
        zero_sd_g = self._shelf.zero_sd_g
        counts = first_counts(weighing.weight_g, weights_g, errors_g, zero_sd_g)
        begun = [
            states.begin(units, zero_sd_g, weights_g, errors_g, self.item_spreads_g)
            for units in counts.units
        ]
        if any(_explains(each, weighing, FIRST_SIGHT_SDS) for each in begun):
            self.stride = counts.stride
            self._keep([_weighed(each, weighing) for each in begun])

    def _go_on(self, weighing: Weighing) -> None:
        off_g = weighing.weight_g - self.weighed_g
        self._let_time_pass(weighing.at_ms)
        stride = 1
        moved: list[_Moved] = []
        for before in self.hypotheses:
            stride = max(stride, self._expand(before, weighing, off_g, moved))
        known = self.estimate()
        self.stride = max(self.stride, stride)
        moved, after = _weigh_likely(moved, weighing)
        if known is not None and known.probability > CONFIDENT and known.foreign < 1 - CONFIDENT:
            best = max(range(len(after)), key=lambda at: after[at].log_weight)
            self._learn_spread(moved[best], weighing)
        self._keep(after)
        if all(each.units == self._none for each in self.hypotheses):
            self.stride = 1

    def _expand(
        self, before: Hypothesis, weighing: Weighing, off_g: float, moved: list[_Moved]
    ) -> int:
        """Add what may have become of a hypothesis; return the stride of the counts looked at."""
        chances = CHANCES[weighing.motion]
        if weighing.motion is Motion.NONE and _explains(before, weighing, STEADY_SDS):
            moved.append(_Moved(before, before, self._none))
            return 1
        settled = before
        if weighing.motion is not Motion.NONE:
            settled = states.drifted(before, self._settling_g2(off_g))
        spreads_g = self.item_spreads_g
        stride = 1
        for start, log_start in self._starts(settled, chances):
            found = likely_changes(start, weighing.weight_g, weighing.noise_g2, spreads_g)
            stride = max(stride, found.stride)
            for changes in found.units:
                after = states.with_units(start, changes, spreads_g)
                after.log_weight += log_start + log_chance(changes, chances)
                moved.append(_Moved(after, start, changes))
        jolts = self._jolts(settled, weighing, chances)
        moved.extend(_Moved(after, settled, self._none) for after in jolts)
        return stride

    def _settling_g2(self, off_g: float) -> float:
        """Return how uncertain a change of load makes the zero: hysteresis, creep, a bent span."""
        traits = self._shelf.traits
        return (traits.span_error * off_g) ** 2 + (SETTLING_STEPS * traits.resolution_g) ** 2

    def _starts(self, settled: Hypothesis, chances: Chances) -> Iterator[tuple[Hypothesis, float]]:
        """Yield what units may have been added to or taken from, with the log of its chance."""
        if settled.has_foreign:
            yield settled, math.log(1 - chances.removed)
            yield states.without_foreign(settled), math.log(chances.removed)
        else:
            yield settled, math.log(1 - chances.left)

    def _jolts(
        self, settled: Hypothesis, weighing: Weighing, chances: Chances
    ) -> Iterator[Hypothesis]:
        """Yield what else may have happened: something was left there, the scale was tared."""
        left = states.with_foreign(settled, FOREIGN_SD_G)
        left.log_weight += math.log(chances.left)
        yield left
        tared = states.tared(settled)
        # The likelihood of a weight under a zero that may be anything means nothing; that of a
        # display near nothing, right after a tare, takes its place.
        expected = states.outlook(tared, tared.units, weighing.noise_g2)
        any_weight = states.log_density(weighing.weight_g - expected.weight_g, expected.variance_g2)
        near_nothing = states.log_density(weighing.weight_g, weighing.noise_g2 + TARE_SD_G**2)
        tared.log_weight += math.log(chances.tared) + near_nothing - any_weight
        yield tared

    def _learn_spread(self, moved: _Moved, weighing: Weighing) -> None:
        """Learn from one single item that surely came, or went from among others."""
        if sum(map(abs, moved.changes)) != 1 or moved.hypothesis.has_foreign:
            return
        product = next(at for at, change in enumerate(moved.changes) if change)
        share = 1.0
        if moved.changes[product] < 0:
            share = moved.hypothesis.units[product] / moved.before.units[product]
        if share > 0:
            expected = states.outlook(moved.hypothesis, moved.hypothesis.units, weighing.noise_g2)
            surprise_g = weighing.weight_g - expected.weight_g
            spread = self.spreads[product]
            self.spreads[product] = spread.learnt(surprise_g, expected.variance_g2, share)

    def _let_time_pass(self, at_ms: int) -> None:
        # A clock that is set back makes no time pass, one that leaps has its bound.
        passed_ms = min(max(0, at_ms - self.weighed_at_ms), DRIFT_MS_MAX)
        zero_g2 = self._shelf.traits.drift_sd_g_per_hour**2 * passed_ms / HOUR_MS
        self.hypotheses = [states.drifted(each, zero_g2) for each in self.hypotheses]

    def _keep(self, found: Sequence[Hypothesis]) -> None:
        """Merge what is the same, drop what is unlikely, and let the chances sum to 1."""
        lowest = max(each.log_weight for each in found) - LOG_WEIGHT_DROP
        alike: dict[tuple[Units, bool], list[Hypothesis]] = {}
        for each in found:
            if each.log_weight >= lowest:
                alike.setdefault((each.units, each.has_foreign), []).append(each)
        kept = [states.merged(parts) for parts in alike.values()]
        kept.sort(key=lambda each: each.log_weight, reverse=True)
        del kept[HYPOTHESES_MAX:]
        total = log_sum([each.log_weight for each in kept])
        for each in kept:
            each.log_weight -= total
        self.hypotheses = kept


def _error_of_rounding(right: float) -> float:
    """Return the standard deviation of a measurement whose rounding is right so often."""
    surely = min(1 - 1e-9, max(1e-6, right))
    return 0.5 / _NORMAL.inv_cdf((1 + surely) / 2)


def _weighed(hypothesis: Hypothesis, weighing: Weighing) -> Hypothesis:
    return states.weighed(hypothesis, weighing.weight_g, weighing.noise_g2)


def _weigh_likely(
    moved: Sequence[_Moved], weighing: Weighing
) -> tuple[list[_Moved], list[Hypothesis]]:
    """Return what is likely enough to be kept, before and after it was weighed."""
    logs: list[float] = []
    for each in moved:
        expected = states.outlook(each.hypothesis, each.hypothesis.units, weighing.noise_g2)
        off_g = weighing.weight_g - expected.weight_g
        logs.append(each.hypothesis.log_weight + states.log_density(off_g, expected.variance_g2))
    lowest = max(logs) - LOG_WEIGHT_DROP
    likely = [each for each, log in zip(moved, logs, strict=True) if log >= lowest]
    return likely, [_weighed(each.hypothesis, weighing) for each in likely]


def _explains(hypothesis: Hypothesis, weighing: Weighing, sds: float) -> bool:
    expected = states.outlook(hypothesis, hypothesis.units, weighing.noise_g2)
    off_g = abs(weighing.weight_g - expected.weight_g)
    return off_g <= sds * math.sqrt(expected.variance_g2)
