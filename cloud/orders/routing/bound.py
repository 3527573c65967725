"""A lower bound on every plan with two locations or more, and which locations can still matter.

Lagrangian relaxation of "every line is filled" (Geoffrion 1974; for plant location Cornuéjols,
Fisher and Nemhauser, Management Science 23, 1977). Give every line a price. A location then opens
if what it could sell at these prices exceeds its costs, independently of all others; prices plus
those choices are a lower bound for any prices at all. Subgradient steps (Held, Wolfe and Crowder
1974) look for good prices.
"""

from typing import Final, NamedTuple

import numpy as np

from cloud.orders.routing.appraisal import appraiser
from cloud.orders.routing.greedy import cover, improve
from cloud.orders.routing.incumbents import Incumbents
from cloud.orders.routing.instance import MILLI_CENTS, PROVEN_MC, Floats, Instance, Ints

_ROUNDS_FIRST: Final = 40
_ROUNDS_SECOND: Final = 40
_PATIENCE_ROUNDS: Final = 6
_STEP_FIRST: Final = 1.6
_STEP_LEAST: Final = 0.02
_AIM: Final = 0.1
_ROUNDING_MC: Final = 1.0
_ROUNDING_SHARE: Final = 1e-12
"""Bounds are lowered by so much, and this share of all prices, for rounding in floating point."""


class Bound(NamedTuple):
    """No plan with two locations or more is cheaper than `lower_mc`.

    No plan that uses a location is cheaper than its `at_least_mc`, single locations apart.
    `values` are the prices of whole lines, in milli-cents.
    """

    lower_mc: float
    at_least_mc: Floats
    values: Floats


class _Choice(NamedTuple):
    rows: Ints
    lower_mc: float
    at_least_mc: Floats
    excess: Floats


class _Relaxation:
    """The instance in fractions of lines, as the bound needs it."""

    def __init__(self, instance: Instance) -> None:
        whole = (instance.quantity * instance.weight).astype(np.float64)
        self.spare = instance.spare / instance.quantity
        self.needed = (instance.available - instance.spare) / instance.quantity
        self.rate = instance.rate_cents[:, None] * whole
        self.rate_needed = self.rate + instance.need_cents * whole
        self.open_mc = (instance.fixed_mc + instance.extra_mc).astype(np.float64)
        self.extra_mc = instance.extra_mc
        self.most = most_locations(instance)
        unfilled = instance.unfilled_cents
        self.ceiling = None if unfilled is None else unfilled * whole

    def choose(self, values: Floats) -> _Choice:
        """Solve the relaxation: the best two to `most` locations at these prices of lines."""
        gain = self.spare * np.maximum(0.0, values - self.rate)
        gain += self.needed * np.maximum(0.0, values - self.rate_needed)
        reduced = self.open_mc - gain.sum(axis=1)
        order = np.argsort(reduced, kind="stable")
        count = min(self.most, max(2, int((reduced < 0).sum())))
        chosen = order[:count]
        prices = float(values.sum())
        rounding = _ROUNDING_MC + _ROUNDING_SHARE * prices
        lower = prices + float(reduced[chosen].sum()) - self.extra_mc - rounding
        last = float(reduced[chosen[-1]])
        # One more location costs its own reduced cost. Where the number of locations is at its
        # limit, or one was opened at a loss to have two, it takes the place of the last one.
        swapped = count == self.most or last > 0
        at_least = lower + reduced - (last if swapped else 0.0)
        at_least[chosen] = lower
        picked = self.spare[chosen] * (values > self.rate[chosen])
        picked += self.needed[chosen] * (values > self.rate_needed[chosen])
        return _Choice(chosen, lower, at_least, 1.0 - picked.sum(axis=0))

    def clipped(self, values: Floats) -> Floats:
        """Prices stay at or above zero, and at or below what leaving a line unfilled costs."""
        values = np.maximum(values, 0.0)
        return values if self.ceiling is None else np.minimum(values, self.ceiling)

    def first_values(self) -> Floats:
        """Prices to begin with: each line at the cheapest location's share of all its costs."""
        have = (self.spare + self.needed) > 0
        shares = self.open_mc / np.maximum(1, have.sum(axis=1))
        return self.clipped(np.where(have, self.rate + shares[:, None], np.inf).min(axis=0))


