"""What is done with a reservation after it was made, until it ends."""

from http import HTTPStatus

from litestar import Response, post
from litestar.params import JSONBody

from cloud.api.access import Allows, Caller
from cloud.api.documents.reservations import (
    AwaitPaymentRequest,
    ExtendRequest,
    LineRequest,
    LinesRequest,
    ReservationDocument,
    ShipRequest,
    reservation_document,
)
from cloud.api.fields import IdPath, LocationPath, gtin_of, location_of
from cloud.api.problems import documented
from cloud.api.resources.reservations import PATH, SELLERS, TAGS, until_ms
from cloud.api.services import (
    AskedHere,
    CallerHere,
    Services,
    ServicesHere,
    answered,
    record_in,
)
from cloud.api.visibility import require_reservation
from cloud.commands.command import Line
from cloud.commands.reservations import (
    AwaitPayment,
    Confirm,
    Extend,
    HandOver,
    Pick,
    Release,
    Ship,
)
from cloud.records.reservation import Reservation

FULFILLERS = Allows("store", "wms", "ops")
ENDS = documented(404, 409, 422, 504)
Change = Extend | AwaitPayment | Confirm | Release | Pick | Ship | HandOver


async def _change(
    services: Services, caller: Caller, command: Change
) -> Response[ReservationDocument]:
    record = await services.record(Reservation, command.store, command.reservation_id)
    require_reservation(caller, record)
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
        expires_at_ms=until_ms(services, data.hold_s, data.expires_at),
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
        pay_by_ms=until_ms(services, data.pay_within_s, data.pay_by),
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


ROUTES = [extend, await_payment, confirm, release, pick, ship, hand_over]
