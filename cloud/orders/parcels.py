"""Between the router's words and the journal's: demands, parcels, commands to locations. Pure."""

from collections.abc import Mapping
from typing import Final

from cloud.commands import AnyCommand
from cloud.commands.command import Line
from cloud.commands.orders import EXPLANATION_LINES_MAX, PARCELS_MAX, ParcelPlan
from cloud.commands.reservations import (
    AwaitPayment,
    Confirm,
    Expire,
    Extend,
    Release,
    Reserve,
    ReserveLine,
)
from cloud.orders.documents import RoutingDocument
from cloud.orders.handlers import reservation_name
from cloud.orders.ports import Demand, Routed
from cloud.orders.requests import OrderRequest, summed
from cloud.orders.routing import Plan
from cloud.orders.saga import Act
from cloud.orders.standing import Reservations
from cloud.records.order import UNCONFIRMED, Order, ParcelRecord

TEXT_CHARS_MAX: Final = 256
"""Of one text in a command."""
CONFIRM_WITHIN_MS: Final = 5 * 60_000
"""What a confirmed order asks for anew is held so long: until its own confirmation, right after."""


def demand_of_request(request: OrderRequest, settings: RoutingDocument) -> Demand:
    """Return what a new order demands."""
    return Demand(
        channel=request.channel,
        method=request.method,
        lines=summed(request.lines),
        latitude=request.latitude,
        longitude=request.longitude,
        collect_at=request.collect_at,
        promise_by_ms=request.promise_by_ms,
        max_parcels=request.max_parcels or settings.max_parcels,
        allow_split=request.allow_split,
    )


def demand_of_missing(
    order: Order,
    reservations: Reservations,
    lines: tuple[Line, ...],
    excluded: frozenset[tuple[str, str]],
) -> Demand | None:
    """Return what is still demanded for an order; `None` if its limits leave no room for more."""
    live = {
        parcel.location
        for parcel in order.parcels
        if parcel.status == "asked" and _counts(reservations, parcel)
    }
    if live and not order.allow_split:
        return None
    if order.method == "ship" and len(live) >= order.max_parcels:
        return None
    return Demand(
        channel=order.channel,
        method=order.method,
        lines=lines,
        latitude=order.latitude,
        longitude=order.longitude,
        collect_at=order.collect_at,
        promise_by_ms=order.promise_by_ms,
        max_parcels=order.max_parcels - len(live),
        allow_split=order.allow_split,
        excluded=excluded,
    )


def _counts(reservations: Reservations, parcel: ParcelRecord) -> bool:
    reservation = reservations.get(parcel.reservation_id)
    return reservation is not None and any(
        line.held or line.fulfilled for line in reservation.lines
    )


def parcels_of(plan: Plan, routed: Routed, order_id: str, last: int = 0) -> list[ParcelPlan]:
    """Return a plan's parcels, numbered after the `last` number of those it has."""
    return [
        ParcelPlan(
            location=parcel.location,
            reservation_id=reservation_name(order_id, number),
            lines=[Line(gtin=line.gtin, quantity=line.quantity) for line in parcel.lines],
            ship_by_ms=routed.ship_by_ms.get(parcel.location, 0),
        )
        for number, parcel in enumerate(plan.parcels, last + 1)
    ]


def has_room(order: Order, plan: Plan) -> bool:
    """Say whether an order may have these parcels too."""
    return len(order.parcels) + len(plan.parcels) <= PARCELS_MAX


def explanation_of(routed: Routed) -> tuple[str, ...]:
    """Return why it was routed so, within the limits of a command."""
    texts = (*routed.answer.explanation, *routed.warnings)
    return tuple(text[:TEXT_CHARS_MAX] for text in texts[:EXPLANATION_LINES_MAX])


def as_text(text: str) -> str:
    """Return a text within the limits of a command."""
    return text[:TEXT_CHARS_MAX]


def command_for(act: Act, parcel: ParcelRecord, order: Order, now_ms: int) -> AnyCommand:
    """Return the command to one location.

    None has a key: each is chosen by what is durable, and changes nothing when it comes twice (a
    second `Reserve` is refused as repeated, and the first is then found).
    """
    if act == "reserve":
        return _reserve(parcel, order, now_ms)
    store, name = parcel.location, parcel.reservation_id
    if act == "extend":
        return Extend(store=store, reservation_id=name, expires_at_ms=order.expires_at_ms)
    if act == "await_payment":
        return AwaitPayment(store=store, reservation_id=name, pay_by_ms=order.expires_at_ms)
    return _PLAIN[act](store=store, reservation_id=name)


_PLAIN: Final[Mapping[Act, type[Confirm | Release | Expire]]] = {
    "confirm": Confirm,
    "release": Release,
    "expire": Expire,
}


def _reserve(parcel: ParcelRecord, order: Order, now_ms: int) -> Reserve:
    is_unconfirmed = order.status in UNCONFIRMED
    return Reserve(
        store=parcel.location,
        reservation_id=parcel.reservation_id,
        order_id=order.id,
        channel=order.channel,
        lines=[ReserveLine(gtin=line.gtin, quantity=line.quantity) for line in parcel.lines],
        expires_at_ms=order.expires_at_ms if is_unconfirmed else now_ms + CONFIRM_WITHIN_MS,
        ship_by_ms=parcel.ship_by_ms,
        customer=order.customer,
        is_parcel=True,
    )
