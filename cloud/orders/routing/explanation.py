"""Plans and refusals in plain English, for the people who ask why. Pure."""

from collections import Counter
from typing import Final

from msgspec.structs import replace

from cloud.orders.routing.plan import (
    LineShortage,
    Parcel,
    ParcelLine,
    Plan,
    Reason,
    Rejection,
    UnfilledLine,
    UnroutableReason,
)
from cloud.orders.routing.problem import RoutingProblem
from protocol.facts import Measure

_HOUR_MS: Final = 3_600_000

_VERBS: Final = {
    "ship_from_store": "ships from the store",
    "warehouse": "ships from the warehouse",
    "collected": "has ready for collection",
    "transfer": "sends to the collecting store",
}

_REASONS: Final = {
    Reason.EXCLUDED: "excluded",
    Reason.NO_STOCK: "without stock",
    Reason.TOO_LATE: "too late",
    Reason.NO_CAPACITY: "without capacity",
    Reason.NO_TRANSFER: "in need of a transfer",
    Reason.OUTCLASSED: "outclassed by another",
}

_REFUSALS: Final = {
    UnroutableReason.INSUFFICIENT_STOCK: "There is not enough stock.",
    UnroutableReason.TOO_LATE: "There is enough stock, but not in time for the promise.",
    UnroutableReason.LIMITS: (
        "There is enough stock, but not within the limits on parcels, splitting and capacity."
    ),
    UnroutableReason.NOT_WORTH_IT: "Filling any part costs more than leaving it unfilled.",
    UnroutableReason.OUT_OF_TIME: "No plan was found in the time given; there may be one.",
}


def describe_plan(plan: Plan, problem: RoutingProblem) -> Plan:
    """Return the plan with its explanation."""
    return replace(
        plan,
        explanation=(
            _headline(plan),
            *(_parcel(parcel, problem.promise_by_ms) for parcel in plan.parcels),
            *_left_out(plan),
            _proof(plan),
            _field(plan.considered, plan.rejected),
            *_next_best(plan),
        ),
    )


def describe_unroutable(
    reason: UnroutableReason,
    lines: tuple[LineShortage, ...],
    rejected: tuple[Rejection, ...],
) -> tuple[str, ...]:
    """Return why there is no plan, with the lines that lack stock."""
    short = [
        f"{line.gtin}: {_amount(line.wanted, line.measure)} wanted,"
        f" {_amount(line.available, line.measure)} available"
        f" ({_amount(line.available_late, line.measure)} if late)."
        for line in lines
        if line.available < line.wanted
    ]
    counts = _counts(rejected)
    return (_REFUSALS[reason], *short, *([f"Ruled out: {counts}."] if counts else []))


def _headline(plan: Plan) -> str:
    names = " and ".join(parcel.location for parcel in plan.parcels)
    cost = f"{_money(plan.total_cost_cents)} in all"
    if len(plan.parcels) == 1:
        return f"One location serves the order: {names}, {cost}."
    extra = _money(plan.extra_parcel_cents)
    return f"{len(plan.parcels)} locations serve the order: {names}, {cost}, {extra} for the split."


def _parcel(parcel: Parcel, promise_ms: int | None) -> str:
    cost = parcel.cost
    parts = [
        f"{word} {_money(cents)}"
        for word, cents in (
            ("parcel", cost.parcel_cents),
            ("distance", cost.distance_cents),
            ("handling", cost.handling_cents),
            ("own need", cost.need_cents),
            ("lateness", cost.late_cents),
        )
        if cents
    ]
    sums = f" = {' + '.join(parts)}" if parts else ""
    return (
        f"{parcel.location} {_VERBS[parcel.kind]} {_list(parcel.lines)};"
        f" {_money(cost.total_cents)}{sums}{_timing(parcel, promise_ms)}."
    )


def _left_out(plan: Plan) -> list[str]:
    if not plan.unfilled:
        return []
    return [f"Left unfilled, priced {_money(plan.unfilled_cents)}: {_list(plan.unfilled)}."]


def _timing(parcel: Parcel, promise_ms: int | None) -> str:
    if promise_ms is None:
        return ""
    if parcel.late_ms:
        return f"; {parcel.late_ms / _HOUR_MS:.1f} h late"
    return f"; {(promise_ms - parcel.arrives_at_ms) / _HOUR_MS:.1f} h before the promise"


def _list(lines: tuple[ParcelLine, ...] | tuple[UnfilledLine, ...]) -> str:
    return ", ".join(_line(line) for line in lines)


def _line(line: ParcelLine | UnfilledLine) -> str:
    text = f"{_amount(line.quantity, line.measure)} of {line.gtin}"
    if isinstance(line, ParcelLine) and line.from_need:
        return f"{text} ({_amount(line.from_need, line.measure)} it will need itself)"
    return text


def _amount(quantity: int, measure: Measure) -> str:
    return str(quantity) if measure == "units" else f"{quantity / 1_000:.3f} kg"


def _money(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"


def _proof(plan: Plan) -> str:
    if not plan.is_proven_optimal:
        return f"Time ran out: another plan might save up to {_money(plan.gap_cents)}."
    if plan.method == "single_location":
        return "Every single location was priced, and no plan with more of them can be cheaper."
    if plan.method == "bound":
        return "Proven cheapest: a lower bound on all plans meets its cost."
    return "Proven cheapest by the solver, among all plans within the limits."


def _field(considered: int, rejected: tuple[Rejection, ...]) -> str:
    if not rejected:
        return f"{considered} candidates were compared."
    remained = considered - len(rejected)
    return f"Of {considered} candidates {remained} were compared; {_counts(rejected)}."


def _counts(rejected: tuple[Rejection, ...]) -> str:
    counts = Counter(rejection.reason for rejection in rejected)
    return ", ".join(f"{counts[reason]} {_REASONS[reason]}" for reason in Reason if counts[reason])


def _next_best(plan: Plan) -> list[str]:
    return [
        f"Next best found: {' and '.join(other.locations)}, {_money(other.total_cost_cents)}."
        for other in plan.alternatives[:1]
    ]
