"""What the router is told: who has what, hidden stock apart, how far, how busy."""

import asyncio
from collections.abc import Iterable, Iterator
from math import isclose

import msgspec
import pytest

from cloud.commands.reservations import Reserve, ReserveLine
from cloud.context_documents import LocationBody, RatesBody
from cloud.geography import distance_km
from cloud.orders.atlas import Atlas
from cloud.orders.candidates import field_of
from cloud.orders.documents import RoutingDocument
from cloud.orders.parcels import demand_of_request
from cloud.orders.ports import Demand, HiddenStock
from cloud.orders.routing import Candidate, Plan, RoutingCosts, Unroutable
from cloud.records.order import Order
from cloud.rules import Buffer, Explanation
from cloud.shards.messages import SetPolicy
from cloud.sku_location.refusal import Refusal, Refused
from cloud.sku_location.state import Policy, SkuLocation
from tests.order_world import DAY_MS, HOUR_MS, NothingHidden, OrderWorld, request
from tests.shard_inputs import GTIN, NOW_MS, received

BERLIN = (52.52, 13.405)
MUNICH = (48.137, 11.575)
HAMBURG = (53.551, 9.994)


class OneHidden:
    """A rule hides one of everything at S001 from the web."""

    def explained(
        self, states: Iterable[SkuLocation], channel: str, ship_by_ms: int, now_ms: int
    ) -> Iterator[Explanation]:
        del ship_by_ms, now_ms
        for state in states:
            hides = state.store == "S001" and channel == "web"
            yield Explanation(version=1, buffer=Buffer(quantity=int(hides)), rules=())


@pytest.fixture
def world() -> OrderWorld:
    return OrderWorld()


def at(place: tuple[float, float], **fields: object) -> LocationBody:
    body = LocationBody(latitude=place[0], longitude=place[1])
    return msgspec.structs.replace(body, **fields)


def demand(**fields: object) -> Demand:
    base = demand_of_request(request(), RoutingDocument())
    return base._replace(**fields)  # type: ignore[arg-type] # fields by name, as the test says them.


def candidates(
    world: OrderWorld, wanted: Demand, hidden: HiddenStock | None = None
) -> dict[str, Candidate]:
    chart = Atlas().chart(world.journal)
    field = field_of(world.journal, chart, hidden or NothingHidden(), wanted, NOW_MS)
    return {candidate.location: candidate for candidate in field.candidates}


def test_distances_are_those_on_the_earth() -> None:
    # Berlin to Munich is 504 km as the crow flies (Vincenty on WGS 84: 504.4 km).
    assert isclose(distance_km(*BERLIN, *MUNICH), 504.3, abs_tol=1)
    assert distance_km(*BERLIN, *BERLIN) == 0
    assert isclose(distance_km(0, 0, 0, 180), 20_015.1, abs_tol=1)


def test_what_rules_hide_is_not_on_offer(world: OrderWorld) -> None:
    world.stock("S001", 1)
    world.stock("S002", 1)
    found = candidates(world, demand(), OneHidden())
    assert list(found) == ["S002"]
    found = candidates(world, demand(channel="app"), OneHidden())
    assert found["S001"].available == {GTIN: 1}


def test_the_nearest_are_asked_first_and_warehouses_before_them(world: OrderWorld) -> None:
    for name, body in {
        "S001": at(MUNICH),
        "S002": at(HAMBURG),
        "W1": at(MUNICH, kind="warehouse"),
    }.items():
        world.stock(name, 1)
        world.document("location", name, body)
    near_berlin = demand(latitude=BERLIN[0], longitude=BERLIN[1])
    assert list(candidates(world, near_berlin)) == ["W1", "S002", "S001"]
    world.routing(RoutingDocument(candidates_max=2))
    assert list(candidates(world, near_berlin)) == ["W1", "S002"]


def test_a_location_that_does_not_ship_is_not_asked_to(world: OrderWorld) -> None:
    for name, body in {"S001": at(MUNICH, ships=False), "S002": at(MUNICH)}.items():
        world.stock(name, 1)
        world.document("location", name, body)
    assert list(candidates(world, demand())) == ["S002"]
    collected = demand(method="collect", collect_at="S001")
    assert list(candidates(world, collected)) == ["S001"]
    world.document("location", "S001", at(MUNICH, collects=False))
    assert list(candidates(world, collected)) == []


def test_a_location_that_was_removed_is_not_asked(world: OrderWorld) -> None:
    for name in ("S001", "S002"):
        world.stock(name, 1)
        world.document("location", name, at(MUNICH))
    atlas = Atlas()
    assert list(atlas.chart(world.journal).locations) == ["S001", "S002"]
    world.document("location", "S001", b"")
    assert list(atlas.chart(world.journal).locations) == ["S002"]


