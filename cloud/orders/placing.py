"""From a routed request to the command that notes the order, or to the refusal. Pure."""

from typing import Final

from cloud.commands.orders import OrderedLine, PlaceOrder
from cloud.orders.documents import RoutingDocument
from cloud.orders.parcels import as_text, explanation_of, parcels_of
from cloud.orders.ports import Demand, Routed
from cloud.orders.requests import OrderRequest
from cloud.orders.routing import Plan, Unroutable, UnroutableReason
from cloud.orders.saga import HELD_TOO_LONG
from cloud.records.order import Order
from cloud.sku_location.refusal import Refusal, Refused
from protocol.facts import Measure
from protocol.ids import CLOUD_STORE_ID

MS_PER_MINUTE: Final = 60_000
COLLECTED_ALONE: Final = "Only the collecting store's own stock counts: nothing is sent to it."


def place_command(
    request: OrderRequest,
    settings: RoutingDocument,
    demand: Demand,
    routed: Routed,
    plan: Plan,
    now_ms: int,
) -> PlaceOrder:
    """Return the command that notes a planned order."""
    measures: dict[str, Measure] = {
        line.gtin: line.measure for parcel in plan.parcels for line in parcel.lines
    }
    return PlaceOrder(
        store=CLOUD_STORE_ID,
        order_id=request.order_id,
        channel=request.channel,
        customer=request.customer,
        method=request.method,
        lines=[
            OrderedLine(gtin=line.gtin, quantity=line.quantity, measure=measures[line.gtin])
            for line in demand.lines
        ],
        parcels=parcels_of(plan, routed, request.order_id),
        latitude=request.latitude,
        longitude=request.longitude,
        collect_at=request.collect_at,
        promise_by_ms=request.promise_by_ms,
        expires_at_ms=request.expires_at_ms or now_ms + settings.hold_minutes * MS_PER_MINUTE,
        explanation=explanation_of(routed),
        max_parcels=demand.max_parcels,
        allow_split=request.allow_split,
    )


def unroutable(answer: Unroutable, request: OrderRequest) -> Refused:
    """Return the refusal of an order that has no plan."""
    is_short = answer.reason is UnroutableReason.INSUFFICIENT_STOCK
    reason = Refusal.INSUFFICIENT if is_short else Refusal.UNROUTABLE
    texts = [*answer.explanation, *([COLLECTED_ALONE] if request.method == "collect" else [])]
    return Refused(reason, " ".join(texts))


def as_answer(order: Order) -> Order | Refused:
    """Return an order that was placed, or why it was not."""
    if order.status != "refused":
        return order
    reason = Refusal.EXPIRED if order.detail == HELD_TOO_LONG else Refusal.INSUFFICIENT
    return Refused(reason, as_text(f"order {order.id} was refused: {order.detail}"))


def ended(order: Order) -> Refused:
    """Return why nothing more can be done with an order in its present status."""
    has_lapsed = order.status == "released" and order.detail == HELD_TOO_LONG
    reason = Refusal.EXPIRED if has_lapsed else Refusal.WRONG_STATUS
    why = f" ({order.detail})" if order.detail else ""
    return Refused(reason, f"order {order.id} is {order.status}{why}")
