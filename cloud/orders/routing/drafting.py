"""From the outcome of a search to the plan that callers see. Pure."""

from typing import Final, NamedTuple

from cloud.orders.routing.allocation import Allocation
from cloud.orders.routing.explanation import describe_plan
from cloud.orders.routing.instance import MILLI_CENTS, PROVEN_MC, Instance
from cloud.orders.routing.plan import (
    Alternative,
    Method,
    Parcel,
    ParcelCost,
    ParcelKind,
    ParcelLine,
    Plan,
    UnfilledLine,
)
from cloud.orders.routing.problem import RoutingProblem
from cloud.orders.routing.screening import Entrant, Screened

ALTERNATIVES_MAX: Final = 3


class Outcome(NamedTuple):
    """What a search found: no plan costs less than `lower_mc` milli-cents."""

    best: Allocation | None
    lower_mc: float
    method: Method
    others: list[Allocation]


def make_plan(
    problem: RoutingProblem,
    screened: Screened,
    instance: Instance,
    outcome: Outcome,
    best: Allocation,
) -> Plan:
    """Return `best`, an allocation over the entrants of `screened`, as a plan."""
    parcels = tuple(
        _parcel(problem, screened, instance, best, position) for position in range(len(best.rows))
    )
    unfilled = tuple(
        UnfilledLine(gtin=line.gtin, quantity=quantity, measure=line.measure)
        for line, quantity in zip(screened.lines, best.unfilled.tolist(), strict=True)
        if quantity
    )
    left_out = int((best.unfilled * instance.weight).sum()) * (instance.unfilled_cents or 0)
    extra_cents = instance.extra_mc * (len(parcels) - 1) // MILLI_CENTS
    gap_mc = best.cost_mc - outcome.lower_mc
    proven = gap_mc <= PROVEN_MC
    plan = Plan(
        parcels=parcels,
        unfilled=unfilled,
        extra_parcel_cents=extra_cents,
        unfilled_cents=_cents(left_out),
        total_cost_cents=sum(each.cost.total_cents for each in parcels)
        + extra_cents
        + _cents(left_out),
        is_proven_optimal=proven,
        gap_cents=0 if proven else int(-(-gap_mc // MILLI_CENTS)),
        method=outcome.method,
        considered=len(problem.candidates),
        rejected=screened.rejected,
        alternatives=_alternatives(screened, outcome, best),
        explanation=(),
    )
    return describe_plan(plan, problem)


def _parcel(
    problem: RoutingProblem,
    screened: Screened,
    instance: Instance,
    best: Allocation,
    position: int,
) -> Parcel:
    row = best.rows[position]
    entrant = screened.entrants[row]
    taken, weight = best.taken[position], instance.weight
    from_need = (taken - instance.spare[row]).clip(min=0)
    handling_mc = int((taken * weight).sum()) * entrant.rates.handling_cents
    need_mc = int((from_need * weight).sum()) * instance.need_cents
    return Parcel(
        location=entrant.candidate.location,
        kind=_kind(problem, entrant),
        lines=tuple(
            ParcelLine(gtin=line.gtin, quantity=quantity, measure=line.measure, from_need=needed)
            for line, quantity, needed in zip(
                screened.lines, taken.tolist(), from_need.tolist(), strict=True
            )
            if quantity
        ),
        cost=ParcelCost(
            parcel_cents=entrant.parcel_cents,
            distance_cents=entrant.distance_cents,
            handling_cents=_cents(handling_mc),
            need_cents=_cents(need_mc),
            late_cents=entrant.late_cents,
        ),
        arrives_at_ms=entrant.arrives_at_ms,
        late_ms=entrant.late_ms,
    )


def _kind(problem: RoutingProblem, entrant: Entrant) -> ParcelKind:
    if problem.method == "collect":
        return "transfer" if entrant.is_parcel else "collected"
    return "ship_from_store" if entrant.candidate.kind == "store" else "warehouse"


def _alternatives(
    screened: Screened, outcome: Outcome, best: Allocation
) -> tuple[Alternative, ...]:
    # A set that holds the chosen one and something superfluous besides is no alternative.
    distinct = [other for other in outcome.others if not set(other.rows) >= set(best.rows)]
    return tuple(
        Alternative(
            locations=tuple(screened.entrants[row].candidate.location for row in other.rows),
            total_cost_cents=_cents(other.cost_mc),
        )
        for other in distinct[:ALTERNATIVES_MAX]
    )


def _cents(amount_mc: int) -> int:
    return (amount_mc + MILLI_CENTS // 2) // MILLI_CENTS
