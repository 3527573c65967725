"""Anybody may name a reservation as an order names its parcels: the order keeps out of its way."""

from typing import Any

import pytest
from msgspec.structs import replace

from cloud.commands.command import Line
from cloud.commands.orders import AmendOrder, ParcelPlan, ParcelRename
from cloud.commands.reservations import HandOver, Reserve, ReserveLine
from cloud.journal.verify import verify
from cloud.orders import reading
from cloud.orders.handlers import last_number
from cloud.orders.saga import NO_NAME_LEFT
from cloud.records.order import Order
from cloud.shards.messages import Done
from cloud.sku_location.refusal import Refusal, Refused
from protocol.ids import CLOUD_STORE_ID
from tests.order_world import OrderWorld, request
from tests.shard_inputs import GTIN, OTHER_GTIN


@pytest.fixture
def world() -> OrderWorld:
    return OrderWorld()


def squat(world: OrderWorld, name: str = "o1.1", **fields: Any) -> None:
    reserve = Reserve(
        store="S001",
        reservation_id=name,
        order_id="o1",
        channel="app",
        lines=[ReserveLine(gtin=GTIN, quantity=1)],
        expires_at_ms=0,
    )
    assert isinstance(world.answer(replace(reserve, **fields)), Done)


def placed(world: OrderWorld, **fields: Any) -> Order:
    order = world.run(world.desk.place(request(**fields), "k"))
    assert isinstance(order, Order)
    return order


def names(order: Order) -> list[tuple[str, str]]:
    return [(parcel.location, parcel.reservation_id) for parcel in order.parcels]


@pytest.mark.parametrize(
    "fields",
    [
        {"order_id": "else"},
        {},
        {"channel": "web"},
        {"is_parcel": True},
        {"is_parcel": True, "channel": "web", "order_id": "else"},
    ],
)
def test_who_has_a_parcels_name_is_neither_adopted_nor_in_the_way(
    world: OrderWorld, fields: dict[str, Any]
) -> None:
    world.stock("S001", 6)
    squat(world, **fields)
    order = placed(world, lines={GTIN: 5})
    assert (order.status, names(order), order.amendments) == ("held", [("S001", "o1.2")], 0)
    assert world.held() == {("S001", GTIN): 6}
    assert isinstance(world.run(world.desk.confirm("o1", "c")), Order)
    own, other = (
        next(each for each in world.reservations() if each.id == name) for name in ("o1.2", "o1.1")
    )
    assert (own.status, other.status) == ("confirmed", "held")
    assert isinstance(world.run(world.desk.release("o1", "r")), Order)
    assert world.held() == {("S001", GTIN): 1}
    assert verify(world.journal).difference_count == 0


def test_goods_that_were_not_ordered_do_not_disturb_an_order(world: OrderWorld) -> None:
    world.stock("S001", 5)
    world.stock("S001", 5, OTHER_GTIN)
    placed(world)
    # Even if the record of a parcel said so: how an order stands can always be said.
    found = world.find("o1")
    assert found is not None
    reservation = found.reservations["o1.1"]
    strange = replace(reservation.lines[0], gtin=OTHER_GTIN)
    reservations = {"o1.1": replace(reservation, lines=(*reservation.lines, strange))}
    assert found._replace(reservations=reservations).standing.lines == found.standing.lines


def test_a_name_taken_at_the_last_moment_is_no_refusal(world: OrderWorld) -> None:
    world.stock("S001", 2)
    world.before_step = lambda step: squat(world) if step == 2 else None
    assert names(placed(world)) == [("S001", "o1.2")]


def test_the_next_free_name_is_chosen_and_names_never_come_back(world: OrderWorld) -> None:
    world.stock("S001", 9)
    world.stock("S002", 1, OTHER_GTIN)
    for number in (1, 3, 4):
        squat(world, f"o1.{number}")
    order = placed(world, lines={GTIN: 1, OTHER_GTIN: 1})
    assert set(names(order)) == {("S001", "o1.5"), ("S002", "o1.2")} or set(names(order)) == {
        ("S002", "o1.1"),
        ("S001", "o1.2"),
    }


def test_what_is_lost_later_is_asked_for_under_a_free_name_too(world: OrderWorld) -> None:
    world.stock("S001", 1)
    order = placed(world)
    assert isinstance(world.run(world.desk.confirm("o1", "c")), Order)
    world.stock("S002", 3)
    squat(world, "o1.2", store="S002")
    world.sell("S001")
    world.run(world.desk.on_notices(list(world.told)))
    order = world.order()
    assert names(order) == [("S001", "o1.1"), ("S002", "o1.3")]
    assert world.told[-1].kind == "order_rerouted"
    assert "o1.3" in world.told[-1].detail
    world.answer(HandOver(store="S002", reservation_id="o1.3"))
    world.run(world.desk.on_reservations(world.reservations()))
    assert world.order().status == "fulfilled"


def test_without_any_free_name_the_location_cannot_be_asked(
    world: OrderWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "NAMES_TRIED_MAX", 2)
    world.stock("S001", 9)
    for number in (1, 2, 3):
        squat(world, f"o1.{number}")
    answer = world.run(world.desk.place(request(), "k"))
    assert isinstance(answer, Refused)
    assert NO_NAME_LEFT in answer.detail
    assert (world.order().is_open, world.held()) == (False, {("S001", GTIN): 3})


def test_without_any_free_name_what_was_lost_is_short(
    world: OrderWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "NAMES_TRIED_MAX", 1)
    world.stock("S001", 1)
    placed(world)
    assert isinstance(world.run(world.desk.confirm("o1", "c")), Order)
    world.stock("S002", 9)
    squat(world, "o1.2", store="S002")
    squat(world, "o1.3", store="S002")
    world.sell("S001")
    world.run(world.desk.on_notices(list(world.told)))
    assert world.order().status == "short"
    assert [notice.kind for notice in world.told] == ["reservation_short", "order_short"]


def test_a_new_name_must_be_one_of_the_orders_and_new(world: OrderWorld) -> None:
    world.stock("S001", 5)
    order = placed(world)
    amend = AmendOrder(store=CLOUD_STORE_ID, order_id="o1", parcels=[], reason="")

    def refusal_of(*renamed: tuple[str, str]) -> Refusal | None:
        renames = tuple(ParcelRename(reservation_id=old, name=new) for old, new in renamed)
        answer = world.answer(replace(amend, renamed=renames))
        return answer.reason if isinstance(answer, Refused) else None

    for new in (
        "o1.1",
        "o1.0",
        "o1.02",
        "o1.-2",
        "o1.x",
        "o1.",
        "o2.2",
        "x",
        "o1.\N{SUPERSCRIPT TWO}",
    ):
        assert refusal_of(("o1.1", new)) is Refusal.INVALID
    assert refusal_of(("o1.7", "o1.8")) is Refusal.INVALID
    assert refusal_of(("o1.1", "o1.2"), ("o1.1", "o1.3")) is Refusal.INVALID
    assert world.order() == order
    assert refusal_of(("o1.1", "o1.9")) is None
    assert last_number(world.order()) == 9
    line = Line(gtin=GTIN, quantity=1)
    parcel = ParcelPlan(location="S001", reservation_id="o1.2", lines=[line])
    answer = world.answer(replace(amend, parcels=[parcel]))
    assert isinstance(answer, Refused)
    assert "o1.10" in answer.detail
