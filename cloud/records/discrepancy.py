"""A discrepancy: goods that came otherwise than advised, or not at all, and what became of them."""

from typing import ClassVar, Literal

from msgspec import Struct

from cloud.commands.goods import Resolution
from cloud.records.record import Record
from cloud.sku_location.state import UnavailableReason
from protocol.facts import Measure

DiscrepancyKind = Literal["over", "short", "wrong_item", "unknown_tag", "damaged", "received_twice"]


class Settled(Struct, frozen=True, kw_only=True, array_like=True):
    """What became of a part of the quantity."""

    resolution: Resolution
    quantity: int
    note: str
    at_ms: int


class Discrepancy(Record, frozen=True, kw_only=True):
    """How goods of one GTIN differ from what a despatch advised. Its id never repeats.

    `held` is why the goods cannot be sold meanwhile, `None` when they can or are not here. `line`
    is that of the advice, for a `short`. `receipt` names the receiving that found it, and is empty
    for facts and for closing. `epcs` are the tags concerned, of a `short` those still missing.
    """

    KIND: ClassVar[str] = "discrepancy"

    kind: DiscrepancyKind
    despatch_id: str
    gtin: str
    measure: Measure
    quantity: int
    epcs: tuple[bytes, ...] = ()
    sscc: str = ""
    held: UnavailableReason | None = None
    line: int | None = None
    receipt: str = ""
    settled: tuple[Settled, ...] = ()

    @property
    def refs(self) -> tuple[str, ...]:
        """Its despatch and GTIN."""
        return (f"despatch:{self.despatch_id}", f"gtin:{self.gtin}")

    @property
    def unsettled(self) -> int:
        """How much of it nobody has said anything about yet."""
        return self.quantity - sum(part.quantity for part in self.settled)

    @property
    def is_open(self) -> bool:
        """Whether somebody still has to say what became of it."""
        return self.unsettled > 0

    @property
    def status(self) -> Literal["open", "resolved"]:
        """Where it stands."""
        return "open" if self.is_open else "resolved"

    @property
    def resolution(self) -> Resolution | None:
        """What became of the last part of it, once it is resolved."""
        return None if self.is_open or not self.settled else self.settled[-1].resolution
