"""Stock: what is where, why, and how it came about."""

from collections import deque
from http import HTTPStatus
from typing import Annotated, Any

from litestar import Response, get, post
from litestar.params import JSONBody, QueryParameter

from cloud.api.access import Allows
from cloud.api.cursors import LIMIT, TEXT, decode_cursor, encode_cursor, first_of
from cloud.api.documents.availability import Availability
from cloud.api.documents.stock import (
    AdjustmentRequest,
    StockDetail,
    StockHistory,
    StockPage,
    StockStep,
    stock_detail,
)
from cloud.api.fields import (
    CursorQuery,
    GtinPath,
    IfNoneMatch,
    LimitQuery,
    LocationPath,
    gtin_of,
    location_of,
)
from cloud.api.problems import documented, unknown
from cloud.api.resources.availability import answers
from cloud.api.services import AskedHere, CallerHere, Services, ServicesHere, answered, shown
from cloud.commands.stock import AdjustStock
from cloud.journal.history import history
from cloud.journal.port import JournalReader
from cloud.journal.rows import decode_state
from cloud.publisher.documents import is_told, stock_document
from cloud.reports import Step, steps
from cloud.sku_location.state import SkuLocation

TAGS = ["stock"]
READERS = Allows("store", "wms", "ops")
HISTORY_MAX = 1_000


@get(
    "/stock/{location:str}",
    operation_id="list_stock",
    summary="The stock of a location, by GTIN",
    tags=TAGS,
    guards=[READERS],
    responses=documented(),
)
async def list_stock(
    services: ServicesHere,
    caller: CallerHere,
    location: LocationPath,
    cursor: CursorQuery = None,
    limit: LimitQuery = LIMIT,
) -> StockPage:
    """Return what was ever at a location. A location that nobody knows has nothing."""
    store = location_of(location)
    caller.require_location(store)
    after = decode_cursor(cursor, TEXT) or ""
    states, more = await services.reads.at_one_moment(
        lambda reader: first_of(_told(reader, store, after), limit)
    )
    items = [stock_document(state) for state in states]
    return StockPage(items=items, next_cursor=encode_cursor(items[-1].gtin) if more else None)


def _told(reader: JournalReader, store: str, after: str) -> Any:
    rows = (decode_state(row.data) for row in reader.states(store, after=after))
    return (state for state in rows if is_told(state))


async def known_state(services: Services, store: str, gtin: str) -> SkuLocation:
    """Return a SKU-location of which something may be told, or raise that there is none."""
    row = await services.reads.at_one_moment(lambda reader: reader.state(store, gtin))
    state = None if row is None else decode_state(row.data)
    if state is None or not is_told(state):
        raise unknown(f"nothing is known of {gtin} at {store}")
    return state


@get(
    "/stock/{location:str}/{gtin:str}",
    operation_id="get_stock",
    summary="One SKU at one location: ledger, zones, what is unavailable",
    tags=TAGS,
    guards=[READERS],
    responses=documented(304, 404),
)
async def get_stock(
    services: ServicesHere,
    caller: CallerHere,
    location: LocationPath,
    gtin: GtinPath,
    if_none_match: IfNoneMatch = None,
) -> Response[StockDetail]:
    """Return it, with its version as the ETag."""
    store, sku = location_of(location), gtin_of(gtin)
    caller.require_location(store)
    state = await known_state(services, store, sku)
    return shown(stock_detail(state), state.version, if_none_match)


@get(
    "/stock/{location:str}/{gtin:str}/history",
    operation_id="get_stock_history",
    summary="The newest versions of a SKU at a location, and what made them",
    tags=TAGS,
    guards=[READERS],
    responses=documented(404),
)
async def get_history(
    services: ServicesHere,
    caller: CallerHere,
    location: LocationPath,
    gtin: GtinPath,
    limit: LimitQuery = LIMIT,
) -> StockHistory:
    """Return the newest versions first, as far as the present era of the journal goes."""
    store, sku = location_of(location), gtin_of(gtin)
    caller.require_location(store)
    await known_state(services, store, sku)

    def newest(reader: JournalReader) -> list[Step]:
        return list(deque(steps(history(reader, store, sku)), maxlen=limit))

    found = await services.reads.on_reader(newest)
    return StockHistory(location=store, gtin=sku, steps=[_step(step) for step in reversed(found)])


def _step(step: Step) -> StockStep:
    return StockStep(**{name: getattr(step, name) for name in StockStep.__struct_fields__})


@get(
    "/stock/{location:str}/{gtin:str}/explanation",
    operation_id="explain_stock",
    summary="Which rule hides what of a SKU at a location from a channel",
    tags=TAGS,
    guards=[READERS],
    responses=documented(404),
)
async def explain_stock(
    services: ServicesHere,
    caller: CallerHere,
    location: LocationPath,
    gtin: GtinPath,
    channel: Annotated[str, QueryParameter(name="channel", min_length=1, max_length=64)],
) -> Availability:
    """Return the availability with everything that led to it."""
    store, sku = location_of(location), gtin_of(gtin)
    caller.require_location(store)
    state = await known_state(services, store, sku)
    return answers(services, [state], channel, 0, explain=True)[0]


@post(
    "/stock/{location:str}/{gtin:str}/adjustments",
    operation_id="adjust_stock",
    summary="Withhold goods from sale, let them be sold again, or write them off",
    tags=TAGS,
    guards=[Allows("store", "ops")],
    status_code=HTTPStatus.OK,
    responses=documented(404, 409, 422, 504),
)
async def adjust(
    services: ServicesHere,
    caller: CallerHere,
    asked: AskedHere,
    location: LocationPath,
    gtin: GtinPath,
    data: JSONBody[AdjustmentRequest],
) -> Response[StockDetail]:
    """Adjust, and return the stock as it is after the commit."""
    store, sku = location_of(location), gtin_of(gtin)
    caller.require_location(store)
    command = AdjustStock(
        store=store,
        key=asked.key,
        digest=asked.digest,
        gtin=sku,
        quantity=data.quantity,
        action=data.action,
        reason=data.reason,
        note=data.note,
    )
    done = await services.carry_out(command)
    state = await known_state(services, store, sku)
    return answered(stock_detail(state), done, state.version)


ROUTES = [list_stock, get_stock, get_history, explain_stock, adjust]
