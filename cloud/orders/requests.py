"""What a channel asks for when it places an order, and what is wrong with it. Pure."""

from collections.abc import Iterable
from hashlib import blake2b
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from cloud.commands.command import Line
from cloud.commands.orders import ORDER_ID_CHARS_MAX, PARCELS_MAX, Method, OrderId
from cloud.orders.routing.problem import LINES_MAX, QUANTITY_ROUTED_MAX
from protocol.errors import InvalidIdentifier
from protocol.facts import TIME_MS_MAX, GtinText, Name, Quantity, TimeMs
from protocol.ids import parse_gtin, parse_store_id

DIGEST_BYTES: Final = 16
LATITUDE_MAX: Final = 90.0
LONGITUDE_MAX: Final = 180.0


class WantedLine(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A quantity of one GTIN, in units or, for weighed goods, in grams."""

    gtin: GtinText
    quantity: Quantity


class OrderRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An order to be placed.

    `order_id` is the channel's name for it and never used again. Shipped goods go to
    `latitude`/`longitude` (without them distance does not count), collected ones stay at
    `collect_at`. `promise_by_ms` is when the customer was promised to have it, `expires_at_ms`
    when it lapses unless confirmed; 0 is no promise, and the configured time.
    """

    order_id: OrderId
    channel: Name
    lines: Annotated[list[WantedLine], Meta(min_length=1, max_length=LINES_MAX)]
    method: Method = "ship"
    customer: Annotated[str, Meta(max_length=64)] = ""
    latitude: Annotated[float, Meta(ge=-LATITUDE_MAX, le=LATITUDE_MAX)] | None = None
    longitude: Annotated[float, Meta(ge=-LONGITUDE_MAX, le=LONGITUDE_MAX)] | None = None
    collect_at: Annotated[str, Meta(max_length=32)] = ""
    promise_by_ms: TimeMs = 0
    expires_at_ms: TimeMs = 0
    max_parcels: Annotated[int, Meta(ge=1, le=PARCELS_MAX)] | None = None
    allow_split: bool = True


def problem_of(request: OrderRequest) -> str | None:
    """Return the first thing about a request that makes no sense."""
    if not 1 <= len(request.order_id) <= ORDER_ID_CHARS_MAX:
        return f"order_id: 1 to {ORDER_ID_CHARS_MAX} characters are allowed"
    if not 1 <= len(request.lines) <= LINES_MAX:
        return f"lines: 1 to {LINES_MAX} are allowed"
    if (request.latitude is None) != (request.longitude is None):
        return "latitude and longitude come together"
    if not (
        _is_within(request.latitude, LATITUDE_MAX) and _is_within(request.longitude, LONGITUDE_MAX)
    ):
        return "latitude and longitude are degrees on the earth"
    if (request.method == "collect") != bool(request.collect_at):
        return "collect_at is given exactly when the method is 'collect'"
    if max(request.promise_by_ms, request.expires_at_ms) > TIME_MS_MAX:
        return "promise_by_ms and expires_at_ms are milliseconds since 1970"
    return _wrong_goods(request)


def _is_within(degrees: float | None, degrees_max: float) -> bool:
    # What is not a number is not within.
    return degrees is None or -degrees_max <= degrees <= degrees_max


def _wrong_goods(request: OrderRequest) -> str | None:
    try:
        if request.collect_at:
            parse_store_id(request.collect_at)
        for line in request.lines:
            parse_gtin(line.gtin)
    except InvalidIdentifier as error:
        return str(error)
    for wanted in summed(request.lines):
        if not 1 <= wanted.quantity <= QUANTITY_ROUTED_MAX:
            return f"{wanted.gtin}: 1 to {QUANTITY_ROUTED_MAX} are allowed, all lines together"
    return None


def summed(lines: Iterable[WantedLine]) -> tuple[Line, ...]:
    """Return the lines with those of one GTIN added up, in the order in which they first come."""
    quantities: dict[str, int] = {}
    for line in lines:
        quantities[line.gtin] = quantities.get(line.gtin, 0) + line.quantity
    return tuple(Line(gtin=gtin, quantity=quantity) for gtin, quantity in quantities.items())


def digest_of(*content: object) -> bytes:
    """Return what tells this content from other content under the same key."""
    return blake2b(msgspec.msgpack.encode(content), digest_size=DIGEST_BYTES).digest()
