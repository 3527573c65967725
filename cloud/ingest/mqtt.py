"""Ingest: facts and documents from the broker, through admission, to the shard of the store.

Runs on the cloud's event loop with a connection of its own, so that a slow publish never keeps
facts waiting. Memory is bounded everywhere: a full shard makes ingest wait, a waiting ingest fills
the client's queue, and what the full queue drops is a gap (or a silence) to the edge's session,
which sends it again.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final, cast

from aiomqtt import Message, MqttError

from cloud.broker import BackOff, ClientType, new_client
from cloud.config import IngestSettings
from cloud.ingest.admission import AnswerLimit, admit, refusal_answer
from cloud.ingest.intake import Intake
from cloud.ingest.offering import ShardInbox, offer_patiently
from cloud.shards.messages import (
    BatchReceived,
    DocumentReceived,
    HelloReceived,
    MirrorRequested,
    PayloadRefused,
    ShardInput,
)
from mqtt5 import Client
from protocol.broker_settings import BrokerSettings
from protocol.topics import Topics
from protocol.updates import Ack

log = logging.getLogger(__name__)

TAKEN_AT_ONCE_MAX: Final = 64
"""Then the event loop has its turn: a message takes tens of microseconds."""


class Ingest:
    """Receives until it is cancelled; a lost connection is made again with back-off."""

    def __init__(
        self,
        broker: BrokerSettings,
        settings: IngestSettings,
        *,
        shard_of: Callable[[str], ShardInbox],
        answer: Callable[[Ack], None],
        now_ms: Callable[[], int],
        back_off: BackOff,
        client_type: ClientType = Client,
    ) -> None:
        self._broker: Final = broker
        self._settings: Final = settings
        self._topics: Final = Topics(broker.root)
        self._shard_of: Final = shard_of
        self._answer: Final = answer
        self._now_ms: Final = now_ms
        self._back_off: Final = back_off
        self._client_type: Final = client_type
        self._answer_limit: Final = AnswerLimit()
        self._refused_untold = 0

    async def run(self) -> None:
        """Receive for ever."""
        while True:
            try:
                await self._receive()
            except MqttError as error:
                delay_s = self._back_off.next_s()
                log.warning("ingest: no broker (%s); again in %.1f s", error, delay_s)
                await asyncio.sleep(delay_s)

    async def _receive(self) -> None:
        intake = Intake(self._settings.queue_messages_max, self._settings.queue_bytes_max)
        # aiomqtt wants a class and calls it with `maxsize`; that is all it does with it.
        queue_type = cast("type[asyncio.Queue[Message]]", lambda **_: intake)
        client_type = self._client_type
        async with new_client(
            self._broker, "ingest", queue_type=queue_type, client_type=client_type
        ) as client:
            topics = [self._topics.all_facts(), self._topics.all_wms()]
            await client.subscribe([(topic, 1) for topic in topics])
            self._back_off.succeeded()
            log.info("ingest: listening to %s at %s", " and ".join(topics), self._broker.url)
            async for message in client.messages:
                await self.take(message.topic.value, message.payload)
                await self._take_more(intake)

    async def _take_more(self, intake: Intake) -> None:
        # The client's iterator costs a task per message, three times what admission costs.
        for _ in range(min(intake.qsize(), TAKEN_AT_ONCE_MAX)):
            message = intake.get_nowait()
            await self.take(message.topic.value, message.payload)

    async def take(self, topic: str, payload: bytes) -> None:
        """Admit one payload and hand it to its shard, waiting while the shard's inbox is full."""
        admitted = admit(topic, payload, self._topics, self._now_ms())
        if isinstance(admitted, PayloadRefused):
            self._tell_refused(admitted)
        shard = self._shard_of(_store_of(admitted))
        if not await offer_patiently(shard, admitted):
            log.error("ingest: dropped a payload on %r, the shard is too busy", topic)

    def _tell_refused(self, refused: PayloadRefused) -> None:
        """Log and answer a refusal, unless this store was told a moment ago."""
        monotonic_ms = int(asyncio.get_running_loop().time() * 1_000)
        if not self._answer_limit.allows(refused.store or "", monotonic_ms):
            self._refused_untold += 1
            return
        more = f" ({self._refused_untold} more before)" if self._refused_untold else ""
        self._refused_untold = 0
        log.warning(
            "ingest: refused %d bytes on %r: %s: %s%s",
            len(refused.payload),
            refused.topic,
            refused.reason,
            refused.detail,
            more,
        )
        answer = refusal_answer(refused)
        if answer is not None:
            self._answer(answer)


def _store_of(admitted: ShardInput) -> str:
    match admitted:
        case BatchReceived():
            return admitted.batch.store
        case HelloReceived():
            return admitted.hello.store
        case MirrorRequested():
            return admitted.request.store
        case PayloadRefused():
            return admitted.store or ""
        case DocumentReceived():
            return admitted.command.store
    raise AssertionError(f"admission makes no {type(admitted).__name__}")
