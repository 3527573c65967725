"""What happens to holds, as it shows in the reservations that they belong to. Pure."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec.structs import replace

from cloud.records.reservation import Reservation, ReservationLine, ReservationStatus
from cloud.sku_location.events import (
    AnyEvent,
    Fulfilled,
    HoldConfirmed,
    HoldEvent,
    HoldExtended,
    HoldPicked,
    HoldReleased,
    HoldsLost,
    HoldsShorted,
    Loss,
    PaymentAwaited,
)
from cloud.sku_location.state import SkuLocation

if TYPE_CHECKING:
    from cloud.shards.desk import Desk


def project(desk: "Desk", state: SkuLocation, event: AnyEvent) -> None:
    """Bring the reservations up to date to whose holds `event` has happened; tell of shortages.

    A new hold is not projected: whoever holds, makes the reservation.
    """
    if isinstance(event, HoldsLost):
        for loss in event.losses:
            _project_loss(desk, state, event, loss)
    elif isinstance(event, HoldEvent | Fulfilled):
        reservation = desk.record(Reservation, state.store, event.reservation_id)
        if reservation is not None:
            desk.put(_after(reservation, state.gtin, event))


def _project_loss(desk: "Desk", state: SkuLocation, event: HoldsLost, loss: Loss) -> None:
    reservation = desk.record(Reservation, state.store, loss.reservation_id)
    if reservation is None:
        raise AssertionError(f"a hold of no reservation: {loss} at {state.store}")
    column = "short" if isinstance(event, HoldsShorted) else "expired"
    desk.put(_with_line(reservation, state.gtin, lambda line: _gone(line, loss.quantity, column)))
    if isinstance(event, HoldsShorted):
        desk.notify(
            "reservation_short",
            state.store,
            reservation.id,
            gtin=state.gtin,
            quantity=loss.quantity,
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
    return _with_line(reservation, gtin, lambda line: _line_after(line, event))


def _with_line(
    reservation: Reservation, gtin: str, change: Callable[[ReservationLine], ReservationLine]
) -> Reservation:
    lines = tuple(change(line) if line.gtin == gtin else line for line in reservation.lines)
    return replace(reservation, lines=lines, status=_status_after(reservation, lines))


def _line_after(line: ReservationLine, event: HoldEvent | Fulfilled) -> ReservationLine:
    if isinstance(event, HoldPicked):
        return replace(line, picked=line.picked + event.quantity)
    if isinstance(event, HoldReleased):
        return _gone(line, event.quantity, "released")
    if isinstance(event, Fulfilled):
        picked = max(0, line.picked - event.quantity)
        return _gone(replace(line, picked=picked), event.quantity, "fulfilled")
    return line


def _gone(line: ReservationLine, quantity: int, column: str) -> ReservationLine:
    held = line.held - quantity
    changed = {column: getattr(line, column) + quantity}
    return replace(line, held=held, picked=min(line.picked, held), **changed)


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
