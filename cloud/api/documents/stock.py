"""Stock as the API shows it."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from cloud.api.fields import Level, Units, time_of
from cloud.publisher.documents import stock_document
from cloud.sku_location.state import SkuLocation, UnavailableReason
from protocol.documents import Ledger, StockDocument, Timestamp
from protocol.facts import GtinText, Measure


class Zones(Struct, frozen=True, kw_only=True):
    """Where the goods are inside the location."""

    sales_floor: Level
    backroom: Level


class Unavailable(Struct, frozen=True, kw_only=True):
    """On hand and not sellable, by reason."""

    damaged: Level
    quality_control: Level
    in_return: Level


class StockDetail(Struct, frozen=True, kw_only=True):
    """One SKU-location in full. `holds` counts the reservations that hold something here."""

    location: str
    gtin: GtinText
    version: Annotated[int, Meta(ge=1)]
    measure: Measure
    on_hand: Level
    reserved: Level
    unavailable: Unavailable
    sellable: Annotated[
        int, Meta(description="on_hand - reserved - unavailable; below 0 when the book is short")
    ]
    incoming: Level
    on_order: Level
    position: Level
    zones: Zones
    ledger: Ledger
    holds: Annotated[int, Meta(ge=0)]
    counted_at: Timestamp | None
    as_of: Timestamp


class StockPage(Struct, frozen=True, kw_only=True):
    """Stock of a location, by GTIN."""

    items: list[StockDocument]
    next_cursor: str | None


class StockStep(Struct, frozen=True, kw_only=True):
    """One version of a SKU-location and what made it; `epoch` and `seq` are 0 for a command."""

    version: int
    event: str
    on_hand: Level
    change: Level
    kind: str
    epoch: int
    seq: int
    source: str | None
    document: str | None
    occurred_at: Timestamp
    position: int


class StockHistory(Struct, frozen=True, kw_only=True):
    """The newest versions of a SKU-location, newest first."""

    location: str
    gtin: GtinText
    steps: list[StockStep]


class AdjustmentRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Withhold goods from sale, let them be sold again (`reinstate`), or write them off.

    `reason` is why they are or were withheld; without one, `write_off` means stolen or lost.
    """

    action: Literal["withhold", "reinstate", "write_off"]
    quantity: Units
    reason: UnavailableReason | None = None
    note: Annotated[str, Meta(max_length=256)] = ""


def stock_detail(state: SkuLocation) -> StockDetail:
    """Return the document of a state that somebody may be told of."""
    brief = stock_document(state)
    return StockDetail(
        location=state.store,
        gtin=state.gtin,
        version=state.version,
        measure=brief.measure,
        on_hand=state.on_hand,
        reserved=state.reserved,
        unavailable=Unavailable(
            damaged=state.damaged,
            quality_control=state.quality_control,
            in_return=state.in_return,
        ),
        sellable=state.sellable,
        incoming=state.incoming,
        on_order=state.on_order,
        position=state.position,
        zones=Zones(sales_floor=state.sales_floor, backroom=state.backroom),
        ledger=brief.ledger,
        holds=len(state.holds),
        counted_at=time_of(state.counted_at_ms),
        as_of=brief.as_of,
    )
