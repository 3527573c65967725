"""What the publisher says of a commit: documents, arrays, frames, and in which order."""

import json

import msgspec
import pytest

from cloud.publisher.documents import book_document, stock_document
from cloud.publisher.live import newest_answers, to_stores, to_third_parties
from cloud.publisher.wms import ARRAY_BYTES_MAX, messages_of, retained_reorder, stock_arrays
from cloud.shards.messages import Committed, ReorderChange, StoreChange
from cloud.sku_location.state import Cause, Policy, Reorder, SkuLocation
from protocol.codec import decode_down
from protocol.documents import ReorderDocument, StockDocument, encode_document
from protocol.topics import Topics
from protocol.updates import Ack, MirrorUpdate, ReorderSignal, Welcome

TOPICS = Topics()
GTIN = "00614141123452"
STATE = SkuLocation(
    store="S001",
    gtin=GTIN,
    version=7,
    measure="units",
    on_hand=3,
    opening=5,
    received=4,
    sold=6,
    reserved=1,
    damaged=1,
    backroom=2,
    counted=True,
    as_of_ms=1_732_479_000_123,
    cause=Cause(kind="UnitsSold", epoch=9, seq=40, occurred_at_ms=1_732_479_000_120),
    reorder=Reorder(
        number=2,
        revision=1,
        status="open",
        quantity=10,
        received=4,
        opened_at_ms=1_732_479_000_123,
        updated_at_ms=1_732_479_000_123,
    ),
)
CHANGE = StoreChange(
    store="S001", previous_position=10, position=12, epoch=9, through_seq=40, states=[STATE]
)


def reorder_change(status: str, revision: int = 1) -> ReorderChange:
    reorder = Reorder(
        number=2,
        revision=revision,
        status=status,  # type: ignore[arg-type] # The tests name only statuses that exist.
        quantity=10,
        received=0,
        opened_at_ms=0,
        updated_at_ms=0,
    )
    return ReorderChange(store="S001", gtin=GTIN, reorder=reorder, measure="units")


def test_a_stock_document_says_what_a_state_says() -> None:
    document = json.loads(msgspec.json.encode(stock_document(STATE)))
    assert document == {
        "schema": "stock/1",
        "store": "S001",
        "gtin": GTIN,
        "version": 7,
        "measure": "units",
        "on_hand": 3,
        "reserved": 1,
        "unavailable": 1,
        "available": 1,
        "incoming": 0,
        "on_order": 6,
        "position": 7,
        "backroom": 2,
        "ledger": {
            "opening": 5,
            "received": 4,
            "returned": 0,
            "found": 0,
            "sold": 6,
            "moved": 0,
            "lost": 0,
            "written_off": 0,
            "stolen": 0,
        },
        "sales_floor": 1,
        "unavailable_by": {"damaged": 1, "quality_control": 0, "in_return": 0},
        "as_of": "2024-11-24T20:10:00.123Z",
        "cause": {
            "kind": "UnitsSold",
            "epoch": 9,
            "seq": 40,
            "occurred_at": "2024-11-24T20:10:00.120Z",
        },
        "belief": None,
    }


def test_available_never_shows_below_zero() -> None:
    assert stock_document(msgspec.structs.replace(STATE, on_hand=-4)).available == 0


def test_a_state_with_nothing_but_a_policy_is_never_told() -> None:
    policy = Policy(reorder_point=1, order_up_to=2)
    with pytest.raises(AssertionError, match="nothing can be told"):
        stock_document(SkuLocation(store="S001", gtin=GTIN, version=1, policy=policy))


def test_a_store_hears_its_mirror_before_its_acknowledgement_and_then_signals() -> None:
    committed = Committed(
        position=12,
        answers=[Ack(store="S001", epoch=9, through_seq=40)],
        changes=[CHANGE],
        reorders=[reorder_change("open")],
    )
    told = list(to_stores(committed, TOPICS))
    topics = [message.topic.removeprefix("st/1/S001/") for message in told]
    assert topics == ["down/stock", "down/ack", "down/signals"]
    update, ack, signal = (decode_down(message.payload) for message in told)
    assert isinstance(update, MirrorUpdate)
    assert (update.previous_position, update.position, update.through_seq) == (10, 12, 40)
    assert update.states[0].on_hand == 3
    assert ack == committed.answers[0]
    assert isinstance(signal, ReorderSignal)
    assert (signal.reorder_id, signal.status) == (f"S001-{GTIN}-2", "open")


