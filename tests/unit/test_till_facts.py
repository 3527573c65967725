"""What till transactions mean for stock."""

import pytest

from edge.sensing.poslog import GoodsLine, StockDocument, TillTransaction
from edge.sensing.poslog_xml import Goods
from edge.sensing.till import document_digest, facts_of
from protocol.codec import decode_fact, encode_fact
from protocol.facts import (
    AnyFact,
    GoodsReceived,
    ReturnVoided,
    SaleVoided,
    StockCounted,
    UnitsReturned,
    UnitsSold,
)
from protocol.ids import Gtin

COAT = Goods(Gtin("00614141999996"), 2, "units")
RICE = Goods(Gtin("09506000134352"), 452, "grams")
LINES = (GoodsLine(1, "sale", COAT), GoodsLine(4, "return", RICE))


def facts(transaction: TillTransaction | StockDocument) -> list[AnyFact]:
    return facts_of(transaction, source="till-1", receiving_zone="backroom")


def test_each_line_of_a_transaction_is_a_fact_with_its_business_key() -> None:
    assert facts(TillTransaction("3/2026-03-14/1", 5, LINES, None)) == [
        UnitsSold(
            occurred_at_ms=5,
            source="till-1",
            gtin="00614141999996",
            quantity=2,
            measure="units",
            transaction="3/2026-03-14/1",
            line=1,
        ),
        UnitsReturned(
            occurred_at_ms=5,
            source="till-1",
            gtin="09506000134352",
            quantity=452,
            measure="grams",
            transaction="3/2026-03-14/1",
            line=4,
        ),
    ]


def test_a_post_void_undoes_sales_and_returns_each_in_its_way() -> None:
    voided = facts(TillTransaction("3/2026-03-14/2", 6, LINES, "3/2026-03-14/1"))
    assert [type(fact) for fact in voided] == [SaleVoided, ReturnVoided]
    for fact in voided:
        assert isinstance(fact, SaleVoided | ReturnVoided)
        assert fact.transaction == "3/2026-03-14/2"
        assert fact.voided_transaction == "3/2026-03-14/1"


def test_a_count_is_evidence_by_document() -> None:
    (fact,) = facts(StockDocument("3/2026-03-14/4", 7, "count", "4", (COAT,)))
    assert fact == StockCounted(
        occurred_at_ms=7,
        source="till-1",
        gtin="00614141999996",
        quantity=2,
        measure="units",
        evidence="document",
        document="4",
    )


def test_received_goods_go_where_the_till_receives() -> None:
    (fact,) = facts(StockDocument("3/2026-03-14/5", 8, "receipt", "DN-7", (RICE,)))
    assert fact == GoodsReceived(
        occurred_at_ms=8,
        source="till-1",
        gtin="09506000134352",
        quantity=452,
        measure="grams",
        zone="backroom",
        evidence="document",
        document="DN-7",
    )


@pytest.mark.parametrize(
    "transaction",
    [
        TillTransaction("3/2026-03-14/1", 5, LINES, None),
        TillTransaction("3/2026-03-14/2", 5, LINES, "3/2026-03-14/1"),
        StockDocument("3/2026-03-14/4", 5, "count", "4", (COAT, RICE)),
        StockDocument("3/2026-03-14/5", 5, "receipt", "DN-7", (COAT, RICE)),
    ],
)
def test_every_fact_of_a_till_passes_the_wires_validation(
    transaction: TillTransaction | StockDocument,
) -> None:
    for fact in facts(transaction):
        assert decode_fact(encode_fact(fact)) == fact


def test_documents_of_other_content_have_other_digests() -> None:
    first = document_digest(facts(StockDocument("k", 7, "count", "4", (COAT,))))
    again = document_digest(facts(StockDocument("k", 7, "count", "4", (COAT,))))
    other = document_digest(facts(StockDocument("k", 7, "count", "4", (RICE,))))
    assert first == again != other
