"""Facts: what an edge observed. Immutable, numbered by the outbox, past tense.

On the wire a fact is a MessagePack array that starts with its kind (the `tag` below), then the
fields in the order they stand here. Kinds and positions are never reused: a change of meaning is
a new kind, a new field goes to the end and raises `codec.UP_VERSION`.
"""

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from protocol.ids import GTIN_PATTERN

EPCS_PER_FACT_MAX: Final = 512
QUANTITY_MAX: Final = 1_000_000_000
TIME_MS_MAX: Final = 2**53 - 1

TimeMs = Annotated[int, Meta(ge=0, le=TIME_MS_MAX)]
"""Milliseconds since 1970-01-01T00:00:00Z. Carried and used for meaning, never for order."""

Name = Annotated[str, Meta(min_length=1, max_length=64)]
GtinText = Annotated[str, Meta(pattern=GTIN_PATTERN, min_length=14, max_length=14)]
Quantity = Annotated[int, Meta(ge=1, le=QUANTITY_MAX)]
Count = Annotated[int, Meta(ge=0, le=QUANTITY_MAX)]
EpcBytes = Annotated[bytes, Meta(min_length=1, max_length=62)]
Epcs = Annotated[list[EpcBytes], Meta(min_length=1, max_length=EPCS_PER_FACT_MAX)]

Measure = Literal["units", "grams"]
"""What one step of a quantity is. A SKU has one measure at a location, for ever."""

Confidence = Annotated[float, Meta(ge=0, le=1)]
"""How sure sensing is that it decided right."""
Basis = Annotated[str, Meta(max_length=200)]
"""What a decision rests on, in a few words for people: reads, levels, grams."""

Zone = Literal["sales_floor", "backroom", "exit", "transit"]
Evidence = Literal["portal", "presence", "document", "sweep"]
"""How we know: a crossing, a tag that is simply there, a paper, a full inventory."""


class Fact(Struct, frozen=True, kw_only=True, array_like=True, forbid_unknown_fields=True):
    """What all facts share: when it happened (gateway clock, corrected) and which device saw it."""

    occurred_at_ms: TimeMs
    source: Name


class TillLine(Fact, frozen=True, kw_only=True):
    """One line of a till transaction. `(store, transaction, line)` is its business key (P2)."""

    gtin: GtinText
    quantity: Quantity
    measure: Measure
    transaction: Name
    line: Annotated[int, Meta(ge=0, le=100_000)]


class UnitsSold(TillLine, frozen=True, kw_only=True, tag=1):
    """Goods left with a customer."""


class UnitsReturned(TillLine, frozen=True, kw_only=True, tag=2):
    """Goods came back from a customer and are in the store."""


class SaleVoided(TillLine, frozen=True, kw_only=True, tag=3):
    """A completed sale line was undone at the till: the goods never left."""

    voided_transaction: Name


class ReturnVoided(TillLine, frozen=True, kw_only=True, tag=4):
    """A completed return line was undone at the till: the goods never came back."""

    voided_transaction: Name


class GoodsReceived(Fact, frozen=True, kw_only=True, tag=5):
    """Goods arrived at the location. `epcs` lists the tags when the goods are tagged."""

    gtin: GtinText
    quantity: Quantity
    measure: Measure
    zone: Zone
    evidence: Evidence
    document: Annotated[str, Meta(max_length=64)] | None = None
    epcs: Annotated[list[EpcBytes], Meta(max_length=EPCS_PER_FACT_MAX)] = []
    confidence: Confidence = 1.0
    basis: Basis = ""


class TagsMoved(Fact, frozen=True, kw_only=True, tag=6):
    """Known tags of one GTIN went from one zone to another."""

    gtin: GtinText
    from_zone: Zone
    to_zone: Zone
    epcs: Epcs
    confidence: Confidence = 1.0
    basis: Basis = ""


class TagsAppeared(Fact, frozen=True, kw_only=True, tag=7):
    """Telemetry: known tags of one GTIN are read again in a zone after an absence."""

    gtin: GtinText
    zone: Zone
    epcs: Epcs


class TagsLeft(Fact, frozen=True, kw_only=True, tag=8):
    """Telemetry: tags of one GTIN are no longer read in a zone."""

    gtin: GtinText
    zone: Zone
    epcs: Epcs


class ShelfCounted(Fact, frozen=True, kw_only=True, tag=9):
    """A shelf's stable weight, as units. Evidence about one shelf, not a count of the location."""

    gtin: GtinText
    shelf: Name
    quantity: Count
    weight_g: Annotated[int, Meta(ge=-TIME_MS_MAX, le=TIME_MS_MAX)]
    error_units: Annotated[float, Meta(ge=0, le=1_000_000)] = 0.0
    """Standard error of `quantity`; 0 when an older agent did not tell it."""
    basis: Basis = ""


class StockCounted(Fact, frozen=True, kw_only=True, tag=10):
    """Somebody or something counted all of a GTIN at the location."""

    gtin: GtinText
    quantity: Count
    measure: Measure
    evidence: Evidence
    document: Annotated[str, Meta(max_length=64)] | None = None


class DeviceHealthChanged(Fact, frozen=True, kw_only=True, tag=11):
    """Telemetry: a device of the store became healthy, degraded or lost."""

    health: Literal["starting", "healthy", "degraded", "lost", "stopped"]
    detail: Annotated[str, Meta(max_length=256)]


class FactsShed(Fact, frozen=True, kw_only=True, tag=12):
    """The outbox was over its disk budget and let `telemetry` and `stock` facts go.

    A shed fact that already had a number is replaced in place by this marker, so a marker matches
    any content the cloud may know for its number.
    """

    telemetry: Count
    stock: Count


class TagsSwept(Fact, frozen=True, kw_only=True, tag=13):
    """An inventory sweep read `quantity` tags of one GTIN at the location.

    Evidence, not a count: tags go unread. A complete sweep tells every GTIN of which it knows
    tags, with no tags where it read none; a partial one only says what it saw. `epcs` are the tags,
    the first `EPCS_PER_FACT_MAX` of them.
    """

    gtin: GtinText
    sweep: Name
    quantity: Count
    is_complete: bool
    epcs: Annotated[list[EpcBytes], Meta(max_length=EPCS_PER_FACT_MAX)] = []
    basis: Basis = ""


AnyFact = (
    UnitsSold
    | UnitsReturned
    | SaleVoided
    | ReturnVoided
    | GoodsReceived
    | TagsMoved
    | TagsAppeared
    | TagsLeft
    | ShelfCounted
    | StockCounted
    | TagsSwept
    | DeviceHealthChanged
    | FactsShed
)
StockFact = (
    UnitsSold
    | UnitsReturned
    | SaleVoided
    | ReturnVoided
    | GoodsReceived
    | TagsMoved
    | TagsAppeared
    | TagsLeft
    | ShelfCounted
    | StockCounted
    | TagsSwept
)
"""The facts that are about one SKU-location."""
