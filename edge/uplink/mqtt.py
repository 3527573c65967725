"""The uplink's I/O: performs what the session decides, over MQTT 5.

One task on the agent's event loop owns the connection. A clean start every time: a session kept by
the broker would only bring back answers to questions nobody asks any more, since only the cloud's
own acknowledgements count. A lost connection is made again with jittered back-off, for ever.
"""

import asyncio
import logging
import ssl
from collections import deque
from collections.abc import Callable
from typing import Final

from aiomqtt import Client, MqttError, ProtocolVersion, Will
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edge.config import BrokerSettings
from edge.mirror.sqlite import SqliteMirror
from edge.outbox.port import Outbox
from edge.uplink.agent import AGENT_VERSION, AgentState
from edge.uplink.backoff import Jitter, backoff_ms
from edge.uplink.digests import own_facts
from edge.uplink.session import Session
from edge.uplink.settings import UplinkSettings
from edge.uplink.steps import (
    Action,
    BatchSent,
    ClearAlarm,
    Connected,
    Disconnected,
    EpochStarted,
    RaiseAlarm,
    ResetMirror,
    SendBatch,
    SendHello,
    SessionInput,
    StartEpoch,
    Tick,
    Trim,
    Welcomed,
)
from protocol import codec
from protocol.documents import AGENT_SCHEMA, encode_document
from protocol.envelope import Hello, MirrorRequest
from protocol.errors import FrameRejected
from protocol.ids import Seq, StoreId
from protocol.topics import JSON, MESSAGEPACK, SCHEMA_PROPERTY, Topics
from protocol.updates import Ack, DownMessage, MirrorUpdate, ReorderSignal, Welcome

INCOMING_MAX: Final = 1_000
"""Answers not looked at yet. aiomqtt drops above it; the session's time-outs ask again."""
RECONNECT_FIRST_MS: Final = 50
RECONNECT_MAX_MS: Final = 30_000
AGENT_INTERVAL_S: Final = 1.0
MIRROR_REQUEST_INTERVAL_S: Final = 1.0
IDLE_S: Final = 1.0
FACTS_SCHEMA: Final = f"facts/{codec.SCHEMA_VERSION}"

_log = logging.getLogger(__name__)


