"""Which locations may take part at all, and why the others may not. Pure."""

from typing import Final, NamedTuple

from cloud.orders.routing.costs import LocationRates, RoutingCosts
from cloud.orders.routing.plan import Reason, Rejection
from cloud.orders.routing.problem import Candidate, OrderLine, RoutingProblem

_DAY_MS: Final = 86_400_000


class Entrant(NamedTuple):
    """A candidate that may take part, with what using it would mean.

    Costs are in cents. `units_left` and `grams_left` are what the rest of its day has room for.
    """

    candidate: Candidate
    rates: LocationRates
    stock: tuple[int, ...]
    is_parcel: bool
    arrives_at_ms: int
    late_ms: int
    parcel_cents: int
    distance_cents: int
    late_cents: int
    units_left: int
    grams_left: int

    @property
    def fixed_cents(self) -> int:
        """What it costs to use this location at all."""
        return self.parcel_cents + self.distance_cents + self.late_cents


class Screened(NamedTuple):
    """The field, in the order of location names, so that the caller's order changes nothing.

    `late` holds those that would take part if the promise were later.
    """

    lines: tuple[OrderLine, ...]
    entrants: tuple[Entrant, ...]
    late: tuple[Entrant, ...]
    rejected: tuple[Rejection, ...]


def screen(problem: RoutingProblem, costs: RoutingCosts, now_ms: int) -> Screened:
    """Sort candidates into those that may take part and those that may not."""
    lines = tuple(sorted(problem.lines, key=lambda line: line.gtin))
    entrants: list[Entrant] = []
    late: list[Entrant] = []
    rejected: list[Rejection] = []
    for candidate in sorted(problem.candidates, key=lambda candidate: candidate.location):
        entrant = _entrant(problem, costs, candidate, lines, now_ms)
        rejection = _rejection(problem, entrant, lines)
        if rejection is not None:
            rejected.append(rejection)
        elif entrant.late_ms and not costs.late_allowed:
            late.append(entrant)
            detail = f"arrives {entrant.late_ms / 3_600_000:.1f} h after the promise"
            rejected.append(_reject(candidate, Reason.TOO_LATE, detail))
        else:
            entrants.append(entrant)
    return Screened(lines, tuple(entrants), tuple(late), tuple(rejected))


def _entrant(
    problem: RoutingProblem,
    costs: RoutingCosts,
    candidate: Candidate,
    lines: tuple[OrderLine, ...],
    now_ms: int,
) -> Entrant:
    location = candidate.location
    rates = costs.rates_of(location, candidate.kind)
    is_parcel = location != problem.collect_at
    leaves_at_ms = max(now_ms, candidate.ready_at_ms)
    arrives_at_ms = leaves_at_ms + candidate.transit_ms if is_parcel else leaves_at_ms
    promise_ms = problem.promise_by_ms
    late_ms = 0 if promise_ms is None else max(0, arrives_at_ms - promise_ms)
    excluded = problem.excluded
    return Entrant(
        candidate=candidate,
        rates=rates,
        stock=tuple(
            0 if (location, line.gtin) in excluded else candidate.available.get(line.gtin, 0)
            for line in lines
        ),
        is_parcel=is_parcel,
        arrives_at_ms=arrives_at_ms,
        late_ms=late_ms,
        parcel_cents=rates.parcel_cents if is_parcel else 0,
        distance_cents=int(candidate.distance_km * rates.km_cents + 0.5) if is_parcel else 0,
        late_cents=-(-late_ms // _DAY_MS) * costs.late_cents_per_day,
        units_left=max(0, rates.units_per_day - candidate.units_today),
        grams_left=max(0, rates.grams_per_day - candidate.grams_today),
    )


def _rejection(
    problem: RoutingProblem, entrant: Entrant, lines: tuple[OrderLine, ...]
) -> Rejection | None:
    candidate = entrant.candidate
    if not any(entrant.stock):
        if any(candidate.available.get(line.gtin, 0) for line in lines):
            return _reject(candidate, Reason.EXCLUDED, "what it has was excluded by the caller")
        return _reject(candidate, Reason.NO_STOCK, "has nothing of this order")
    if entrant.is_parcel and problem.max_parcels == 0:
        return _reject(candidate, Reason.NO_TRANSFER, "would need a transfer, none is allowed")
    if entrant.is_parcel and candidate.parcels_today >= entrant.rates.parcels_per_day:
        full = f"all {entrant.rates.parcels_per_day} parcels of its day are taken"
        return _reject(candidate, Reason.NO_CAPACITY, full)
    room = {"units": entrant.units_left, "grams": entrant.grams_left}
    if not any(
        stock and room[line.measure] for stock, line in zip(entrant.stock, lines, strict=True)
    ):
        return _reject(candidate, Reason.NO_CAPACITY, "its day's picking capacity is used up")
    return None


def _reject(candidate: Candidate, reason: Reason, detail: str) -> Rejection:
    return Rejection(location=candidate.location, reason=reason, detail=detail)
