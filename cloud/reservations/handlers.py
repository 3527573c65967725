"""Commands about reservations: all lines of a location in one transaction, or none. Pure."""

from collections.abc import Callable
from typing import Final

from cloud.commands.command import Line
from cloud.commands.reservations import (
    AwaitPayment,
    Confirm,
    Expire,
    Extend,
    HandOver,
    Pick,
    Release,
    ReservationCommand,
    Reserve,
    ReserveLine,
    Ship,
)
from cloud.records.reservation import Reservation, ReservationLine
from cloud.shards.desk import Desk
from cloud.sku_location.messages import (
    AnyMessage,
    AwaitPaymentOfHold,
    ConfirmHold,
    ExpireHold,
    ExtendHold,
    FulfilHold,
    HoldStock,
    PickHold,
    ReleaseHold,
)
from cloud.sku_location.refusal import Refusal, Refused


def summed(lines: list[ReserveLine]) -> list[ReserveLine]:
    """Return the lines with those of one GTIN summed, in the order in which they first come."""
    by_gtin: dict[str, ReserveLine] = {}
    for line in lines:
        known = by_gtin.get(line.gtin)
        by_gtin[line.gtin] = line if known is None else _sum_of(known, line)
    return list(by_gtin.values())


def _sum_of(first: ReserveLine, second: ReserveLine) -> ReserveLine:
    if_version = first.if_version if second.if_version is None else second.if_version
    quantity = first.quantity + second.quantity
    return ReserveLine(gtin=first.gtin, quantity=quantity, if_version=if_version)


def reserve(desk: Desk, command: Reserve) -> Reservation | Refused:
    """Hold every line, or refuse for the first that cannot be held."""
    store, name = command.store, command.reservation_id
    if desk.record(Reservation, store, name) is not None:
        return Refused(Refusal.REPEATED_ID, f"there is a reservation {name} at {store} already")
    if command.expires_at_ms and command.expires_at_ms <= desk.now_ms:
        return Refused(Refusal.EXPIRED, f"expires_at {command.expires_at_ms} has passed")
    for line in command.lines:
        held = desk.tell(_hold_stock(command, line))
        if isinstance(held, Refused):
            return held
    reservation = Reservation(
        store=store,
        id=name,
        order_id=command.order_id,
        channel=command.channel,
        status="held",
        lines=tuple(_reserved(line) for line in command.lines),
        expires_at_ms=command.expires_at_ms,
        ship_by_ms=command.ship_by_ms,
        customer=command.customer,
        is_parcel=command.is_parcel,
    )
    return desk.put(reservation)


def _hold_stock(command: Reserve, line: ReserveLine) -> HoldStock:
    return HoldStock(
        store=command.store,
        gtin=line.gtin,
        reservation_id=command.reservation_id,
        order_id=command.order_id,
        channel=command.channel,
        quantity=line.quantity,
        buffer=line.buffer,
        expires_at_ms=command.expires_at_ms,
        ship_by_ms=command.ship_by_ms,
        if_version=line.if_version,
    )


def _reserved(line: ReserveLine) -> ReservationLine:
    return ReservationLine(
        gtin=line.gtin,
        quantity=line.quantity,
        held=line.quantity,
        buffer=line.buffer,
        rule=line.rule,
        rules_version=line.rules_version,
    )


def change_reservation(desk: Desk, command: ReservationCommand) -> Reservation | Refused:
    """Tell every line that is still held its part of the command."""
    store, name = command.store, command.reservation_id
    reservation = desk.record(Reservation, store, name)
    if reservation is None:
        return Refused(Refusal.UNKNOWN, f"there is no reservation {name} at {store}")
    if not reservation.is_open:
        if isinstance(command, Expire):
            return reservation
        reason = Refusal.EXPIRED if reservation.status == "expired" else Refusal.WRONG_STATUS
        return Refused(reason, f"reservation {name} has ended: {reservation.status}")
    refused = _too_late(desk, command, reservation)
    if refused is not None:
        return refused
    for message in _MESSAGES[type(command)](command, reservation):
        told = desk.tell(message)
        if isinstance(told, Refused):
            return told
    return desk.record(Reservation, store, name) or reservation


def _too_late(desk: Desk, command: ReservationCommand, reservation: Reservation) -> Refused | None:
    """Refuse what would promise goods of which a part is gone, or an expiry in the past."""
    if isinstance(command, Confirm) and any(line.expired for line in reservation.lines):
        detail = f"a part of reservation {reservation.id} was held too long; release it"
        return Refused(Refusal.EXPIRED, detail)
    if isinstance(command, Extend) and 0 < command.expires_at_ms <= desk.now_ms:
        return Refused(Refusal.EXPIRED, f"expires_at {command.expires_at_ms} has passed")
    return None


def _extensions(command: Extend, reservation: Reservation) -> list[AnyMessage]:
    return [
        ExtendHold(
            store=command.store,
            gtin=line.gtin,
            reservation_id=reservation.id,
            expires_at_ms=command.expires_at_ms,
        )
        for line in reservation.lines
        if line.held
    ]


def _payments(command: AwaitPayment, reservation: Reservation) -> list[AnyMessage]:
    return [
        AwaitPaymentOfHold(
            store=command.store,
            gtin=line.gtin,
            reservation_id=reservation.id,
            pay_by_ms=command.pay_by_ms,
        )
        for line in reservation.lines
        if line.held
    ]


def _confirmations(command: Confirm, reservation: Reservation) -> list[AnyMessage]:
    return [
        ConfirmHold(store=command.store, gtin=line.gtin, reservation_id=reservation.id)
        for line in reservation.lines
        if line.held
    ]


def _expiries(command: Expire, reservation: Reservation) -> list[AnyMessage]:
    return [
        ExpireHold(store=command.store, gtin=line.gtin, reservation_id=reservation.id)
        for line in reservation.lines
        if line.held
    ]


def _releases(command: Release, reservation: Reservation) -> list[AnyMessage]:
    return [
        ReleaseHold(
            store=command.store,
            gtin=line.gtin,
            reservation_id=reservation.id,
            quantity=line.quantity,
        )
        for line in _chosen(command.lines, reservation)
    ]


def _picks(command: Pick, reservation: Reservation) -> list[AnyMessage]:
    return [
        PickHold(
            store=command.store,
            gtin=line.gtin,
            reservation_id=reservation.id,
            quantity=line.quantity,
        )
        for line in command.lines or _unpicked(reservation)
    ]


def _fulfilments(command: Ship | HandOver, reservation: Reservation) -> list[AnyMessage]:
    return [
        FulfilHold(
            store=command.store,
            gtin=line.gtin,
            reservation_id=reservation.id,
            quantity=line.quantity,
            by_carrier=isinstance(command, Ship),
        )
        for line in _chosen(command.lines, reservation)
    ]


def _chosen(lines: tuple[Line, ...], reservation: Reservation) -> tuple[Line, ...]:
    return lines or tuple(
        Line(gtin=line.gtin, quantity=line.held) for line in reservation.lines if line.held
    )


def _unpicked(reservation: Reservation) -> list[Line]:
    return [
        Line(gtin=line.gtin, quantity=line.held - line.picked)
        for line in reservation.lines
        if line.held > line.picked
    ]


_MESSAGES: Final[dict[type, Callable[..., list[AnyMessage]]]] = {
    Extend: _extensions,
    AwaitPayment: _payments,
    Confirm: _confirmations,
    Release: _releases,
    Pick: _picks,
    Ship: _fulfilments,
    HandOver: _fulfilments,
    Expire: _expiries,
}
