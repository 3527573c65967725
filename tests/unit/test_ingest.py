"""Ingest within bounds: what is queued, what waits, what is dropped, and what is tried again."""

import pytest
from aiomqtt import Message

from cloud.broker import BACK_OFF_MAX_S, BackOff
from cloud.config import IngestSettings
from cloud.ingest import offering
from cloud.ingest.intake import Intake
from cloud.ingest.mqtt import Ingest
from cloud.ingest.redrive import Redriver, redrive_of
from cloud.journal.memory import MemoryJournal
from cloud.journal.rows import JournalWrite, Quarantined, QuarantineEntry
from cloud.shards.messages import (
    BatchReceived,
    PayloadRefused,
    Redrive,
    ShardInput,
)
from protocol.broker_settings import BrokerSettings
from protocol.codec import encode_fact, encode_up
from protocol.envelope import FactBatch, Hello
from protocol.facts import FactsShed
from protocol.topics import Topics
from protocol.updates import Ack

TOPICS = Topics()
TOPIC = "st/1/S001/up/facts"
SHED = FactsShed(occurred_at_ms=1, source="outbox", telemetry=1, stock=0)
BATCH = FactBatch(store="S001", epoch=7, first_seq=1, sent_at_ms=1, facts=[SHED])


class Shard:
    """Takes inputs while it has room."""

    def __init__(self, refusals: int = 0) -> None:
        self.refusals = refusals
        self.taken: list[ShardInput] = []

    def offer(self, item: ShardInput) -> bool:
        if self.refusals:
            self.refusals -= 1
            return False
        self.taken.append(item)
        return True


def message(size_bytes: int) -> Message:
    return Message("t", bytes(size_bytes), 1, False, 1, None)


async def test_the_intake_is_bounded_in_messages() -> None:
    intake = Intake(messages_max=2, bytes_max=1_000)
    for size_bytes in (1, 2, 3):
        intake.put_nowait(message(size_bytes))
    assert [len(intake.get_nowait().payload) for _ in range(intake.qsize())] == [1, 2]


async def test_the_intake_is_bounded_in_bytes_and_gives_room_back() -> None:
    intake = Intake(messages_max=10, bytes_max=100)
    intake.put_nowait(message(90))
    intake.put_nowait(message(90))
    assert intake.qsize() == 1
    assert len((await intake.get()).payload) == 90
    intake.put_nowait(message(90))
    assert intake.qsize() == 1


async def test_drops_are_told_once_in_a_while_and_not_each(
    caplog: pytest.LogCaptureFixture,
) -> None:
    intake = Intake(messages_max=1, bytes_max=1_000)
    for _ in range(1_000):
        intake.put_nowait(message(1))
    assert len(caplog.records) == 1


def ingest_to(shard: Shard, answers: list[Ack]) -> Ingest:
    return Ingest(
        BrokerSettings(url="mqtt://localhost"),
        IngestSettings(),
        shard_of=lambda _: shard,
        answer=answers.append,
        now_ms=lambda: 5,
        back_off=BackOff(lambda low, _: low),
    )


async def test_a_full_shard_makes_ingest_wait_and_loses_nothing() -> None:
    shard, answers = Shard(refusals=3), list[Ack]()
    await ingest_to(shard, answers).take(TOPIC, encode_up(BATCH))
    (taken,) = shard.taken
    assert isinstance(taken, BatchReceived)
    assert answers == []


async def test_a_shard_that_takes_nothing_for_long_costs_one_payload_and_a_log_line(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(offering, "PATIENCE_S", 0.0)
    shard = Shard(refusals=1_000)
    await ingest_to(shard, []).take(TOPIC, encode_up(BATCH))
    assert shard.taken == []
    assert "too busy" in caplog.text


async def test_garbage_is_quarantined_every_time_and_answered_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    shard, answers = Shard(), list[Ack]()
    ingest = ingest_to(shard, answers)
    for number in range(100):
        await ingest.take(TOPIC, b"garbage %d" % number)
    assert len(shard.taken) == 100
    assert all(isinstance(item, PayloadRefused) for item in shard.taken)
    assert [answer.problem for answer in answers] == ["refused"]
    assert len(caplog.records) == 1


def quarantined(payload: bytes, *, topic: str = TOPIC, seq: int = 0) -> Quarantined:
    return Quarantined(b"d" * 16, topic, "S001", 7 if seq else 0, seq, "r", "d", payload, 1)


def entry(content: Quarantined) -> QuarantineEntry:
    return QuarantineEntry(3, "redrive_requested", 1, 1, content)


def test_a_payload_that_is_good_by_now_becomes_a_batch() -> None:
    content = quarantined(encode_up(BATCH))
    redrive = redrive_of(entry(content), TOPICS, content.received_at_ms)
    assert redrive.batch == BatchReceived(batch=BATCH, frame=encode_up(BATCH))


def test_the_time_that_a_batch_waited_is_no_error_of_its_clock() -> None:
    content = quarantined(encode_up(BATCH))
    redrive = redrive_of(entry(content), TOPICS, content.received_at_ms + 90_000)
    assert redrive.batch is not None
    assert redrive.batch.batch.sent_at_ms == BATCH.sent_at_ms + 90_000
    assert redrive.batch.batch.facts == BATCH.facts


def test_a_payload_that_the_shard_refused_has_its_store_s_topic() -> None:
    redrive = redrive_of(entry(quarantined(encode_up(BATCH), topic="")), TOPICS, 9)
    assert redrive.batch is not None


def test_a_payload_that_is_still_bad_says_why() -> None:
    redrive = redrive_of(entry(quarantined(b"garbage")), TOPICS, 9)
    assert redrive.batch is None
    assert "MessagePack array" in redrive.detail


def test_a_single_fact_is_the_shard_s_to_decode() -> None:
    redrive = redrive_of(entry(quarantined(encode_fact(SHED), seq=4)), TOPICS, 9)
    assert redrive == Redrive(quarantine_id=3, batch=None)


def test_only_batches_are_redriven() -> None:
    hello = Hello(
        store="S001",
        epoch=7,
        first_seq=1,
        next_seq=1,
        mirror_position=0,
        sent_at_ms=1,
        agent_version="0",
    )
    redrive = redrive_of(entry(quarantined(encode_up(hello))), TOPICS, 9)
    assert (redrive.batch, redrive.detail) == (None, "only batches and documents can be redriven")


async def test_a_request_is_offered_once_until_the_shard_has_settled_it() -> None:
    journal = MemoryJournal()
    owner_epoch = journal.take_ownership("0-of-1", 1, 0)
    journal.commit(owner_epoch, JournalWrite(quarantined=[quarantined(encode_up(BATCH))]))
    (kept,) = journal.quarantine()
    journal.request_redrive(kept.id)
    shard = Shard(refusals=1)
    redriver = Redriver(journal, TOPICS, shard_of=lambda _: shard, now_ms=lambda: 5)
    for _ in range(3):
        await redriver.poll()
    (taken,) = shard.taken
    assert isinstance(taken, Redrive)
    assert taken.quarantine_id == kept.id


def test_back_off_doubles_to_its_bound_and_starts_over() -> None:
    back_off = BackOff(lambda _, high: high)
    delays = [back_off.next_s() for _ in range(10)]
    assert delays[:3] == [0.1, 0.2, 0.4]
    assert delays[-1] == BACK_OFF_MAX_S
    back_off.succeeded()
    assert back_off.next_s() == 0.1
