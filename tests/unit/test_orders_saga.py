"""The saga's table, rule by rule, and how an order stands."""

import pytest
from msgspec.structs import replace

from cloud.commands.command import Line
from cloud.orders.handlers import reservation_name
from cloud.orders.saga import (
    AMENDMENTS_MAX,
    PLACING_AMENDMENTS_MAX,
    GiveUp,
    Reroute,
    Rest,
    Settle,
    Situation,
    Tell,
    next_move,
)
from cloud.orders.standing import standing
from cloud.records.order import Order, OrderLine, OrderStatus, ParcelRecord
from cloud.records.reservation import Reservation, ReservationLine, ReservationStatus
from cloud.sku_location.refusal import Refusal, Refused
from tests.shard_inputs import GTIN, NOW_MS

DEADLINE_MS = NOW_MS + 60_000
REFUSED = (Refused(Refusal.INSUFFICIENT, "none left"), (GTIN,))


def parcel(number: int, location: str = "S001", quantity: int = 1) -> ParcelRecord:
    line = Line(gtin=GTIN, quantity=quantity)
    return ParcelRecord(
        location=location, reservation_id=reservation_name("o1", number), lines=(line,)
    )


def order(status: OrderStatus, *parcels: ParcelRecord, quantity: int = 1) -> Order:
    return Order(
        store="cloud",
        id="o1",
        channel="web",
        customer="",
        method="ship",
        status=status,
        lines=(OrderLine(gtin=GTIN, quantity=quantity),),
        parcels=parcels or (parcel(1),),
        latitude=None,
        longitude=None,
        collect_at="",
        promise_by_ms=0,
        expires_at_ms=DEADLINE_MS,
        max_parcels=4,
        allow_split=True,
    )


def reservation(
    number: int = 1,
    status: ReservationStatus = "held",
    expires_at_ms: int = DEADLINE_MS,
    **where: int,
) -> Reservation:
    columns = where or {"held": 1}
    line = ReservationLine(gtin=GTIN, quantity=sum(columns.values()), held=columns.get("held", 0))
    return Reservation(
        store="S001",
        id=reservation_name("o1", number),
        order_id="o1",
        channel="web",
        status=status,
        lines=(replace(line, **columns),),
        expires_at_ms=expires_at_ms,
        ship_by_ms=0,
    )


def at(
    found: Order, *reservations: Reservation, refused: tuple[int, ...] = (), now_ms: int = NOW_MS
) -> Situation:
    names = {each.id: each for each in reservations}
    return Situation(found, names, {reservation_name("o1", n): REFUSED for n in refused}, now_ms)


def test_who_was_asked_and_has_not_answered_is_asked() -> None:
    found = order("placing", parcel(1), parcel(2), quantity=2)
    assert next_move(at(found, reservation(1))) == Tell("reserve", (parcel(2),))


def test_an_order_that_is_held_whole_is_held() -> None:
    assert next_move(at(order("placing"), reservation())) == Settle("held")


def test_a_refused_parcel_is_re_routed_without_who_refused() -> None:
    move = next_move(at(order("placing"), refused=(1,)))
    assert isinstance(move, Reroute)
    assert move.lines == (Line(gtin=GTIN, quantity=1),)
    assert move.excluded == {("S001", GTIN)}
    assert move.reason == "none left"


def test_tries_are_bounded_while_placing_and_later() -> None:
    tried = replace(order("placing", parcel(1), parcel(2), quantity=2))
    tried = replace(tried, amendments=PLACING_AMENDMENTS_MAX)
    move = next_move(at(tried, reservation(1), refused=(2,)))
    assert move == Settle("refused", "none left", is_settling=True)
    lost = reservation(1, "short", short=1)
    confirmed = replace(order("confirmed"), amendments=AMENDMENTS_MAX)
    assert isinstance(next_move(at(confirmed, lost)), GiveUp)
    assert isinstance(next_move(at(order("confirmed"), lost)), Reroute)


@pytest.mark.parametrize("status", ["released", "refused", "fulfilled", "short"])
def test_what_has_ended_holds_nothing(status: OrderStatus) -> None:
    ended = replace(order(status), is_settling=status == "released")
    assert next_move(at(ended, reservation())) == Tell("release", (parcel(1),))


