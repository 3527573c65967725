"""Commands about orders, as the shard carries them out. Pure.

They change the order alone: its reservations belong to other locations, which may be in other
shards, and are told by commands of their own (decision 7).
"""

from collections import Counter
from collections.abc import Iterable
from typing import Final

from msgspec.structs import replace

from cloud.commands.command import Line
from cloud.commands.orders import (
    ORDER_ID_CHARS_MAX,
    PARCELS_MAX,
    AmendOrder,
    ParcelPlan,
    ParcelRename,
    PlaceOrder,
    SettleOrder,
)
from cloud.records.order import LIVE, Order, OrderLine, OrderStatus, ParcelRecord
from cloud.shards.desk import Desk
from cloud.sku_location.refusal import Refusal, Refused
from protocol.ids import CLOUD_STORE_ID

_MAY_FOLLOW: Final[dict[OrderStatus, tuple[OrderStatus, ...]]] = {
    "placing": ("held", "refused", "released"),
    "held": ("held", "awaiting_payment", "confirmed", "fulfilled", "released", "short"),
    "awaiting_payment": ("awaiting_payment", "confirmed", "fulfilled", "released", "short"),
    "confirmed": ("confirmed", "fulfilled", "released", "short"),
    # What is being undone may turn out to have left already, or to have been lost.
    "released": ("released", "fulfilled", "short"),
    "refused": ("refused", "fulfilled", "short"),
    "fulfilled": (),
    "short": (),
}


def reservation_name(order_id: str, number: int) -> str:
    """Return the id of an order's reservation; the same in every retry."""
    return f"{order_id}.{number}"


def last_number(order: Order) -> int:
    """Return the highest number in a name of an order's reservations; 0 without any."""
    return max((_number_in(order.id, each.reservation_id) for each in order.parcels), default=0)


def _number_in(order_id: str, reservation_id: str) -> int:
    """Return the number in a name, or 0 for what is no name of this order's reservations."""
    digits = reservation_id.removeprefix(f"{order_id}.")
    number = int(digits) if digits.isdecimal() else 0
    return number if reservation_name(order_id, number) == reservation_id else 0


def place_order(desk: Desk, command: PlaceOrder) -> Order | Refused:
    """Note a new order."""
    if command.store != CLOUD_STORE_ID:
        return Refused(Refusal.INVALID, f"an order belongs to the store {CLOUD_STORE_ID!r}")
    if desk.record(Order, command.store, command.order_id) is not None:
        return Refused(Refusal.REPEATED_ID, f"there is an order {command.order_id} already")
    if command.expires_at_ms <= desk.now_ms:
        return Refused(Refusal.EXPIRED, f"expires_at {command.expires_at_ms} has passed")
    wrong = _wrong_lines(command) or _wrong_parcels(command.order_id, command.parcels)
    if wrong is not None:
        return Refused(Refusal.INVALID, wrong)
    order = Order(
        store=command.store,
        id=command.order_id,
        channel=command.channel,
        customer=command.customer,
        method=command.method,
        status="placing",
        lines=tuple(
            OrderLine(gtin=line.gtin, quantity=line.quantity, measure=line.measure)
            for line in command.lines
        ),
        parcels=tuple(_asked(parcel) for parcel in command.parcels),
        latitude=command.latitude,
        longitude=command.longitude,
        collect_at=command.collect_at,
        promise_by_ms=command.promise_by_ms,
        expires_at_ms=command.expires_at_ms,
        max_parcels=command.max_parcels,
        allow_split=command.allow_split,
        explanation=command.explanation,
    )
    return desk.put(order)


def _wrong_lines(command: PlaceOrder) -> str | None:
    if len(command.order_id) > ORDER_ID_CHARS_MAX:
        return f"an order id has at most {ORDER_ID_CHARS_MAX} characters"
    wanted = {line.gtin: line.quantity for line in command.lines}
    if len(wanted) < len(command.lines):
        return "a GTIN is there twice; add the quantities up"
    planned: Counter[str] = Counter()
    for parcel in command.parcels:
        planned.update({line.gtin: line.quantity for line in parcel.lines})
    return None if planned == wanted else "the parcels are not what was ordered"


def _wrong_parcels(
    order_id: str, parcels: list[ParcelPlan], known: int = 0, last: int = 0
) -> str | None:
    """Say what is wrong with parcels added to those `known`, whose last number is `last`."""
    if known + len(parcels) > PARCELS_MAX:
        return f"an order has at most {PARCELS_MAX} parcels, those refused counted"
    for number, parcel in enumerate(parcels, last + 1):
        if parcel.reservation_id != reservation_name(order_id, number):
            return f"parcel {number} must be reserved as {reservation_name(order_id, number)}"
        if len({line.gtin for line in parcel.lines}) < len(parcel.lines):
            return f"parcel {number} has a GTIN twice; add the quantities up"
    return None


def _asked(parcel: ParcelPlan) -> ParcelRecord:
    return ParcelRecord(
        location=parcel.location,
        reservation_id=parcel.reservation_id,
        lines=tuple(parcel.lines),
        ship_by_ms=parcel.ship_by_ms,
    )


