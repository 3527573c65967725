"""Orders across locations: planned, placed, paid and given up. The desk makes sure they end."""

from http import HTTPStatus
from typing import Annotated

from litestar import Response, get, post, put
from litestar.params import JSONBody, QueryParameter

from cloud.api.access import Allows, Caller
from cloud.api.context_store import body_of, find_document, write_document
from cloud.api.cursors import LIMIT
from cloud.api.documents.context import RoutingBody, RoutingSettings
from cloud.api.documents.orders import (
    ExtendOrderRequest,
    OrderBody,
    OrderDocument,
    OrderPage,
    PayByRequest,
    PlanDocument,
    ReleaseRequest,
    order_document,
    plan_document,
    request_of,
)
from cloud.api.fields import CursorQuery, IdPath, IfMatch, IfNoneMatch, LimitQuery, ms_of
from cloud.api.problems import documented, refused, unknown
from cloud.api.record_lists import records_by_ref
from cloud.api.services import AskedHere, CallerHere, Services, ServicesHere, answered, shown
from cloud.api.visibility import require_order, require_placing, sees_order
from cloud.orders.reading import Found, find_order
from cloud.records.order import Order
from cloud.shards.messages import Done
from cloud.sku_location.refusal import Refused
from protocol.documents import timestamp

TAGS = ["orders"]
SELLERS = Allows("channel", "store", "ops")
READERS = Allows("channel", "store", "wms", "ops")
ROUTING_ID = "default"
CHANGES = documented(404, 409, 422, 504)
PATH = "/orders/{order_id:str}"


@post(
    "/orders/plan",
    operation_id="plan_order",
    summary="Where an order would be fulfilled now, and why; nothing is held",
    tags=TAGS,
    guards=[SELLERS],
    status_code=HTTPStatus.OK,
    responses=documented(409),
)
async def plan(
    services: ServicesHere, caller: CallerHere, data: JSONBody[OrderBody]
) -> PlanDocument:
    """Return the plan. This changes nothing."""
    caller.require_channel(data.channel)
    if caller.is_channel_only:
        require_placing(caller, data.channel, data.collect_at)
    answer = await services.orders.plan(request_of(data, data.order_id or "plan"))
    if isinstance(answer, Refused):
        raise refused(answer)
    return plan_document(answer)


@post(
    "/orders",
    operation_id="place_order",
    summary="Reserve an order where it is best fulfilled: all of it, or nothing",
    tags=TAGS,
    guards=[SELLERS],
    status_code=HTTPStatus.CREATED,
    responses=CHANGES,
)
async def place(
    services: ServicesHere, caller: CallerHere, asked: AskedHere, data: JSONBody[OrderBody]
) -> Response[OrderDocument]:
    """Route and reserve in one call; the next best location is tried when one refuses."""
    require_placing(caller, data.channel, data.collect_at)
    order_id = data.order_id or asked.derived_id("o")
    answer = await services.orders.place(request_of(data, order_id), asked.key)
    return await _answer(services, answer, HTTPStatus.CREATED, Location=f"/v1/orders/{order_id}")


async def _answer(
    services: Services, answer: Order | Refused, status: int = HTTPStatus.OK, **headers: str
) -> Response[OrderDocument]:
    if isinstance(answer, Refused):
        raise refused(answer)
    found = await services.reads.on_reader(find_order(answer.id))
    if found is None:
        raise AssertionError(f"order {answer.id} was answered and is not there")
    document = order_document(found)
    return answered(document, Done(position=0), found.order.version, status, **headers)


async def _found(services: Services, caller: Caller, order_id: str) -> Found:
    found = await services.reads.on_reader(find_order(order_id))
    if found is None:
        raise unknown(f"there is no order {order_id}")
    require_order(caller, found.order)
    return found


@get(
    PATH,
    operation_id="get_order",
    summary="An order and how it stands",
    tags=TAGS,
    guards=[READERS],
    responses=documented(404),
)
async def get_order(
    services: ServicesHere, caller: CallerHere, order_id: IdPath
) -> Response[OrderDocument]:
    """Return it with its parcels, as their locations hold them."""
    found = await _found(services, caller, order_id)
    return answered(order_document(found), Done(position=0), found.order.version)


@get(
    "/orders",
    operation_id="list_orders",
    summary="The orders of a customer",
    tags=TAGS,
    guards=[READERS],
    responses=documented(),
)
async def list_orders(
    services: ServicesHere,
    caller: CallerHere,
    customer: Annotated[str, QueryParameter(name="customer", min_length=1, max_length=64)],
    cursor: CursorQuery = None,
    limit: LimitQuery = LIMIT,
) -> OrderPage:
    """Return them by id; a channel sees its own, a store those that are only with it."""
    records, next_cursor = await records_by_ref(
        services,
        Order,
        f"customer:{customer}",
        cursor,
        limit,
        lambda order: sees_order(caller, order),
    )
    found = [await services.reads.on_reader(find_order(record.id)) for record in records]
    items = [order_document(each) for each in found if each is not None]
    return OrderPage(items=items, next_cursor=next_cursor)


