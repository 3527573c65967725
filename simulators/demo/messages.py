"""What the demo and the process that simulates a store say to each other, as lines of JSON. Pure.

The store tells its truth as it changes; the demo opens and closes its doors and passes reorders on
that a warehouse would have heard.
"""

from typing import Final, Literal

import msgspec
from msgspec import Struct

from simulators.demo.truth import Columns
from simulators.scenario import Scenario

PIPE_LINE_BYTES_MAX: Final = 16 * 1024 * 1024
"""The longest line: the opening truth of 20,000 articles is about 3 MB."""

Kind = Literal["sale", "refund", "void", "receipt", "shipment"]
Quantities = dict[str, int]
"""By GTIN."""


class Prepared(Struct, frozen=True, kw_only=True, tag="prepared"):
    """The hardware listens, and the agent's configuration is at `edge_config`.

    `truth` is the opening stock by GTIN.
    """

    edge_config: str
    truth: dict[str, Columns]


class TruthChanged(Struct, frozen=True, kw_only=True, tag="truth"):
    """Something happened. The new truth of each GTIN it touched, once a line, in order.

    `written_ns` is when the till's file was renamed, on the machine's monotonic clock. `order` is
    the one that was shipped.
    """

    kind: Kind
    written_ns: int
    lines: list[tuple[str, Columns]]
    order: str = ""


class OrderPacked(Struct, frozen=True, kw_only=True, tag="packed"):
    """An associate has packed this of an order; more is not there."""

    order: str
    lines: Quantities


class Still(Struct, frozen=True, kw_only=True, tag="still"):
    """The doors are closed and nothing is under way any more."""


class Begin(Struct, frozen=True, kw_only=True, tag="begin"):
    """The first message: which store to be, where to keep its files, and its agent's broker."""

    scenario: Scenario
    folder: str
    broker_url: str
    root: str


class OpenDoors(Struct, frozen=True, kw_only=True, tag="open"):
    """Let shoppers, staff and deliveries begin."""


class CloseDoors(Struct, frozen=True, kw_only=True, tag="close"):
    """Begin nothing new, and say `Still` when the last has finished."""


class Reordered(Struct, frozen=True, kw_only=True, tag="reorder"):
    """The warehouse was asked for goods."""

    reorder_id: str
    gtin: str
    quantity: int


class PickOrder(Struct, frozen=True, kw_only=True, tag="pick"):
    """Pack goods of an order; `OrderPacked` answers."""

    order: str
    lines: Quantities


class ShipOrder(Struct, frozen=True, kw_only=True, tag="ship"):
    """Let packed goods leave; what else is packed for the order is put back.

    If anything leaves, the truth changes by a shipment of that order.
    """

    order: str
    lines: Quantities


FromStore = Prepared | TruthChanged | OrderPacked | Still
ToStore = Begin | OpenDoors | CloseDoors | Reordered | PickOrder | ShipOrder

from_store: Final[msgspec.json.Decoder[FromStore]] = msgspec.json.Decoder(FromStore)
to_store: Final[msgspec.json.Decoder[ToStore]] = msgspec.json.Decoder(ToStore)


def line_of(message: FromStore | ToStore) -> bytes:
    """Return a message as one line."""
    return msgspec.json.encode(message) + b"\n"
