"""Orders across locations: held whole or not at all, re-routed, paid, ended, and looked after."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from msgspec.structs import replace

from cloud.commands import AnyCommand
from cloud.commands.command import Line
from cloud.commands.orders import AmendOrder, ParcelPlan, PlaceOrder, SettleOrder
from cloud.commands.reservations import HandOver, Pick, Release, Reserve, ReserveLine, Ship
from cloud.orders.desk import OrderDesk
from cloud.orders.documents import RoutingDocument
from cloud.orders.routing import Plan, Unroutable
from cloud.records.order import Order
from cloud.shards.messages import Done
from cloud.sku_location.refusal import Refusal, Refused
from protocol.ids import CLOUD_STORE_ID
from tests.order_world import DAY_MS, HOUR_MS, MINUTE_MS, OrderWorld, request
from tests.shard_inputs import GTIN, INVALID_GTIN, NOW_MS, OTHER_GTIN


@pytest.fixture
def world() -> OrderWorld:
    return OrderWorld()


def placed(world: OrderWorld, **fields: Any) -> Order:
    order = world.run(world.desk.place(request(**fields), "k1"))
    assert isinstance(order, Order)
    return order


def refusal(answer: Order | Refused) -> Refusal:
    assert isinstance(answer, Refused)
    return answer.reason


def statuses(world: OrderWorld, order_id: str = "o1") -> dict[str, str]:
    """Return how the parcels of an order stand, by location."""
    found = world.find(order_id)
    assert found is not None
    return {parcel.location: parcel.status for parcel in found.standing.parcels}


def split(world: OrderWorld) -> None:
    """Let no location have all of an order of one piece each."""
    world.stock("S001", 1, GTIN)
    world.stock("S002", 1, OTHER_GTIN)


def refusal_of(world: OrderWorld, command: AnyCommand) -> Refusal:
    answer = world.answer(command)
    assert isinstance(answer, Refused)
    return answer.reason


def parcel(reservation_id: str, *lines: Line) -> ParcelPlan:
    chosen = list(lines) or [Line(gtin=GTIN, quantity=1)]
    return ParcelPlan(location="S001", reservation_id=reservation_id, lines=chosen)


BOTH = {GTIN: 1, OTHER_GTIN: 1}


def test_an_order_is_held_where_it_is_in_stock(world: OrderWorld) -> None:
    world.stock("S001", 5)
    order = placed(world, lines={GTIN: 2})
    assert order.status == "held"
    assert world.held() == {("S001", GTIN): 2}
    assert statuses(world) == {"S001": "held"}
    assert "One location serves the order" in order.explanation[0]


def test_an_order_may_be_held_at_several_locations(world: OrderWorld) -> None:
    split(world)
    placed(world, lines=BOTH)
    assert world.held() == {("S001", GTIN): 1, ("S002", OTHER_GTIN): 1}


def test_what_nobody_has_is_refused_and_leaves_nothing(world: OrderWorld) -> None:
    world.stock("S001", 1)
    answer = world.run(world.desk.place(request(lines={GTIN: 2}), "k1"))
    assert refusal(answer) is Refusal.INSUFFICIENT
    assert world.orders() == []
    assert world.held() == {}


def test_a_plan_holds_and_notes_nothing(world: OrderWorld) -> None:
    world.stock("S001", 1)
    assert isinstance(world.run(world.desk.plan(request())), Plan)
    assert isinstance(world.run(world.desk.plan(request(lines={GTIN: 9}))), Unroutable)
    assert world.steps == 0


@pytest.mark.parametrize(
    "fields",
    [
        {"lines": {INVALID_GTIN: 1}},
        {"lines": {GTIN: 0}},
        {"latitude": 1.0},
        {"method": "collect"},
        {"collect_at": "S001"},
        {"method": "collect", "collect_at": "a/b"},
        {"order_id": "x" * 57},
        {"expires_at_ms": 2**60},
    ],
)
def test_a_request_that_makes_no_sense_is_invalid(
    world: OrderWorld, fields: dict[str, Any]
) -> None:
    world.stock("S001", 1)
    answer = world.run(world.desk.place(request(**fields), "k1"))
    assert refusal(answer) is Refusal.INVALID
    assert world.steps == 0


def test_one_key_is_one_order(world: OrderWorld) -> None:
    world.stock("S001", 5)
    first = placed(world)
    assert placed(world) == first
    assert world.held() == {("S001", GTIN): 1}


def test_a_key_with_another_request_is_refused(world: OrderWorld) -> None:
    world.stock("S001", 5)
    placed(world)
    answer = world.run(world.desk.place(request(lines={GTIN: 2}), "k1"))
    assert refusal(answer) is Refusal.KEY_REUSED
    answer = world.run(world.desk.place(request(), "k2"))
    assert refusal(answer) is Refusal.REPEATED_ID


def test_a_refused_parcel_goes_elsewhere(world: OrderWorld) -> None:
    world.stock("S001", 1)
    world.stock("S002", 1)
    world.before_step = lambda step: world.sell("S001") if step == 2 else None
    order = placed(world)
    assert order.status == "held"
    assert world.held() == {("S002", GTIN): 1}
    assert statuses(world) == {"S001": "refused", "S002": "held"}
    assert [notice.kind for notice in world.told] == []


def test_when_nobody_else_has_it_everything_is_given_back(world: OrderWorld) -> None:
    split(world)
    world.before_step = lambda step: world.sell("S002", gtin=OTHER_GTIN) if step == 2 else None
    answer = world.run(world.desk.place(request(lines=BOTH), "k1"))
    assert refusal(answer) is Refusal.INSUFFICIENT
    assert world.held() == {}
    order = world.order()
    assert (order.status, order.is_open) == ("refused", False)
    assert refusal(world.run(world.desk.place(request(lines=BOTH), "k1"))) is Refusal.INSUFFICIENT


def test_of_a_refused_parcel_only_what_lacks_is_not_asked_for_again(world: OrderWorld) -> None:
    world.stock("S001", 1, GTIN)
    world.stock("S001", 1, OTHER_GTIN)
    world.stock("S002", 1, GTIN)
    world.before_step = lambda step: world.sell("S001", gtin=GTIN) if step == 2 else None
    placed(world, lines=BOTH)
    assert world.held() == {("S001", OTHER_GTIN): 1, ("S002", GTIN): 1}


def test_an_order_waits_for_its_payment_and_is_confirmed(world: OrderWorld) -> None:
    split(world)
    placed(world, lines=BOTH)
    pay_by_ms = NOW_MS + 3 * HOUR_MS
    order = world.run(world.desk.await_payment("o1", pay_by_ms, "k2"))
    assert isinstance(order, Order)
    assert (order.status, order.expires_at_ms) == ("awaiting_payment", pay_by_ms)
    assert {each.expires_at_ms for each in world.reservations()} == {pay_by_ms}
    world.now_ms += 2 * HOUR_MS
    world.run(world.desk.sweep())
    order = world.run(world.desk.confirm("o1", "k3"))
    assert isinstance(order, Order)
    assert order.status == "confirmed"
    assert statuses(world) == {"S001": "confirmed", "S002": "confirmed"}
    world.now_ms += 10 * DAY_MS
    world.run(world.desk.sweep())
    assert len(world.held()) == 2


def test_calls_under_the_same_key_change_nothing_more(world: OrderWorld) -> None:
    world.stock("S001", 1)
    placed(world)
    pay_by_ms = NOW_MS + HOUR_MS
    world.run(world.desk.await_payment("o1", pay_by_ms, "k2"))
    confirmed = world.run(world.desk.confirm("o1", "k3"))
    steps = world.steps
    assert world.run(world.desk.confirm("o1", "k3")) == confirmed
    assert world.run(world.desk.confirm("o1", "k4")) == confirmed
    assert world.run(world.desk.await_payment("o1", pay_by_ms, "k2")) == confirmed
    assert world.steps == steps
    answer = world.run(world.desk.release("o1", "k3"))
    assert refusal(answer) is Refusal.KEY_REUSED


def test_an_order_held_too_long_is_released_as_a_whole(world: OrderWorld) -> None:
    split(world)
    placed(world, lines=BOTH, expires_at_ms=NOW_MS + MINUTE_MS)
    world.now_ms += MINUTE_MS
    answer = world.run(world.desk.confirm("o1", "k2"))
    assert refusal(answer) is Refusal.EXPIRED
    assert world.held() == {}
    assert world.order().status == "released"


def test_the_sweep_ends_what_is_due(world: OrderWorld) -> None:
    world.stock("S001", 2)
    placed(world)
    world.now_ms += 30 * MINUTE_MS
    assert world.run(world.desk.sweep()) == (1, ())
    assert world.held() == {}
    assert world.run(world.desk.sweep()) == (0, ())


def test_holds_outlast_a_confirmation(world: OrderWorld) -> None:
    split(world)
    placed(world, lines=BOTH, expires_at_ms=NOW_MS + 5_000)

    def let_time_pass(_step: int) -> None:
        world.now_ms += 10_000 if world.order().status == "confirmed" else 1_000

    world.before_step = let_time_pass
    order = world.run(world.desk.confirm("o1", "k2"))
    assert isinstance(order, Order)
    assert order.status == "confirmed"
    assert statuses(world) == {"S001": "confirmed", "S002": "confirmed"}
    assert len(order.parcels) == 2


def test_the_clock_of_the_shard_decides_what_was_held_too_long(world: OrderWorld) -> None:
    split(world)
    placed(world, lines=BOTH, expires_at_ms=NOW_MS + MINUTE_MS)
    slow = OrderDesk(world.submit, world.read, world.router, lambda: world.now_ms - 5_000)
    world.now_ms += MINUTE_MS
    assert refusal(world.run(slow.confirm("o1", "k2"))) is Refusal.EXPIRED
    assert (world.order().status, world.held()) == ("released", {})


def test_the_same_call_twice_at_once_is_one_order(world: OrderWorld) -> None:
    world.stock("S001", 5)

    async def twice() -> list[Order | Refused]:
        return list(await asyncio.gather(*(world.desk.place(request(), "k1") for _ in range(2))))

    first, second = world.run(twice())
    assert first == second
    assert [type(command) for command in world.commands].count(PlaceOrder) == 1


def test_two_desks_that_drive_the_same_orders_do_not_double_anything(world: OrderWorld) -> None:
    split(world)
    world.stock("S003", 2, OTHER_GTIN)
    desks = [
        OrderDesk(world.submit, world.read, world.router, lambda: world.now_ms) for _ in range(2)
    ]

    async def at_both(call: Callable[[OrderDesk], Awaitable[object]]) -> None:
        await asyncio.gather(*(call(desk) for desk in desks))

    world.run(at_both(lambda desk: desk.place(request(lines=BOTH), "k1")))
    world.sell("S002", gtin=OTHER_GTIN)
    world.run(at_both(lambda desk: desk.on_notices(list(world.told))))
    world.run(at_both(lambda desk: desk.confirm("o1", "k2")))
    assert world.held() == {("S001", GTIN): 1, ("S003", OTHER_GTIN): 1}
    assert [each.kind for each in world.told].count("order_rerouted") == 1
    world.sell("S001")
    world.run(at_both(lambda desk: desk.on_notices(list(world.told))))
    assert [each.kind for each in world.told].count("order_short") == 1
    world.run(at_both(lambda desk: desk.release("o1", "k3")))
    assert (world.order().is_open, world.held()) == (False, {})


def test_extending_an_order_extends_its_holds(world: OrderWorld) -> None:
    split(world)
    placed(world, lines=BOTH)
    until_ms = NOW_MS + 5 * HOUR_MS
    world.run(world.desk.extend("o1", until_ms, "k2"))
    assert {each.expires_at_ms for each in world.reservations()} == {until_ms}
    assert world.order().status == "held"


def test_releasing_gives_everything_back(world: OrderWorld) -> None:
    split(world)
    placed(world, lines=BOTH)
    world.run(world.desk.confirm("o1", "k2"))
    order = world.run(world.desk.release("o1", "k3", "the customer changed his mind"))
    assert isinstance(order, Order)
    assert (order.status, order.is_open) == ("released", False)
    assert world.held() == {}
    assert refusal(world.run(world.desk.confirm("o1", "k4"))) is Refusal.WRONG_STATUS


def test_an_unknown_order_is_unknown(world: OrderWorld) -> None:
    assert refusal(world.run(world.desk.confirm("o9", "k"))) is Refusal.UNKNOWN
    assert world.find("o9") is None


def test_parcels_leave_one_by_one(world: OrderWorld) -> None:
    split(world)
    placed(world, lines=BOTH)
    world.run(world.desk.confirm("o1", "k2"))
    world.answer(Ship(store="S001", reservation_id="o1.1"))
    world.run(world.desk.on_reservations(world.reservations()))
    assert world.order().status == "confirmed"
    assert statuses(world) == {"S001": "fulfilled", "S002": "confirmed"}
    world.answer(Ship(store="S002", reservation_id="o1.2"))
    found = world.find("o1")
    assert found is not None
    assert found.standing.status == "fulfilled"
    world.run(world.desk.on_reservations(world.reservations()))
    assert (world.order().status, world.order().is_open) == ("fulfilled", False)


def test_what_has_left_stays_when_the_rest_is_released(world: OrderWorld) -> None:
    split(world)
    placed(world, lines=BOTH)
    world.run(world.desk.confirm("o1", "k2"))
    world.answer(Ship(store="S001", reservation_id="o1.1"))
    order = world.run(world.desk.release("o1", "k3"))
    assert isinstance(order, Order)
    assert order.status == "fulfilled"
    assert statuses(world) == {"S001": "fulfilled", "S002": "released"}


def test_a_sale_that_eats_an_order_sends_it_elsewhere(world: OrderWorld) -> None:
    world.stock("S001", 2)
    placed(world, lines={GTIN: 2})
    world.run(world.desk.confirm("o1", "k2"))
    world.stock("S002", 5)
    world.now_ms += DAY_MS
    world.sell("S001")
    world.run(world.desk.on_notices(list(world.told)))
    assert world.held() == {("S001", GTIN): 1, ("S002", GTIN): 1}
    assert {each.status for each in world.reservations()} == {"confirmed"}
    short, rerouted = world.told
    assert (short.kind, rerouted.kind) == ("reservation_short", "order_rerouted")
    assert (rerouted.subject, rerouted.gtin, rerouted.quantity) == ("o1", GTIN, 1)
    assert "S002" in rerouted.detail
    world.run(world.desk.on_notices([short]))
    assert len(world.told) == 2


def test_who_lost_goods_is_not_asked_for_them_again(world: OrderWorld) -> None:
    world.stock("S001", 1)
    placed(world)
    world.sell("S001")
    world.stock("S001", 5)
    world.run(world.desk.on_notices(list(world.told)))
    assert world.held() == {}


def test_what_nobody_can_replace_is_short(world: OrderWorld) -> None:
    world.stock("S001", 2)
    placed(world, lines={GTIN: 2})
    world.run(world.desk.confirm("o1", "k2"))
    world.sell("S001")
    world.run(world.desk.on_notices(list(world.told)))
    _, short = world.told
    assert (short.kind, short.gtin, short.quantity, short.measure) == (
        "order_short",
        GTIN,
        1,
        "units",
    )
    assert (world.order().status, world.order().lines[0].short) == ("confirmed", 1)
    world.sell("S001")
    world.run(world.desk.on_notices(list(world.told)))
    assert (world.order().status, world.order().is_open) == ("short", False)
    assert world.order().lines[0].short == 2


def test_a_shortage_of_a_reservation_without_an_order_is_left_to_its_channel(
    world: OrderWorld,
) -> None:
    world.stock("S001", 1)
    world.stock("S002", 1)
    line = ReserveLine(gtin=GTIN, quantity=1)
    reserve = Reserve(
        store="S001",
        reservation_id="r1",
        order_id="mine",
        channel="web",
        lines=[line],
        expires_at_ms=0,
    )
    assert isinstance(world.answer(reserve), Done)
    world.sell("S001")
    world.run(world.desk.on_notices(list(world.told)))
    assert world.steps == 0


def test_a_collected_order_is_held_at_the_store_of_collection(world: OrderWorld) -> None:
    world.stock("S001", 5)
    world.stock("S002", 1)
    placed(world, method="collect", collect_at="S002")
    assert world.held() == {("S002", GTIN): 1}
    world.answer(HandOver(store="S002", reservation_id="o1.1"))
    world.run(world.desk.on_reservations(world.reservations()))
    assert world.order().status == "fulfilled"


def test_nothing_is_sent_to_the_store_of_collection(world: OrderWorld) -> None:
    world.stock("S001", 5)
    world.stock("S002", 1)
    answer = world.run(
        world.desk.place(request(lines={GTIN: 2}, method="collect", collect_at="S002"), "k1")
    )
    assert refusal(answer) is Refusal.INSUFFICIENT
    assert isinstance(answer, Refused)
    assert "nothing is sent to it" in answer.detail


def test_an_order_that_must_not_be_split_stays_whole(world: OrderWorld) -> None:
    split(world)
    answer = world.run(world.desk.place(request(lines=BOTH, allow_split=False), "k1"))
    assert refusal(answer) is Refusal.UNROUTABLE


def test_limits_on_parcels_hold_for_re_routing_too(world: OrderWorld) -> None:
    world.routing(RoutingDocument(max_parcels=1))
    world.stock("S001", 2)
    world.stock("S002", 1)
    placed(world, lines={GTIN: 2})
    world.sell("S001")
    world.run(world.desk.on_notices(list(world.told)))
    assert world.held() == {("S001", GTIN): 1}
    assert world.told[-1].kind == "order_short"


def test_goods_in_hand_keep_an_unpaid_order(world: OrderWorld) -> None:
    world.stock("S001", 1)
    placed(world)
    world.answer(Pick(store="S001", reservation_id="o1.1"))
    world.now_ms += HOUR_MS
    world.run(world.desk.sweep())
    assert world.held() == {("S001", GTIN): 1}
    assert world.order().status == "held"
    assert world.run(world.desk.sweep()).driven == 0


def test_a_hold_released_by_hand_is_not_replace(world: OrderWorld) -> None:
    split(world)
    placed(world, lines=BOTH)
    world.answer(Release(store="S001", reservation_id="o1.1"))
    world.run(world.desk.on_reservations(world.reservations()))
    assert world.held() == {("S002", OTHER_GTIN): 1}
    world.answer(Release(store="S002", reservation_id="o1.2"))
    world.run(world.desk.on_reservations(world.reservations()))
    assert world.order().status == "released"


def test_commands_about_orders_must_fit_the_order(world: OrderWorld) -> None:
    world.stock("S001", 5)
    placed(world)
    settle = SettleOrder(store=CLOUD_STORE_ID, order_id="o1", status="refused")
    assert refusal_of(world, settle) is Refusal.WRONG_STATUS
    assert refusal_of(world, replace(settle, order_id="o2")) is Refusal.UNKNOWN
    late = replace(settle, status="confirmed", if_version=99)
    assert refusal_of(world, late) is Refusal.VERSION_CONFLICT
    amend = AmendOrder(
        store=CLOUD_STORE_ID, order_id="o1", parcels=[parcel("o1.7")], reason="no reason"
    )
    assert refusal_of(world, amend) is Refusal.INVALID
    twice = parcel("o1.2", Line(gtin=GTIN, quantity=1), Line(gtin=GTIN, quantity=1))
    assert refusal_of(world, replace(amend, parcels=[twice])) is Refusal.INVALID
    place = next(c for c in world.commands if isinstance(c, PlaceOrder))
    fresh = replace(place, key="", order_id="o3", parcels=[parcel("o3.1")])
    assert refusal_of(world, replace(fresh, store="S001")) is Refusal.INVALID
    assert refusal_of(world, replace(fresh, expires_at_ms=NOW_MS)) is Refusal.EXPIRED
    other = parcel("o3.1", Line(gtin=GTIN, quantity=2))
    assert refusal_of(world, replace(fresh, parcels=[other])) is Refusal.INVALID
    assert isinstance(world.answer(fresh), Done)
    world.run(world.desk.release("o1", "k2"))
    assert refusal_of(world, amend) is Refusal.WRONG_STATUS
