"""Reservations: what orders hold at locations. They are answered after their commit."""

import asyncio
from collections.abc import Iterator
from http import HTTPStatus
from typing import Annotated

from litestar import Response, get, post
from litestar.params import JSONBody, QueryParameter

from cloud.api.access import Allows, Caller
from cloud.api.cursors import LIMIT, PAIR, decode_cursor, encode_cursor, first_of
from cloud.api.documents.reservations import (
    AwaitPaymentRequest,
    ExtendRequest,
    LineRequest,
    LinesRequest,
    ReservationDocument,
    ReservationPage,
    ReserveBulkRequest,
    ReserveBulkResponse,
    ReserveRequest,
    ReserveResult,
    ShipRequest,
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
from cloud.commands.command import Line
from cloud.commands.reservations import (
    AwaitPayment,
    Confirm,
    Extend,
    HandOver,
    Pick,
    Release,
    Reserve,
    ReserveLine,
    Ship,
)
from cloud.journal.port import JournalReader
from cloud.journal.rows import RecordRow
from cloud.records import decode_record
from cloud.records.reservation import Reservation

TAGS = ["reservations"]
SELLERS = Allows("channel", "store", "ops")
FULFILLERS = Allows("store", "wms", "ops")
EVERYBODY = Allows("channel", "store", "wms", "ops")
PATH = "/reservations/{location:str}/{reservation_id:str}"
Change = Extend | AwaitPayment | Confirm | Release | Pick | Ship | HandOver
ENDS = documented(404, 409, 422, 504)


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
    done = await services.carry_out(_reserve(services, caller, asked, data))
    record = record_in(Reservation, done)
    place = f"/v1/reservations/{record.store}/{record.id}"
    document = reservation_document(record)
    return answered(document, done, record.version, HTTPStatus.CREATED, Location=place)


def _reserve(services: Services, caller: Caller, asked: Asked, data: ReserveRequest) -> Reserve:
    caller.require_channel(data.channel)
    if "store" in caller.roles:
        caller.require_location(data.location)
    return Reserve(
        store=location_of(data.location),
        key=asked.key,
        digest=asked.digest,
        reservation_id=data.reservation_id or asked.derived_id("r"),
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
        expires_at_ms=_until(services, data.hold_s, data.expires_at),
        ship_by_ms=ms_of(data.ship_by, "ship_by"),
        customer=data.customer,
    )


def _until(services: Services, seconds: int, at: ZonedTime | None) -> int:
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
    """Return what became of each. A repeated request repeats what was granted."""
    commands = [
        _reserve(services, caller, asked.item(number), item)
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


def _require(caller: Caller, record: Reservation) -> None:
    if not caller.is_channel_only:
        caller.require_location(record.store)
    if "channel" in caller.roles:
        caller.require_channel(record.channel)


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
    _require(caller, record)
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
        is_here = caller.is_channel_only or caller.may_see_location(record.store)
        is_ours = "channel" not in caller.roles or caller.may_see_channel(record.channel)
        if is_here and is_ours:
            yield record


async def _change(
    services: Services, caller: Caller, command: Change
) -> Response[ReservationDocument]:
    _require(caller, await services.record(Reservation, command.store, command.reservation_id))
    done = await services.carry_out(command)
    record = record_in(Reservation, done)
    return answered(reservation_document(record), done, record.version)


def _lines(lines: list[LineRequest]) -> tuple[Line, ...]:
    return tuple(
        Line(gtin=gtin_of(line.gtin, "lines.gtin"), quantity=line.quantity) for line in lines
    )


@post(
    f"{PATH}/extend",
    operation_id="extend_reservation",
    summary="Hold it for longer, or shorter",
    tags=TAGS,
    guards=[SELLERS],
    status_code=HTTPStatus.OK,
    responses=ENDS,
)
async def extend(
    services: ServicesHere,
    caller: CallerHere,
    asked: AskedHere,
    location: LocationPath,
    reservation_id: IdPath,
    data: JSONBody[ExtendRequest],
) -> Response[ReservationDocument]:
    """Let it expire at another time."""
    command = Extend(
        store=location_of(location),
        key=asked.key,
        digest=asked.digest,
        reservation_id=reservation_id,
        expires_at_ms=_until(services, data.hold_s, data.expires_at),
    )
    return await _change(services, caller, command)


@post(
    f"{PATH}/await-payment",
    operation_id="await_payment_of_reservation",
    summary="It is being paid: keep it until the deadline at least",
    tags=TAGS,
    guards=[SELLERS],
    status_code=HTTPStatus.OK,
    responses=ENDS,
)
async def await_payment(
    services: ServicesHere,
    caller: CallerHere,
    asked: AskedHere,
    location: LocationPath,
    reservation_id: IdPath,
    data: JSONBody[AwaitPaymentRequest],
) -> Response[ReservationDocument]:
    """Keep it while it is being paid."""
    command = AwaitPayment(
        store=location_of(location),
        key=asked.key,
        digest=asked.digest,
        reservation_id=reservation_id,
        pay_by_ms=_until(services, data.pay_within_s, data.pay_by),
    )
    return await _change(services, caller, command)


@post(
    f"{PATH}/confirm",
    operation_id="confirm_reservation",
    summary="It is paid, or needs no payment: it expires no more",
    tags=TAGS,
    guards=[SELLERS],
    status_code=HTTPStatus.OK,
    responses=ENDS,
)
async def confirm(
    services: ServicesHere,
    caller: CallerHere,
    asked: AskedHere,
    location: LocationPath,
    reservation_id: IdPath,
) -> Response[ReservationDocument]:
    """Keep it until it is fulfilled or released."""
    command = Confirm(
        store=location_of(location),
        key=asked.key,
        digest=asked.digest,
        reservation_id=reservation_id,
    )
    return await _change(services, caller, command)


@post(
    f"{PATH}/release",
    operation_id="release_reservation",
    summary="Give back some lines, or everything that is left",
    tags=TAGS,
    guards=[SELLERS],
    status_code=HTTPStatus.OK,
    responses=ENDS,
)
async def release(
    services: ServicesHere,
    caller: CallerHere,
    asked: AskedHere,
    location: LocationPath,
    reservation_id: IdPath,
    data: JSONBody[LinesRequest],
) -> Response[ReservationDocument]:
    """Let the goods be sold to somebody else."""
    command = Release(
        store=location_of(location),
        key=asked.key,
        digest=asked.digest,
        reservation_id=reservation_id,
        lines=_lines(data.lines),
    )
    return await _change(services, caller, command)


@post(
    f"{PATH}/pick",
    operation_id="pick_reservation",
    summary="Somebody has some lines in hand, or everything that is left",
    tags=TAGS,
    guards=[FULFILLERS],
    status_code=HTTPStatus.OK,
    responses=ENDS,
)
async def pick(
    services: ServicesHere,
    caller: CallerHere,
    asked: AskedHere,
    location: LocationPath,
    reservation_id: IdPath,
    data: JSONBody[LinesRequest],
) -> Response[ReservationDocument]:
    """Note what was picked."""
    command = Pick(
        store=location_of(location),
        key=asked.key,
        digest=asked.digest,
        reservation_id=reservation_id,
        lines=_lines(data.lines),
    )
    return await _change(services, caller, command)


@post(
    f"{PATH}/ship",
    operation_id="ship_reservation",
    summary="Some lines, or everything that is left, leave with a carrier",
    tags=TAGS,
    guards=[FULFILLERS],
    status_code=HTTPStatus.OK,
    responses=ENDS,
)
async def ship(
    services: ServicesHere,
    caller: CallerHere,
    asked: AskedHere,
    location: LocationPath,
    reservation_id: IdPath,
    data: JSONBody[ShipRequest],
) -> Response[ReservationDocument]:
    """Note what was shipped; the goods leave the stock."""
    command = Ship(
        store=location_of(location),
        key=asked.key,
        digest=asked.digest,
        reservation_id=reservation_id,
        lines=_lines(data.lines),
        parcel=data.parcel,
    )
    return await _change(services, caller, command)


@post(
    f"{PATH}/hand-over",
    operation_id="hand_over_reservation",
    summary="Some lines, or everything that is left, leave with the customer",
    tags=TAGS,
    guards=[FULFILLERS],
    status_code=HTTPStatus.OK,
    responses=ENDS,
)
async def hand_over(
    services: ServicesHere,
    caller: CallerHere,
    asked: AskedHere,
    location: LocationPath,
    reservation_id: IdPath,
    data: JSONBody[LinesRequest],
) -> Response[ReservationDocument]:
    """Note what was handed over; the goods leave the stock."""
    command = HandOver(
        store=location_of(location),
        key=asked.key,
        digest=asked.digest,
        reservation_id=reservation_id,
        lines=_lines(data.lines),
    )
    return await _change(services, caller, command)


ROUTES = [
    create,
    create_many,
    get_one,
    find,
    extend,
    await_payment,
    confirm,
    release,
    pick,
    ship,
    hand_over,
]
