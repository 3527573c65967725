"""Every set of locations that could still beat the best plan, priced: a proof without a solver.

Implicit enumeration with the prices of the Lagrangian bound. For a set T let `b(T)` be the cost of
the best use of T when whatever stays unfilled costs its price; no plan that opens exactly T is
cheaper. Opening more has diminishing returns (the gain is submodular: Cornuéjols, Fisher and
Nemhauser 1977), so a plan that opens T and R costs at least `b(T)` plus, for each r of R,
`b(T + r) - b(T)` where that is negative. Level by level, sets grow in a fixed order of locations;
what cannot get below the best plan is dropped with everything that would contain it.
"""

from typing import Final, NamedTuple

import numpy as np

from cloud.orders.routing.appraisal import Appraiser, appraiser, priced
from cloud.orders.routing.bound import Bound, kept_rows, most_locations
from cloud.orders.routing.incumbents import Incumbents
from cloud.orders.routing.instance import PROVEN_MC, Floats, Instance, Ints

_OFFERS_MAX: Final = 40


class _Level(NamedTuple):
    """Sets of one width; `parent` groups those that differ in their last location only."""

    sets: Ints
    parent: Ints
    parent_mc: Floats


def enumerate_all(instance: Instance, bound: Bound, incumbents: Incumbents, steps_max: int) -> bool:
    """Offer every set that could beat the best plan; say whether that was within the limit.

    If so, no plan with two locations or more is cheaper than the best incumbent by half a cent.
    If not, the most promising sets were offered. A step is one line at one location in one set;
    `steps_max` makes the work, not the clock, the limit, so that the answer does not depend on
    how busy the machine is. Needs an incumbent.
    """
    at_prices = priced(instance, bound.values)
    exactly = appraiser(instance, bound.values).without_room()
    order = _best_first(at_prices, kept_rows(bound, incumbents))
    root_mc = float(bound.values.sum()) - instance.extra_mc
    level = _Level(
        order[:, None], np.zeros(order.size, dtype=np.int64), np.full(order.size, root_mc)
    )
    steps, complete = 0, True
    for width in range(1, most_locations(instance) + 1):
        if not len(level.sets):
            break
        steps += level.sets.size * instance.quantity.size
        value_mc = at_prices.appraise(level.sets)
        promising = level.sets[value_mc < _below_mc(incumbents)]
        if width > 1:
            complete &= _offer(instance, exactly, incumbents, promising)
        sets_max = (steps_max - steps) // ((width + 1) * instance.quantity.size)
        level, whole = _grow(level, value_mc, _below_mc(incumbents), sets_max)
        complete &= whole
    return complete


def _below_mc(incumbents: Incumbents) -> float:
    best = incumbents.best
    return np.inf if best is None else float(best.cost_mc - PROVEN_MC)


def _best_first(at_prices: Appraiser, rows: Ints) -> Ints:
    return rows[np.argsort(at_prices.appraise(rows[:, None]), kind="stable")]


def _offer(instance: Instance, exactly: Appraiser, incumbents: Incumbents, sets: Ints) -> bool:
    """Offer what may be a better plan; say whether there were few enough to do so."""
    if instance.unfilled_cents is None and len(sets):
        stock = instance.available[sets].sum(axis=1)
        sets = sets[(stock >= instance.quantity).all(axis=1)]
    if not len(sets):
        return True
    costs = exactly.appraise(sets)
    for position, number in enumerate(np.argsort(costs, kind="stable").tolist()):
        if costs[number] >= _below_mc(incumbents):
            return True
        if position == _OFFERS_MAX:
            return False
        incumbents.offer(tuple(sets[number].tolist()))
    return True


def _grow(level: _Level, value_mc: Floats, below_mc: float, sets_max: int) -> tuple[_Level, bool]:
    """Return the next level, and whether it holds all that it has to.

    When it would be larger than `sets_max`, the most promising sets grow and the others do not.

    A set grows by the last locations of its later siblings. It need not grow when nothing can get
    below `below_mc` that contains it and any of those; and its own last location need not be
    added to any sibling when that holds even with all siblings.
    """
    change = np.minimum(0.0, value_mc - level.parent_mc)
    running = np.concatenate([[0.0], np.cumsum(change)])
    first = np.searchsorted(level.parent, level.parent, side="left")
    last = np.searchsorted(level.parent, level.parent, side="right")
    later = running[last] - running[1:]
    siblings = running[last] - running[first] - change
    joins = value_mc + siblings < below_mc
    reach = (value_mc + later)[joins]
    sets, parent, value_mc = level.sets[joins], level.parent[joins], value_mc[joins]
    behind = np.searchsorted(parent, parent, side="right") - np.arange(parent.size) - 1
    partners = np.where(reach < below_mc, behind, 0)
    whole = int(partners.sum()) <= sets_max
    if not whole:
        by_reach = np.argsort(reach, kind="stable")
        partners[by_reach[np.cumsum(partners[by_reach]) > sets_max]] = 0
    source = np.repeat(np.arange(parent.size), partners)
    offset = np.arange(source.size) - np.repeat(np.cumsum(partners) - partners, partners)
    added = sets[source + 1 + offset, -1:]
    return _Level(np.column_stack([sets[source], added]), source, value_mc[source]), whole
