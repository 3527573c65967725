"""Routing against the whole truth, and its promises in words."""

import random
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from cloud.errors import CloudError
from cloud.orders.routing import (
    Candidate,
    LocationOverrides,
    OrderLine,
    Plan,
    Reason,
    RoutingCosts,
    RoutingInvalid,
    RoutingProblem,
    Unroutable,
    UnroutableReason,
    route,
    search,
)
from tests.routing_cases import HOUR_MS, NOW_MS, PROMISE_MS, Truth, small_problems

PATIENT_MS = 20_000
HALF_A_CENT = Fraction(1, 2)

Case = tuple[RoutingProblem, RoutingCosts]


def answer_agrees_with_the_truth(case: Case) -> None:
    problem, costs = case
    truth = Truth(problem, costs)
    best = truth.best()
    answer = route(problem, costs, now_ms=NOW_MS, budget_ms=PATIENT_MS)
    if isinstance(answer, Unroutable):
        assert answer.reason is not UnroutableReason.OUT_OF_TIME
        assert best is None or (problem.allow_partial and best >= truth.empty() - HALF_A_CENT)
        return
    assert best is not None
    assert answer.is_proven_optimal
    cost = truth.cost_of(answer)
    assert best <= cost <= best + HALF_A_CENT
    roundings = 2 * len(answer.parcels) + 1
    assert abs(answer.total_cost_cents - cost) <= roundings * HALF_A_CENT


@settings(max_examples=250, deadline=None)
@given(small_problems())
def test_no_plan_is_cheaper_than_the_one_chosen(case: Case) -> None:
    answer_agrees_with_the_truth(case)


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(case=small_problems())
def test_the_solver_alone_agrees_with_the_truth(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "_STEPS_PER_MS", 0)
    answer_agrees_with_the_truth(case)


@settings(max_examples=250, deadline=None)
@given(small_problems())
def test_plans_stay_within_stock_capacity_and_limits(case: Case) -> None:
    problem, costs = case
    plan = route(problem, costs, now_ms=NOW_MS)
    if isinstance(plan, Unroutable):
        return
    truth = Truth(problem, costs)
    measures = {line.gtin: line.measure for line in problem.lines}
    left = {line.gtin: line.quantity for line in problem.lines}
    for parcel in plan.parcels:
        assert parcel.location in truth.usable
        assert parcel.lines
        loads = {"units": 0, "grams": 0}
        for line in parcel.lines:
            assert 0 < line.quantity <= truth.stock(parcel.location, line.gtin)
            loads[measures[line.gtin]] += line.quantity
            left[line.gtin] -= line.quantity
        assert all(load <= truth.room(parcel.location, measure) for measure, load in loads.items())
    unfilled = {line.gtin: line.quantity for line in plan.unfilled}
    assert left == {gtin: unfilled.get(gtin, 0) for gtin in left}
    assert not unfilled or problem.allow_partial
    assert truth.admits(frozenset(parcel.location for parcel in plan.parcels))


@settings(max_examples=100, deadline=None)
@given(small_problems(), st.randoms(use_true_random=False))
def test_the_order_of_lines_and_candidates_changes_nothing(
    case: Case, shuffler: random.Random
) -> None:
    problem, costs = case
    lines, candidates = list(problem.lines), list(problem.candidates)
    shuffler.shuffle(lines)
    shuffler.shuffle(candidates)
    shuffled = replace(problem, lines=tuple(lines), candidates=tuple(candidates))
    first = route(problem, costs, now_ms=NOW_MS, budget_ms=PATIENT_MS)
    assert route(shuffled, costs, now_ms=NOW_MS, budget_ms=PATIENT_MS) == first


def line(gtin: str, quantity: int = 1) -> OrderLine:
    return OrderLine(gtin=gtin, quantity=quantity)


def store(name: str, stock: dict[str, int], **other: object) -> Candidate:
    return replace(Candidate(location=name, kind="store", available=stock), **other)


def routed(
    *candidates: Candidate, costs: RoutingCosts | None = None, **other: object
) -> Plan | Unroutable:
    problem = RoutingProblem(lines=(line("A", 2), line("B")), candidates=candidates)
    return route(replace(problem, **other), costs or RoutingCosts(), now_ms=NOW_MS)


def plan_of(answer: Plan | Unroutable) -> Plan:
    assert isinstance(answer, Plan), answer
    return answer


