"""A cloud in its shortest form on a real broker: it applies what comes in order, and answers.

It has no journal, no shards and no states; tests of the edge tell it when to be silent, to lose a
batch, or to refuse.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiomqtt import Client, Message, ProtocolVersion

from protocol.codec import decode_fact, decode_up, encode_down, fact_digest, facts_of_batch
from protocol.envelope import FactBatch, Hello, MirrorRequest, UpMessage
from protocol.facts import AnyFact
from protocol.ids import StoreId
from protocol.topics import Topics
from protocol.updates import Ack, DownMessage, Welcome
from tests.brokers import Broker

DEADLINE_S = 20.0


class ScriptedCloud:
    """What it has heard, per epoch, and how it behaves."""

    def __init__(self) -> None:
        self.epochs: dict[int, list[bytes]] = {}
        self.messages: list[tuple[UpMessage, Message]] = []
        self.is_silent = False
        self.lose_batches = 0
        self.refuse: str | None = None
        self._news = asyncio.Event()
        self._client: Client | None = None
        self._topics = Topics()

    @property
    def facts(self) -> list[AnyFact]:
        """Everything applied, epoch after epoch."""
        return [decode_fact(fact) for facts in self.epochs.values() for fact in facts]

    @asynccontextmanager
    async def running(self, broker: Broker) -> AsyncIterator[None]:
        """Listen and answer on a connection of its own."""
        async with _client(broker) as client:
            self._client = client
            await client.subscribe(self._topics.all_facts(), qos=1)
            task = asyncio.create_task(self._listen(client))
            try:
                yield
            finally:
                task.cancel()
                self._client = None

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        """Return once the condition holds; it is looked at after each message."""
        async with asyncio.timeout(DEADLINE_S):
            while not condition():
                self._news.clear()
                await self._news.wait()
        assert condition(), what

    async def tell(self, message: DownMessage, channel: str = "ack") -> None:
        """Send something to the store unasked."""
        assert self._client is not None
        topic = f"{self._topics.root}/{message.store}/down/{channel}"
        await self._client.publish(topic, encode_down(message), qos=1)

    async def tell_bytes(self, store: str, payload: bytes) -> None:
        """Send bytes that are no message."""
        assert self._client is not None
        await self._client.publish(self._topics.ack(StoreId(store)), payload, qos=1)

    async def _listen(self, client: Client) -> None:
        async for message in client.messages:
            assert isinstance(message.payload, bytes)
            decoded = decode_up(message.payload)
            self.messages.append((decoded, message))
            answer = None if self.is_silent else self._answer(decoded, message.payload)
            if answer is not None:
                await self.tell(answer)
            self._news.set()

    def _answer(self, message: UpMessage, frame: bytes) -> Ack | Welcome | None:
        if isinstance(message, Hello):
            return self._welcome(message)
        if isinstance(message, MirrorRequest):
            return None
        if self.lose_batches:
            self.lose_batches -= 1
            return None
        return self._apply(message, facts_of_batch(frame))

    def _welcome(self, hello: Hello) -> Welcome:
        known = self.epochs.get(hello.epoch, [])
        overlap = known[hello.first_seq - 1 : hello.next_seq - 1]
        return Welcome(
            store=hello.store,
            epoch=hello.epoch,
            through_seq=len(known),
            digests_from=hello.first_seq,
            digests=[fact_digest(fact) for fact in overlap],
        )

    def _apply(self, batch: FactBatch, facts: list[bytes]) -> Ack:
        known = self.epochs.setdefault(batch.epoch, [])
        through_seq = len(known)
        if self.refuse is not None:
            return Ack(
                store=batch.store,
                epoch=batch.epoch,
                through_seq=through_seq,
                problem="refused",
                detail=self.refuse,
            )
        if batch.first_seq > through_seq + 1:
            return Ack(
                store=batch.store,
                epoch=batch.epoch,
                through_seq=through_seq,
                resend_from=through_seq + 1,
                problem="gap",
            )
        overlap = known[batch.first_seq - 1 :]
        assert overlap == facts[: len(overlap)], "a number came with other content"
        known += facts[len(overlap) :]
        return Ack(store=batch.store, epoch=batch.epoch, through_seq=len(known))


async def retained(broker: Broker, topic: str, wanted: Callable[[bytes], bool]) -> Message:
    """Return the first message on a topic, retained or new, that is wanted."""
    async with _client(broker) as client, asyncio.timeout(DEADLINE_S):
        await client.subscribe(topic, qos=1)
        async for message in client.messages:
            if wanted(message.payload):
                return message
    raise AssertionError(f"{topic} ended")


def _client(broker: Broker) -> Client:
    return Client(
        broker.host,
        broker.port,
        protocol=ProtocolVersion.V5,
        socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
    )
