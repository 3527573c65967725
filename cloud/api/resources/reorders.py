"""Reorders: what is to be brought to which location, and where that stands."""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Annotated, Final

import msgspec
from litestar import Response, get, post
from litestar.params import JSONBody, PathParameter
from msgspec import Meta, Struct

from cloud.api.access import Allows, Caller
from cloud.api.cursors import CURSOR_INT_MAX, LIMIT, decode_cursor, encode_cursor, first_of
from cloud.api.fields import (
    CursorQuery,
    IfNoneMatch,
    LimitQuery,
    ZonedTime,
    location_of,
    ms_of,
)
from cloud.api.problems import documented, unknown
from cloud.api.record_lists import LocationQuery, OpenQuery
from cloud.api.services import (
    AskedHere,
    CallerHere,
    Services,
    ServicesHere,
    answered,
    shown,
)
from cloud.commands.reorders import SetReorderStatus
from cloud.journal.port import JournalReader
from cloud.journal.rows import ReorderRow, decode_reorder
from cloud.publisher.documents import is_open, reorder_document
from cloud.reorders.ids import parse_reorder_id
from cloud.shards.messages import ReorderChange
from cloud.sku_location.state import ReorderStatus
from protocol.documents import ReorderDocument
from protocol.facts import QUANTITY_MAX

TAGS = ["reorders"]
READERS = Allows("store", "wms", "ops")
WRITERS = Allows("wms", "ops")

Key = tuple[str, str, Annotated[int, Meta(ge=0, le=CURSOR_INT_MAX)]]
"""Location, GTIN and number of a reorder."""
KEY: Final[msgspec.json.Decoder[Key]] = msgspec.json.Decoder(Key)
ReorderPath = Annotated[
    str,
    PathParameter(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,31}-[0-9]{14}-[1-9][0-9]{0,8}$",
        max_length=64,
        description="LOCATION-GTIN-NUMBER",
    ),
]


class ReorderPage(Struct, frozen=True, kw_only=True):
    """Reorders, by location, GTIN and number."""

    items: list[ReorderDocument]
    next_cursor: str | None


class SupplierRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the supplier says: its own reference, when, and how much (0: as ordered)."""

    reference: Annotated[str, Meta(max_length=64)] = ""
    expected_at: ZonedTime | None = None
    quantity: Annotated[int, Meta(ge=0, le=QUANTITY_MAX)] = 0


@get(
    "/reorders",
    operation_id="list_reorders",
    summary="Reorders, for one location or for all",
    tags=TAGS,
    guards=[READERS],
    responses=documented(),
)
async def list_reorders(
    services: ServicesHere,
    caller: CallerHere,
    location: LocationQuery = None,
    only_open: OpenQuery = True,
    cursor: CursorQuery = None,
    limit: LimitQuery = LIMIT,
) -> ReorderPage:
    """Return them by location, GTIN and number."""
    store = None if location is None else location_of(location)
    if store is not None:
        caller.require_location(store)
    after = decode_cursor(cursor, KEY) or (store or "", "", 0)
    found, more = await services.reads.at_one_moment(
        lambda reader: first_of(_reorders(reader, caller, store, after, only_open), limit)
    )
    last = found[-1].reorder.number if more else 0
    return ReorderPage(
        items=[reorder_document(change) for change in found],
        next_cursor=encode_cursor((found[-1].store, found[-1].gtin, last)) if more else None,
    )


def _reorders(
    reader: JournalReader, caller: Caller, store: str | None, after: Key, only_open: bool
) -> Iterator[ReorderChange]:
    for row in reader.reorders(after=after):
        if store is not None and row.store != store:
            return
        change = _change(row)
        if caller.may_see_location(row.store) and (is_open(change.reorder) or not only_open):
            yield change


def _change(row: ReorderRow) -> ReorderChange:
    return ReorderChange(
        store=row.store, gtin=row.gtin, reorder=decode_reorder(row.data), measure=row.measure
    )


async def _reorder(services: Services, caller: Caller, reorder_id: str) -> ReorderChange:
    name = parse_reorder_id(reorder_id)
    if name is None:
        raise unknown(f"there is no reorder {reorder_id}")
    caller.require_location(name.store)
    before = (name.store, name.gtin, name.number - 1)
    row = await services.reads.at_one_moment(
        lambda reader: next(reader.reorders(after=before), None)
    )
    if row is None or row[:3] != name:
        raise unknown(f"there is no reorder {reorder_id}")
    return _change(row)


@get(
    "/reorders/{reorder_id:str}",
    operation_id="get_reorder",
    summary="A reorder",
    tags=TAGS,
    guards=[READERS],
    responses=documented(304, 404),
)
async def get_reorder(
    services: ServicesHere,
    caller: CallerHere,
    reorder_id: ReorderPath,
    if_none_match: IfNoneMatch = None,
) -> Response[ReorderDocument]:
    """Return it, with its revision as the ETag."""
    change = await _reorder(services, caller, reorder_id)
    return shown(reorder_document(change), change.reorder.revision, if_none_match)


async def _set_status(
    services: Services,
    caller: Caller,
    asked: AskedHere,
    reorder_id: str,
    status: ReorderStatus,
    data: SupplierRequest,
) -> Response[ReorderDocument]:
    change = await _reorder(services, caller, reorder_id)
    command = SetReorderStatus(
        store=change.store,
        key=asked.key,
        digest=asked.digest,
        reorder_id=reorder_id,
        status=status,
        reference=data.reference,
        expected_at_ms=ms_of(data.expected_at, "expected_at"),
        quantity=data.quantity,
    )
    done = await services.carry_out(command)
    change = await _reorder(services, caller, reorder_id)
    return answered(reorder_document(change), done, change.reorder.revision)


@post(
    "/reorders/{reorder_id:str}/acknowledge",
    operation_id="acknowledge_reorder",
    summary="The supplier or warehouse has seen a reorder",
    tags=TAGS,
    guards=[WRITERS],
    status_code=HTTPStatus.OK,
    responses=documented(404, 409, 422, 504),
)
async def acknowledge(
    services: ServicesHere,
    caller: CallerHere,
    asked: AskedHere,
    reorder_id: ReorderPath,
    data: JSONBody[SupplierRequest],
) -> Response[ReorderDocument]:
    """Note that somebody works on it; it escalates no more."""
    return await _set_status(services, caller, asked, reorder_id, "acknowledged", data)


@post(
    "/reorders/{reorder_id:str}/despatch",
    operation_id="despatch_reorder",
    summary="What was reordered is on its way",
    tags=TAGS,
    guards=[WRITERS],
    status_code=HTTPStatus.OK,
    responses=documented(404, 409, 422, 504),
)
async def despatch(
    services: ServicesHere,
    caller: CallerHere,
    asked: AskedHere,
    reorder_id: ReorderPath,
    data: JSONBody[SupplierRequest],
) -> Response[ReorderDocument]:
    """Note that it was shipped, when nobody sends a despatch advice for it."""
    return await _set_status(services, caller, asked, reorder_id, "despatched", data)


@post(
    "/reorders/{reorder_id:str}/cancel",
    operation_id="cancel_reorder",
    summary="Nothing will come of a reorder",
    tags=TAGS,
    guards=[WRITERS],
    status_code=HTTPStatus.OK,
    responses=documented(404, 409, 422, 504),
)
async def cancel(
    services: ServicesHere,
    caller: CallerHere,
    asked: AskedHere,
    reorder_id: ReorderPath,
    data: JSONBody[SupplierRequest],
) -> Response[ReorderDocument]:
    """Give it up; the position may open another one."""
    return await _set_status(services, caller, asked, reorder_id, "cancelled", data)


ROUTES = [list_reorders, get_reorder, acknowledge, despatch, cancel]
