"""Many sets of locations appraised at once: what `allocation` finds, but for capacity. Pure.

The vectorised twin of taking the cheapest first. What stays unfilled and what overloads a location
is charged at a price per step, so that a search sees how far a set is from feasible; without
either, the appraisal is the exact cost.
"""

from typing import NamedTuple

import numpy as np

from cloud.orders.routing.instance import Floats, Instance, Ints


class Appraiser(NamedTuple):
    """An instance prepared for appraising sets of its locations."""

    instance: Instance
    steps: Floats
    fine: Floats
    may_overload: bool

    def appraise(self, sets: Ints) -> Floats:
        """Return the cost in milli-cents of each row of `sets`; its locations are distinct."""
        instance = self.instance
        count, width = sets.shape
        rate = instance.rate_cents[sets]
        prices = np.concatenate([rate, rate + instance.need_cents], axis=1)
        order = np.argsort(prices, axis=1, kind="stable")
        prices = np.take_along_axis(prices, order, axis=1)
        sources = np.concatenate([sets, sets + instance.size], axis=1)
        sources = np.take_along_axis(sources, order, axis=1)
        left = np.tile(instance.quantity.astype(np.float64), (count, 1))
        weight = instance.weight.astype(np.float64)
        cost = (instance.fixed_mc + instance.extra_mc)[sets].sum(axis=1) - float(instance.extra_mc)
        measures = np.column_stack([~instance.is_weighed, instance.is_weighed]).astype(np.float64)
        loads = np.zeros((count, width, 2))
        for step in range(2 * width):
            amount = np.minimum(left, self.steps[sources[:, step]])
            left -= amount
            cost += (amount @ weight) * prices[:, step]
            if self.may_overload:
                loads[np.arange(count), order[:, step] % width] += amount @ measures
        cost += left @ self.fine
        if self.may_overload:
            cost += self._overload(sets, loads)
        return np.asarray(cost)

    def without_room(self) -> "Appraiser":
        """Return an appraiser that ignores capacity."""
        return self._replace(may_overload=False)

    def _overload(self, sets: Ints, loads: Floats) -> Floats:
        fines = np.zeros(len(sets))
        instance = self.instance
        for measure, columns in enumerate((~instance.is_weighed, instance.is_weighed)):
            if columns.any():
                over = np.maximum(0.0, loads[:, :, measure] - instance.room[measure][sets])
                fines += over.sum(axis=1) * self.fine[columns].mean()
        return fines


def priced(instance: Instance, values: Floats) -> Appraiser:
    """Return an appraiser that leaves out what costs more than it is worth, and ignores capacity.

    `values` is what each whole line is worth, in milli-cents. The appraisal of a set of locations
    is a lower bound on what any plan costs that opens it.
    """
    worth = values / instance.quantity
    rate = instance.rate_cents[:, None] * instance.weight
    spare = np.where(rate < worth, instance.spare, 0)
    into_need = rate + instance.need_cents * instance.weight
    needed = np.where(into_need < worth, instance.available - instance.spare, 0)
    steps = np.concatenate([spare, needed]).astype(np.float64)
    return Appraiser(instance, steps, worth, may_overload=False)


def appraiser(instance: Instance, values: Floats) -> Appraiser:
    """Return an appraiser; `values` is what each whole line is worth, in milli-cents.

    A step that is left out costs its price where that may be, else three times its worth.
    """
    fine = 3.0 * values / instance.quantity
    if instance.unfilled_cents is not None:
        fine = (instance.weight * instance.unfilled_cents).astype(np.float64)
    steps = np.concatenate([instance.spare, instance.available - instance.spare])
    may_overload = any(
        bool((instance.available[:, columns].sum(axis=1) > instance.room[measure]).any())
        for measure, columns in enumerate((~instance.is_weighed, instance.is_weighed))
    )
    return Appraiser(instance, steps.astype(np.float64), fine, may_overload)
