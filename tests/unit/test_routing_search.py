"""Larger problems: the router's own enumeration and HiGHS are two witnesses that must agree."""

import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from cloud.orders.routing import (
    Candidate,
    LocationOverrides,
    OrderLine,
    Plan,
    RoutingCosts,
    RoutingProblem,
    Unroutable,
    route,
    search,
)
from cloud.orders.routing.allocation import allocate
from cloud.orders.routing.appraisal import appraiser, priced
from cloud.orders.routing.bound import tighten
from cloud.orders.routing.incumbents import Incumbents
from cloud.orders.routing.instance import Instance, build_instance
from cloud.orders.routing.screening import screen

SEEDS = (*range(40), 101, 107, 147, 236, 251, 414, 674)
"""The last ones need sets whose locations look useless one at a time."""
PATIENT_MS = 20_000
REPOSITORY = Path(__file__).parents[2]
WITHIN_ROUNDING_CENTS = 8

Case = tuple[RoutingProblem, RoutingCosts]


def drawn_case(seed: int, lines_max: int = 12, locations_max: int = 40) -> Case:
    draw = random.Random(seed)
    lines = tuple(
        OrderLine(gtin=f"G{number:02}", quantity=draw.randint(1, 4))
        if number % 4
        else OrderLine(gtin=f"G{number:02}", quantity=draw.randint(100, 900), measure="grams")
        for number in range(draw.randint(3, lines_max))
    )
    density = draw.choice((0.3, 0.5, 0.7))
    names = [f"S{number:03}" for number in range(draw.randint(5, locations_max))]
    candidates = []
    for name in names:
        stock = {
            line.gtin: draw.randint(1, 5) * (1 if line.measure == "units" else 200)
            for line in lines
            if draw.random() < density
        }
        candidates.append(
            Candidate(
                location=name,
                kind="store",
                available=stock,
                need={gtin: draw.randint(0, quantity) for gtin, quantity in stock.items()},
                distance_km=draw.randint(0, 300),
                units_today=draw.choice((0, 180, 190, 195)),
                grams_today=draw.choice((0, 99_000)),
            )
        )
    rates = {
        name: LocationOverrides(
            parcel_cents=draw.randint(50, 900), handling_cents=draw.randint(0, 120)
        )
        for name in names
    }
    problem = RoutingProblem(
        lines=lines,
        candidates=tuple(candidates),
        max_parcels=draw.choice((2, 3, 4, 6)),
        allow_partial=draw.random() < 0.3,
    )
    costs = RoutingCosts(
        locations=rates,
        unfilled_cents=draw.choice((500, 3_000)),
        extra_parcel_cents=draw.choice((0, 200)),
    )
    return problem, costs


def instance_of(case: Case) -> Instance:
    problem, costs = case
    return build_instance(problem, costs, screen(problem, costs, now_ms=0))


@pytest.mark.parametrize("seed", SEEDS)
def test_enumeration_and_solver_agree(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    problem, costs = drawn_case(seed)
    ours = route(problem, costs, now_ms=0, budget_ms=PATIENT_MS)
    monkeypatch.setattr(search, "_STEPS_PER_MS", 0)
    solvers = route(problem, costs, now_ms=0, budget_ms=PATIENT_MS)
    if isinstance(ours, Unroutable) or isinstance(solvers, Unroutable):
        assert ours == solvers
        return
    assert ours.is_proven_optimal
    assert solvers.is_proven_optimal
    assert abs(ours.total_cost_cents - solvers.total_cost_cents) <= WITHIN_ROUNDING_CENTS


@pytest.mark.parametrize("seed", SEEDS)
def test_no_known_plan_undercuts_the_bound(seed: int) -> None:
    instance = instance_of(drawn_case(seed))
    incumbents = Incumbents(instance)
    if instance.unfilled_cents is None and (
        (instance.available.sum(axis=0) < instance.quantity).any()
    ):
        return
    bound = tighten(instance, incumbents)
    for plan in incumbents.ranked():
        if len(plan.rows) > 1:
            assert plan.cost_mc >= bound.lower_mc
            assert all(plan.cost_mc >= bound.at_least_mc[row] for row in plan.rows)


@pytest.mark.parametrize("seed", SEEDS)
def test_appraisals_never_exceed_what_an_allocation_costs(seed: int) -> None:
    instance = instance_of(drawn_case(seed))
    draw = random.Random(seed)
    values = np.array([draw.uniform(0, 400_000) for _ in range(instance.quantity.size)])
    for width in range(1, 5):
        rows = tuple(sorted(draw.sample(range(instance.size), width)))
        found = allocate(instance, rows)
        if found is None or found.rows != rows:
            continue
        sets = np.array([rows])
        assert priced(instance, values).appraise(sets)[0] <= found.cost_mc + 1
        assert appraiser(instance, values).without_room().appraise(sets)[0] <= found.cost_mc + 1


def test_the_solver_keeps_quiet() -> None:
    program = (
        "from tests.unit.test_routing_search import drawn_case, route, search\n"
        "search._STEPS_PER_MS = 0\n"
        "assert route(*drawn_case(0), now_ms=0).method == 'milp'\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert ran.stdout + ran.stderr == ""


def test_threads_may_route_at_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "_STEPS_PER_MS", 0)
    cases = [drawn_case(seed) for seed in range(12)]

    def answered(case: Case) -> Plan | Unroutable:
        return route(*case, now_ms=0, budget_ms=PATIENT_MS)

    one_by_one = [answered(case) for case in cases]
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(answered, cases)) == one_by_one


def test_when_time_runs_out_the_plan_stands_with_its_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "_STEPS_PER_MS", 0)
    unproven = []
    for seed in range(5):
        problem, costs = drawn_case(seed, lines_max=20, locations_max=120)
        hasty = route(problem, costs, now_ms=0, budget_ms=1)
        patient = route(problem, costs, now_ms=0, budget_ms=PATIENT_MS)
        if isinstance(hasty, Plan) and not hasty.is_proven_optimal:
            assert isinstance(patient, Plan)
            saved = hasty.total_cost_cents - patient.total_cost_cents
            assert saved <= hasty.gap_cents + WITHIN_ROUNDING_CENTS
            assert "Time ran out" in " ".join(hasty.explanation)
            unproven.append(seed)
    assert unproven
