"""What a till's transactions mean for stock: POSLog transactions in, facts out.

Pure. The business key of a line, `(transaction, line)`, makes it count once however often its
document is read (P2). Counts and receipts have no such key; `document_digest` lets the device
remember which ones it has taken.
"""

from edge.sensing.poslog import GoodsLine, StockDocument, StockTransaction, TillTransaction
from protocol.codec import encode_fact, fact_digest
from protocol.facts import (
    AnyFact,
    GoodsReceived,
    ReturnVoided,
    SaleVoided,
    StockCounted,
    UnitsReturned,
    UnitsSold,
    Zone,
)


def facts_of(transaction: StockTransaction, *, source: str, receiving_zone: Zone) -> list[AnyFact]:
    """Return the facts of one transaction, in line order. `source` is the device's name."""
    if isinstance(transaction, TillTransaction):
        return [_of_line(transaction, line, source) for line in transaction.lines]
    if transaction.kind == "count":
        return _of_count(transaction, source)
    return _of_receipt(transaction, source, receiving_zone)


def document_digest(facts: list[AnyFact]) -> bytes:
    """Return what tells one document's content from another's, in 8 bytes."""
    return fact_digest(b"".join(encode_fact(fact) for fact in facts))


def _of_line(transaction: TillTransaction, line: GoodsLine, source: str) -> AnyFact:
    if transaction.voids is not None:
        voided = SaleVoided if line.kind == "sale" else ReturnVoided
        return voided(
            occurred_at_ms=transaction.occurred_at_ms,
            source=source,
            gtin=line.goods.gtin,
            quantity=line.goods.quantity,
            measure=line.goods.measure,
            transaction=transaction.key,
            line=line.line,
            voided_transaction=transaction.voids,
        )
    moved = UnitsSold if line.kind == "sale" else UnitsReturned
    return moved(
        occurred_at_ms=transaction.occurred_at_ms,
        source=source,
        gtin=line.goods.gtin,
        quantity=line.goods.quantity,
        measure=line.goods.measure,
        transaction=transaction.key,
        line=line.line,
    )


def _of_count(document: StockDocument, source: str) -> list[AnyFact]:
    return [
        StockCounted(
            occurred_at_ms=document.occurred_at_ms,
            source=source,
            gtin=goods.gtin,
            quantity=goods.quantity,
            measure=goods.measure,
            evidence="document",
            document=document.number,
        )
        for goods in document.lines
    ]


def _of_receipt(document: StockDocument, source: str, zone: Zone) -> list[AnyFact]:
    return [
        GoodsReceived(
            occurred_at_ms=document.occurred_at_ms,
            source=source,
            gtin=goods.gtin,
            quantity=goods.quantity,
            measure=goods.measure,
            zone=zone,
            evidence="document",
            document=document.number,
        )
        for goods in document.lines
    ]