def tighten(instance: Instance, incumbents: Incumbents) -> Bound:
    """Return the bound, adding plans to `incumbents` on the way.

    Needs at least two locations, and some location for every line that has to be filled.
    """
    relaxation = _Relaxation(instance)
    ascent = _Ascent(relaxation)
    ascent.climb(_ROUNDS_FIRST, incumbents)
    _improve(instance, incumbents, ascent, [])
    ascent.climb(_ROUNDS_SECOND, incumbents)
    _improve(instance, incumbents, ascent, [ascent.chosen_rows()])
    return ascent.bound()


class _Ascent:
    """Subgradient steps from the best prices so far; `values` and `lower_mc` only get better."""

    def __init__(self, relaxation: _Relaxation) -> None:
        self._relaxation: Final = relaxation
        self.values = relaxation.first_values()
        self.lower_mc = -np.inf
        self.at_least_mc = np.full(relaxation.open_mc.size, -np.inf)

    def climb(self, rounds: int, incumbents: Incumbents) -> None:
        """Take so many steps, fewer when nothing is left to gain."""
        found = incumbents.best
        upper_mc = np.inf if found is None else float(found.cost_mc)
        values, scale, stalled = self.values, _STEP_FIRST, 0
        for _ in range(rounds):
            choice = self._relaxation.choose(values)
            stalled = 0 if self._note(values, choice) else stalled + 1
            if stalled == _PATIENCE_ROUNDS:
                scale, stalled = scale / 2, 0
                values = self.values
                choice = self._relaxation.choose(values)
            norm = float(choice.excess @ choice.excess)
            if upper_mc - self.lower_mc < PROVEN_MC or norm == 0.0 or scale < _STEP_LEAST:
                return
            # Aiming far above what can be reached only makes steps too long.
            target_mc = min(upper_mc, self.lower_mc + _AIM * abs(self.lower_mc) + MILLI_CENTS)
            step = scale * (target_mc - choice.lower_mc) / norm
            values = self._relaxation.clipped(values + step * choice.excess)

    def bound(self) -> Bound:
        """Return what is known so far."""
        return Bound(self.lower_mc, self.at_least_mc, self.values)

    def chosen_rows(self) -> tuple[int, ...]:
        """Return the locations that the relaxation opens at the best prices."""
        return tuple(self._relaxation.choose(self.values).rows.tolist())

    def _note(self, values: Floats, choice: _Choice) -> bool:
        self.at_least_mc = np.maximum(self.at_least_mc, choice.at_least_mc)
        if choice.lower_mc <= self.lower_mc + _ROUNDING_MC:
            return False
        self.lower_mc, self.values = choice.lower_mc, values
        return True


def _improve(
    instance: Instance, incumbents: Incumbents, ascent: "_Ascent", starts: list[tuple[int, ...]]
) -> None:
    """Search around the greedy cover at the present prices, `starts`, and the best plan so far."""
    covering = cover(instance, ascent.values)
    incumbents.offer(covering)
    others = kept_rows(ascent.bound(), incumbents)
    appraises = appraiser(instance, ascent.values)
    ends = {improve(appraises, incumbents, rows, others) for rows in (covering, *starts) if rows}
    found = incumbents.best
    if found is not None and found.rows not in ends:
        improve(appraises, incumbents, found.rows, others)


def most_locations(instance: Instance) -> int:
    """Return how many locations a plan with two or more may use at most."""
    free = int((~instance.is_parcel).sum())
    return max(2, min(instance.locations_max, instance.parcels_max + free, instance.size))


def kept_rows(bound: Bound, incumbents: Incumbents) -> Ints:
    """Return the locations that a plan better than the best incumbent could use."""
    found = incumbents.best
    upper_mc = np.inf if found is None else found.cost_mc - PROVEN_MC
    return np.flatnonzero(bound.at_least_mc < upper_mc).astype(np.int64)