class Uplink:
    """Delivers the outbox and keeps the mirror, until it is told to stop."""

    def __init__(
        self,
        store: StoreId,
        broker: BrokerSettings,
        settings: UplinkSettings,
        *,
        outbox: Outbox,
        mirror: SqliteMirror,
        agent: AgentState,
        clock_ms: Callable[[], int],
        jitter: Jitter,
    ) -> None:
        self._store = store
        self._broker = broker
        self._settings = settings
        self._outbox = outbox
        self._mirror = mirror
        self._agent = agent
        self._clock_ms = clock_ms
        self._jitter = jitter
        self._topics = Topics(broker.root)
        self._session = Session(settings, jitter)
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._received: deque[DownMessage] = deque()
        self._hello: SendHello | None = None
        self._agent_changed = False
        self._agent_told_s = self._mirror_asked_s = float("-inf")
        self._stopping = False
        self.frames_rejected = 0
        outbox.on_append(self._wake_from_thread)

    def agent_changed(self) -> None:
        """Publish the agent's document again soon. Callable from any thread."""
        self._agent_changed = True
        self._wake_from_thread()

    async def run(self) -> None:
        """Deliver until `stop`, then try for a bounded time to deliver the rest."""
        failures = 0
        while not self._stopping:
            try:
                async with self._new_client() as client:
                    failures = 0
                    await self._converse(client)
            except* (MqttError, FrameRejected, OSError) as errors:
                pause_ms = backoff_ms(failures, RECONNECT_FIRST_MS, RECONNECT_MAX_MS, self._jitter)
                failures += 1
                _log.warning("uplink: %s; again in %d ms", _first(errors), pause_ms)
                self._session.handle(Disconnected(), self._outbox.status(), self._now_ms())
                await self._pause(pause_ms / 1000)

    def stop(self) -> None:
        """Let `run` end: at once when offline, else when everything is delivered or time is up."""
        self._stopping = True
        self._wake.set()

    async def _pause(self, seconds: float) -> None:
        deadline_s = self._loop.time() + seconds
        while not self._stopping and (left_s := deadline_s - self._loop.time()) > 0:
            await self._wait(left_s)

    async def _wait(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._wake.wait(), seconds)
        except TimeoutError:
            return
        self._wake.clear()

    def _wake_from_thread(self) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake.set)

    def _now_ms(self) -> int:
        return int(self._loop.time() * 1000)

    def _new_client(self) -> Client:
        will = Will(
            self._topics.agent(self._store),
            encode_document(self._agent.document("offline")),
            qos=1,
            retain=True,
            properties=_properties(JSON, AGENT_SCHEMA),
        )
        client = Client(
            self._broker.host,
            self._broker.port,
            identifier=self._store,
            protocol=ProtocolVersion.V5,
            clean_start=True,
            keepalive=self._settings.keepalive_s,
            max_queued_incoming_messages=INCOMING_MAX,
            tls_context=_tls_context(self._broker) if self._broker.is_tls else None,
            will=will,
        )
        # The session bounds what is in flight; aiomqtt would warn above ten.
        client.pending_calls_threshold = 4 * self._settings.window_batches
        return client

    async def _converse(self, client: Client) -> None:
        self._received.clear()
        topics = self._topics
        for topic in (
            topics.ack(self._store),
            topics.mirror(self._store),
            topics.signals(self._store),
        ):
            await client.subscribe(topic, qos=1)
        _log.info("uplink: connected to %s", self._broker.url)
        async with asyncio.TaskGroup() as group:
            receiving = group.create_task(self._receive(client))
            await self._tell_agent(client)
            await self._feed(Connected(), client, group)
            await self._deliver(client, group)
            receiving.cancel()
        await self._say_goodbye(client)

    async def _deliver(self, client: Client, group: asyncio.TaskGroup) -> None:
        give_up_s: float | None = None
        while True:
            while self._received:
                await self._hear(self._received.popleft(), client, group)
            await self._feed(Tick(), client, group)
            if self._agent_changed and self._loop.time() - self._agent_told_s > AGENT_INTERVAL_S:
                await self._tell_agent(client)
            if self._stopping:
                give_up_s = give_up_s or self._loop.time() + self._settings.drain_timeout_ms / 1000
                if not self._outbox.status().pending or self._loop.time() > give_up_s:
                    return
            if not self._received:
                await self._wait(self._idle_s())

    def _idle_s(self) -> float:
        wake_at_ms = self._session.wake_at_ms()
        if wake_at_ms is None:
            return IDLE_S
        return min(IDLE_S, max(0.001, (wake_at_ms - self._now_ms()) / 1000))

    async def _receive(self, client: Client) -> None:
        async for message in client.messages:
            try:
                self._received.append(codec.decode_down(message.payload))
            except FrameRejected as error:
                self.frames_rejected += 1
                _log.warning("uplink: ignored a message on %s: %s", message.topic, error)
            self._wake.set()

    async def _hear(self, message: DownMessage, client: Client, group: asyncio.TaskGroup) -> None:
        if message.store != self._store:
            _log.warning("uplink: ignored a message for store %r", message.store)
        elif isinstance(message, Ack):
            await self._feed(message, client, group)
        elif isinstance(message, Welcome):
            await self._feed(await self._welcomed(message), client, group)
        elif isinstance(message, MirrorUpdate):
            if not await asyncio.to_thread(self._mirror.apply, message):
                self._ask_for_mirror(client, group)
        elif isinstance(message, ReorderSignal):
            await asyncio.to_thread(self._mirror.apply_signal, message)

    async def _welcomed(self, welcome: Welcome) -> Welcomed:
        if self._hello is None or not welcome.digests:
            return Welcomed(welcome, ())
        before_first = Seq(self._hello.first_seq - 1)
        facts = await asyncio.to_thread(
            self._outbox.read, before_first, len(welcome.digests), codec.FRAME_BYTES_MAX * 64
        )
        return Welcomed(welcome, own_facts(facts))

    async def _feed(self, event: SessionInput, client: Client, group: asyncio.TaskGroup) -> None:
        events: deque[SessionInput] = deque([event])
        while events:
            status = self._outbox.status()
            for action in self._session.handle(events.popleft(), status, self._now_ms()):
                result = await self._perform(action, client, group)
                if result is not None:
                    events.append(result)

    async def _perform(
        self, action: Action, client: Client, group: asyncio.TaskGroup
    ) -> SessionInput | None:
        match action:
            case SendHello():
                self._hello = action
                self._send(codec.encode_up(self._hello_message(action)), client, group)
            case SendBatch():
                return await self._send_batch(action, client, group)
            case Trim(epoch, through_seq):
                self._outbox.trim(epoch, through_seq)
            case StartEpoch(keep_from):
                epoch = await asyncio.to_thread(self._outbox.start_epoch, keep_from)
                _log.warning("uplink: the outbox goes on in epoch %d", epoch)
                return EpochStarted()
            case ResetMirror():
                await asyncio.to_thread(self._mirror.reset)
            case RaiseAlarm(kind, detail):
                if kind not in self._agent.alarms:
                    _log.error("alarm %s: %s", kind, detail)
                self._agent.alarms[kind] = detail
                self._agent_changed = True
            case ClearAlarm(kind):
                if self._agent.alarms.pop(kind, None) is not None:
                    self._agent_changed = True
        return None

    def _hello_message(self, hello: SendHello) -> Hello:
        return Hello(
            store=self._store,
            epoch=hello.epoch,
            first_seq=hello.first_seq,
            next_seq=hello.next_seq,
            mirror_position=self._mirror.progress().position,
            sent_at_ms=self._clock_ms(),
            agent_version=AGENT_VERSION,
        )

    async def _send_batch(
        self, batch: SendBatch, client: Client, group: asyncio.TaskGroup
    ) -> BatchSent:
        after = Seq(batch.first_seq - 1)
        facts = await asyncio.to_thread(self._outbox.read, after, batch.facts_max, batch.bytes_max)
        assert facts, "the session asks only for what the outbox holds"  # noqa: S101 # Ours.
        assert facts[0].seq == batch.first_seq, facts[0].seq  # noqa: S101 # Numbers have no gaps.
        data = [fact.data for fact in facts]
        frame = codec.encode_batch(
            self._store, batch.epoch, batch.first_seq, self._clock_ms(), data
        )
        self._send(frame, client, group)
        return BatchSent(batch.first_seq, facts[-1].seq)

    def _send(self, frame: bytes, client: Client, group: asyncio.TaskGroup) -> None:
        # The PUBACK is waited for aside: it proves nothing, and a slow one must not hold the next.
        topic = self._topics.facts(self._store)
        properties = _properties(MESSAGEPACK, FACTS_SCHEMA)
        group.create_task(client.publish(topic, frame, qos=1, properties=properties))

    def _ask_for_mirror(self, client: Client, group: asyncio.TaskGroup) -> None:
        if self._loop.time() - self._mirror_asked_s < MIRROR_REQUEST_INTERVAL_S:
            return
        self._mirror_asked_s = self._loop.time()
        position = self._mirror.progress().position
        request = MirrorRequest(store=self._store, position=position)
        self._send(codec.encode_up(request), client, group)

    async def _tell_agent(self, client: Client) -> None:
        self._agent_changed = False
        self._agent_told_s = self._loop.time()
        await self._publish_agent(client, encode_document(self._agent.document("online")))

    async def _say_goodbye(self, client: Client) -> None:
        await self._publish_agent(client, encode_document(self._agent.document("offline")))

    async def _publish_agent(self, client: Client, document: bytes) -> None:
        await client.publish(
            self._topics.agent(self._store),
            document,
            qos=1,
            retain=True,
            properties=_properties(JSON, AGENT_SCHEMA),
        )


def _properties(content_type: str, schema: str) -> Properties:
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call] # paho's.
    properties.ContentType = content_type
    properties.UserProperty = [(SCHEMA_PROPERTY, schema)]
    return properties


def _tls_context(broker: BrokerSettings) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=broker.ca_file)
    if broker.certificate_file is not None:
        context.load_cert_chain(broker.certificate_file, broker.key_file)
    return context


def _first(errors: BaseExceptionGroup) -> BaseException:
    first: BaseException = errors
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    return first
