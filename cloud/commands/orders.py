"""Commands about orders across locations. Their `store` is the pseudo-location of the cloud.

An order is a saga: it is noted with what will be reserved where *before* anything is reserved, so
that a crash at any step leaves an order that can be finished or undone.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from cloud.commands.command import LINES_MAX, Command, Line
from protocol.facts import Name, TimeMs
from protocol.updates import StoreText

Method = Literal["ship", "collect"]
PARCELS_MAX = 50


class ParcelPlan(Struct, frozen=True, kw_only=True, array_like=True):
    """What one location is asked to fulfil, under which reservation."""

    location: StoreText
    reservation_id: Name
    lines: Annotated[list[Line], Meta(min_length=1, max_length=LINES_MAX)]


class PlaceOrder(Command, frozen=True, kw_only=True, tag=70):
    """Note an order and where it is to be reserved."""

    order_id: Name
    channel: Name
    customer: Annotated[str, Meta(max_length=64)] = ""
    method: Method
    lines: Annotated[list[Line], Meta(min_length=1, max_length=LINES_MAX)]
    parcels: Annotated[list[ParcelPlan], Meta(min_length=1, max_length=PARCELS_MAX)]
    latitude: float | None = None
    longitude: float | None = None
    collect_at: Annotated[str, Meta(max_length=32)] = ""
    promise_by_ms: TimeMs = 0
    expires_at_ms: TimeMs = 0
    explanation: Annotated[tuple[str, ...], Meta(max_length=200)] = ()


class AmendOrder(Command, frozen=True, kw_only=True, tag=71):
    """Ask other locations for what a location refused or lost. `reason` says why."""

    order_id: Name
    parcels: Annotated[list[ParcelPlan], Meta(max_length=PARCELS_MAX)]
    reason: Annotated[str, Meta(max_length=256)]


class SettleOrder(Command, frozen=True, kw_only=True, tag=72):
    """Say how placing, paying or ending an order ended."""

    order_id: Name
    status: Literal[
        "held", "awaiting_payment", "confirmed", "fulfilled", "released", "refused", "short"
    ]
    detail: Annotated[str, Meta(max_length=256)] = ""
