"""How an order stands: its record and its reservations, put together. Pure.

Derived whenever it is asked for, never stored, so an order can never disagree with what its
locations hold. Units of a line are where their reservations say they are:

    quantity = given_up + asked + held + fulfilled + released + missing

What a location lost (`short`) or held too long (`expired`) is missing until somebody else is asked
for it or it is given up. A refused parcel counts for nothing.
"""

from collections.abc import Iterable, Mapping
from typing import Final, Literal

from msgspec import Struct

from cloud.records.order import LIVE, Order, OrderStatus, ParcelRecord
from cloud.records.reservation import Reservation, ReservationStatus
from protocol.facts import Measure

ParcelStatus = Literal["asked", "refused"] | ReservationStatus
Reservations = Mapping[str, Reservation]
"""Those of one order, by id."""


class LineStanding(Struct, frozen=True, kw_only=True):
    """Where the ordered quantity of one GTIN is."""

    gtin: str
    quantity: int
    measure: Measure
    asked: int
    held: int
    picked: int
    fulfilled: int
    released: int
    given_up: int
    missing: int


class ParcelLineStanding(Struct, frozen=True, kw_only=True):
    """Where a parcel's quantity of one GTIN is; `picked` is a part of `held`."""

    gtin: str
    quantity: int
    held: int = 0
    picked: int = 0
    fulfilled: int = 0
    released: int = 0
    expired: int = 0
    short: int = 0


class ParcelStanding(Struct, frozen=True, kw_only=True):
    """How one location's part stands."""

    location: str
    reservation_id: str
    status: ParcelStatus
    lines: tuple[ParcelLineStanding, ...]
    ship_by_ms: int = 0
    expires_at_ms: int = 0


class Standing(Struct, frozen=True, kw_only=True):
    """How an order stands. `status` is ahead of the record's when all of it has ended."""

    status: OrderStatus
    lines: tuple[LineStanding, ...]
    parcels: tuple[ParcelStanding, ...]


def standing(order: Order, reservations: Reservations) -> Standing:
    """Return how an order stands, given its reservations by id."""
    asks = order.status in LIVE
    parcels = tuple(
        _parcel(parcel, reservations.get(parcel.reservation_id), asks=asks)
        for parcel in order.parcels
    )
    lines = tuple(_lines(order, parcels))
    return Standing(status=_status(order, lines), lines=lines, parcels=parcels)


def _parcel(parcel: ParcelRecord, reservation: Reservation | None, *, asks: bool) -> ParcelStanding:
    if reservation is None:
        # After the order has ended nobody asks any more.
        status: ParcelStatus = "asked" if asks and parcel.status == "asked" else "refused"
        return ParcelStanding(
            location=parcel.location,
            reservation_id=parcel.reservation_id,
            status=status,
            lines=tuple(
                ParcelLineStanding(gtin=line.gtin, quantity=line.quantity) for line in parcel.lines
            ),
            ship_by_ms=parcel.ship_by_ms,
        )
    return ParcelStanding(
        location=parcel.location,
        reservation_id=parcel.reservation_id,
        status="refused" if parcel.status == "refused" else reservation.status,
        lines=tuple(
            ParcelLineStanding(
                gtin=line.gtin,
                quantity=line.quantity,
                held=line.held,
                picked=line.picked,
                fulfilled=line.fulfilled,
                released=line.released,
                expired=line.expired,
                short=line.short,
            )
            for line in reservation.lines
        ),
        ship_by_ms=parcel.ship_by_ms,
        expires_at_ms=reservation.expires_at_ms,
    )


_COLUMNS: Final = ("asked", "held", "picked", "fulfilled", "released")


def _lines(order: Order, parcels: Iterable[ParcelStanding]) -> Iterable[LineStanding]:
    sums = {line.gtin: dict.fromkeys(_COLUMNS, 0) for line in order.lines}
    for parcel in parcels:
        if parcel.status == "refused":
            continue
        for part in parcel.lines:
            columns = sums.get(part.gtin)
            if columns is None:
                # What was not ordered says nothing about the order; nothing here may raise.
                continue
            if parcel.status == "asked":
                columns["asked"] += part.quantity
            for column in _COLUMNS[1:]:
                columns[column] += getattr(part, column)
    for line in order.lines:
        found = sums[line.gtin]
        settled = found["asked"] + found["held"] + found["fulfilled"] + found["released"]
        yield LineStanding(
            gtin=line.gtin,
            quantity=line.quantity,
            measure=line.measure,
            given_up=line.short,
            missing=max(0, line.quantity - line.short - settled),
            **found,
        )


def _status(order: Order, lines: Iterable[LineStanding]) -> OrderStatus:
    if not order.is_open or order.status == "placing":
        return order.status
    if any(line.asked or line.held or line.missing for line in lines):
        return order.status
    return ended_status(order.status, lines)


def ended_status(status: OrderStatus, lines: Iterable[LineStanding]) -> OrderStatus:
    """Return how an order ended of which nothing is held any more.

    It is the most that the customer got, or else what kept it from him.
    """
    if any(line.fulfilled for line in lines):
        return "fulfilled"
    if status == "refused":
        return "refused"
    return "short" if any(line.given_up for line in lines) else "released"
