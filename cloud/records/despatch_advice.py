"""A despatch advice (ASN): what was shipped to a location, line by line, and what came of it."""

from typing import ClassVar, Literal

from msgspec import Struct

from cloud.records.record import Record
from protocol.facts import Measure

DespatchStatus = Literal["advised", "receiving", "received", "closed"]
"""`received` came in full and as advised; `closed` was ended by somebody, the rest is short."""


class AdvisedLine(Struct, frozen=True, kw_only=True, array_like=True):
    """What was shipped of one GTIN, and where it is by now.

    advised = received + short + outstanding; `damaged` is a part of received. `epcs` are the tags
    that the sender listed, `arrived` those of them that came.
    """

    gtin: str
    advised: int
    measure: Measure
    received: int = 0
    damaged: int = 0
    short: int = 0
    sscc: str = ""
    epcs: tuple[bytes, ...] = ()
    arrived: tuple[bytes, ...] = ()

    @property
    def outstanding(self) -> int:
        """What may still come."""
        return self.advised - self.received - self.short


class Receipt(Struct, frozen=True, kw_only=True, array_like=True):
    """One receiving by hand or scan: its id, and a digest of what it said."""

    id: str
    digest: bytes


class DespatchAdvice(Record, frozen=True, kw_only=True):
    """One despatch to `store`. It is open until everything has come, or somebody closes it.

    `source` is who sent it: one of our locations when it `is_transfer`. `discrepancies` counts
    those that were found, `arrived_at_ms` is when the newest of it arrived.
    """

    KIND: ClassVar[str] = "despatch_advice"

    source: str
    status: DespatchStatus
    lines: tuple[AdvisedLine, ...]
    expected_at_ms: int = 0
    is_strict: bool = False
    is_transfer: bool = False
    reorder_id: str = ""
    discrepancies: int = 0
    arrived_at_ms: int = 0
    receipts: tuple[Receipt, ...] = ()

    @property
    def refs(self) -> tuple[str, ...]:
        """Its logistic units, the reorder that it answers, and the location that it left."""
        found = [f"sscc:{sscc}" for sscc in sorted({line.sscc for line in self.lines}) if sscc]
        if self.reorder_id:
            found.append(f"reorder:{self.reorder_id}")
        if self.is_transfer:
            found.append(f"origin:{self.source}")
        return tuple(found)

    @property
    def is_open(self) -> bool:
        """Whether more of it may come."""
        return self.status in ("advised", "receiving")

    @property
    def outstanding(self) -> int:
        """What may still come of all lines."""
        return sum(line.outstanding for line in self.lines)