def test_a_document_that_cannot_be_read_is_told(world: OrderWorld) -> None:
    world.stock("S001", 1)
    world.document("location", "S009", b'{"kind": "moon"}')
    chart = Atlas().chart(world.journal)
    assert list(chart.problems) == ["location/S009"]
    order = world.run(world.desk.place(request(), "k"))
    assert isinstance(order, Order)
    assert "location/S009 is not used" in order.explanation[-1]


def test_rates_of_a_location_go_before_those_of_its_kind(world: OrderWorld) -> None:
    world.routing(RoutingDocument(costs=RoutingCosts(extra_parcel_cents=7)))
    world.document("location", "S001", at(MUNICH, rates=RatesBody(parcel_cents=1)))
    costs = Atlas().chart(world.journal).routing.costs
    assert costs.extra_parcel_cents == 7
    assert costs.rates_of("S001", "store").parcel_cents == 1
    assert costs.rates_of("S001", "store").handling_cents == costs.store.handling_cents


def test_work_promised_takes_capacity(world: OrderWorld) -> None:
    world.stock("S001", 5)
    world.facts("S001", received(900, gtin="09506000134352", measure="grams"))
    lines = [
        ReserveLine(gtin=GTIN, quantity=2),
        ReserveLine(gtin="09506000134352", quantity=300),
    ]
    world.answer(
        Reserve(
            store="S001",
            reservation_id="r",
            order_id="o",
            channel="web",
            lines=lines,
            expires_at_ms=0,
        )
    )
    busy = candidates(world, demand())["S001"]
    assert (busy.parcels_today, busy.units_today, busy.grams_today) == (1, 2, 300)
    assert busy.available == {GTIN: 3}


def test_what_a_location_needs_itself_is_its_reorder_point(world: OrderWorld) -> None:
    world.stock("S001", 5)
    assert candidates(world, demand())["S001"].need == {GTIN: 0}
    policy = Policy(reorder_point=3, order_up_to=9)
    world.commit(SetPolicy(store="S001", gtin=GTIN, policy=policy))
    assert candidates(world, demand())["S001"].need == {GTIN: 3}


def test_a_promise_says_by_when_goods_must_leave(world: OrderWorld) -> None:
    world.stock("S001", 1)
    world.document("location", "S001", at(MUNICH, transit_hours=10))
    order = world.run(world.desk.place(request(promise_by_ms=NOW_MS + DAY_MS), "k"))
    assert isinstance(order, Order)
    assert [each.ship_by_ms for each in world.reservations()] == [NOW_MS + 14 * HOUR_MS]


def test_what_cannot_arrive_in_time_is_not_promised(world: OrderWorld) -> None:
    world.stock("S001", 1)
    answer = world.run(world.desk.place(request(promise_by_ms=NOW_MS + HOUR_MS), "k"))
    assert isinstance(answer, Refused)
    assert answer.reason is Refusal.UNROUTABLE
    assert "not in time" in answer.detail


def test_distance_counts_where_it_is_known(world: OrderWorld) -> None:
    for name, place in {"S001": MUNICH, "S002": BERLIN}.items():
        world.stock(name, 1)
        world.document("location", name, at(place))
    to_berlin = request(latitude=BERLIN[0], longitude=BERLIN[1])
    plan = world.run(world.desk.plan(to_berlin))
    assert isinstance(plan, Plan)
    assert plan.parcels[0].location == "S002"
    world.document("location", "S002", LocationBody())
    lost = candidates(world, demand(latitude=BERLIN[0], longitude=BERLIN[1]))
    assert lost["S002"].distance_km == RoutingDocument().unknown_distance_km


def test_the_solver_runs_off_the_loop_when_nothing_else_is_said(world: OrderWorld) -> None:
    from cloud.orders.stock_router import StockRouter

    world.stock("S001", 1)

    async def look() -> Plan | Unroutable:
        router = StockRouter(world.read, world.hidden)
        first, second, third = await asyncio.gather(
            *(router.route(demand(), NOW_MS) for _ in range(3))
        )
        assert first == second == third
        return first.answer

    assert isinstance(asyncio.run(look()), Plan)


