"""Goods on their way, as the API takes and shows them: despatches, discrepancies, transfers."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from cloud.api.documents.reservations import LineRequest
from cloud.api.fields import Gtin, Id, Level, Location, Units, ZonedTime, time_of
from cloud.commands.command import LINES_MAX
from cloud.commands.goods import Condition, Resolution
from cloud.records.despatch_advice import DespatchAdvice, DespatchStatus
from cloud.records.discrepancy import Discrepancy, DiscrepancyKind
from cloud.sku_location.state import UnavailableReason
from protocol.documents import Timestamp, timestamp
from protocol.facts import EPCS_PER_FACT_MAX, GtinText, Measure

Sscc = Annotated[
    str, Meta(pattern=r"^([0-9]{18})?$", max_length=18, description="a GS1 SSCC of 18 digits")
]
EpcHex = Annotated[
    str,
    Meta(
        pattern=r"^([0-9A-Fa-f]{2}){1,62}$",
        max_length=124,
        description="the EPC memory of a tag as hexadecimal digits",
    ),
]
Epcs = Annotated[list[EpcHex], Meta(max_length=EPCS_PER_FACT_MAX)]
Source = Annotated[str, Meta(max_length=64, description="who sent it")]
OptionalReorder = Annotated[str, Meta(max_length=64, description="the reorder that it answers")]
Note = Annotated[str, Meta(max_length=256)]


class DespatchLineRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was shipped of one GTIN, in which SSCC, with its tags if they are known."""

    gtin: Gtin
    quantity: Units
    measure: Measure = "units"
    sscc: Sscc = ""
    epcs: Epcs = []


class AdviseRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Goods were shipped to a location (an ASN).

    `strict`: what arrives otherwise than advised is held in quality control until resolved.
    Without a `despatch_id` one follows from the Idempotency-Key.
    """

    location: Location
    source: Source
    lines: Annotated[list[DespatchLineRequest], Meta(min_length=1, max_length=LINES_MAX)]
    despatch_id: Id | None = None
    expected_at: ZonedTime | None = None
    strict: bool = False
    reorder_id: OptionalReorder = ""


class ReceivedLineRequest(
    DespatchLineRequest, frozen=True, kw_only=True, forbid_unknown_fields=True
):
    """What arrived of one GTIN."""

    condition: Condition = "sellable"


class ReceiptRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Goods of a despatch arrived. `receipt_id` names this receiving."""

    lines: Annotated[list[ReceivedLineRequest], Meta(min_length=1, max_length=LINES_MAX)]
    receipt_id: Id | None = None
    occurred_at: ZonedTime | None = None


class ResolveRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What became of a discrepancy, or of `quantity` of it (0: of all that is unsettled)."""

    resolution: Resolution
    quantity: Annotated[int, Meta(ge=0, le=1_000_000_000)] = 0
    note: Note = ""


class TransferRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Goods leave `origin` for `destination`, both ours, where they are then received."""

    origin: Location
    destination: Location
    lines: Annotated[list[LineRequest], Meta(min_length=1, max_length=LINES_MAX)]
    transfer_id: Id | None = None
    sscc: Sscc = ""
    expected_at: ZonedTime | None = None
    strict: bool = False
    reorder_id: OptionalReorder = ""


class DespatchLineDocument(Struct, frozen=True, kw_only=True):
    """advised = received + short + outstanding; `damaged` is a part of received."""

    gtin: GtinText
    measure: Measure
    advised: Level
    received: Level
    damaged: Level
    short: Level
    outstanding: Level
    sscc: str | None
    epcs: list[str]


class DespatchDocument(Struct, frozen=True, kw_only=True):
    """One despatch to `location`; `origin` is the location that it left, of a transfer."""

    despatch_id: str
    location: str
    source: str
    origin: str | None
    status: DespatchStatus
    version: Annotated[int, Meta(ge=1)]
    strict: bool
    reorder_id: str | None
    lines: list[DespatchLineDocument]
    discrepancies: Annotated[int, Meta(ge=0)]
    receipts: list[str]
    expected_at: Timestamp | None
    arrived_at: Timestamp | None
    created_at: Timestamp
    updated_at: Timestamp


class DespatchPage(Struct, frozen=True, kw_only=True):
    """Despatches, by location and id."""

    items: list[DespatchDocument]
    next_cursor: str | None


class SettledDocument(Struct, frozen=True, kw_only=True):
    """What became of a part of a discrepancy."""

    resolution: Resolution
    quantity: Level
    note: str
    at: Timestamp


class DiscrepancyDocument(Struct, frozen=True, kw_only=True):
    """Goods that came otherwise than advised, or not at all, and what became of them."""

    discrepancy_id: str
    location: str
    despatch_id: str
    kind: DiscrepancyKind
    status: Literal["open", "resolved"]
    version: Annotated[int, Meta(ge=1)]
    gtin: GtinText
    measure: Measure
    quantity: Level
    unsettled: Level
    held: UnavailableReason | None
    sscc: str | None
    epcs: list[str]
    settled: list[SettledDocument]
    created_at: Timestamp
    updated_at: Timestamp


class DiscrepancyPage(Struct, frozen=True, kw_only=True):
    """Discrepancies, by location and id."""

    items: list[DiscrepancyDocument]
    next_cursor: str | None


def despatch_document(record: DespatchAdvice) -> DespatchDocument:
    """Return the document of a despatch."""
    return DespatchDocument(
        despatch_id=record.id,
        location=record.store,
        source=record.source,
        origin=record.source if record.is_transfer else None,
        status=record.status,
        version=record.version,
        strict=record.is_strict,
        reorder_id=record.reorder_id or None,
        lines=[
            DespatchLineDocument(
                gtin=line.gtin,
                measure=line.measure,
                advised=line.advised,
                received=line.received,
                damaged=line.damaged,
                short=line.short,
                outstanding=line.outstanding,
                sscc=line.sscc or None,
                epcs=[epc.hex().upper() for epc in line.epcs],
            )
            for line in record.lines
        ],
        discrepancies=record.discrepancies,
        receipts=[receipt.id for receipt in record.receipts],
        expected_at=time_of(record.expected_at_ms),
        arrived_at=time_of(record.arrived_at_ms),
        created_at=timestamp(record.created_at_ms),
        updated_at=timestamp(record.updated_at_ms),
    )


def discrepancy_document(record: Discrepancy) -> DiscrepancyDocument:
    """Return the document of a discrepancy."""
    return DiscrepancyDocument(
        discrepancy_id=record.id,
        location=record.store,
        despatch_id=record.despatch_id,
        kind=record.kind,
        status=record.status,
        version=record.version,
        gtin=record.gtin,
        measure=record.measure,
        quantity=record.quantity,
        unsettled=record.unsettled,
        held=record.held,
        sscc=record.sscc or None,
        epcs=[epc.hex().upper() for epc in record.epcs],
        settled=[
            SettledDocument(
                resolution=part.resolution,
                quantity=part.quantity,
                note=part.note,
                at=timestamp(part.at_ms),
            )
            for part in record.settled
        ],
        created_at=timestamp(record.created_at_ms),
        updated_at=timestamp(record.updated_at_ms),
    )
