"""Reservations: what orders hold at locations. They are answered after their commit."""

import asyncio
import re
from collections.abc import Iterator
from http import HTTPStatus
from typing import Annotated, Final

from litestar import Response, get, post
from litestar.params import JSONBody, QueryParameter

from cloud.api.access import Allows, Caller
from cloud.api.cursors import LIMIT, PAIR, decode_cursor, encode_cursor, first_of
from cloud.api.documents.reservations import (
    ReservationDocument,
    ReservationPage,
    ReserveBulkRequest,
    ReserveBulkResponse,
    ReserveRequest,
    ReserveResult,
    reservation_document,
)
from cloud.api.fields import (
    CursorQuery,
    IdPath,
    IfNoneMatch,
    LimitQuery,
    LocationPath,
    ZonedTime,
    gtin_of,
    location_of,
    ms_of,
)
from cloud.api.idempotency import Asked
from cloud.api.problems import ApiProblem, documented, invalid
from cloud.api.services import (
    AskedHere,
    CallerHere,
    Services,
    ServicesHere,
    answered,
    record_in,
    shown,
)
from cloud.api.visibility import require_reservation, sees_reservation
from cloud.commands.reservations import (
    Reserve,
    ReserveLine,
)
from cloud.journal.port import JournalReader
from cloud.journal.rows import RecordRow
from cloud.records import decode_record
from cloud.records.reservation import Reservation

TAGS = ["reservations"]
SELLERS = Allows("channel", "store", "ops")
EVERYBODY = Allows("channel", "store", "wms", "ops")
PATH = "/reservations/{location:str}/{reservation_id:str}"
_PARCEL_NAME: Final = re.compile(r"\.[0-9]+$")


@post(
    "/reservations",
    operation_id="create_reservation",
    summary="Reserve all lines of an order at a location, or nothing",
    tags=TAGS,
    guards=[SELLERS],
    status_code=HTTPStatus.CREATED,
    responses=documented(409, 422, 504),
)
async def create(
    services: ServicesHere, caller: CallerHere, asked: AskedHere, data: JSONBody[ReserveRequest]
) -> Response[ReservationDocument]:
    """Reserve at once and for good: nobody else can be promised the same goods."""
    done = await services.carry_out(reserve_of(services, caller, asked, data))
    record = record_in(Reservation, done)
    place = f"/v1/reservations/{record.store}/{record.id}"
    document = reservation_document(record)
    return answered(document, done, record.version, HTTPStatus.CREATED, Location=place)


def reserve_of(services: Services, caller: Caller, asked: Asked, data: ReserveRequest) -> Reserve:
    """Return the command of a request. Raises `ApiProblem` for what cannot be or is not allowed."""
    caller.require_channel(data.channel)
    caller.require_location(data.location)
    return Reserve(
        store=location_of(data.location),
        key=asked.key,
        digest=asked.digest,
        reservation_id=_reservation_id(data, asked),
        order_id=data.order_id,
        channel=data.channel,
        lines=[
            ReserveLine(
                gtin=gtin_of(line.gtin, "lines.gtin"),
                quantity=line.quantity,
                if_version=line.if_version,
            )
            for line in data.lines
        ],
        expires_at_ms=until_ms(services, data.hold_s, data.expires_at),
        ship_by_ms=ms_of(data.ship_by, "ship_by"),
        customer=data.customer,
    )


def _reservation_id(data: ReserveRequest, asked: Asked) -> str:
    """Return its id. Parcels of orders are named `{order_id}.{number}`; nobody else may be."""
    if data.reservation_id is None:
        return asked.derived_id("r")
    if _PARCEL_NAME.search(data.reservation_id):
        detail = "an id that ends in a dot and a number is the name of a parcel of an order"
        raise invalid("reservation_id", detail)
    return data.reservation_id


