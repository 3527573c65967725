"""Commands about orders across locations. Their `store` is the pseudo-location of the cloud.

An order is a saga: it is noted with what will be reserved where *before* anything is reserved, so
that a crash at any step leaves an order that can be finished or undone.
"""

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from cloud.commands.command import LINES_MAX, Command, Line, Text
from protocol.facts import GtinText, Measure, Name, TimeMs
from protocol.updates import StoreText

Method = Literal["ship", "collect"]
PARCELS_MAX: Final = 50
"""Of one order, all that were ever asked counted."""
ORDER_ID_CHARS_MAX: Final = 56
"""Its reservations are named after it, with a number, in 64 characters."""
EXPLANATION_LINES_MAX: Final = 100

OrderId = Annotated[str, Meta(min_length=1, max_length=ORDER_ID_CHARS_MAX)]
Version = Annotated[int, Meta(ge=0)]


class ParcelPlan(Struct, frozen=True, kw_only=True, array_like=True):
    """What one location is asked to fulfil, under which reservation.

    `ship_by_ms` is when it must leave there to keep the promise, 0 if nothing was promised.
    """

    location: StoreText
    reservation_id: Name
    lines: Annotated[list[Line], Meta(min_length=1, max_length=LINES_MAX)]
    ship_by_ms: TimeMs = 0


class ParcelRefusal(Struct, frozen=True, kw_only=True, array_like=True):
    """A location refused a parcel; of `gtins` it has not enough."""

    reservation_id: Name
    gtins: Annotated[list[GtinText], Meta(max_length=LINES_MAX)]


class ParcelRename(Struct, frozen=True, kw_only=True, array_like=True):
    """A parcel is reserved as `name` from now on: somebody else has its `reservation_id` there."""

    reservation_id: Name
    name: Name


class OrderedLine(Line, frozen=True, kw_only=True, array_like=True):
    """A quantity of one GTIN, and in which measure it counts."""

    measure: Measure = "units"


class PlaceOrder(Command, frozen=True, kw_only=True, tag=70):
    """Note an order and where it is to be reserved.

    `expires_at_ms` ends it if it is not confirmed by then. `max_parcels` and `allow_split` limit
    the routing of what has to be asked for again.
    """

    order_id: OrderId
    channel: Name
    customer: Annotated[str, Meta(max_length=64)] = ""
    method: Method
    lines: Annotated[list[OrderedLine], Meta(min_length=1, max_length=LINES_MAX)]
    parcels: Annotated[list[ParcelPlan], Meta(min_length=1, max_length=PARCELS_MAX)]
    latitude: float | None = None
    longitude: float | None = None
    collect_at: Annotated[str, Meta(max_length=32)] = ""
    promise_by_ms: TimeMs = 0
    expires_at_ms: TimeMs = 0
    explanation: Annotated[tuple[str, ...], Meta(max_length=EXPLANATION_LINES_MAX)] = ()
    max_parcels: Annotated[int, Meta(ge=0, le=PARCELS_MAX)] = PARCELS_MAX
    allow_split: bool = True


class AmendOrder(Command, frozen=True, kw_only=True, tag=71):
    """Ask other locations for what a location refused or lost. `reason` says why.

    `refused` are parcels that will not be granted, `given_up` what nobody can give any more,
    `renamed` parcels that are asked for under another name. `if_version`: only at this version of
    the order.
    """

    order_id: OrderId
    parcels: Annotated[list[ParcelPlan], Meta(max_length=PARCELS_MAX)]
    reason: Text
    refused: Annotated[tuple[ParcelRefusal, ...], Meta(max_length=PARCELS_MAX)] = ()
    given_up: Annotated[tuple[Line, ...], Meta(max_length=LINES_MAX)] = ()
    if_version: Version | None = None
    renamed: Annotated[tuple[ParcelRename, ...], Meta(max_length=PARCELS_MAX)] = ()


class SettleOrder(Command, frozen=True, kw_only=True, tag=72):
    """Say where an order stands from now on.

    `is_settling`: its parcels still have to follow. `expires_at_ms` (0: as before) is the deadline
    of its payment. `if_version`: only at this version of the order.
    """

    order_id: OrderId
    status: Literal[
        "held", "awaiting_payment", "confirmed", "fulfilled", "released", "refused", "short"
    ]
    detail: Text = ""
    is_settling: bool = False
    expires_at_ms: TimeMs = 0
    if_version: Version | None = None
