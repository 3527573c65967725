"""Commands about reservations. A reservation is what one order holds at one location."""

from typing import Annotated

from msgspec import Meta, Struct

from cloud.commands.command import LINES_MAX, Command, Line
from protocol.facts import GtinText, Name, Quantity, TimeMs


class ReserveLine(Struct, frozen=True, kw_only=True, array_like=True):
    """What to reserve of one GTIN.

    `buffer`, `rule` and `rules_version` are stamped by the shard, as the time is: what the rules
    hid from the channel at that moment, so that a replay decides the same. `if_version`: only at
    this version of the SKU-location.
    """

    gtin: GtinText
    quantity: Quantity
    if_version: Annotated[int, Meta(ge=0)] | None = None
    buffer: Annotated[int, Meta(ge=0)] = 0
    rule: str = ""
    rules_version: int = 0


class Reserve(Command, frozen=True, kw_only=True, tag=10):
    """Reserve all lines or none.

    Lines of one GTIN are summed. `expires_at_ms` is 0 for a hold that does not expire,
    `ship_by_ms` the order's deadline (0: none), `customer` whom it is for. `is_parcel`: an order
    across locations asks for it, and looks after it.
    """

    reservation_id: Name
    order_id: Name
    channel: Name
    lines: Annotated[list[ReserveLine], Meta(min_length=1, max_length=LINES_MAX)]
    expires_at_ms: TimeMs
    ship_by_ms: TimeMs = 0
    customer: Annotated[str, Meta(max_length=64)] = ""
    is_parcel: bool = False


class ReservationCommand(Command, frozen=True, kw_only=True):
    """Something about one reservation. `store` is where it holds goods."""

    reservation_id: Name


class Extend(ReservationCommand, frozen=True, kw_only=True, tag=11):
    """Let it expire at another time (0: never)."""

    expires_at_ms: TimeMs


class AwaitPayment(ReservationCommand, frozen=True, kw_only=True, tag=12):
    """It is being paid, and is kept until `pay_by_ms` at least."""

    pay_by_ms: TimeMs


class Confirm(ReservationCommand, frozen=True, kw_only=True, tag=13):
    """It is paid, or needs no payment: it expires no more."""


class Release(ReservationCommand, frozen=True, kw_only=True, tag=14):
    """Give back these lines, or everything that is left (`lines` empty)."""

    lines: Annotated[tuple[Line, ...], Meta(max_length=LINES_MAX)] = ()


class Pick(ReservationCommand, frozen=True, kw_only=True, tag=15):
    """Somebody has these lines in hand, or everything that is left (`lines` empty)."""

    lines: Annotated[tuple[Line, ...], Meta(max_length=LINES_MAX)] = ()


class Ship(ReservationCommand, frozen=True, kw_only=True, tag=16):
    """These lines leave with a carrier, or everything that is left (`lines` empty)."""

    lines: Annotated[tuple[Line, ...], Meta(max_length=LINES_MAX)] = ()
    parcel: Annotated[str, Meta(max_length=64)] = ""


class HandOver(ReservationCommand, frozen=True, kw_only=True, tag=17):
    """These lines leave with the customer, or everything that is left (`lines` empty)."""

    lines: Annotated[tuple[Line, ...], Meta(max_length=LINES_MAX)] = ()


class Expire(ReservationCommand, frozen=True, kw_only=True, tag=18):
    """Give back what was held too long. What is not due, stays."""
