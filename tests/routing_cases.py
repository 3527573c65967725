"""Random small routing problems, and the whole truth about them by dynamic programming.

The search over every way to split every line shares no code with the router: it walks the lines,
carrying what each location has given so far, and keeps the cheapest way to reach each such state.
"""

from fractions import Fraction
from itertools import product

from hypothesis import strategies as st

from cloud.orders.routing import (
    Candidate,
    LocationOverrides,
    LocationRates,
    OrderLine,
    Plan,
    RoutingCosts,
    RoutingProblem,
    WarehouseRates,
)

HOUR_MS = 3_600_000
NOW_MS = 100 * HOUR_MS
DAY_MS = 24 * HOUR_MS
PROMISE_MS = NOW_MS + 48 * HOUR_MS

State = tuple[frozenset[str], tuple[int, ...], tuple[int, ...]]


@st.composite
def lines_of_orders(draw: st.DrawFn) -> tuple[OrderLine, ...]:
    count = draw(st.integers(1, 4))
    return tuple(
        OrderLine(
            gtin=f"G{number}",
            quantity=draw(st.integers(1, 3)),
            measure=draw(st.sampled_from(("units", "units", "grams"))),
        )
        for number in range(count)
    )


@st.composite
def candidates(draw: st.DrawFn, location: str, gtins: list[str]) -> Candidate:
    amounts = st.integers(0, 4)
    return Candidate(
        location=location,
        kind=draw(st.sampled_from(("store", "warehouse"))),
        available={gtin: draw(amounts) for gtin in gtins},
        need={gtin: draw(amounts) for gtin in gtins},
        distance_km=draw(st.integers(0, 400)),
        ready_at_ms=NOW_MS + draw(st.sampled_from((-5, 0, 10))) * HOUR_MS,
        transit_ms=draw(st.sampled_from((0, 24, 40, 60, 90))) * HOUR_MS,
        parcels_today=draw(st.sampled_from((0, 0, 0, 5))),
        units_today=draw(st.integers(0, 6)),
        grams_today=draw(st.sampled_from((0, 2, 4))),
    )


@st.composite
def costs(draw: st.DrawFn, locations: list[str]) -> RoutingCosts:
    cents = st.integers(0, 60)
    own = {
        location: LocationOverrides(
            handling_cents=draw(cents), parcel_cents=draw(st.integers(0, 200))
        )
        for location in locations
    }
    rates = LocationRates(km_cents=1, parcels_per_day=5, units_per_day=7, grams_per_day=5)
    return RoutingCosts(
        extra_parcel_cents=draw(cents),
        late_allowed=draw(st.booleans()),
        late_cents_per_day=draw(cents),
        need_cents=draw(cents),
        unfilled_cents=draw(st.sampled_from((0, 30, 90, 400))),
        store=rates,
        warehouse=WarehouseRates(km_cents=1, parcels_per_day=5, units_per_day=7, grams_per_day=5),
        locations=own,
    )


@st.composite
def small_problems(draw: st.DrawFn) -> tuple[RoutingProblem, RoutingCosts]:
    lines = draw(lines_of_orders())
    gtins = [line.gtin for line in lines]
    locations = [f"L{number}" for number in range(draw(st.integers(1, 4)))]
    collects = draw(st.booleans())
    problem = RoutingProblem(
        lines=lines,
        candidates=tuple(draw(candidates(location, gtins)) for location in locations),
        method="collect" if collects else "ship",
        collect_at=draw(st.sampled_from(("L0", "elsewhere"))) if collects else None,
        promise_by_ms=draw(st.sampled_from((None, PROMISE_MS))),
        max_parcels=draw(st.integers(0 if collects else 1, 4)),
        allow_split=draw(st.sampled_from((True, True, False))),
        allow_partial=draw(st.booleans()),
        excluded=frozenset(
            draw(st.sets(st.tuples(st.sampled_from(locations), st.sampled_from(gtins)), max_size=2))
        ),
    )
    return problem, draw(costs(locations))