@post(
    f"{PATH}/extend",
    operation_id="extend_order",
    summary="Hold an order for longer",
    tags=TAGS,
    guards=[SELLERS],
    status_code=HTTPStatus.OK,
    responses=CHANGES,
)
async def extend(
    services: ServicesHere,
    caller: CallerHere,
    asked: AskedHere,
    order_id: IdPath,
    data: JSONBody[ExtendOrderRequest],
) -> Response[OrderDocument]:
    """Let it lapse later."""
    await _found(services, caller, order_id)
    until_ms = ms_of(data.expires_at, "expires_at")
    return await _answer(services, await services.orders.extend(order_id, until_ms, asked.key))


@post(
    f"{PATH}/await-payment",
    operation_id="await_payment_of_order",
    summary="An order is being paid: keep it until the deadline at least",
    tags=TAGS,
    guards=[SELLERS],
    status_code=HTTPStatus.OK,
    responses=CHANGES,
)
async def await_payment(
    services: ServicesHere,
    caller: CallerHere,
    asked: AskedHere,
    order_id: IdPath,
    data: JSONBody[PayByRequest],
) -> Response[OrderDocument]:
    """Keep all of its reservations while it is being paid."""
    await _found(services, caller, order_id)
    pay_by_ms = ms_of(data.pay_by, "pay_by")
    answer = await services.orders.await_payment(order_id, pay_by_ms, asked.key)
    return await _answer(services, answer)


@post(
    f"{PATH}/confirm",
    operation_id="confirm_order",
    summary="An order is paid, or needs no payment: it expires no more",
    tags=TAGS,
    guards=[SELLERS],
    status_code=HTTPStatus.OK,
    responses=CHANGES,
)
async def confirm(
    services: ServicesHere, caller: CallerHere, asked: AskedHere, order_id: IdPath
) -> Response[OrderDocument]:
    """Confirm all of its reservations."""
    await _found(services, caller, order_id)
    return await _answer(services, await services.orders.confirm(order_id, asked.key))


@post(
    f"{PATH}/release",
    operation_id="release_order",
    summary="Give back what of an order has not left yet",
    tags=TAGS,
    guards=[SELLERS],
    status_code=HTTPStatus.OK,
    responses=CHANGES,
)
async def release(
    services: ServicesHere,
    caller: CallerHere,
    asked: AskedHere,
    order_id: IdPath,
    data: JSONBody[ReleaseRequest],
) -> Response[OrderDocument]:
    """Release all of its reservations."""
    await _found(services, caller, order_id)
    answer = await services.orders.release(order_id, asked.key, data.detail)
    return await _answer(services, answer)


@get(
    "/routing",
    operation_id="get_routing",
    summary="How orders are routed and held",
    tags=TAGS,
    guards=[READERS],
    responses=documented(304),
)
async def get_routing(
    services: ServicesHere, if_none_match: IfNoneMatch = None
) -> Response[RoutingSettings]:
    """Return it, with its version as the ETag; version 0 is what we begin with."""
    document = await find_document(services, "routing", ROUTING_ID)
    if document is None:
        settings = RoutingSettings(version=0, updated_at=None, document=RoutingBody())
        return shown(settings, 0, if_none_match)
    settings = RoutingSettings(
        version=document.version,
        updated_at=timestamp(document.updated_at_ms),
        document=body_of(RoutingBody, document),
    )
    return shown(settings, document.version, if_none_match)


@put(
    "/routing",
    operation_id="set_routing",
    summary="Route and hold orders otherwise from now on",
    tags=TAGS,
    guards=[Allows("ops")],
    responses=documented(409, 412, 422, 504),
)
async def set_routing(
    services: ServicesHere,
    keyed: AskedHere,
    data: JSONBody[RoutingBody],
    if_match: IfMatch = None,
) -> Response[RoutingSettings]:
    """Let this be the newest version."""
    document, done = await write_document(services, "routing", ROUTING_ID, data, keyed, if_match)
    settings = RoutingSettings(
        version=document.version,
        updated_at=timestamp(document.updated_at_ms),
        document=body_of(RoutingBody, document),
    )
    return answered(settings, done, document.version)


ROUTES = [
    plan,
    place,
    get_order,
    list_orders,
    extend,
    await_payment,
    confirm,
    release,
    get_routing,
    set_routing,
]
