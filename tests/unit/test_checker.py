"""The checker is a stranger who believes nothing: planted faults are found and named."""

from msgspec.structs import replace

from protocol.documents import Belief, Cause, Ledger, StockDocument, encode_document
from protocol.topics import Topics
from simulators.demo.checker import compare
from simulators.demo.heard import Heard
from simulators.demo.latency import SaleLatency
from simulators.demo.truth import Columns, SkuLocationKey

GTIN = "00614141100002"
OTHER = "00614141100019"
KEY = SkuLocationKey("S001", GTIN)
TRUE = Columns(opening=10, received=5, returned=1, sold=4)
LEDGER = Ledger(opening=10, received=5, returned=1, found=0, sold=4, moved=0, lost=0)
MS = 1_000_000


def document(
    version: int = 7, on_hand: int = 12, ledger: Ledger = LEDGER, gtin: str = GTIN
) -> StockDocument:
    return StockDocument(
        store="S001",
        gtin=gtin,
        version=version,
        measure="units",
        on_hand=on_hand,
        reserved=0,
        unavailable=0,
        available=max(0, on_hand),
        incoming=0,
        on_order=0,
        position=on_hand,
        backroom=0,
        ledger=ledger,
        as_of="2026-01-01T00:00:00.000Z",
        cause=Cause(kind="UnitsSold", epoch=1, seq=version, occurred_at="2026-01-01T00:00:00.000Z"),
    )


def listener() -> Heard:
    return Heard(Topics(), lambda *_: None, lambda _: None)


def test_the_truth_agrees_with_itself() -> None:
    verdict = compare({KEY: TRUE}, {KEY: document()})
    assert verdict.is_total
    assert str(verdict) == "agreement: 1/1 SKU-locations, facts lost 0, doubled 0"


def test_a_lost_sale_is_counted_and_named() -> None:
    told = document(on_hand=13, ledger=replace(LEDGER, sold=3))
    verdict = compare({KEY: TRUE}, {KEY: told})
    assert (verdict.agreed, verdict.lost, verdict.doubled) == (0, 1, 0)
    (named,) = verdict.disagreements
    assert str(named) == f"{GTIN}@S001: sold 3 (true 4), on hand 13 (true 12)"


def test_a_doubled_receipt_is_counted_and_named() -> None:
    told = document(on_hand=17, ledger=replace(LEDGER, received=10))
    verdict = compare({KEY: TRUE}, {KEY: told})
    assert (verdict.lost, verdict.doubled) == (0, 5)
    assert "received 10 (true 5)" in str(verdict.disagreements[0])


def test_a_lost_sale_does_not_hide_behind_a_lost_return() -> None:
    told = document(on_hand=12, ledger=replace(LEDGER, sold=3, returned=0))
    verdict = compare({KEY: TRUE}, {KEY: told})
    assert (verdict.agreed, verdict.lost) == (0, 2)


def test_goods_that_were_found_are_a_disagreement_here() -> None:
    told = document(on_hand=12, ledger=replace(LEDGER, sold=5, found=1))
    assert not compare({KEY: TRUE}, {KEY: told}).is_total


def test_a_count_beside_its_ledger_is_a_disagreement() -> None:
    verdict = compare({KEY: TRUE}, {KEY: document(on_hand=11)})
    assert str(verdict.disagreements[0]) == f"{GTIN}@S001: on hand 11 (true 12)"


def test_a_sku_location_never_heard_of_is_lost_whole() -> None:
    verdict = compare({KEY: TRUE}, {})
    assert (verdict.agreed, verdict.total, verdict.lost) == (0, 1, 20)
    assert str(verdict.disagreements[0]) == f"{GTIN}@S001: never heard of; true on hand 12"


def test_a_sku_location_that_does_not_exist_is_a_disagreement() -> None:
    assert compare({}, {KEY: document()}).doubled == 20


def test_the_newest_version_counts_whichever_way_it_came() -> None:
    heard = listener()
    heard.take("st/1/S001/stock", encode_document([document(7)]), 0)
    heard.take(
        f"st/1/S001/stock/{GTIN}", encode_document(document(6, 13, replace(LEDGER, sold=3))), 0
    )
    assert heard.states[KEY].version == 7
    assert heard.violations == [], "the retained topic may lag behind the arrays"


def test_a_version_that_goes_backwards_is_a_violation() -> None:
    heard = listener()
    for version in (7, 7, 8, 6):
        heard.take(f"st/1/S001/stock/{GTIN}", encode_document(document(version)), 0)
    assert heard.violations == [f"{KEY}: version 8, then 6 (retained)"]


def test_a_version_that_says_two_things_is_a_violation() -> None:
    heard = listener()
    heard.take("st/1/S001/stock", encode_document([document(7)]), 0)
    changed = document(7, 13, replace(LEDGER, sold=3))
    heard.take(f"st/1/S001/stock/{GTIN}", encode_document(changed), 0)
    assert heard.violations == [f"{KEY}: version 7 says two things"]


def test_an_array_need_not_say_what_is_believed_and_the_rest_must_be_the_same() -> None:
    belief = Belief(best=12, low=12, high=12, confidence=0.99, p_out=0.0, p_phantom=0.0)
    retained = replace(document(7), belief=belief)
    heard = listener()
    heard.take(f"st/1/S001/stock/{GTIN}", encode_document(retained), 0)
    heard.take("st/1/S001/stock", encode_document([document(7)]), 0)
    assert heard.violations == []
    assert heard.states[KEY] == retained
    doubtful = replace(retained, belief=replace(belief, confidence=0.5))
    heard.take(f"st/1/S001/stock/{GTIN}", encode_document(doubtful), 0)
    assert heard.violations == [f"{KEY}: version 7 says two things"]


