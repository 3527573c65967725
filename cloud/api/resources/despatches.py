"""Despatch advices and what is received of them, discrepancies, and transfers between locations."""

from http import HTTPStatus

from litestar import Response, get, post
from litestar.params import JSONBody

from cloud.api.access import Allows
from cloud.api.cursors import LIMIT
from cloud.api.documents.goods import (
    AdviseRequest,
    DespatchDocument,
    DespatchPage,
    DiscrepancyDocument,
    DiscrepancyPage,
    ReceiptRequest,
    ResolveRequest,
    TransferRequest,
    despatch_document,
    discrepancy_document,
)
from cloud.api.fields import (
    CursorQuery,
    IdPath,
    IfNoneMatch,
    LimitQuery,
    LocationPath,
    LongIdPath,
    gtin_of,
    location_of,
    ms_of,
)
from cloud.api.problems import documented, unknown
from cloud.api.record_lists import LocationQuery, OpenQuery, records_at, records_by_ref
from cloud.api.services import (
    AskedHere,
    CallerHere,
    ServicesHere,
    answered,
    record_in,
    shown,
)
from cloud.commands.command import Line
from cloud.commands.goods import (
    AdviseDespatch,
    CloseDespatch,
    DespatchLine,
    DespatchTransfer,
    ReceiveDespatch,
    ReceivedLine,
    ResolveDiscrepancy,
)
from cloud.records.despatch_advice import DespatchAdvice
from cloud.records.discrepancy import Discrepancy

TAGS = ["receiving"]
GOODS = Allows("store", "wms", "ops")
PATH = "/despatch-advices/{location:str}/{despatch_id:str}"
CHANGES = documented(404, 409, 422, 504)


@post(
    "/despatch-advices",
    operation_id="advise_despatch",
    summary="Goods were shipped to a location (an ASN): they are incoming there",
    tags=TAGS,
    guards=[GOODS],
    status_code=HTTPStatus.CREATED,
    responses=CHANGES,
)
async def advise(
    services: ServicesHere, caller: CallerHere, asked: AskedHere, data: JSONBody[AdviseRequest]
) -> Response[DespatchDocument]:
    """Note what is on its way."""
    store = location_of(data.location)
    caller.require_location(store)
    command = AdviseDespatch(
        store=store,
        key=asked.key,
        digest=asked.digest,
        despatch_id=data.despatch_id or asked.derived_id("d"),
        source=data.source,
        lines=[
            DespatchLine(
                gtin=gtin_of(line.gtin, "lines.gtin"),
                quantity=line.quantity,
                measure=line.measure,
                sscc=line.sscc,
                epcs=tuple(bytes.fromhex(epc) for epc in line.epcs),
            )
            for line in data.lines
        ],
        expected_at_ms=ms_of(data.expected_at, "expected_at"),
        is_strict=data.strict,
        reorder_id=data.reorder_id,
    )
    done = await services.carry_out(command)
    record = record_in(DespatchAdvice, done)
    place = f"/v1/despatch-advices/{record.store}/{record.id}"
    document = despatch_document(record)
    return answered(document, done, record.version, HTTPStatus.CREATED, Location=place)


@get(
    "/despatch-advices",
    operation_id="list_despatches",
    summary="What is on its way, to one location or to all",
    tags=TAGS,
    guards=[GOODS],
    responses=documented(),
)
async def list_despatches(
    services: ServicesHere,
    caller: CallerHere,
    location: LocationQuery = None,
    only_open: OpenQuery = True,
    cursor: CursorQuery = None,
    limit: LimitQuery = LIMIT,
) -> DespatchPage:
    """Return despatches by location and id."""
    records, next_cursor = await records_at(
        services, caller, DespatchAdvice, location, cursor, limit, only_open=only_open
    )
    return DespatchPage(items=[despatch_document(r) for r in records], next_cursor=next_cursor)