def test_what_is_undone_is_closed() -> None:
    undone = replace(order("released"), is_settling=True)
    assert next_move(at(undone, reservation(1, "released", released=1))) == Settle("released")
    assert next_move(at(undone, reservation(1, "fulfilled", fulfilled=1))) == Settle("fulfilled")
    assert next_move(at(order("released"))) == Rest()


def test_a_parcel_noted_as_refused_holds_nothing() -> None:
    stray = replace(parcel(1), status="refused")
    found = order("held", stray, parcel(2))
    assert next_move(at(found, reservation(1), reservation(2))) == Tell("release", (stray,))
    given_back, lost = reservation(1, "released", released=1), reservation(2, "short", short=1)
    move = next_move(at(found, given_back, lost))
    assert isinstance(move, Reroute)
    assert move.lines == (Line(gtin=GTIN, quantity=1),)


def test_time_ends_what_is_not_confirmed() -> None:
    late = at(order("held"), reservation(), now_ms=DEADLINE_MS)
    assert next_move(late) == Tell("expire", (parcel(1),))
    gone = reservation(1, "expired", expired=1)
    assert next_move(at(order("held"), gone)) == Settle("released", "it was held too long")
    assert next_move(at(order("placing"), gone)) == Settle("refused", "it was held too long")
    assert isinstance(next_move(at(order("confirmed"), gone)), Reroute)
    kept = reservation(1, "confirmed", expires_at_ms=0)
    assert next_move(at(order("confirmed"), kept, now_ms=DEADLINE_MS)) == Rest()


def test_goods_in_hand_give_an_order_more_time() -> None:
    picked = reservation(1, held=1, picked=0)
    picked = replace(picked, lines=(replace(picked.lines[0], quantity=1, picked=1),))
    move = next_move(at(order("held"), picked, now_ms=DEADLINE_MS))
    assert isinstance(move, Settle)
    assert (move.status, move.expires_at_ms > DEADLINE_MS) == ("held", True)


@pytest.mark.parametrize(
    ("status", "act"),
    [("held", "extend"), ("awaiting_payment", "await_payment"), ("confirmed", "confirm")],
)
def test_reservations_follow_the_order(status: OrderStatus, act: str) -> None:
    behind = reservation(expires_at_ms=DEADLINE_MS - 1)
    assert next_move(at(order(status), behind)) == Tell(act, (parcel(1),))  # type: ignore[arg-type] # an act, by name.
    assert next_move(at(order("confirmed"), reservation(1, "confirmed"))) == Rest()


def test_what_was_re_routed_is_told_of_when_it_is_held() -> None:
    moved = replace(order("held", parcel(1), parcel(2)), rerouting=("o1.2",))
    lost, found = reservation(1, "short", short=1), reservation(2)
    assert next_move(at(moved, lost)) == Tell("reserve", (parcel(2),))
    assert next_move(at(moved, lost, found)) == Settle("held")


@pytest.mark.parametrize(
    ("where", "short", "status"),
    [
        ({"fulfilled": 1}, 0, "fulfilled"),
        ({"released": 1}, 0, "released"),
        ({"short": 1}, 1, "short"),
    ],
)
def test_an_order_ends_with_its_last_reservation(
    where: dict[str, int], short: int, status: OrderStatus
) -> None:
    found = order("confirmed")
    found = replace(found, lines=(replace(found.lines[0], short=short),))
    ended = reservation(1, status, **where)  # type: ignore[arg-type] # a status of both.
    assert next_move(at(found, ended)) == Settle(status)
    assert standing(found, {ended.id: ended}).status == status


def test_a_line_says_where_all_of_it_is() -> None:
    found = order(
        "confirmed",
        parcel(1, quantity=4),
        parcel(2),
        replace(parcel(3), status="refused"),
        quantity=6,
    )
    found = replace(found, lines=(replace(found.lines[0], short=1),))
    held = reservation(1, held=1, fulfilled=1, released=1, short=1)
    (line,) = standing(found, {held.id: held}).lines
    assert (line.asked, line.held, line.fulfilled, line.released) == (1, 1, 1, 1)
    assert (line.given_up, line.missing) == (1, 1)
    assert [each.status for each in standing(found, {held.id: held}).parcels] == [
        "held",
        "asked",
        "refused",
    ]