class Truth:
    """What every location could do, worked out from the problem's own words."""

    def __init__(self, problem: RoutingProblem, costs: RoutingCosts) -> None:
        self.problem = problem
        self.costs = costs
        self.by_name = {candidate.location: candidate for candidate in problem.candidates}
        self.usable = [name for name in self.by_name if self.is_usable(name)]

    def is_parcel(self, name: str) -> bool:
        return name != self.problem.collect_at

    def late_ms(self, name: str) -> int:
        candidate = self.by_name[name]
        arrives = max(NOW_MS, candidate.ready_at_ms)
        if self.is_parcel(name):
            arrives += candidate.transit_ms
        return max(0, arrives - (self.problem.promise_by_ms or arrives))

    def is_usable(self, name: str) -> bool:
        rates = self.costs.rates_of(name, self.by_name[name].kind)
        has_parcel = not self.is_parcel(name) or (
            self.by_name[name].parcels_today < rates.parcels_per_day
        )
        return has_parcel and (self.costs.late_allowed or self.late_ms(name) == 0)

    def stock(self, name: str, gtin: str) -> int:
        if name not in self.usable or (name, gtin) in self.problem.excluded:
            return 0
        return self.by_name[name].available.get(gtin, 0)

    def room(self, name: str, measure: str) -> int:
        candidate = self.by_name[name]
        rates = self.costs.rates_of(name, candidate.kind)
        if measure == "units":
            return max(0, rates.units_per_day - candidate.units_today)
        return max(0, rates.grams_per_day - candidate.grams_today)

    def fixed(self, name: str) -> int:
        candidate = self.by_name[name]
        rates = self.costs.rates_of(name, candidate.kind)
        days_late = -(-self.late_ms(name) // DAY_MS)
        cents = days_late * self.costs.late_cents_per_day
        if self.is_parcel(name):
            cents += rates.parcel_cents + round(candidate.distance_km * rates.km_cents)
        return cents

    def line_cost(self, name: str, line: OrderLine, amount: int) -> Fraction:
        candidate = self.by_name[name]
        rates = self.costs.rates_of(name, candidate.kind)
        spare = max(0, candidate.available.get(line.gtin, 0) - candidate.need.get(line.gtin, 0))
        into_need = max(0, amount - spare)
        cents = amount * rates.handling_cents + into_need * self.costs.need_cents
        return Fraction(cents, 1 if line.measure == "units" else 1_000)

    def admits(self, used: frozenset[str]) -> bool:
        if not used or (not self.problem.allow_split and len(used) > 1):
            return False
        return sum(self.is_parcel(name) for name in used) <= self.problem.max_parcels

    def best(self) -> Fraction | None:
        """The lowest cost of any plan at all, in cents."""
        names = self.usable
        start: State = (frozenset(), (0,) * len(names), (0,) * len(names))
        states: dict[State, Fraction] = {start: Fraction(0)}
        for line in self.problem.lines:
            states = self._after(states, line, names)
        totals = [
            cost
            + sum(self.fixed(name) for name in used)
            + self.costs.extra_parcel_cents * (len(used) - 1)
            for (used, _, _), cost in states.items()
            if self.admits(used)
        ]
        return min(totals, default=None)

    def _after(
        self, states: dict[State, Fraction], line: OrderLine, names: list[str]
    ) -> dict[State, Fraction]:
        reached: dict[State, Fraction] = {}
        for amounts in product(
            *(range(min(line.quantity, self.stock(name, line.gtin)) + 1) for name in names)
        ):
            unfilled = line.quantity - sum(amounts)
            if unfilled < 0 or (unfilled and not self.problem.allow_partial):
                continue
            price = Fraction(
                unfilled * self.costs.unfilled_cents, 1 if line.measure == "units" else 1_000
            )
            price += sum(
                (self.line_cost(n, line, a) for n, a in zip(names, amounts, strict=True)),
                Fraction(0),
            )
            gives = frozenset(n for n, a in zip(names, amounts, strict=True) if a)
            for (used, units, grams), cost in states.items():
                loads = {"units": units, "grams": grams}
                loads[line.measure] = tuple(
                    load + amount for load, amount in zip(loads[line.measure], amounts, strict=True)
                )
                if any(
                    load > self.room(name, line.measure)
                    for name, load in zip(names, loads[line.measure], strict=True)
                ):
                    continue
                state = (used | gives, loads["units"], loads["grams"])
                if cost + price < reached.get(state, cost + price + 1):
                    reached[state] = cost + price
        return reached

    def empty(self) -> Fraction:
        return sum(
            (
                Fraction(
                    line.quantity * self.costs.unfilled_cents,
                    1 if line.measure == "units" else 1_000,
                )
                for line in self.problem.lines
            ),
            Fraction(0),
        )

    def cost_of(self, plan: Plan) -> Fraction:
        """The exact cost of a plan, from its allocations alone."""
        lines = {line.gtin: line for line in self.problem.lines}
        total = Fraction(self.costs.extra_parcel_cents * (len(plan.parcels) - 1))
        for parcel in plan.parcels:
            total += self.fixed(parcel.location)
            for given in parcel.lines:
                total += self.line_cost(parcel.location, lines[given.gtin], given.quantity)
        for left in plan.unfilled:
            per_unit = 1 if left.measure == "units" else 1_000
            total += Fraction(left.quantity * self.costs.unfilled_cents, per_unit)
        return total