def refusal_of(answer: Plan | Unroutable) -> Unroutable:
    assert isinstance(answer, Unroutable), answer
    return answer


def test_one_location_that_has_everything_beats_two_that_share() -> None:
    plan = plan_of(
        routed(store("S1", {"A": 2}), store("S2", {"B": 1}), store("S3", {"A": 2, "B": 1}))
    )
    assert [parcel.location for parcel in plan.parcels] == ["S3"]
    assert plan.method == "single_location"
    assert plan.is_proven_optimal


def test_goods_a_store_needs_itself_are_spared() -> None:
    needy = store("S1", {"A": 2, "B": 1}, need={"A": 2, "B": 1})
    rich = store("S2", {"A": 9, "B": 9}, distance_km=100.0)
    assert plan_of(routed(needy, rich)).parcels[0].location == "S2"
    alone = plan_of(routed(needy))
    assert [given.from_need for given in alone.parcels[0].lines] == [2, 1]
    assert alone.parcels[0].cost.need_cents == 3 * RoutingCosts().need_cents


def test_the_next_best_is_found_by_excluding_what_refused() -> None:
    near = store("S1", {"A": 2, "B": 1})
    far = store("S2", {"A": 2, "B": 1}, distance_km=50.0)
    assert plan_of(routed(near, far)).parcels[0].location == "S1"
    again = plan_of(routed(near, far, excluded=frozenset({("S1", "A"), ("S1", "B")})))
    assert again.parcels[0].location == "S2"
    assert [(each.location, each.reason) for each in again.rejected] == [("S1", Reason.EXCLUDED)]


def test_every_location_ruled_out_is_named_with_its_reason() -> None:
    stock = {"A": 2, "B": 1}
    plan = plan_of(
        routed(
            store("S1", stock),
            store("S2", stock, distance_km=80.0),
            store("S3", {"C": 5}),
            store("S4", stock, transit_ms=60 * HOUR_MS),
            store("S5", stock, parcels_today=40),
            store("S6", stock, units_today=200),
            store("S7", {"A": 1}),
            excluded=frozenset({("S7", "A")}),
            promise_by_ms=PROMISE_MS,
        )
    )
    assert {each.location: each.reason for each in plan.rejected} == {
        "S2": Reason.OUTCLASSED,
        "S3": Reason.NO_STOCK,
        "S4": Reason.TOO_LATE,
        "S5": Reason.NO_CAPACITY,
        "S6": Reason.NO_CAPACITY,
        "S7": Reason.EXCLUDED,
    }


def test_a_collecting_store_uses_its_own_stock_without_a_parcel() -> None:
    plan = plan_of(
        routed(
            store("S1", {"A": 2}),
            store("S2", {"A": 9, "B": 9}),
            method="collect",
            collect_at="S1",
            costs=RoutingCosts(extra_parcel_cents=0),
        )
    )
    assert [(parcel.location, parcel.kind) for parcel in plan.parcels] == [("S2", "transfer")]
    own = plan_of(
        routed(store("S1", {"A": 2, "B": 1}), method="collect", collect_at="S1", max_parcels=0)
    )
    assert [parcel.kind for parcel in own.parcels] == ["collected"]
    assert own.parcels[0].cost.parcel_cents == 0


def test_without_transfers_only_the_collecting_store_counts() -> None:
    refused = refusal_of(
        routed(
            store("S1", {"A": 2}),
            store("S2", {"A": 9, "B": 9}),
            method="collect",
            collect_at="S1",
            max_parcels=0,
        )
    )
    assert refused.reason is UnroutableReason.LIMITS
    assert [each.reason for each in refused.rejected] == [Reason.NO_TRANSFER]


def test_lateness_is_forbidden_unless_it_has_a_price() -> None:
    late = store("S1", {"A": 2, "B": 1}, transit_ms=60 * HOUR_MS)
    refused = refusal_of(routed(late, promise_by_ms=PROMISE_MS))
    assert refused.reason is UnroutableReason.TOO_LATE
    assert [each.available_late for each in refused.lines] == [2, 1]
    priced = RoutingCosts(late_allowed=True, late_cents_per_day=70)
    plan = plan_of(routed(late, promise_by_ms=PROMISE_MS, costs=priced))
    assert plan.parcels[0].late_ms == 12 * HOUR_MS
    assert plan.parcels[0].cost.late_cents == 70


