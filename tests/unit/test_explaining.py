"""`explain`: each unit traced to receipts and reads, each fact beside what it changed."""

from typing import Any

from cloud.explaining import Explanation, explain
from cloud.journal.history import HistoryEntry
from cloud.sku_location.decide import cause_of, decide
from cloud.sku_location.evolve import evolve
from cloud.sku_location.refusal import Refused
from cloud.sku_location.state import SkuLocation
from protocol.facts import StockFact, TagsMoved, TagsSwept
from tests.shard_inputs import GTIN, NOW_MS, STORE, counted, received, sold

EPCS = [b"epc-00000001", b"epc-00000002"]
SEEN: dict[str, Any] = {"occurred_at_ms": NOW_MS - 5, "source": "handheld", "gtin": GTIN}


def swept(*epcs: bytes) -> TagsSwept:
    return TagsSwept(**SEEN, sweep="w7", quantity=len(epcs), is_complete=True, epcs=list(epcs))


def explained(*facts: StockFact) -> Explanation | None:
    state = SkuLocation(store=STORE, gtin=GTIN)
    entries: list[HistoryEntry] = []
    for position, fact in enumerate(facts, 1):
        events = decide(state, fact, cause_of(fact, 1, position), NOW_MS)
        assert not isinstance(events, Refused)
        for event in events:
            state = evolve(state, event)
            entries.append(HistoryEntry(type(event).__name__, position, fact, state, fact))
    return explain(entries, NOW_MS)


def test_each_unit_is_traced_to_where_it_came_from_and_was_read_last() -> None:
    left = TagsMoved(**SEEN, from_zone="sales_floor", to_zone="exit", epcs=EPCS[:1])
    explanation = explained(counted(2), swept(*EPCS), sold(), left)
    assert explanation is not None
    (unit,) = explanation.units
    assert unit.epc == EPCS[1].hex().upper()
    assert unit.p_here > 0.95
    assert "sweep w7" in unit.last_read
    assert explanation.stock.on_hand == 1


def test_each_fact_stands_beside_the_book_and_the_belief_after_it() -> None:
    explanation = explained(counted(3), sold(), received(4))
    assert explanation is not None
    assert [line.on_hand for line in explanation.evidence] == [3, 2, 6]
    assert [line.best for line in explanation.evidence] == [3, 2, 6]
    assert explanation.evidence[1].what.startswith("1 in line 1 of")


def test_nothing_is_explained_of_what_nobody_ever_told() -> None:
    assert explained() is None
