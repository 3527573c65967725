"""What a store's hardware has to show because somebody did something. Pure data.

Readers and scales look at the world whenever they measure; tills write when they are told, and
these are the occasions. The truth has changed by then.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from protocol.facts import Measure
from protocol.ids import Epc, Gtin


@dataclass(frozen=True, slots=True)
class TruthLedger:
    """Where the goods of one article came from and where they went, in units or grams."""

    opening: int = 0
    received: int = 0
    returned: int = 0
    sold: int = 0

    @property
    def on_hand(self) -> int:
        """What is in the store."""
        return self.opening + self.received + self.returned - self.sold


class Line(NamedTuple):
    """Some of one article, in units or grams."""

    gtin: Gtin
    quantity: int
    measure: Measure


class Sale(NamedTuple):
    """A shopper paid at a till. `number` names the sale for a later refund or post-void."""

    at_ms: int
    till: int
    number: int
    lines: tuple[Line, ...]


class Refund(NamedTuple):
    """A customer brought goods of an earlier sale back."""

    at_ms: int
    till: int
    sale: int
    lines: tuple[Line, ...]


class PostVoid(NamedTuple):
    """The latest sale of a till was undone, all its lines."""

    at_ms: int
    till: int
    sale: int
    lines: tuple[Line, ...]


class OpeningCount(NamedTuple):
    """The untagged goods were counted before the store opened."""

    at_ms: int
    lines: tuple[Line, ...]


class Receipt(NamedTuple):
    """Untagged goods were received against a delivery note."""

    at_ms: int
    document: str
    lines: tuple[Line, ...]


class DockPassed(NamedTuple):
    """Tagged units came through the dock portal: for the record, no till writes it."""

    at_ms: int
    lines: tuple[Line, ...]


class OrderPicked(NamedTuple):
    """An associate has packed goods of an order, as far as they were there: no till writes it.

    The goods are still in the store.
    """

    at_ms: int
    order: str
    lines: tuple[Line, ...]


class OrderShipped(NamedTuple):
    """A carrier took packed goods of an order along: no till writes it."""

    at_ms: int
    order: str
    lines: tuple[Line, ...]


class AdviceSent(NamedTuple):
    """The warehouse said what it had sent; the goods are on their way."""

    at_ms: int
    document: str
    lines: tuple[Line, ...]


class TagRead(NamedTuple):
    """One tag as an antenna read it, `count` times, at a time by the reader's own clock."""

    antenna: int
    epc: Epc
    rssi_dbm: float
    read_at_ms: int
    count: int = 1  # type: ignore[assignment] # Nobody counts what is equal in a read.


class TagReads(NamedTuple):
    """A report of a reader, as it arrived."""

    at_ms: int
    reader: str
    reads: tuple[TagRead, ...]


class SweepStarted(NamedTuple):
    """Somebody begins to walk through the store with a handheld reader."""

    at_ms: int
    sweep: str


class SweepEnded(NamedTuple):
    """And is through."""

    at_ms: int
    sweep: str


class ManualCount(NamedTuple):
    """Staff counted all of an article that they found."""

    at_ms: int
    gtin: Gtin
    quantity: int
    measure: Measure


class ShelfWeighed(NamedTuple):
    """A shelf scale showed a weight, in grams."""

    at_ms: int
    shelf: int
    weight_g: int
    is_stable: bool


class GatewayRebooted(NamedTuple):
    """The gateway was off for a while; what readers reported meanwhile is lost."""

    at_ms: int


Observed = (
    Sale
    | Refund
    | PostVoid
    | Receipt
    | AdviceSent
    | TagReads
    | SweepStarted
    | SweepEnded
    | ManualCount
    | ShelfWeighed
    | GatewayRebooted
)
"""What devices and papers of a store show."""


Happening = Sale | Refund | PostVoid | Receipt | DockPassed | OrderPicked | OrderShipped


class Occasion(NamedTuple):
    """A happening, and the truth that it led to, of each article that it touched."""

    happening: Happening
    truth: Mapping[Gtin, TruthLedger]
