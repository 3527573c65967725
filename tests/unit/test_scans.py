"""Counting and receiving with a hand scanner: barcodes in, facts out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.sensing.barcodes import Barcode, ItemScan, LogisticUnitScan, PlaceScan, TextScan
from edge.sensing.placements import CounterReading, Placement, Placements, trouble_of
from edge.sensing.scan_repeats import RUN_GAP_MS, RepeatWatch, Run
from edge.sensing.scans import (
    DOCUMENT_CHARACTERS_MAX,
    STEPS_MAX,
    Added,
    Circumstances,
    Decision,
    Desk,
    Dropped,
    Finished,
    NeedsWeight,
    Purpose,
    Refused,
    Step,
    decide,
    encode_step,
    restore,
    weighed,
)
from protocol.facts import GoodsReceived, StockCounted
from protocol.ids import Gtin

SHIRT = Gtin("00614141999996")
CHEESE = Gtin("95012345678903")
START_MS = 1_773_500_000_000


class Session:
    """A desk and somebody who scans there, a second apart."""

    def __init__(self, purpose: Purpose = "count", *, weighed_goods: bool = False) -> None:
        self.desk = Desk(purpose, "scanner-1")
        self.now_ms = START_MS
        self.measures = {CHEESE: "grams"} if weighed_goods else {}
        self.placement: Placement | None = None
        self.has_scale = weighed_goods
        self.stored: list[bytes] = []

    def scan(self, *codes: str | Barcode) -> Decision:
        decision: Decision = Refused("nothing was scanned")
        for code in codes:
            self.now_ms += 1_000
            barcode = TextScan(code) if isinstance(code, str) else code
            measure = self.measures.get(barcode.gtin) if isinstance(barcode, ItemScan) else None
            at = Circumstances(
                self.now_ms,
                "grams" if measure == "grams" else None,
                self.has_scale,
                self.placement,
            )
            decision = decide(self.desk, barcode, at)
            if isinstance(decision, Step):
                self.take(decision)
        return decision

    def take(self, step: Step) -> None:
        self.stored.append(encode_step(step))
        self.desk.take(step)


def counts(decision: Decision) -> dict[str, int]:
    assert isinstance(decision, Finished), decision
    return {fact.gtin: fact.quantity for fact in decision.facts if isinstance(fact, StockCounted)}


def test_scans_between_start_and_end_are_a_count_as_of_the_last_scan_of_each_item() -> None:
    session = Session()
    decision = session.scan("DOC:A12", *[ItemScan(SHIRT)] * 3, ItemScan(CHEESE), "END")
    assert isinstance(decision, Finished)
    assert decision.facts[0] == StockCounted(
        occurred_at_ms=START_MS + 4_000,
        source="scanner-1",
        gtin=SHIRT,
        quantity=3,
        measure="units",
        evidence="document",
        document="A12 2026-03-14T14:53:21Z",
    )
    assert counts(decision) == {SHIRT: 3, CHEESE: 1}


def test_scans_of_a_delivery_are_its_receipt() -> None:
    session = Session("receive")
    decision = session.scan(LogisticUnitScan("106141411234567897"), ItemScan(CHEESE, 250), "END")
    assert isinstance(decision, Finished)
    assert decision.facts == [
        GoodsReceived(
            occurred_at_ms=START_MS + 2_000,
            source="scanner-1",
            gtin=CHEESE,
            quantity=250,
            measure="grams",
            zone="backroom",
            evidence="document",
            document="SSCC 106141411234567897",
            basis="scanned by hand",
        )
    ]


def test_a_quantity_stands_for_the_next_scan_only() -> None:
    decision = Session().scan("DOC:1", "QTY:12", ItemScan(SHIRT), ItemScan(SHIRT), "END")
    assert counts(decision) == {SHIRT: 13}


def test_none_of_an_item_can_be_counted_but_not_received() -> None:
    assert counts(Session().scan("DOC:1", "QTY:0", ItemScan(SHIRT), "END")) == {SHIRT: 0}
    refused = Session("receive").scan("DOC:1", "QTY:0")
    assert refused == Refused("a quantity is 1 to 1000000000")


def test_a_case_counts_as_what_it_holds() -> None:
    decision = Session().scan("DOC:1", "QTY:2", ItemScan(SHIRT, units=6), "END")
    assert counts(decision) == {SHIRT: 12}


def test_the_last_scan_can_be_undone() -> None:
    session = Session()
    session.scan("DOC:1", ItemScan(SHIRT), ItemScan(CHEESE, 100), "UNDO", "QTY:9", "UNDO")
    assert session.scan(ItemScan(CHEESE)) == Added(CHEESE, 1, "units", session.now_ms)
    assert counts(session.scan("END")) == {SHIRT: 1, CHEESE: 1}
    empty = Session()
    empty.scan("DOC:1")
    assert empty.scan("UNDO") == Refused("nothing to undo")


@pytest.mark.parametrize(
    ("codes", "reason"),
    [
        (["END"], "no document is open"),
        ([ItemScan(SHIRT)], "no document is open"),
        (["DOC:1", "DOC:2"], "1 is open; end or cancel it first"),
        (["DOC:1", PlaceScan("0614141000012")], "1 is open"),
        (["DOC:"], "1 to 40 characters"),
        (["DOC:" + "x" * (DOCUMENT_CHARACTERS_MAX + 1)], "1 to 40 characters"),
        (["DOC:1", "END"], "1 has no goods"),
        (["DOC:1", "QTY:x"], "QTY:x is no number"),
        (["DOC:1", "QTY:10000000000"], "is no number"),
        (["DOC:1", "HELLO"], "neither goods nor a control code"),
        (["DOC:1", ItemScan(CHEESE, 100), "QTY:1000000000", ItemScan(CHEESE)], "more than"),
        (["DOC:1", ItemScan(CHEESE), ItemScan(CHEESE, 100), "END"], ""),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(
    codes: list[str | Barcode], reason: str
) -> None:
    session = Session()
    decision = session.scan(*codes)
    if reason:
        assert isinstance(decision, Refused)
        assert reason in decision.reason
    else:
        assert counts(decision) == {CHEESE: 2}, "counted in units, a weight is just another piece"


def test_an_item_is_not_counted_in_two_measures() -> None:
    session = Session(weighed_goods=True)
    session.has_scale = False
    session.scan("DOC:1")
    session.desk.measures[CHEESE] = "units"
    session.desk.added.append(Added(CHEESE, 1, "units", 1))
    at = weighed(session.desk, ItemScan(CHEESE), Placement(1, 300), 1)
    assert isinstance(at, Refused)
    assert "counted in units" in at.reason


def test_a_delivery_does_not_begin_with_a_place() -> None:
    refused = Session("receive").scan(PlaceScan("0614141000012"))
    assert refused == Refused("a place is no delivery; scan its document or its SSCC")


def test_weighed_goods_wait_for_the_scale_and_one_placement_counts_once() -> None:
    session = Session(weighed_goods=True)
    session.scan("DOC:1")
    assert session.scan(ItemScan(CHEESE)) == NeedsWeight(ItemScan(CHEESE))
    step = weighed(session.desk, ItemScan(CHEESE), Placement(7, 320), session.now_ms)
    assert step == Added(CHEESE, 320, "grams", session.now_ms, 7)
    assert isinstance(step, Added)
    session.take(step)
    session.placement = Placement(7, 320)
    again = session.scan(ItemScan(CHEESE))
    assert again == Refused("what lies on the scale was counted already; take it off first")
    session.placement = Placement(8, 100)
    session.scan(ItemScan(CHEESE))
    assert counts(session.scan("END")) == {CHEESE: 420}


def test_without_a_scale_grams_are_scanned_as_a_quantity() -> None:
    session = Session(weighed_goods=True)
    session.has_scale = False
    refused = session.scan("DOC:1", ItemScan(CHEESE))
    assert isinstance(refused, Refused)
    assert "scan QTY: and its grams first" in refused.reason
    decision = session.scan("QTY:750", ItemScan(CHEESE), "QTY:3", ItemScan(CHEESE, 200), "END")
    assert counts(decision) == {CHEESE: 1_350}


def test_a_document_is_bounded_and_can_still_be_ended() -> None:
    session = Session()
    session.scan("DOC:1", ItemScan(SHIRT))
    session.desk.steps = STEPS_MAX
    for code in (ItemScan(SHIRT), "QTY:3", "UNDO"):
        refused = session.scan(code)
        assert isinstance(refused, Refused)
        assert "end it and begin another" in refused.reason
    assert counts(session.scan("END")) == {SHIRT: 1}


def test_a_cancelled_document_leaves_nothing() -> None:
    session = Session()
    assert session.scan("DOC:1", ItemScan(SHIRT), "CANCEL") == Dropped("1")
    session.desk.clear()
    assert isinstance(session.scan(ItemScan(SHIRT)), Refused)


codes = st.lists(
    st.one_of(
        st.sampled_from(["DOC:1", "DOC:2", "UNDO", "QTY:3", "QTY:0", "QTY:", "x"]),
        st.builds(
            ItemScan,
            gtin=st.sampled_from([SHIRT, CHEESE]),
            weight_g=st.none() | st.integers(0, 9_999),
            units=st.none() | st.integers(0, 99),
        ),
    ),
    max_size=30,
)


@given(codes=codes, purpose=st.sampled_from(["count", "receive"]))
def test_repeating_the_stored_steps_gives_the_same_document(
    codes: list[str | Barcode], purpose: Purpose
) -> None:
    session = Session(purpose)
    session.scan(*codes)
    restored = Session(purpose)
    restore(restored.desk, session.stored)
    restored.now_ms = session.now_ms
    assert restored.scan("END") == session.scan("END")


def test_a_run_of_one_item_is_told_when_it_is_over() -> None:
    watch = RepeatWatch(times_min=3)
    assert [watch.scanned(SHIRT, at) for at in (0, 1, 2)] == [None] * 3
    assert watch.scanned(CHEESE, 3) == Run(SHIRT, 3)
    assert watch.scanned(SHIRT, 4) is None, "one cheese is no run"


def test_a_pause_ends_a_run() -> None:
    watch = RepeatWatch(times_min=2)
    watch.scanned(SHIRT, 0)
    watch.scanned(SHIRT, 1)
    assert watch.quiet(RUN_GAP_MS) is None
    assert watch.quiet(RUN_GAP_MS + 2) == Run(SHIRT, 2)
    assert watch.quiet(RUN_GAP_MS + 3) is None, "it is told once"


def test_a_placement_is_goods_at_rest_on_a_scale_that_was_empty() -> None:
    scale = Placements(10)
    assert [scale.read(CounterReading(500)) for _ in range(3)] == [None] * 3, "never seen empty"
    assert scale.read(CounterReading(0, is_zero=True)) is None
    assert scale.read(CounterReading(500, is_moving=True)) is None
    assert scale.read(CounterReading(500)) == Placement(10, 500)
    assert scale.read(CounterReading(900)) is None, "told once, it may have fallen over on the line"
    assert scale.read(CounterReading(505)) is None
    assert scale.read(CounterReading(505)) == Placement(10, 505)
    assert scale.read(CounterReading(5)) is None
    assert scale.read(CounterReading(700, is_over=True)) is None
    assert scale.read(CounterReading(700)) == Placement(11, 700)


def test_the_worst_trouble_of_a_scale_is_told() -> None:
    assert trouble_of(CounterReading(100)) is None
    assert trouble_of(CounterReading(is_moving=True)) is None
    assert trouble_of(CounterReading(is_over=True, fault="RAM error")) == "RAM error"
    assert trouble_of(CounterReading(is_over=True)) == "overload"
    assert trouble_of(CounterReading(is_under=True, needs_zero=True)) == "it needs zeroing"
    assert trouble_of(CounterReading(is_under=True)) == "below zero"
