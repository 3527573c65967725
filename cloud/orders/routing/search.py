"""The search for the cheapest plan of one instance, and the proof that it is. Pure.

In this order, each step only where those before it leave doubt: all single locations; good plans
with more; a lower bound on all others; every set that the bound leaves, if that is little work;
the mixed-integer program for the rest of the time.
"""

from typing import Final

import numpy as np

from cloud.orders.routing.bound import Bound, kept_rows, tighten
from cloud.orders.routing.drafting import Outcome
from cloud.orders.routing.enumeration import enumerate_all
from cloud.orders.routing.greedy import price_all_singles
from cloud.orders.routing.incumbents import Incumbents
from cloud.orders.routing.instance import PROVEN_MC, Instance, select
from cloud.orders.routing.milp import solve_milp

_STEPS_PER_MS: Final = 10_000
"""Steps of the enumeration for each millisecond of the budget: about a fifth of it."""
_FIRST_SHARE: Final = 0.3
_SOLVER_SHARE: Final = 0.5
_PREPARATION_MS: Final = 20.0
"""The solver gets its share of the budget less what preparing takes; it overruns a little."""
_SOLVER_LEAST_MS: Final = 2.0


def search(instance: Instance, budget_ms: float) -> Outcome:
    """Return the best plan found and a lower bound on every plan."""
    incumbents = Incumbents(instance)
    price_all_singles(instance, incumbents)
    single = incumbents.best
    single_mc = np.inf if single is None else float(single.cost_mc)
    several_mc = _several_at_least(instance)
    if single_mc <= several_mc:
        # Every single location was priced exactly, and whoever uses two or more pays at least
        # `several_mc`: the best single location is the optimum, or nothing is possible at all.
        return Outcome(single, single_mc, "single_location", incumbents.ranked())
    bound = tighten(instance, incumbents)
    lower_mc = min(single_mc, max(bound.lower_mc, several_mc))
    best = incumbents.best
    if best is not None and best.cost_mc - lower_mc <= PROVEN_MC:
        return Outcome(best, lower_mc, "bound", incumbents.ranked())
    if _enumerated(instance, bound, incumbents, budget_ms * _STEPS_PER_MS):
        best = incumbents.best
        lower_mc = single_mc if best is None else min(single_mc, best.cost_mc - PROVEN_MC)
        return Outcome(best, lower_mc, "enumeration", incumbents.ranked())
    solver_ms = max(_SOLVER_LEAST_MS, budget_ms * _SOLVER_SHARE - _PREPARATION_MS)
    lower_mc = min(single_mc, _solved(instance, bound, incumbents, solver_ms))
    return Outcome(incumbents.best, lower_mc, "milp", incumbents.ranked())


def _enumerated(instance: Instance, bound: Bound, incumbents: Incumbents, steps_max: float) -> bool:
    """Say whether every set that could beat the best plan was offered.

    A first attempt that has to be broken off still finds better plans; they leave less to do for
    the second one.
    """
    if incumbents.best is None:
        return False
    return any(
        enumerate_all(instance, bound, incumbents, int(steps_max * share))
        for share in (_FIRST_SHARE, 1.0 - _FIRST_SHARE)
    )


def _several_at_least(instance: Instance) -> float:
    """What any plan with two locations or more costs at least; `inf` if none is allowed.

    The two cheapest to use, one extra parcel, and every line handled at the lowest rate of those
    that have it. What nobody has stays unfilled, at its price.
    """
    lowest_parcels = int((~instance.is_parcel).sum()) + instance.parcels_max
    if min(instance.size, instance.locations_max, lowest_parcels) < 2:
        return np.inf
    stock = instance.available.sum(axis=0)
    if instance.unfilled_cents is None and (stock < instance.quantity).any():
        return np.inf
    has = instance.available > 0
    rates = np.where(has, instance.rate_cents[:, None], np.iinfo(np.int64).max).min(axis=0)
    filled = np.minimum(stock, instance.quantity)
    handling = np.where(stock > 0, rates, 0) * filled * instance.weight
    left_out = (instance.quantity - filled) * instance.weight * (instance.unfilled_cents or 0)
    opening = np.sort(instance.fixed_mc)[:2].sum() + instance.extra_mc
    return float(opening + handling.sum() + left_out.sum())


def _solved(instance: Instance, bound: Bound, incumbents: Incumbents, solver_ms: float) -> float:
    """Offer what HiGHS finds; return what plans with two locations or more cost at least."""
    best = incumbents.best
    rows = kept_rows(bound, incumbents)
    at_least_mc = np.inf
    if rows.size > 1:
        start = None
        if best is not None and set(best.rows) <= set(rows.tolist()):
            inside = np.searchsorted(rows, best.rows)
            start = best._replace(rows=tuple(inside.tolist()))
        answer = solve_milp(select(instance, rows), start, solver_ms)
        if answer.rows is not None:
            incumbents.offer(tuple(rows[list(answer.rows)].tolist()))
        at_least_mc = max(bound.lower_mc, answer.lower_mc)
    if best is not None:
        # Plans with a location outside `rows` save no more than PROVEN_MC against this plan.
        at_least_mc = min(at_least_mc, best.cost_mc - PROVEN_MC)
    return float(at_least_mc)
