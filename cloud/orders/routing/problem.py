"""The question routing answers: what is wanted, where it could come from, and within which limits.

The caller brings facts (stock, distances, times, work already promised); rates and capacities
are configuration (`RoutingCosts`). Quantities are units, or grams for weighed goods.
"""

from collections.abc import Mapping
from math import isfinite
from typing import Final, Literal

from msgspec import Struct

from cloud.orders.routing.costs import LocationKind
from cloud.orders.routing.errors import RoutingInvalid
from protocol.facts import TIME_MS_MAX, Measure

LINES_MAX: Final = 100
CANDIDATES_MAX: Final = 2_000
QUANTITY_ROUTED_MAX: Final = 10_000_000
DISTANCE_KM_MAX: Final = 20_040.0
"""Half the circumference of the earth."""


class OrderLine(Struct, frozen=True, kw_only=True):
    """So much of one GTIN, in units or grams."""

    gtin: str
    quantity: int
    measure: Measure = "units"


class Candidate(Struct, frozen=True, kw_only=True):
    """A location that may fulfil.

    `available` is what it may promise, per GTIN. `need` is what it expects to need itself until it
    is replenished; taking more than `available - need` costs. `distance_km` leads to the
    destination (to the collecting store when the customer collects). Goods leave at `ready_at_ms`,
    or now if that has passed, and arrive `transit_ms` later. The `*_today` fields say how much of
    the day's capacity is already promised.
    """

    location: str
    kind: LocationKind
    available: Mapping[str, int]
    need: Mapping[str, int] = {}
    distance_km: float = 0.0
    ready_at_ms: int = 0
    transit_ms: int = 0
    parcels_today: int = 0
    units_today: int = 0
    grams_today: int = 0


class RoutingProblem(Struct, frozen=True, kw_only=True):
    """One order to route.

    With `method="collect"` the customer fetches everything at `collect_at`: what that store has
    itself is no parcel, the rest is transferred to it. `max_parcels` limits parcels and transfers
    (0 with `collect`: only the store's own stock). Without `allow_split` one location serves all.
    `excluded` holds `(location, gtin)` pairs that must not be used, such as those just refused.
    """

    lines: tuple[OrderLine, ...]
    candidates: tuple[Candidate, ...]
    method: Literal["ship", "collect"] = "ship"
    collect_at: str | None = None
    promise_by_ms: int | None = None
    max_parcels: int = 4
    allow_split: bool = True
    allow_partial: bool = False
    excluded: frozenset[tuple[str, str]] = frozenset()


def check_problem(problem: RoutingProblem) -> None:
    """Raise `RoutingInvalid` for the first thing that makes no sense."""
    _check_method(problem)
    _check_lines(problem.lines)
    if len(problem.candidates) > CANDIDATES_MAX:
        raise RoutingInvalid("candidates", f"more than {CANDIDATES_MAX} locations")
    gtins = [line.gtin for line in problem.lines]
    seen: set[str] = set()
    for candidate in problem.candidates:
        if candidate.location in seen:
            raise RoutingInvalid("candidates", f"{candidate.location} is there twice")
        seen.add(candidate.location)
        _check_candidate(candidate, gtins)


def _check_method(problem: RoutingProblem) -> None:
    collects = problem.method == "collect"
    if collects != (problem.collect_at is not None):
        raise RoutingInvalid("collect_at", "is given exactly when method is 'collect'")
    least = 0 if collects else 1
    if problem.max_parcels < least:
        raise RoutingInvalid("max_parcels", f"is {problem.max_parcels}, at least {least} expected")
    promise = problem.promise_by_ms
    if promise is not None and not 0 <= promise <= TIME_MS_MAX:
        raise RoutingInvalid("promise_by_ms", f"is {promise}, 0 to {TIME_MS_MAX} expected")


def _check_lines(lines: tuple[OrderLine, ...]) -> None:
    if not 1 <= len(lines) <= LINES_MAX:
        raise RoutingInvalid("lines", f"{len(lines)} lines, 1 to {LINES_MAX} expected")
    seen: set[str] = set()
    for line in lines:
        if line.gtin in seen:
            raise RoutingInvalid("lines", f"{line.gtin} is there twice; add the quantities up")
        seen.add(line.gtin)
        if not 1 <= line.quantity <= QUANTITY_ROUTED_MAX:
            raise RoutingInvalid(
                "lines",
                f"{line.gtin}: quantity is {line.quantity}, 1 to {QUANTITY_ROUTED_MAX} expected",
            )


def _check_candidate(candidate: Candidate, gtins: list[str]) -> None:
    at = f"candidates[{candidate.location}]"
    distance = candidate.distance_km
    if not (isfinite(distance) and 0 <= distance <= DISTANCE_KM_MAX):
        raise RoutingInvalid(at, f"distance_km is {distance}, 0 to {DISTANCE_KM_MAX:g} expected")
    for name in ("ready_at_ms", "transit_ms", "parcels_today", "units_today", "grams_today"):
        value: int = getattr(candidate, name)
        if not 0 <= value <= TIME_MS_MAX:
            raise RoutingInvalid(at, f"{name} is {value}, 0 to {TIME_MS_MAX} expected")
    for name, amounts in (("available", candidate.available), ("need", candidate.need)):
        least = min(amounts.get(gtin, 0) for gtin in gtins)
        if least < 0:
            raise RoutingInvalid(at, f"{name} of a line is {least}, at least 0 expected")
