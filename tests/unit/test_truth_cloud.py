"""The cloud's part of a run: its journal forgets history and nothing that decisions need."""

import pytest

from cloud.journal.rows import BusinessKeyRow, InputRow, JournalWrite, RecordRow
from protocol.codec import encode_batch, encode_fact
from protocol.facts import UnitsSold
from protocol.ids import StoreId
from simulators.errors import BenchmarkFailed
from simulators.truth.cloud_side import CloudSide
from simulators.truth.deliveries import CLOSED_AFTER_MS, PATIENCE_MS, Deliveries
from simulators.truth.journal import ForgetfulJournal
from simulators.world.goods import gtin_of
from simulators.world.happenings import AdviceSent, Line, Receipt

STORE = StoreId("S001")
GTIN = gtin_of(1)
NOW_MS = 1_767_225_600_000


def record(record_id: str, *, is_open: bool = True) -> RecordRow:
    return RecordRow("despatch_advice", STORE, record_id, 7, is_open, None, (), b"")


def batch_row(position: int) -> InputRow:
    return InputRow(position, "batch", STORE, 1, position, position, NOW_MS, b"frame")


def test_the_journal_keeps_positions_lines_and_records_but_no_history() -> None:
    journal = ForgetfulJournal()
    owner_epoch = journal.take_ownership("truth", 1, NOW_MS)
    line = BusinessKeyRow(STORE, "1/7", 2, 3, 4, b"digest")
    journal.commit(
        owner_epoch,
        JournalWrite(
            inputs=[batch_row(3)],
            business_keys=[line],
            records=[record("B"), record("A", is_open=False)],
        ),
    )

    assert journal.position() == 3
    assert list(journal.inputs()) == []
    assert journal.business_keys_of(STORE, ["1/7", "1/8"]) == {("1/7", 2): line}
    assert [row.id for row in journal.records("despatch_advice", STORE)] == ["A", "B"]
    assert [row.id for row in journal.records_open("despatch_advice")] == ["B"]
    assert journal.record("despatch_advice", STORE, "A") == record("A", is_open=False)
    assert list(journal.records("order", STORE)) == []


def sale(line: int) -> bytes:
    fact = UnitsSold(
        occurred_at_ms=NOW_MS,
        source="tills",
        gtin=GTIN,
        quantity=1,
        measure="units",
        transaction="1/7",
        line=line,
    )
    return encode_fact(fact)


def test_a_till_line_told_twice_counts_once() -> None:
    cloud = CloudSide(STORE, NOW_MS)
    for seq, line in ((1, 1), (2, 2), (3, 1)):
        cloud.hear(encode_batch(STORE, 1, seq, NOW_MS, [sale(line)]), NOW_MS)
        cloud.commit(NOW_MS)

    assert cloud.facts_applied == 2
    assert cloud.count(GTIN, NOW_MS).book == -2


def test_what_no_door_lets_in_fails_the_run() -> None:
    with pytest.raises(BenchmarkFailed, match="refused"):
        CloudSide(STORE, NOW_MS).hear(b"nonsense", NOW_MS)


def advice(lines: int) -> AdviceSent:
    return AdviceSent(NOW_MS, "DN-1", tuple(Line(gtin_of(n), 2, "units") for n in range(lines)))


def test_an_advice_of_many_lines_is_several_despatches() -> None:
    cloud = CloudSide(STORE, NOW_MS)
    documents = list(Deliveries().advised(advice(450)))
    for document in documents:
        cloud.advise(document, NOW_MS)
    cloud.commit(NOW_MS)

    assert len(documents) == 3
    assert cloud.quarantined() == {}


def test_a_despatch_is_closed_at_the_end_of_the_day_after_it_came_once() -> None:
    deliveries = Deliveries()
    list(deliveries.advised(advice(250)))
    deliveries.received(Receipt(NOW_MS + 5, "DN-1", ()))

    assert deliveries.overdue(NOW_MS + CLOSED_AFTER_MS) == []
    assert deliveries.overdue(NOW_MS + 5 + CLOSED_AFTER_MS) == ["DN-1", "DN-1-2"]
    assert deliveries.overdue(NOW_MS + 10 * CLOSED_AFTER_MS) == []


def test_a_despatch_of_which_nobody_heard_is_closed_some_days_later() -> None:
    deliveries = Deliveries()
    list(deliveries.advised(advice(1)))

    assert deliveries.overdue(NOW_MS + PATIENCE_MS) == ["DN-1"]


def test_closing_a_despatch_leaves_nothing_incoming() -> None:
    cloud = CloudSide(STORE, NOW_MS)
    for document in Deliveries().advised(advice(1)):
        cloud.advise(document, NOW_MS)
    cloud.commit(NOW_MS)
    cloud.close_despatch("DN-1", NOW_MS + 1)
    cloud.close_despatch("DN-1", NOW_MS + 2)

    with pytest.raises(BenchmarkFailed, match="refuses"):
        cloud.close_despatch("DN-2", NOW_MS + 3)
