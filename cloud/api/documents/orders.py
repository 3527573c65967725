"""Orders across locations, as the API takes and shows them."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from cloud.api.documents.reservations import LineRequest
from cloud.api.fields import Channel, Customer, ZonedTime, gtin_of, ms_of, time_of
from cloud.commands.orders import ORDER_ID_CHARS_MAX, PARCELS_MAX, Method
from cloud.context_documents import Latitude, Longitude
from cloud.orders.reading import Found
from cloud.orders.requests import OrderRequest, WantedLine
from cloud.orders.routing import (
    Alternative,
    LineShortage,
    ParcelCost,
    ParcelLine,
    Plan,
    Rejection,
    Unroutable,
)
from cloud.orders.routing.plan import ParcelKind
from cloud.orders.routing.problem import LINES_MAX
from cloud.orders.standing import LineStanding, ParcelLineStanding, ParcelStatus
from cloud.records.order import OrderStatus
from protocol.documents import Timestamp, timestamp

OrderId = Annotated[
    str,
    Meta(
        pattern=rf"^[A-Za-z0-9][A-Za-z0-9._:-]{{0,{ORDER_ID_CHARS_MAX - 1}}}(?!\n)$",
        max_length=ORDER_ID_CHARS_MAX,
    ),
]


class OrderBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An order to be fulfilled where it is best done.

    `ship` goes to `latitude`, `longitude`; `collect` waits at `collect_at`. `promise_by` is when
    the customer was promised to have it; `expires_at` when it lapses unless confirmed (without
    one: after the configured time). Without an `order_id` one follows from the Idempotency-Key.
    """

    channel: Channel
    lines: Annotated[list[LineRequest], Meta(min_length=1, max_length=LINES_MAX)]
    order_id: OrderId | None = None
    method: Method = "ship"
    customer: Customer = ""
    latitude: Latitude | None = None
    longitude: Longitude | None = None
    collect_at: Annotated[str, Meta(max_length=32)] = ""
    promise_by: ZonedTime | None = None
    expires_at: ZonedTime | None = None
    max_parcels: Annotated[int, Meta(ge=1, le=PARCELS_MAX)] | None = None
    allow_split: bool = True


class PayByRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When it is paid at the latest."""

    pay_by: ZonedTime


class ExtendOrderRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Until when it is held, if that is later than it is held anyway."""

    expires_at: ZonedTime


class ReleaseRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why it is given up."""

    detail: Annotated[str, Meta(max_length=200)] = ""


class PlannedParcel(Struct, frozen=True, kw_only=True):
    """What one location would do; amounts are whole cents."""

    location: str
    kind: ParcelKind
    lines: tuple[ParcelLine, ...]
    cost: ParcelCost
    total_cents: int
    arrives_at: Timestamp
    late_s: Annotated[int, Meta(ge=0)]


class PlanDocument(Struct, frozen=True, kw_only=True):
    """Where an order would be fulfilled now, or why it cannot be; it explains itself."""

    outcome: Literal["plan", "unroutable"]
    parcels: list[PlannedParcel]
    total_cost_cents: int | None
    is_proven_optimal: bool | None
    shortages: tuple[LineShortage, ...]
    rejected: tuple[Rejection, ...]
    alternatives: tuple[Alternative, ...]
    reason: str | None
    explanation: tuple[str, ...]


class ParcelDocument(Struct, frozen=True, kw_only=True):
    """One location's part of an order; `reservation_id` is its reservation there."""

    location: str
    reservation_id: str
    status: ParcelStatus
    lines: tuple[ParcelLineStanding, ...]
    ship_by: Timestamp | None
    expires_at: Timestamp | None


class OrderDocument(Struct, frozen=True, kw_only=True):
    """An order and how it stands.

    Of each line, quantity = given_up + asked + held + fulfilled + released + missing.
    """

    order_id: str
    channel: str
    customer: str
    method: Method
    status: OrderStatus
    version: Annotated[int, Meta(ge=1)]
    lines: tuple[LineStanding, ...]
    parcels: list[ParcelDocument]
    collect_at: str | None
    promise_by: Timestamp | None
    expires_at: Timestamp | None
    explanation: tuple[str, ...]
    detail: str
    created_at: Timestamp
    updated_at: Timestamp


class OrderPage(Struct, frozen=True, kw_only=True):
    """Orders, by id."""

    items: list[OrderDocument]
    next_cursor: str | None


def request_of(body: OrderBody, order_id: str) -> OrderRequest:
    """Return the order as it is asked of the desk."""
    return OrderRequest(
        order_id=order_id,
        channel=body.channel,
        lines=[
            WantedLine(gtin=gtin_of(line.gtin, "lines.gtin"), quantity=line.quantity)
            for line in body.lines
        ],
        method=body.method,
        customer=body.customer,
        latitude=body.latitude,
        longitude=body.longitude,
        collect_at=body.collect_at,
        promise_by_ms=ms_of(body.promise_by, "promise_by"),
        expires_at_ms=ms_of(body.expires_at, "expires_at"),
        max_parcels=body.max_parcels,
        allow_split=body.allow_split,
    )


def plan_document(answer: Plan | Unroutable) -> PlanDocument:
    """Return the document of a plan, or of why there is none."""
    if isinstance(answer, Unroutable):
        return PlanDocument(
            outcome="unroutable",
            parcels=[],
            total_cost_cents=None,
            is_proven_optimal=None,
            shortages=answer.lines,
            rejected=answer.rejected,
            alternatives=(),
            reason=str(answer.reason),
            explanation=answer.explanation,
        )
    return PlanDocument(
        outcome="plan",
        parcels=[
            PlannedParcel(
                location=parcel.location,
                kind=parcel.kind,
                lines=parcel.lines,
                cost=parcel.cost,
                total_cents=parcel.cost.total_cents,
                arrives_at=timestamp(parcel.arrives_at_ms),
                late_s=parcel.late_ms // 1000,
            )
            for parcel in answer.parcels
        ],
        total_cost_cents=answer.total_cost_cents,
        is_proven_optimal=answer.is_proven_optimal,
        shortages=(),
        rejected=answer.rejected,
        alternatives=answer.alternatives,
        reason=None,
        explanation=answer.explanation,
    )


def order_document(found: Found) -> OrderDocument:
    """Return the document of an order."""
    order, standing = found.order, found.standing
    return OrderDocument(
        order_id=order.id,
        channel=order.channel,
        customer=order.customer,
        method=order.method,
        status=standing.status,
        version=order.version,
        lines=standing.lines,
        parcels=[
            ParcelDocument(
                location=parcel.location,
                reservation_id=parcel.reservation_id,
                status=parcel.status,
                lines=parcel.lines,
                ship_by=time_of(parcel.ship_by_ms),
                expires_at=time_of(parcel.expires_at_ms),
            )
            for parcel in standing.parcels
        ],
        collect_at=order.collect_at or None,
        promise_by=time_of(order.promise_by_ms),
        expires_at=time_of(order.expires_at_ms),
        explanation=order.explanation,
        detail=order.detail,
        created_at=timestamp(order.created_at_ms),
        updated_at=timestamp(order.updated_at_ms),
    )
