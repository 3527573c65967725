"""Sales and returns, as the API takes and shows them."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from cloud.api.documents.reservations import LineRequest
from cloud.api.fields import Gtin, Id, Level, Location, Units
from cloud.commands.command import LINES_MAX
from cloud.commands.returns import ReturnCondition
from cloud.records.goods_return import GoodsReturn
from cloud.returns.sales import Sale
from protocol.documents import Timestamp, timestamp
from protocol.facts import GtinText, Measure

Note = Annotated[str, Meta(max_length=256)]


class ReturnLineRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What came back of one GTIN, and in which condition."""

    gtin: Gtin
    quantity: Units
    condition: ReturnCondition = "sellable"


class ReturnRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Goods came back to a location, by exactly one of `receipt` and `order_id`.

    `receipt` is STORE/TRANSACTION, of whatever store. `exchange` are goods that the customer takes
    instead, in the same transaction.
    """

    location: Location
    lines: Annotated[list[ReturnLineRequest], Meta(min_length=1, max_length=LINES_MAX)]
    receipt: Annotated[str, Meta(max_length=97)] = ""
    order_id: Annotated[str, Meta(max_length=64)] = ""
    exchange: Annotated[list[LineRequest], Meta(max_length=LINES_MAX)] = []
    return_id: Id | None = None
    note: Note = ""


class InspectionRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Goods kept for inspection are fit for sale, damaged, or written off."""

    gtin: Gtin
    quantity: Units
    verdict: Literal["sellable", "damaged", "write_off"]


class ReturnedLineDocument(Struct, frozen=True, kw_only=True):
    """quantity = inspecting + restocked + damaged + written_off."""

    gtin: GtinText
    measure: Measure
    quantity: Level
    condition: ReturnCondition
    inspecting: Level
    restocked: Level
    damaged: Level
    written_off: Level


class ExchangedLineDocument(Struct, frozen=True, kw_only=True):
    """What the customer took instead."""

    gtin: GtinText
    measure: Measure
    quantity: Level


class ReturnDocument(Struct, frozen=True, kw_only=True):
    """Goods that came back to `location`; it is open while something waits for inspection."""

    return_id: str
    location: str
    receipt: str | None
    order_id: str | None
    status: Literal["open", "settled"]
    version: Annotated[int, Meta(ge=1)]
    lines: list[ReturnedLineDocument]
    exchange: list[ExchangedLineDocument]
    note: str
    created_at: Timestamp
    updated_at: Timestamp


class ReturnPage(Struct, frozen=True, kw_only=True):
    """Returns, by location and id."""

    items: list[ReturnDocument]
    next_cursor: str | None


class SaleLineDocument(Struct, frozen=True, kw_only=True):
    """One GTIN of a sale; `left` can still be returned."""

    gtin: GtinText
    measure: Measure
    sold: Level
    exchanged: Level
    voided: Level
    returned: Level
    left: Annotated[int, Meta(ge=0)]


class SaleDocument(Struct, frozen=True, kw_only=True):
    """What was sold by one receipt or order."""

    receipt: str | None
    order_id: str | None
    customer: str | None
    lines: list[SaleLineDocument]


class SaleList(Struct, frozen=True, kw_only=True):
    """The sales that were found."""

    items: list[SaleDocument]


def return_document(record: GoodsReturn) -> ReturnDocument:
    """Return the document of a return."""
    return ReturnDocument(
        return_id=record.id,
        location=record.store,
        receipt=record.receipt or None,
        order_id=record.order_id or None,
        status="open" if record.is_open else "settled",
        version=record.version,
        lines=[
            ReturnedLineDocument(
                gtin=line.gtin,
                measure=line.measure,
                quantity=line.quantity,
                condition=line.condition,
                inspecting=line.inspecting,
                restocked=line.restocked,
                damaged=line.damaged,
                written_off=line.written_off,
            )
            for line in record.lines
        ],
        exchange=[
            ExchangedLineDocument(gtin=line.gtin, measure=line.measure, quantity=line.quantity)
            for line in record.exchange
        ],
        note=record.note,
        created_at=timestamp(record.created_at_ms),
        updated_at=timestamp(record.updated_at_ms),
    )


def sale_document(sale: Sale) -> SaleDocument:
    """Return the document of a sale."""
    return SaleDocument(
        receipt=sale.receipt or None,
        order_id=sale.order_id or None,
        customer=sale.customer or None,
        lines=[
            SaleLineDocument(
                gtin=line.gtin,
                measure=line.measure,
                sold=line.sold,
                exchanged=line.exchanged,
                voided=line.voided,
                returned=line.returned,
                left=line.left,
            )
            for line in sale.lines
        ],
    )