def test_a_ledger_that_does_not_close_is_a_violation() -> None:
    heard = listener()
    heard.take("st/1/S001/stock", encode_document([document(on_hand=11)]), 0)
    assert heard.violations == [f"{KEY}: the ledger of version 7 does not close"]


def test_documents_on_anothers_topic_are_violations() -> None:
    heard = listener()
    heard.take("st/1/S002/stock", encode_document([document()]), 0)
    heard.take(f"st/1/S001/stock/{OTHER}", encode_document(document()), 0)
    assert heard.violations == [f"S002/stock is about {KEY}", f"S001/stock/{OTHER} is about {GTIN}"]


def test_bytes_that_are_no_document_are_a_violation_and_no_crash() -> None:
    heard = listener()
    for payload in (b"{", b"\xff\x00", b"[1]", b'{"schema":"stock/2"}'):
        heard.take("st/1/S001/stock", payload, 0)
    assert heard.violations_total == 4


def test_the_clouds_own_document_and_removed_topics_are_not_ours_to_judge() -> None:
    heard = listener()
    heard.take("st/1/cloud/agent", b'{"schema":"cloud/1"}', 0)
    heard.take(f"st/1/S001/stock/{GTIN}", b"", 0)
    heard.take("st/1/S001/reorders/S001-1", b"", 0)
    assert heard.violations == []


def test_violations_are_counted_beyond_those_kept() -> None:
    heard = listener()
    for _ in range(100):
        heard.take("st/1/S001/stock", b"{", 0)
    assert heard.violations_total == 100
    assert len(heard.violations) < 100


def test_a_sale_is_heard_when_sold_reaches_its_number() -> None:
    latency = SaleLatency()
    latency.wrote(KEY, 1, 0)
    latency.wrote(KEY, 3, 10 * MS)
    assert latency.waiting == 2
    latency.heard(KEY, 1, 20 * MS)
    latency.heard(KEY, 3, 60 * MS)
    assert latency.count == 2
    assert (latency.percentile_ms(50), latency.percentile_ms(99)) == (20.0, 50.0)


def test_conflated_sales_are_heard_together() -> None:
    latency = SaleLatency()
    for sold in (1, 2, 3):
        latency.wrote(KEY, sold, sold * MS)
    latency.heard(KEY, 3, 10 * MS)
    assert latency.count == 3
    assert latency.percentile_ms(100) == 9.0


def test_a_sale_heard_before_its_writing_was_told_is_measured_all_the_same() -> None:
    latency = SaleLatency()
    latency.heard(KEY, 1, 12 * MS)
    latency.heard(KEY, 2, 20 * MS)
    latency.wrote(KEY, 1, 5 * MS)
    assert (latency.count, latency.percentile_ms(50)) == (1, 7.0)


def test_no_sale_is_measured_while_a_post_void_is_on_its_way() -> None:
    latency = SaleLatency()
    latency.wrote(KEY, 1, 0)
    latency.wrote(KEY, 0, 1 * MS)
    latency.wrote(KEY, 1, 2 * MS)
    latency.heard(KEY, 1, 900 * MS)
    assert (latency.count, latency.skipped) == (0, 2)
    latency.wrote(KEY, 2, 1_000 * MS)
    latency.heard(KEY, 2, 1_010 * MS)
    assert (latency.count, latency.percentile_ms(50)) == (1, 10.0)


def test_a_post_void_that_was_heard_already_blocks_nothing() -> None:
    latency = SaleLatency()
    latency.wrote(KEY, 1, 0)
    latency.heard(KEY, 1, 5 * MS)
    latency.heard(KEY, 0, 8 * MS)
    latency.wrote(KEY, 0, 7 * MS)
    latency.wrote(KEY, 1, 20 * MS)
    latency.heard(KEY, 1, 30 * MS)
    assert (latency.count, latency.percentile_ms(99)) == (2, 10.0)


def test_nothing_measured_is_no_number() -> None:
    assert SaleLatency().percentile_ms(50) is None


def test_sales_are_not_measured_while_goods_are_shipped() -> None:
    latency = SaleLatency()
    latency.wrote(KEY, 1, 0)
    latency.heard(KEY, 1, 10 * MS)
    latency.shipping(KEY)
    latency.heard(KEY, 3, 20 * MS)  # Two units were shipped; no till has sold them.
    latency.wrote(KEY, 2, 30 * MS)
    latency.shipped(KEY, 4)
    latency.heard(KEY, 4, 40 * MS)
    assert (latency.count, latency.skipped, latency.waiting) == (1, 1, 0)
    latency.wrote(KEY, 5, 50 * MS)
    latency.heard(KEY, 5, 70 * MS)
    assert (latency.count, latency.percentile_ms(99)) == (2, 20.0)


def test_a_shipment_that_does_not_happen_leaves_nothing_behind() -> None:
    latency = SaleLatency()
    latency.shipping(KEY)
    latency.shipped(KEY, 0)
    latency.wrote(KEY, 1, 0)
    latency.heard(KEY, 1, 10 * MS)
    assert latency.count == 1
