"""Admission: what arrived on a topic becomes an input of a shard, or a refusal with its reason.

The first thing that happens to a payload in the cloud, and the last that may mistrust its bytes:
size before decode, schema, and the identity of the topic against that of the message (P7).
Pure; ingest calls it on its event loop.
"""

from collections import OrderedDict
from enum import StrEnum
from typing import Final, Literal

from cloud.ingest.wms import DocumentRefused, command_of, is_wms
from cloud.shards.messages import (
    BatchReceived,
    DocumentReceived,
    HelloReceived,
    MirrorRequested,
    PayloadRefused,
    ShardInput,
)
from protocol.codec import FRAME_BYTES_MAX, decode_up
from protocol.envelope import FactBatch, Hello, UpMessage
from protocol.errors import FrameFault, FrameRejected, InvalidTopic
from protocol.topics import WMS, Topics, UpTopic
from protocol.updates import Ack

FACTS_CHANNEL: Final = "up/facts"
OVERSIZED_HEAD_BYTES: Final = 1_024
"""What is kept of a payload above the limit. It can never be redriven, only recognised."""

UNKNOWN_EPOCH: Final = 1
"""The epoch of an answer to a payload that says none. It acknowledges nothing in any epoch."""

ANSWER_INTERVAL_MS: Final = 1_000
ANSWERS_PER_INTERVAL_MAX: Final = 64
STORES_REMEMBERED_MAX: Final = 1_024
DETAIL_CHARS_MAX: Final = 512


class Refusal(StrEnum):
    """Reasons besides `FrameFault` for refusing a payload. Stored, so never renamed."""

    INVALID_TOPIC = "invalid_topic"
    WRONG_CHANNEL = "wrong_channel"
    STORE_MISMATCH = "store_mismatch"


Problem = Literal["refused", "unsupported_version", "store_mismatch"]
_PROBLEMS: Final[dict[str, Problem]] = {
    FrameFault.UNSUPPORTED_VERSION: "unsupported_version",
    Refusal.STORE_MISMATCH: "store_mismatch",
}


def admit(topic: str, payload: bytes, topics: Topics, received_at_ms: int) -> ShardInput:
    """Return what the owning shard is to do with a payload: apply it, or quarantine it.

    `received_at_ms` is milliseconds since the Unix epoch. Never raises for anything a peer sent.
    """
    try:
        sender = topics.parse(topic)
    except InvalidTopic as error:
        return _refused(topic, None, Refusal.INVALID_TOPIC, str(error), payload, received_at_ms)
    if is_wms(sender.channel):
        return _admitted_document(topic, sender, payload, received_at_ms)
    if sender.channel != FACTS_CHANNEL:
        detail = f"nothing is read from {sender.channel!r}; send frames to {FACTS_CHANNEL!r}"
        reason = Refusal.WRONG_CHANNEL
        return _refused(topic, sender.store, reason, detail, payload, received_at_ms)
    try:
        message = decode_up(payload)
    except FrameRejected as error:
        return _refused(topic, sender.store, error.fault, error.detail, payload, received_at_ms)
    if message.store != sender.store:
        detail = f"a message of store {message.store!r} came on the topic of {sender.store!r}"
        reason = Refusal.STORE_MISMATCH
        return _refused(topic, sender.store, reason, detail, payload, received_at_ms)
    return _admitted(message, payload)


def _admitted(message: UpMessage, frame: bytes) -> ShardInput:
    if isinstance(message, FactBatch):
        return BatchReceived(batch=message, frame=frame)
    if isinstance(message, Hello):
        return HelloReceived(hello=message)
    return MirrorRequested(request=message)


def _admitted_document(
    topic: str, sender: UpTopic, payload: bytes, received_at_ms: int
) -> ShardInput:
    try:
        command = command_of(sender.store, sender.channel, payload)
    except DocumentRefused as error:
        return _refused(topic, sender.store, error.reason, error.detail, payload, received_at_ms)
    return DocumentReceived(
        command=command, topic=topic, payload=payload, received_at_ms=received_at_ms
    )


def _refused(
    topic: str, store: str | None, reason: str, detail: str, payload: bytes, received_at_ms: int
) -> PayloadRefused:
    kept = payload if len(payload) <= FRAME_BYTES_MAX else payload[:OVERSIZED_HEAD_BYTES]
    return PayloadRefused(
        topic=topic,
        store=store,
        reason=str(reason),
        detail=detail[:DETAIL_CHARS_MAX],
        payload=kept,
        received_at_ms=received_at_ms,
    )


def refusal_answer(refused: PayloadRefused) -> Ack | None:
    """Return what to tell the store on whose topic the payload came; `None` if there is none.

    A gateway is told nothing of what a warehouse system sent wrong on a topic of its store.
    """
    if refused.store is None or f"/{refused.store}/{WMS}" in refused.topic:
        return None
    return Ack(
        store=refused.store,
        epoch=UNKNOWN_EPOCH,
        through_seq=0,
        problem=_PROBLEMS.get(refused.reason, "refused"),
        detail=f"{refused.reason}: {refused.detail}"[:DETAIL_CHARS_MAX],
    )


class AnswerLimit:
    """Lets one refusal answer per store and interval pass, and a bounded number over all stores.

    A flood of garbage must not become a flood of answers. Nothing is owed: an answer is advice to
    somebody who repairs an agent, and the quarantine has every payload.
    """

    def __init__(self) -> None:
        self._answered_at_ms: OrderedDict[str, int] = OrderedDict()
        self._interval_started_at_ms = -ANSWER_INTERVAL_MS
        self._answers = 0

    def allows(self, store: str, now_ms: int) -> bool:
        """Return whether an answer to this store may leave now (any clock that only grows)."""
        if now_ms - self._interval_started_at_ms >= ANSWER_INTERVAL_MS:
            self._interval_started_at_ms = now_ms
            self._answers = 0
        last_ms = self._answered_at_ms.get(store)
        if last_ms is not None and now_ms - last_ms < ANSWER_INTERVAL_MS:
            return False
        if self._answers >= ANSWERS_PER_INTERVAL_MAX:
            return False
        self._answers += 1
        self._answered_at_ms[store] = now_ms
        self._answered_at_ms.move_to_end(store)
        if len(self._answered_at_ms) > STORES_REMEMBERED_MAX:
            self._answered_at_ms.popitem(last=False)
        return True