EXTREME_RATES = {
    "handling_cents": 100_000,
    "parcel_cents": 100_000,
    "km_cents": 100_000,
    "parcels_per_day": 1_000_000_000,
    "units_per_day": 1_000_000_000,
    "grams_per_day": 1_000_000_000,
}
MOST = {
    "costs": {
        "extra_parcel_cents": 100_000,
        "late_allowed": True,
        "late_cents_per_day": 100_000,
        "need_cents": 100_000,
        "unfilled_cents": 100_000,
        "store": EXTREME_RATES,
        "warehouse": EXTREME_RATES,
    },
    "candidates_max": 2_000,
    "max_parcels": 50,
    "hold_minutes": 100_000,
    "km_per_hour": 1,
    "unknown_distance_km": 20_040,
    "budget_ms": 10_000,
}
LEAST = {
    "costs": {
        "extra_parcel_cents": 0,
        "late_allowed": True,
        "late_cents_per_day": 0,
        "need_cents": 0,
        "unfilled_cents": 0,
        "store": dict.fromkeys(EXTREME_RATES, 0) | {"units_per_day": 10**9, "parcels_per_day": 9},
        "warehouse": dict.fromkeys(EXTREME_RATES, 0) | {"units_per_day": 10**9},
    },
    "candidates_max": 1,
    "max_parcels": 1,
    "hold_minutes": 1,
    "km_per_hour": 1_000,
    "unknown_distance_km": 0,
    "budget_ms": 5,
}
PLACES = [
    {"latitude": 90, "longitude": -180, "ready_minutes": 100_000, "transit_hours": 10_000},
    {"latitude": -90, "longitude": 180, "ready_minutes": 0, "transit_hours": 0},
    {"rates": EXTREME_RATES, "accuracy": 1},
]


@pytest.mark.parametrize("settings", [MOST, LEAST])
@pytest.mark.parametrize("promise_by_ms", [0, 1, NOW_MS + HOUR_MS, 2**53 - 1])
@pytest.mark.parametrize("latitude", [-90.0, 0.0, 5e-324, 90.0])
def test_no_settings_within_their_bounds_break_routing(
    world: OrderWorld, settings: dict[str, object], promise_by_ms: int, latitude: float
) -> None:
    world.routing(msgspec.convert(settings, RoutingDocument))
    for name, place in zip(("S001", "S002", "S003"), PLACES, strict=True):
        world.stock(name, 1_000_000_000)
        world.stock(name, 1_000_000_000)
        policy = Policy(reorder_point=2**63 if name == "S001" else 0, order_up_to=2**63)
        world.commit(SetPolicy(store=name, gtin=GTIN, policy=policy))
        world.document("location", name, msgspec.convert(place, LocationBody))
    wanted = request(
        lines={GTIN: 10_000_000},
        promise_by_ms=promise_by_ms,
        latitude=latitude,
        longitude=-180.0,
    )
    assert Atlas().chart(world.journal).problems == {}
    assert isinstance(world.run(world.desk.plan(wanted)), Plan)
    order = world.run(world.desk.place(wanted, "k"))
    assert isinstance(order, Order)
    assert order.expires_at_ms > world.now_ms


@pytest.mark.parametrize(
    "body",
    [
        b'{"km_per_hour": 0}',
        b'{"km_per_hour": 0.99}',
        b'{"km_per_hour": 1e-300}',
        b'{"km_per_hour": 1e999}',
        b'{"km_per_hour": NaN}',
        b'{"unknown_distance_km": -0.001}',
        b'{"unknown_distance_km": 1e308}',
        b'{"hold_minutes": 0}',
        b'{"budget_ms": 0}',
        b'{"candidates_max": 0}',
        b'{"max_parcels": 0}',
        b'{"costs": {"need_cents": -1}}',
        b'{"costs": {"store": {"km_cents": 99999999999999999999}}}',
        b'{"costs": {"locations": {"S001": {"grams_per_day": 1e10}}}}',
    ],
)
def test_settings_out_of_bounds_are_not_used_and_told(world: OrderWorld, body: bytes) -> None:
    world.stock("S001", 1)
    world.document("routing", "default", body)
    order = world.run(world.desk.place(request(), "k"))
    assert isinstance(order, Order)
    assert "routing/default is not used" in order.explanation[-1]


@pytest.mark.parametrize(
    "body",
    [
        b'{"latitude": 90.1}',
        b'{"longitude": -1e400}',
        b'{"latitude": NaN}',
        b'{"ready_minutes": -1}',
        b'{"ready_minutes": 1e300}',
        b'{"transit_hours": 10001}',
        b'{"accuracy": Infinity}',
        b'{"rates": {"parcels_per_day": -1}}',
    ],
)
def test_a_location_out_of_bounds_is_not_used_and_told(world: OrderWorld, body: bytes) -> None:
    world.document("location", "S001", body)
    chart = Atlas().chart(world.journal)
    assert (chart.locations, list(chart.problems)) == ({}, ["location/S001"])


@pytest.mark.parametrize("degrees", [float("nan"), float("inf"), 90.5])
def test_a_destination_is_on_the_earth(world: OrderWorld, degrees: float) -> None:
    answer = world.run(world.desk.plan(request(latitude=degrees, longitude=0.0)))
    assert isinstance(answer, Refused)
    assert answer.reason is Refusal.INVALID
