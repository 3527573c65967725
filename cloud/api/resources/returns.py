"""Returns and exchanges, and the sales that they are checked against."""

from http import HTTPStatus
from typing import Annotated

from litestar import Response, get, post
from litestar.params import JSONBody, QueryParameter

from cloud.api.access import Allows
from cloud.api.cursors import LIMIT
from cloud.api.documents.returns import (
    InspectionRequest,
    ReturnDocument,
    ReturnPage,
    ReturnRequest,
    SaleList,
    return_document,
    sale_document,
)
from cloud.api.fields import (
    CursorQuery,
    IdPath,
    IfNoneMatch,
    LimitQuery,
    LocationPath,
    gtin_of,
    location_of,
)
from cloud.api.problems import documented, invalid
from cloud.api.record_lists import LocationQuery, OpenQuery, records_at
from cloud.api.services import (
    AskedHere,
    CallerHere,
    ServicesHere,
    answered,
    record_in,
    shown,
)
from cloud.commands.command import Line
from cloud.commands.returns import AcceptReturn, InspectReturn, ReturnLine
from cloud.journal.port import JournalReader
from cloud.records.goods_return import GoodsReturn
from cloud.returns.receipts import parse_receipt
from cloud.returns.sales import Sale, sale_of_receipt, sales_of_customer, sales_of_order

TAGS = ["returns"]
COUNTER = Allows("store", "ops")
PATH = "/returns/{location:str}/{return_id:str}"


@get(
    "/sales",
    operation_id="find_sales",
    summary="What was sold by a receipt, order or customer, and can still be returned",
    tags=TAGS,
    guards=[COUNTER],
    responses=documented(),
)
async def find_sales(
    services: ServicesHere,
    receipt: Annotated[
        str | None,
        QueryParameter(
            name="receipt", min_length=3, max_length=97, description="STORE/TRANSACTION"
        ),
    ] = None,
    order_id: Annotated[
        str | None, QueryParameter(name="order_id", min_length=1, max_length=64)
    ] = None,
    customer: Annotated[
        str | None, QueryParameter(name="customer", min_length=1, max_length=64)
    ] = None,
) -> SaleList:
    """Give exactly one of them; a sale of any store is found from any other."""
    if [receipt, order_id, customer].count(None) != 2:
        raise invalid("query", "give exactly one of receipt, order_id and customer")
    if receipt is not None and parse_receipt(receipt) is None:
        raise invalid("receipt", "STORE/TRANSACTION is expected")

    def find(reader: JournalReader) -> list[Sale]:
        return _sales(reader, receipt, order_id, customer or "")

    sales = await services.reads.at_one_moment(find)
    return SaleList(items=[sale_document(sale) for sale in sales])


def _sales(
    reader: JournalReader, receipt: str | None, order_id: str | None, customer: str
) -> list[Sale]:
    parsed = None if receipt is None else parse_receipt(receipt)
    if parsed is not None:
        found = sale_of_receipt(reader, *parsed)
    elif order_id is not None:
        found = sales_of_order(reader, order_id)
    else:
        return sales_of_customer(reader, customer)
    return [] if found is None else [found]


@post(
    "/returns",
    operation_id="accept_return",
    summary="Goods came back, bought anywhere; the customer may take others instead",
    tags=TAGS,
    guards=[COUNTER],
    status_code=HTTPStatus.CREATED,
    responses=documented(404, 409, 422, 504),
)
async def accept(
    services: ServicesHere, caller: CallerHere, asked: AskedHere, data: JSONBody[ReturnRequest]
) -> Response[ReturnDocument]:
    """Check them against what was sold and already returned, and take them in."""
    store = location_of(data.location)
    caller.require_location(store)
    command = AcceptReturn(
        store=store,
        key=asked.key,
        digest=asked.digest,
        return_id=data.return_id or asked.derived_id("rt"),
        lines=[
            ReturnLine(
                gtin=gtin_of(line.gtin, "lines.gtin"),
                quantity=line.quantity,
                condition=line.condition,
            )
            for line in data.lines
        ],
        receipt=data.receipt,
        order_id=data.order_id,
        exchange=tuple(
            Line(gtin=gtin_of(line.gtin, "exchange.gtin"), quantity=line.quantity)
            for line in data.exchange
        ),
        note=data.note,
    )
    done = await services.carry_out(command)
    record = record_in(GoodsReturn, done)
    place = f"/v1/returns/{record.store}/{record.id}"
    document = return_document(record)
    return answered(document, done, record.version, HTTPStatus.CREATED, Location=place)


@get(
    "/returns",
    operation_id="list_returns",
    summary="Returns, at one location or at all",
    tags=TAGS,
    guards=[COUNTER],
    responses=documented(),
)
async def list_returns(
    services: ServicesHere,
    caller: CallerHere,
    location: LocationQuery = None,
    only_open: OpenQuery = True,
    cursor: CursorQuery = None,
    limit: LimitQuery = LIMIT,
) -> ReturnPage:
    """Return them by location and id."""
    records, next_cursor = await records_at(
        services, caller, GoodsReturn, location, cursor, limit, only_open=only_open
    )
    return ReturnPage(items=[return_document(r) for r in records], next_cursor=next_cursor)


@get(
    PATH,
    operation_id="get_return",
    summary="A return",
    tags=TAGS,
    guards=[COUNTER],
    responses=documented(304, 404),
)
async def get_return(
    services: ServicesHere,
    caller: CallerHere,
    location: LocationPath,
    return_id: IdPath,
    if_none_match: IfNoneMatch = None,
) -> Response[ReturnDocument]:
    """Return it, with its version as the ETag."""
    store = location_of(location)
    caller.require_location(store)
    record = await services.record(GoodsReturn, store, return_id)
    return shown(return_document(record), record.version, if_none_match)


@post(
    f"{PATH}/inspections",
    operation_id="inspect_return",
    summary="Goods kept for inspection are fit for sale, damaged, or written off",
    tags=TAGS,
    guards=[COUNTER],
    status_code=HTTPStatus.OK,
    responses=documented(404, 409, 422, 504),
)
async def inspect(
    services: ServicesHere,
    caller: CallerHere,
    asked: AskedHere,
    location: LocationPath,
    return_id: IdPath,
    data: JSONBody[InspectionRequest],
) -> Response[ReturnDocument]:
    """Note the verdict; the stock follows."""
    store = location_of(location)
    caller.require_location(store)
    command = InspectReturn(
        store=store,
        key=asked.key,
        digest=asked.digest,
        return_id=return_id,
        gtin=gtin_of(data.gtin),
        quantity=data.quantity,
        verdict=data.verdict,
    )
    done = await services.carry_out(command)
    record = record_in(GoodsReturn, done)
    return answered(return_document(record), done, record.version)


ROUTES = [find_sales, accept, list_returns, get_return, inspect]
