"""What happens to holds, as it shows in the reservations that they belong to. Pure."""

from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from cloud.records.reservation import Reservation, ReservationLine, ReservationStatus
from cloud.sku_location.events import (
    AnyEvent,
    Fulfilled,
    HoldConfirmed,
    HoldEvent,
    HoldExpired,
    HoldExtended,
    HoldPicked,
    HoldReduced,
    HoldReleased,
    HoldShorted,
    PaymentAwaited,
)
from cloud.sku_location.state import SkuLocation

if TYPE_CHECKING:
    from cloud.shards.desk import Desk

_COLUMN: Final[dict[type, str]] = {
    HoldReleased: "released",
    HoldExpired: "expired",
    HoldShorted: "short",
    Fulfilled: "fulfilled",
}


def project(desk: "Desk", state: SkuLocation, event: AnyEvent) -> None:
    """Bring the reservation up to date to whose hold `event` has happened, and tell of shortages.

    A new hold is not projected: whoever holds, makes the reservation.
    """
    if not isinstance(event, HoldEvent | Fulfilled):
        return
    reservation = desk.record(Reservation, state.store, event.reservation_id)
    if reservation is None:
        return
    desk.put(_after(reservation, state.gtin, event))
    if isinstance(event, HoldShorted):
        desk.notify(
            "reservation_short",
            state.store,
            reservation.id,
            gtin=state.gtin,
            quantity=event.quantity,
            measure=state.measure,
            order_id=reservation.order_id,
            channel=reservation.channel,
            detail=f"{event.cause.kind} left less of {state.gtin} than was promised",
        )


def _after(reservation: Reservation, gtin: str, event: HoldEvent | Fulfilled) -> Reservation:
    if isinstance(event, HoldExtended):
        return replace(reservation, expires_at_ms=event.expires_at_ms)
    if isinstance(event, PaymentAwaited):
        return replace(reservation, status="awaiting_payment", expires_at_ms=event.pay_by_ms)
    if isinstance(event, HoldConfirmed):
        return replace(reservation, status="confirmed", expires_at_ms=0)
    lines = tuple(
        _line_after(line, event) if line.gtin == gtin else line for line in reservation.lines
    )
    return replace(reservation, lines=lines, status=_status_after(reservation, lines))


def _line_after(line: ReservationLine, event: HoldEvent | Fulfilled) -> ReservationLine:
    if isinstance(event, HoldPicked):
        return replace(line, picked=line.picked + event.quantity)
    if not isinstance(event, HoldReduced | Fulfilled):
        return line
    held = line.held - event.quantity
    picked = line.picked - event.quantity if isinstance(event, Fulfilled) else line.picked
    column = _COLUMN[type(event)]
    changed = {column: getattr(line, column) + event.quantity}
    return replace(line, held=held, picked=max(0, min(picked, held)), **changed)


def _status_after(
    reservation: Reservation, lines: tuple[ReservationLine, ...]
) -> ReservationStatus:
    """Return how it stands, or how it ended: the most a customer got, or what kept it from him."""
    if any(line.held for line in lines):
        return reservation.status
    if any(line.fulfilled for line in lines):
        return "fulfilled"
    if any(line.short for line in lines):
        return "short"
    return "expired" if any(line.expired for line in lines) else "released"
