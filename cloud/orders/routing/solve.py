"""Routing one order: from a problem to a plan, or to the reason why there is none.

All single locations are compared first. A search for plans with more locations follows, closed by
a lower bound where that proves the best plan found; otherwise HiGHS decides among the locations
that can still matter. Pure: no clock of ours, no I/O; the solver keeps to the time it is given.
"""

from typing import Final

import numpy as np

from cloud.orders.routing.costs import RoutingCosts
from cloud.orders.routing.drafting import Outcome, make_plan
from cloud.orders.routing.errors import RoutingInvalid
from cloud.orders.routing.explanation import describe_unroutable
from cloud.orders.routing.instance import (
    PROVEN_MC,
    Instance,
    build_instance,
    outclassed,
    select,
)
from cloud.orders.routing.plan import Plan, Reason, Rejection, Unroutable, UnroutableReason
from cloud.orders.routing.problem import RoutingProblem, check_problem
from cloud.orders.routing.screening import Screened, screen
from cloud.orders.routing.search import search
from cloud.orders.routing.shortage import line_shortages
from protocol.facts import TIME_MS_MAX

BUDGET_MS_MAX: Final = 60_000


def route(
    problem: RoutingProblem, costs: RoutingCosts, *, now_ms: int, budget_ms: float = 50
) -> Plan | Unroutable:
    """Choose where to fulfil an order, or say why that is impossible.

    `now_ms` is the time in milliseconds since 1970, `budget_ms` what the whole call may take for an
    order of 20 lines and 200 candidates; when it runs out, the best plan found is returned
    with its gap. The order of lines and candidates does not change the answer. Raises
    `RoutingInvalid` for a problem that makes no sense.
    """
    check_problem(problem)
    if not 0 <= now_ms <= TIME_MS_MAX:
        raise RoutingInvalid("now_ms", f"is {now_ms}, 0 to {TIME_MS_MAX} expected")
    if not 0 < budget_ms <= BUDGET_MS_MAX:
        raise RoutingInvalid("budget_ms", f"is {budget_ms}, more than 0 expected")
    before = screen(problem, costs, now_ms)
    lacking = _lacking(problem, before)
    if lacking is not None:
        return _unroutable(lacking, before)
    screened, instance = _without_outclassed(before, build_instance(problem, costs, before))
    result = search(instance, budget_ms)
    impossible = _impossible(instance, result)
    if impossible is not None or result.best is None:
        return _unroutable(impossible or UnroutableReason.OUT_OF_TIME, before)
    return make_plan(problem, screened, instance, result, result.best)


def _impossible(instance: Instance, result: Outcome) -> UnroutableReason | None:
    empty_mc = instance.empty_mc
    if empty_mc is None:
        proven = result.best is None and result.lower_mc == np.inf
        return UnroutableReason.LIMITS if proven else None
    if result.best is not None and result.best.cost_mc < empty_mc:
        return None
    if result.lower_mc < empty_mc - PROVEN_MC:
        return UnroutableReason.OUT_OF_TIME
    return UnroutableReason.NOT_WORTH_IT


def _lacking(problem: RoutingProblem, screened: Screened) -> UnroutableReason | None:
    """Say why the stock of the field cannot do, if it cannot."""
    lines = line_shortages(screened)
    if problem.allow_partial:
        if any(line.available for line in lines):
            return None
        late = any(line.available_late for line in lines)
    else:
        if all(line.available >= line.wanted for line in lines):
            return None
        late = all(line.available_late >= line.wanted for line in lines)
    if late:
        return UnroutableReason.TOO_LATE
    if _is_stocked(problem):
        return UnroutableReason.LIMITS
    return UnroutableReason.INSUFFICIENT_STOCK


def _is_stocked(problem: RoutingProblem) -> bool:
    """Say whether the stock would do if limits, capacities and times did not matter."""
    enough = []
    for line in problem.lines:
        stock = sum(
            candidate.available.get(line.gtin, 0)
            for candidate in problem.candidates
            if (candidate.location, line.gtin) not in problem.excluded
        )
        enough.append(stock > 0 if problem.allow_partial else stock >= line.quantity)
    return any(enough) if problem.allow_partial else all(enough)


def _without_outclassed(screened: Screened, instance: Instance) -> tuple[Screened, Instance]:
    by = outclassed(instance)
    rejected = tuple(
        Rejection(
            location=entrant.candidate.location,
            reason=Reason.OUTCLASSED,
            detail=f"{screened.entrants[winner].candidate.location} can do all of it for less",
        )
        for entrant, winner in zip(screened.entrants, by.tolist(), strict=True)
        if winner >= 0
    )
    rows = np.flatnonzero(by < 0)
    everybody = sorted((*screened.rejected, *rejected), key=lambda each: each.location)
    return (
        screened._replace(
            entrants=tuple(screened.entrants[row] for row in rows.tolist()),
            rejected=tuple(everybody),
        ),
        select(instance, rows),
    )


def _unroutable(reason: UnroutableReason, screened: Screened) -> Unroutable:
    lines = line_shortages(screened)
    return Unroutable(
        reason=reason,
        lines=lines,
        rejected=screened.rejected,
        explanation=describe_unroutable(reason, lines, screened.rejected),
    )