def test_too_little_stock_is_told_line_by_line() -> None:
    refused = refusal_of(routed(store("S1", {"A": 1}), store("S2", {"B": 1})))
    assert refused.reason is UnroutableReason.INSUFFICIENT_STOCK
    assert [(each.gtin, each.wanted, each.available) for each in refused.lines] == [
        ("A", 2, 1),
        ("B", 1, 1),
    ]
    assert any("A: 2 wanted, 1 available" in text for text in refused.explanation)


def test_limits_on_splitting_are_told_from_missing_stock() -> None:
    halves = (store("S1", {"A": 2}), store("S2", {"B": 1}))
    assert refusal_of(routed(*halves, allow_split=False)).reason is UnroutableReason.LIMITS
    assert refusal_of(routed(*halves, max_parcels=1)).reason is UnroutableReason.LIMITS
    assert len(plan_of(routed(*halves)).parcels) == 2


def test_a_partial_plan_names_what_it_leaves_out() -> None:
    plan = plan_of(routed(store("S1", {"A": 1}), allow_partial=True))
    assert [(left.gtin, left.quantity) for left in plan.unfilled] == [("A", 1), ("B", 1)]
    cheap = RoutingCosts(unfilled_cents=1)
    refused = refusal_of(routed(store("S1", {"A": 1}), allow_partial=True, costs=cheap))
    assert refused.reason is UnroutableReason.NOT_WORTH_IT


def test_an_override_makes_one_location_cheaper() -> None:
    stock = {"A": 2, "B": 1}
    costs = RoutingCosts(locations={"S2": LocationOverrides(parcel_cents=1)})
    plan = plan_of(routed(store("S1", stock), store("S2", stock), costs=costs))
    assert plan.parcels[0].location == "S2"


def test_equal_locations_are_told_apart_by_name() -> None:
    stock = {"A": 2, "B": 1}
    plan = plan_of(routed(store("S3", stock), store("S1", stock), store("S2", stock)))
    assert plan.parcels[0].location == "S1"


def test_kilograms_are_priced_like_units() -> None:
    problem = RoutingProblem(
        lines=(OrderLine(gtin="A", quantity=2_500, measure="grams"),),
        candidates=(store("S1", {"A": 10_000}),),
    )
    plan = plan_of(route(problem, RoutingCosts(), now_ms=NOW_MS))
    assert plan.parcels[0].cost.handling_cents == 150
    assert "2.500 kg of A" in plan.explanation[1]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"lines": ()}, "lines"),
        ({"lines": (line("A"), line("A"))}, "lines"),
        ({"lines": (line("A", 0),)}, "lines"),
        ({"lines": (line("A", -1),)}, "lines"),
        ({"candidates": (store("S1", {}), store("S1", {}))}, "candidates"),
        ({"candidates": (store("S1", {"A": -1}),)}, "candidates[S1]"),
        ({"candidates": (store("S1", {}, need={"A": -1}),)}, "candidates[S1]"),
        ({"candidates": (store("S1", {}, distance_km=float("nan")),)}, "candidates[S1]"),
        ({"candidates": (store("S1", {}, units_today=-1),)}, "candidates[S1]"),
        ({"method": "collect"}, "collect_at"),
        ({"collect_at": "S1"}, "collect_at"),
        ({"max_parcels": 0}, "max_parcels"),
        ({"promise_by_ms": -1}, "promise_by_ms"),
    ],
)
def test_a_problem_that_makes_no_sense_is_refused(change: dict[str, object], field: str) -> None:
    problem = RoutingProblem(lines=(line("A"),), candidates=(store("S1", {"A": 1}),))
    with pytest.raises(RoutingInvalid) as refused:
        route(replace(problem, **change), RoutingCosts(), now_ms=NOW_MS)
    assert refused.value.field == field
    assert isinstance(refused.value, CloudError)


@pytest.mark.parametrize(("now_ms", "budget_ms"), [(-1, 50), (0, 0), (0, -1), (0, float("nan"))])
def test_a_time_that_makes_no_sense_is_refused(now_ms: int, budget_ms: float) -> None:
    problem = RoutingProblem(lines=(line("A"),), candidates=())
    with pytest.raises(RoutingInvalid):
        route(problem, RoutingCosts(), now_ms=now_ms, budget_ms=budget_ms)