def test_answers_to_a_mirror_go_to_that_mirror_alone() -> None:
    committed = Committed(position=12, mirrors=[CHANGE])
    assert [message.topic for message in to_stores(committed, TOPICS)] == ["st/1/S001/down/stock"]
    assert to_third_parties(committed, 11, TOPICS) == ([], [])


def test_only_the_newest_plain_acknowledgement_of_an_epoch_is_told() -> None:
    gap = Ack(store="S001", epoch=9, through_seq=40, resend_from=41, problem="gap")
    welcome = Welcome(store="S001", epoch=9, through_seq=40, digests_from=1, digests=[])
    answers: list[Ack | Welcome] = [
        Ack(store="S001", epoch=9, through_seq=20),
        Ack(store="S002", epoch=9, through_seq=5),
        gap,
        welcome,
        Ack(store="S001", epoch=8, through_seq=3),
        Ack(store="S001", epoch=9, through_seq=40),
    ]
    assert newest_answers(answers) == [answers[1], gap, welcome, answers[4], answers[5]]


def test_an_array_holds_the_book_and_the_retained_document_what_is_believed_too() -> None:
    arrays, retained = to_third_parties(Committed(position=12, changes=[CHANGE]), 11, TOPICS)
    (array,), (entry,) = arrays, retained
    (message,) = messages_of(entry)
    assert array.payload == b"[" + encode_document(book_document(STATE)) + b"]"
    assert (array.topic, array.retain) == ("st/1/S001/stock", False)
    assert (message.topic, message.retain) == (f"st/1/S001/stock/{GTIN}", True)
    assert (entry.version, entry.after) == (7, 11)
    assert msgspec.json.decode(message.payload, type=StockDocument) == stock_document(STATE)


@pytest.mark.parametrize("documents", [1, 2, 1_000])
def test_arrays_are_bounded_and_hold_every_document_once(documents: int) -> None:
    encoded = [b'{"n":%d,"x":"%s"}' % (n, b"x" * 1_000) for n in range(documents)]
    arrays = list(stock_arrays("S001", encoded, TOPICS))
    assert all(len(array.payload) <= ARRAY_BYTES_MAX + 2 for array in arrays)
    numbers = [item["n"] for array in arrays for item in json.loads(array.payload)]
    assert numbers == list(range(documents))


def test_no_document_makes_no_array() -> None:
    assert list(stock_arrays("S001", [], TOPICS)) == []


def test_a_reorder_is_retained_while_open() -> None:
    entry = retained_reorder(reorder_change("open", revision=3), 11, TOPICS)
    (message,) = messages_of(entry)
    assert (message.topic, message.retain) == (f"st/1/S001/reorders/S001-{GTIN}-2", True)
    assert msgspec.json.decode(message.payload, type=ReorderDocument).revision == 3
    assert (entry.version, entry.after) == (3, 11)


@pytest.mark.parametrize("status", ["received", "cancelled"])
def test_a_closed_reorder_is_told_a_last_time_and_then_removed(status: str) -> None:
    last_word, removal = messages_of(retained_reorder(reorder_change(status), 11, TOPICS))
    assert msgspec.json.decode(last_word.payload, type=ReorderDocument).status == status
    assert not last_word.retain
    assert (removal.topic, removal.payload, removal.retain) == (last_word.topic, b"", True)


def test_what_is_retained_never_expires_and_everything_else_does() -> None:
    committed = Committed(
        position=12,
        answers=[Ack(store="S001", epoch=9, through_seq=40)],
        changes=[CHANGE],
        reorders=[reorder_change("open"), reorder_change("received")],
    )
    arrays, retained = to_third_parties(committed, 11, TOPICS)
    messages = [*to_stores(committed, TOPICS), *arrays]
    messages += [message for entry in retained for message in messages_of(entry)]
    assert all((message.form.expiry_s is None) == message.retain for message in messages)
