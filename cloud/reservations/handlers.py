"""Commands about reservations: all lines of a location in one transaction, or none. Pure."""

from collections.abc import Iterator
from typing import Any, Final

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
    HoldMessage,
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
    for message in _messages(command, reservation):
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


_WHOLE: Final[dict[type[ReservationCommand], tuple[type[HoldMessage], tuple[str, ...]]]] = {
    Extend: (ExtendHold, ("expires_at_ms",)),
    AwaitPayment: (AwaitPaymentOfHold, ("pay_by_ms",)),
    Confirm: (ConfirmHold, ()),
    Expire: (ExpireHold, ()),
}
"""What every line that is held is told, with these fields of the command."""


def _messages(command: ReservationCommand, reservation: Reservation) -> Iterator[AnyMessage]:
    """Return what each line is told."""
    if isinstance(command, Release | Pick | Ship | HandOver):
        for line in command.lines or _all_lines(command, reservation):
            yield _about_part(command, line)
        return
    kind, names = _WHOLE[type(command)]
    fields = {name: getattr(command, name) for name in names}
    for held in reservation.lines:
        if held.held:
            # The table pairs each command with a message that has its fields.
            message: Any = kind
            yield message(
                store=command.store,
                gtin=held.gtin,
                reservation_id=reservation.id,
                **fields,
            )


def _about_part(command: Release | Pick | Ship | HandOver, line: Line) -> AnyMessage:
    store, name = command.store, command.reservation_id
    gtin, quantity = line.gtin, line.quantity
    if isinstance(command, Release):
        return ReleaseHold(store=store, gtin=gtin, reservation_id=name, quantity=quantity)
    if isinstance(command, Pick):
        return PickHold(store=store, gtin=gtin, reservation_id=name, quantity=quantity)
    return FulfilHold(
        store=store,
        gtin=gtin,
        reservation_id=name,
        quantity=quantity,
        by_carrier=isinstance(command, Ship),
    )


def _all_lines(
    command: Release | Pick | Ship | HandOver, reservation: Reservation
) -> Iterator[Line]:
    """Return everything that is left for this command to do."""
    for line in reservation.lines:
        left = line.held - line.picked if isinstance(command, Pick) else line.held
        if left:
            yield Line(gtin=line.gtin, quantity=left)
