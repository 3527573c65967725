"""Reservations as the API takes and shows them."""

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from cloud.api.fields import Channel, Customer, Gtin, Id, Level, Location, Units, ZonedTime, time_of
from cloud.api.problems import Problem
from cloud.commands.command import LINES_MAX
from cloud.records.reservation import Reservation, ReservationStatus
from protocol.documents import Timestamp, timestamp
from protocol.facts import GtinText

BULK_MAX: Final = 100
HOLD_S: Final = 900
HOLD_S_MAX: Final = 366 * 86_400


class LineRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A quantity of one GTIN."""

    gtin: Gtin
    quantity: Units


class ReserveLineRequest(LineRequest, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to reserve of one GTIN; `if_version`: only at this version of the stock."""

    if_version: Annotated[int, Meta(ge=0, le=2**53 - 1)] | None = None


class ReserveRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Reserve all lines at one location, or nothing. Lines of one GTIN are summed.

    It is held for `hold_s` seconds (0: until released), or until `expires_at`. `ship_by` is when
    the order must leave. Without a `reservation_id` one follows from the Idempotency-Key.
    """

    location: Location
    channel: Channel
    order_id: Id
    lines: Annotated[list[ReserveLineRequest], Meta(min_length=1, max_length=LINES_MAX)]
    hold_s: Annotated[int, Meta(ge=0, le=HOLD_S_MAX)] = HOLD_S
    expires_at: ZonedTime | None = None
    ship_by: ZonedTime | None = None
    customer: Customer = ""
    reservation_id: Id | None = None


class ReserveBulkRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Many reservations, each for itself: some may be granted and others refused."""

    items: Annotated[list[ReserveRequest], Meta(min_length=1, max_length=BULK_MAX)]


class ExtendRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Hold it for another `hold_s` seconds from now (0: until released), or until `expires_at`."""

    hold_s: Annotated[int, Meta(ge=0, le=HOLD_S_MAX)] = HOLD_S
    expires_at: ZonedTime | None = None


class AwaitPaymentRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """It is being paid; it is kept for `pay_within_s` seconds at least, or until `pay_by`."""

    pay_within_s: Annotated[int, Meta(ge=1, le=HOLD_S_MAX)] = HOLD_S
    pay_by: ZonedTime | None = None


class LinesRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """These lines, or everything that is left."""

    lines: Annotated[list[LineRequest], Meta(max_length=LINES_MAX)] = []


class ShipRequest(LinesRequest, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """These lines leave with a carrier, or everything that is left."""

    parcel: Annotated[str, Meta(max_length=64, description="the parcel's own number")] = ""


class ReservationLineDocument(Struct, frozen=True, kw_only=True):
    """Where the quantity of one GTIN is.

    quantity = held + fulfilled + released + expired + short; `picked` is a part of held. `buffer`
    is what `rule` of `rules_version` hid from the channel when it was granted.
    """

    gtin: GtinText
    quantity: Level
    held: Level
    picked: Level
    fulfilled: Level
    released: Level
    expired: Level
    short: Level
    buffer: Level
    rule: str | None
    rules_version: int


class ReservationDocument(Struct, frozen=True, kw_only=True):
    """What one order holds at one location, or how that ended."""

    reservation_id: str
    location: str
    order_id: str
    channel: str
    customer: str
    status: ReservationStatus
    version: Annotated[int, Meta(ge=1)]
    lines: list[ReservationLineDocument]
    expires_at: Timestamp | None
    ship_by: Timestamp | None
    created_at: Timestamp
    updated_at: Timestamp


class ReservationPage(Struct, frozen=True, kw_only=True):
    """Reservations, by location and id."""

    items: list[ReservationDocument]
    next_cursor: str | None


class ReserveResult(Struct, frozen=True, kw_only=True):
    """What became of one item of a bulk request: `granted` with the reservation, or a problem."""

    outcome: Literal["granted", "refused"]
    replayed: bool = False
    reservation: ReservationDocument | None = None
    problem: Problem | None = None


class ReserveBulkResponse(Struct, frozen=True, kw_only=True):
    """What became of each item, in the order of the request."""

    results: list[ReserveResult]


def reservation_document(record: Reservation) -> ReservationDocument:
    """Return the document of a reservation."""
    return ReservationDocument(
        reservation_id=record.id,
        location=record.store,
        order_id=record.order_id,
        channel=record.channel,
        customer=record.customer,
        status=record.status,
        version=record.version,
        lines=[
            ReservationLineDocument(
                gtin=line.gtin,
                quantity=line.quantity,
                held=line.held,
                picked=line.picked,
                fulfilled=line.fulfilled,
                released=line.released,
                expired=line.expired,
                short=line.short,
                buffer=line.buffer,
                rule=line.rule or None,
                rules_version=line.rules_version,
            )
            for line in record.lines
        ],
        expires_at=time_of(record.expires_at_ms),
        ship_by=time_of(record.ship_by_ms),
        created_at=timestamp(record.created_at_ms),
        updated_at=timestamp(record.updated_at_ms),
    )