@get(
    PATH,
    operation_id="get_despatch",
    summary="A despatch, and what has come of it",
    tags=TAGS,
    guards=[GOODS],
    responses=documented(304, 404),
)
async def get_despatch(
    services: ServicesHere,
    caller: CallerHere,
    location: LocationPath,
    despatch_id: IdPath,
    if_none_match: IfNoneMatch = None,
) -> Response[DespatchDocument]:
    """Return it, with its version as the ETag."""
    store = location_of(location)
    caller.require_location(store)
    record = await services.record(DespatchAdvice, store, despatch_id)
    return shown(despatch_document(record), record.version, if_none_match)


@post(
    f"{PATH}/receipts",
    operation_id="receive_despatch",
    summary="Goods of a despatch arrived, by scan or by hand",
    tags=TAGS,
    guards=[GOODS],
    status_code=HTTPStatus.OK,
    responses=CHANGES,
)
async def receive(
    services: ServicesHere,
    caller: CallerHere,
    asked: AskedHere,
    location: LocationPath,
    despatch_id: IdPath,
    data: JSONBody[ReceiptRequest],
) -> Response[DespatchDocument]:
    """Match what arrived with what was advised; each difference is a discrepancy."""
    store = location_of(location)
    caller.require_location(store)
    command = ReceiveDespatch(
        store=store,
        key=asked.key,
        digest=asked.digest,
        despatch_id=despatch_id,
        receipt_id=data.receipt_id or asked.derived_id("g"),
        lines=[
            ReceivedLine(
                gtin=gtin_of(line.gtin, "lines.gtin"),
                quantity=line.quantity,
                measure=line.measure,
                condition=line.condition,
                sscc=line.sscc,
                epcs=tuple(bytes.fromhex(epc) for epc in line.epcs),
            )
            for line in data.lines
        ],
        occurred_at_ms=ms_of(data.occurred_at, "occurred_at"),
    )
    done = await services.carry_out(command)
    record = record_in(DespatchAdvice, done)
    return answered(despatch_document(record), done, record.version)


@post(
    f"{PATH}/close",
    operation_id="close_despatch",
    summary="Nothing more will come of a despatch: what is missing is short",
    tags=TAGS,
    guards=[GOODS],
    status_code=HTTPStatus.OK,
    responses=CHANGES,
)
async def close(
    services: ServicesHere,
    caller: CallerHere,
    asked: AskedHere,
    location: LocationPath,
    despatch_id: IdPath,
) -> Response[DespatchDocument]:
    """Give up what has not come."""
    store = location_of(location)
    caller.require_location(store)
    command = CloseDespatch(
        store=store, key=asked.key, digest=asked.digest, despatch_id=despatch_id
    )
    done = await services.carry_out(command)
    record = record_in(DespatchAdvice, done)
    return answered(despatch_document(record), done, record.version)


@get(
    "/discrepancies",
    operation_id="list_discrepancies",
    summary="Goods that came otherwise than advised, or not at all",
    tags=TAGS,
    guards=[GOODS],
    responses=documented(),
)
async def list_discrepancies(
    services: ServicesHere,
    caller: CallerHere,
    location: LocationQuery = None,
    only_open: OpenQuery = True,
    cursor: CursorQuery = None,
    limit: LimitQuery = LIMIT,
) -> DiscrepancyPage:
    """Return discrepancies by location and id."""
    records, next_cursor = await records_at(
        services, caller, Discrepancy, location, cursor, limit, only_open=only_open
    )
    items = [discrepancy_document(record) for record in records]
    return DiscrepancyPage(items=items, next_cursor=next_cursor)


@get(
    "/discrepancies/{location:str}/{discrepancy_id:str}",
    operation_id="get_discrepancy",
    summary="A discrepancy, and what became of it",
    tags=TAGS,
    guards=[GOODS],
    responses=documented(304, 404),
)
async def get_discrepancy(
    services: ServicesHere,
    caller: CallerHere,
    location: LocationPath,
    discrepancy_id: LongIdPath,
    if_none_match: IfNoneMatch = None,
) -> Response[DiscrepancyDocument]:
    """Return it, with its version as the ETag."""
    store = location_of(location)
    caller.require_location(store)
    record = await services.record(Discrepancy, store, discrepancy_id)
    return shown(discrepancy_document(record), record.version, if_none_match)


