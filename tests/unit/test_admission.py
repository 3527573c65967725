"""Admission: every payload becomes an input of a shard or a refusal that says why."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.ingest.admission import (
    ANSWER_INTERVAL_MS,
    ANSWERS_PER_INTERVAL_MAX,
    OVERSIZED_HEAD_BYTES,
    STORES_REMEMBERED_MAX,
    AnswerLimit,
    admit,
    refusal_answer,
)
from cloud.shards.messages import (
    BatchReceived,
    HelloReceived,
    MirrorRequested,
    PayloadRefused,
)
from protocol.codec import FRAME_BYTES_MAX, decode_down, encode_down, encode_up
from protocol.envelope import FactBatch, Hello, MirrorRequest
from protocol.facts import UnitsSold
from protocol.topics import Topics
from protocol.updates import Ack

TOPICS = Topics()
TOPIC = "st/1/S001/up/facts"
BATCH = FactBatch(
    store="S001",
    epoch=7,
    first_seq=1,
    sent_at_ms=9,
    facts=[
        UnitsSold(
            occurred_at_ms=5,
            source="till-1",
            gtin="00614141123452",
            quantity=1,
            measure="units",
            transaction="T1",
            line=1,
        )
    ],
)
HELLO = Hello(
    store="S001",
    epoch=7,
    first_seq=1,
    next_seq=2,
    mirror_position=0,
    sent_at_ms=9,
    agent_version="0.1.0",
)


def refusal_of(topic: str, payload: bytes) -> PayloadRefused:
    refused = admit(topic, payload, TOPICS, 1_000)
    assert isinstance(refused, PayloadRefused)
    return refused


def test_a_batch_keeps_the_frame_as_it_came() -> None:
    frame = encode_up(BATCH)
    assert admit(TOPIC, frame, TOPICS, 1_000) == BatchReceived(batch=BATCH, frame=frame)


def test_a_hello_and_a_mirror_request_are_admitted() -> None:
    request = MirrorRequest(store="S001", position=3)
    assert admit(TOPIC, encode_up(HELLO), TOPICS, 1_000) == HelloReceived(hello=HELLO)
    admitted = admit(TOPIC, encode_up(request), TOPICS, 1_000)
    assert admitted == MirrorRequested(request=request)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "empty"),
        (b"\x00" * 20_000, "not_a_frame"),
        (b"\x92\x7f\x90", "unsupported_version"),
        (encode_up(BATCH)[:-1], "malformed"),
        (bytes(FRAME_BYTES_MAX + 1), "too_large"),
        (encode_down(Ack(store="S001", epoch=7, through_seq=1)), "malformed"),
        (encode_up(msgspec.structs.replace(BATCH, store="S002")), "store_mismatch"),
        (encode_up(msgspec.structs.replace(HELLO, store="cloud")), "store_mismatch"),
    ],
)
def test_every_refused_payload_says_its_reason(payload: bytes, reason: str) -> None:
    refused = refusal_of(TOPIC, payload)
    assert refused.reason == reason
    assert refused.detail
    assert refused.store == "S001"
    assert refused.received_at_ms == 1_000
    assert type(refused.reason) is str


@pytest.mark.parametrize(
    ("topic", "reason", "store"),
    [
        ("st/1/S001/up/other", "wrong_channel", "S001"),
        ("st/1/S001/stock", "wrong_channel", "S001"),
        ("st/1/cloud/up/facts", "invalid_topic", None),
        ("st/1/not a store/up/facts", "invalid_topic", None),
        ("elsewhere/S001/up/facts", "invalid_topic", None),
        ("", "invalid_topic", None),
    ],
)
def test_a_topic_that_is_not_a_store_s_up_channel_is_refused(
    topic: str, reason: str, store: str | None
) -> None:
    refused = refusal_of(topic, encode_up(BATCH))
    assert (refused.reason, refused.store) == (reason, store)
    assert refused.payload == encode_up(BATCH)


def test_only_the_head_of_an_oversized_payload_is_kept() -> None:
    assert len(refusal_of(TOPIC, bytes(FRAME_BYTES_MAX + 1)).payload) == OVERSIZED_HEAD_BYTES
    assert len(refusal_of(TOPIC, bytes(FRAME_BYTES_MAX)).payload) == FRAME_BYTES_MAX


@given(topic=st.text(max_size=64), payload=st.binary(max_size=256))
def test_nothing_a_peer_sends_raises(topic: str, payload: bytes) -> None:
    assert isinstance(admit(topic, payload, TOPICS, 0), PayloadRefused)


@given(payload=st.binary(max_size=4096))
def test_every_answer_to_a_refusal_is_a_frame_that_an_edge_reads(payload: bytes) -> None:
    answer = refusal_answer(refusal_of(TOPIC, payload))
    assert answer is not None
    assert decode_down(encode_down(answer)) == answer
    assert answer.through_seq == 0


@pytest.mark.parametrize(
    ("reason", "problem"),
    [
        ("unsupported_version", "unsupported_version"),
        ("store_mismatch", "store_mismatch"),
        ("malformed", "refused"),
        ("wrong_channel", "refused"),
    ],
)
def test_an_answer_names_what_the_agent_can_act_on(reason: str, problem: str) -> None:
    refused = PayloadRefused(
        topic=TOPIC, store="S001", reason=reason, detail="d", payload=b"", received_at_ms=0
    )
    answer = refusal_answer(refused)
    assert answer is not None
    assert answer.problem == problem


def test_nobody_is_answered_when_the_topic_names_no_store() -> None:
    assert refusal_answer(refusal_of("st/1/bad store/up/facts", b"")) is None


def test_a_store_is_answered_once_per_interval() -> None:
    limit = AnswerLimit()
    assert limit.allows("S001", 0)
    assert not any(limit.allows("S001", now_ms) for now_ms in range(1, ANSWER_INTERVAL_MS))
    assert limit.allows("S002", 1)
    assert limit.allows("S001", ANSWER_INTERVAL_MS)


def test_a_flood_of_invented_stores_gets_a_bounded_number_of_answers() -> None:
    limit = AnswerLimit()
    assert sum(limit.allows(f"S{n}", 0) for n in range(10_000)) == ANSWERS_PER_INTERVAL_MAX


def test_the_limit_remembers_a_bounded_number_of_stores() -> None:
    limit = AnswerLimit()
    for n in range(STORES_REMEMBERED_MAX + 100):
        assert limit.allows(f"S{n}", n * ANSWER_INTERVAL_MS)
    assert len(limit._answered_at_ms) == STORES_REMEMBERED_MAX