def until_ms(services: Services, seconds: int, at: ZonedTime | None) -> int:
    """Return a deadline: a moment, or so many seconds from now, 0 for none."""
    if at is not None:
        return ms_of(at, "expires_at")
    return services.now_ms() + seconds * 1000 if seconds else 0


@post(
    "/reservations/bulk",
    operation_id="create_reservations",
    summary="Make many reservations, each for itself",
    tags=TAGS,
    guards=[SELLERS],
    status_code=HTTPStatus.OK,
    responses=documented(422),
)
async def create_many(
    services: ServicesHere, caller: CallerHere, asked: AskedHere, data: JSONBody[ReserveBulkRequest]
) -> ReserveBulkResponse:
    """Return what became of each. A repeated request repeats what was granted.

    It counts as many requests as it has items.
    """
    services.charge_items(caller, len(data.items))
    commands = [
        reserve_of(services, caller, asked.item(number), item)
        for number, item in enumerate(data.items)
    ]
    results = await asyncio.gather(*(_result(services, command) for command in commands))
    return ReserveBulkResponse(results=list(results))


async def _result(services: Services, command: Reserve) -> ReserveResult:
    try:
        done = await services.carry_out(command)
    except ApiProblem as problem:
        return ReserveResult(outcome="refused", problem=problem.problem())
    reservation = reservation_document(record_in(Reservation, done))
    return ReserveResult(outcome="granted", replayed=done.is_replayed, reservation=reservation)


@get(
    PATH,
    operation_id="get_reservation",
    summary="A reservation",
    tags=TAGS,
    guards=[EVERYBODY],
    responses=documented(304, 404),
)
async def get_one(
    services: ServicesHere,
    caller: CallerHere,
    location: LocationPath,
    reservation_id: IdPath,
    if_none_match: IfNoneMatch = None,
) -> Response[ReservationDocument]:
    """Return it, with its version as the ETag."""
    record = await services.record(Reservation, location_of(location), reservation_id)
    require_reservation(caller, record)
    return shown(reservation_document(record), record.version, if_none_match)


@get(
    "/reservations",
    operation_id="list_reservations",
    summary="The reservations of an order, of a customer, or those open at a location",
    tags=TAGS,
    guards=[EVERYBODY],
    responses=documented(),
)
async def find(
    services: ServicesHere,
    caller: CallerHere,
    order_id: Annotated[
        str | None, QueryParameter(name="order_id", min_length=1, max_length=64)
    ] = None,
    customer: Annotated[
        str | None, QueryParameter(name="customer", min_length=1, max_length=64)
    ] = None,
    location: Annotated[
        str | None, QueryParameter(name="location", min_length=1, max_length=32)
    ] = None,
    cursor: CursorQuery = None,
    limit: LimitQuery = LIMIT,
) -> ReservationPage:
    """Give exactly one of `order_id`, `customer` and `location`. A caller sees what is its own."""
    if [order_id, customer, location].count(None) != 2:
        raise invalid("query", "give exactly one of order_id, customer and location")
    after = decode_cursor(cursor, PAIR) or ("", "")

    def rows(reader: JournalReader) -> tuple[list[Reservation], bool]:
        if location is not None:
            found = reader.records_open(Reservation.KIND, location_of(location))
        else:
            ref = f"order:{order_id}" if order_id is not None else f"customer:{customer}"
            found = iter(reader.records_by_ref(Reservation.KIND, ref))
        return first_of(_own(caller, found, after), limit)

    records, more = await services.reads.at_one_moment(rows)
    last = (records[-1].store, records[-1].id) if more else None
    return ReservationPage(
        items=[reservation_document(record) for record in records],
        next_cursor=None if last is None else encode_cursor(last),
    )


def _own(
    caller: Caller, rows: Iterator[RecordRow], after: tuple[str, str]
) -> Iterator[Reservation]:
    for row in rows:
        if (row.store, row.id) <= after:
            continue
        record = decode_record(Reservation, row.data)
        if sees_reservation(caller, record):
            yield record


ROUTES = [create, create_many, get_one, find]