@post(
    "/discrepancies/{location:str}/{discrepancy_id:str}/resolution",
    operation_id="resolve_discrepancy",
    summary="Say what became of a discrepancy, or of a part of it",
    tags=TAGS,
    guards=[GOODS],
    status_code=HTTPStatus.OK,
    responses=CHANGES,
)
async def resolve(
    services: ServicesHere,
    caller: CallerHere,
    asked: AskedHere,
    location: LocationPath,
    discrepancy_id: LongIdPath,
    data: JSONBody[ResolveRequest],
) -> Response[DiscrepancyDocument]:
    """Settle it; the stock follows."""
    store = location_of(location)
    caller.require_location(store)
    command = ResolveDiscrepancy(
        store=store,
        key=asked.key,
        digest=asked.digest,
        discrepancy_id=discrepancy_id,
        resolution=data.resolution,
        note=data.note,
        quantity=data.quantity,
    )
    done = await services.carry_out(command)
    record = record_in(Discrepancy, done)
    return answered(discrepancy_document(record), done, record.version)


@post(
    "/transfers",
    operation_id="despatch_transfer",
    summary="Goods leave one of our locations for another",
    tags=TAGS,
    guards=[GOODS],
    status_code=HTTPStatus.CREATED,
    responses=CHANGES,
)
async def transfer(
    services: ServicesHere, caller: CallerHere, asked: AskedHere, data: JSONBody[TransferRequest]
) -> Response[DespatchDocument]:
    """Take the goods off the origin; at the destination they are a despatch to be received."""
    origin, destination = location_of(data.origin, "origin"), location_of(data.destination)
    caller.require_location(origin)
    command = DespatchTransfer(
        store=origin,
        key=asked.key,
        digest=asked.digest,
        transfer_id=data.transfer_id or asked.derived_id("t"),
        destination=destination,
        lines=[
            Line(gtin=gtin_of(line.gtin, "lines.gtin"), quantity=line.quantity)
            for line in data.lines
        ],
        sscc=data.sscc,
        expected_at_ms=ms_of(data.expected_at, "expected_at"),
        is_strict=data.strict,
        reorder_id=data.reorder_id,
    )
    done = await services.carry_out(command)
    record = record_in(DespatchAdvice, done)
    place = f"/v1/transfers/{record.store}/{record.id}"
    document = despatch_document(record)
    return answered(document, done, record.version, HTTPStatus.CREATED, Location=place)


@get(
    "/transfers/{location:str}/{transfer_id:str}",
    operation_id="get_transfer",
    summary="A transfer to a location, and what has come of it",
    tags=TAGS,
    guards=[GOODS],
    responses=documented(304, 404),
)
async def get_transfer(
    services: ServicesHere,
    caller: CallerHere,
    location: LocationPath,
    transfer_id: IdPath,
    if_none_match: IfNoneMatch = None,
) -> Response[DespatchDocument]:
    """Return it as its destination, `location`, sees it."""
    store = location_of(location)
    record = await services.record(DespatchAdvice, store, transfer_id)
    if not record.is_transfer:
        raise unknown(f"there is no transfer {transfer_id} to {store}")
    if not caller.may_see_location(record.source):
        caller.require_location(store)
    return shown(despatch_document(record), record.version, if_none_match)


@get(
    "/transfers/{location:str}",
    operation_id="list_transfers",
    summary="What left a location for others",
    tags=TAGS,
    guards=[GOODS],
    responses=documented(),
)
async def list_transfers(
    services: ServicesHere,
    caller: CallerHere,
    location: LocationPath,
    cursor: CursorQuery = None,
    limit: LimitQuery = LIMIT,
) -> DespatchPage:
    """Return transfers from `location`, by destination and id."""
    store = location_of(location)
    caller.require_location(store)
    records, next_cursor = await records_by_ref(
        services, DespatchAdvice, f"origin:{store}", cursor, limit, lambda _: True
    )
    return DespatchPage(items=[despatch_document(r) for r in records], next_cursor=next_cursor)


ROUTES = [
    advise,
    list_despatches,
    get_despatch,
    receive,
    close,
    list_discrepancies,
    get_discrepancy,
    resolve,
    transfer,
    get_transfer,
    list_transfers,
]