def amend_order(desk: Desk, command: AmendOrder) -> Order | Refused:
    """Note who else is asked, who refused, and what is given up."""
    order = _order_at_version(desk, command)
    if isinstance(order, Refused):
        return order
    if order.status not in LIVE:
        return Refused(Refusal.WRONG_STATUS, f"order {order.id} has ended: {order.status}")
    wrong = _wrong_names(order, command.renamed)
    if wrong is not None:
        return Refused(Refusal.INVALID, wrong)
    order = _renamed(order, command.renamed)
    wrong = _wrong_parcels(order.id, command.parcels, len(order.parcels), last_number(order))
    if wrong is not None:
        return Refused(Refusal.INVALID, wrong)
    refused = {each.reservation_id: tuple(each.gtins) for each in command.refused}
    added = tuple(_asked(parcel) for parcel in command.parcels)
    amended = replace(
        order,
        parcels=tuple(_with_refusal(parcel, refused) for parcel in order.parcels) + added,
        lines=tuple(_given_up(order.lines, command.given_up)),
        amendments=order.amendments + bool(added),
        rerouting=_rerouting(order, refused, added),
        detail=command.reason,
    )
    _notify_given_up(desk, order, command)
    return desk.put(amended)


def _wrong_names(order: Order, renamed: Iterable[ParcelRename]) -> str | None:
    """Names go up and never come back, so that one name is one parcel for ever."""
    asked = {each.reservation_id for each in order.parcels if each.status == "asked"}
    last = last_number(order)
    for each in renamed:
        number = _number_in(order.id, each.name)
        if each.reservation_id not in asked or number <= last:
            return f"{each.reservation_id} cannot be asked for as {each.name}"
        asked.discard(each.reservation_id)
        last = number
    return None


def _renamed(order: Order, renamed: Iterable[ParcelRename]) -> Order:
    names = {each.reservation_id: each.name for each in renamed}
    parcels = tuple(
        replace(each, reservation_id=names.get(each.reservation_id, each.reservation_id))
        for each in order.parcels
    )
    rerouting = tuple(names.get(name, name) for name in order.rerouting)
    return replace(order, parcels=parcels, rerouting=rerouting)


def _order_at_version(desk: Desk, command: AmendOrder | SettleOrder) -> Order | Refused:
    order = desk.record(Order, command.store, command.order_id)
    if order is None:
        return Refused(Refusal.UNKNOWN, f"there is no order {command.order_id}")
    if command.if_version is not None and command.if_version != order.version:
        detail = f"order {order.id} is at version {order.version}, not {command.if_version}"
        return Refused(Refusal.VERSION_CONFLICT, detail)
    return order


def _with_refusal(parcel: ParcelRecord, refused: dict[str, tuple[str, ...]]) -> ParcelRecord:
    gtins = refused.get(parcel.reservation_id)
    return parcel if gtins is None else replace(parcel, status="refused", refused_gtins=gtins)


def _given_up(lines: Iterable[OrderLine], given_up: Iterable[Line]) -> Iterable[OrderLine]:
    lost = {line.gtin: line.quantity for line in given_up}
    for line in lines:
        short = min(line.quantity, line.short + lost.get(line.gtin, 0))
        yield replace(line, short=short)


def _rerouting(
    order: Order, refused: dict[str, tuple[str, ...]], added: tuple[ParcelRecord, ...]
) -> tuple[str, ...]:
    """Return the parcels to tell of when they are granted; while placing nothing was lost."""
    if order.status == "placing":
        return ()
    still = tuple(name for name in order.rerouting if name not in refused)
    return still + tuple(parcel.reservation_id for parcel in added)


def _notify_given_up(desk: Desk, order: Order, command: AmendOrder) -> None:
    measures = {line.gtin: line.measure for line in order.lines}
    for line in command.given_up:
        desk.notify(
            "order_short",
            order.store,
            order.id,
            gtin=line.gtin,
            quantity=line.quantity,
            measure=measures.get(line.gtin),
            order_id=order.id,
            channel=order.channel,
            detail=command.reason,
        )


def settle_order(desk: Desk, command: SettleOrder) -> Order | Refused:
    """Note where an order stands. To stay where it is means that re-routing has succeeded."""
    order = _order_at_version(desk, command)
    if isinstance(order, Refused):
        return order
    may_follow = _MAY_FOLLOW[order.status] if order.is_open else ()
    if command.status not in may_follow:
        detail = f"order {order.id} is {order.status} and cannot become {command.status}"
        return Refused(Refusal.WRONG_STATUS, detail)
    is_live = command.status in LIVE
    tells_rerouted = is_live and command.status == order.status
    if tells_rerouted:
        _notify_rerouted(desk, order)
    settled = replace(
        order,
        status=command.status,
        is_settling=command.is_settling and not is_live,
        expires_at_ms=command.expires_at_ms or order.expires_at_ms,
        rerouting=order.rerouting if is_live and not tells_rerouted else (),
        detail=command.detail or order.detail,
    )
    return desk.put(settled)


def _notify_rerouted(desk: Desk, order: Order) -> None:
    measures = {line.gtin: line.measure for line in order.lines}
    for parcel in order.parcels:
        if parcel.reservation_id not in order.rerouting:
            continue
        for line in parcel.lines:
            desk.notify(
                "order_rerouted",
                order.store,
                order.id,
                gtin=line.gtin,
                quantity=line.quantity,
                measure=measures.get(line.gtin),
                order_id=order.id,
                channel=order.channel,
                detail=f"{parcel.location} fulfils it instead, as {parcel.reservation_id}",
            )
