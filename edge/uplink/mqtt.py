"""The uplink's I/O: performs what the session decides, over MQTT 5.

One task on the agent's event loop owns the connection; what touches a disk runs on a thread beside
it. A lost connection is made again with jittered back-off, for ever. Whatever else goes wrong here
is logged once and the uplink starts anew with a handshake, which assumes nothing; only a failed
outbox ends it.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterator
from typing import Final

from aiomqtt import Message, MqttError

from edge.backoff import Jitter, backoff_ms
from edge.errors import OutboxFailed
from edge.mirror.sqlite import MirrorFailed, SqliteMirror
from edge.outbox.port import Outbox
from edge.uplink.agent import AGENT_VERSION, AgentState
from edge.uplink.client import (
    INCOMING_MAX,
    ClientType,
    agent_properties,
    frame_properties,
    new_client,
)
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
    OwnFact,
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
from mqtt5 import Client
from protocol import codec
from protocol.broker_settings import BrokerSettings
from protocol.documents import encode_document
from protocol.envelope import Hello, MirrorRequest
from protocol.errors import FrameRejected
from protocol.ids import Seq, StoreId
from protocol.topics import Topics
from protocol.updates import (
    Ack,
    DownMessage,
    MirrorUpdate,
    ReorderSignal,
    TaskSignal,
    Welcome,
)

RECONNECT_FIRST_MS: Final = 50
RECONNECT_MAX_MS: Final = 30_000
AGENT_INTERVAL_S: Final = 1.0
COUNTERS_INTERVAL_S: Final = 5.0
MIRROR_REQUEST_INTERVAL_S: Final = 2.0
MIRROR_CHECK_INTERVAL_S: Final = 30.0
"""When no update came for so long, we ask: of the last one, nobody notices that it was lost."""
IDLE_S: Final = 1.0
DIGESTS_PER_READ: Final = 500
"""A welcome may be about thousands of facts; their contents are not held at once."""

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
        client_type: ClientType = Client,
    ) -> None:
        self.frames_rejected = 0
        self._store = store
        self._broker = broker
        self._settings = settings
        self._outbox = outbox
        self._mirror = mirror
        self._agent = agent
        self._clock_ms = clock_ms
        self._jitter = jitter
        self._client_type = client_type
        self._topics = Topics(broker.root)
        self._session = Session(settings, jitter)
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._received: deque[DownMessage] = deque()
        self._agent_changed = False
        self._agent_told_s = float("-inf")
        self._mirror_asked_s = float("-inf")
        self._mirror_heard_s = float("-inf")
        self._mirror_failure = ""
        self._failures = 0
        self._stopping = False
        outbox.on_append(self._wake_from_thread)

    def agent_changed(self) -> None:
        """Publish the agent's document again soon. Callable from any thread."""
        self._agent_changed = True
        self._wake_from_thread()

    def stop(self) -> None:
        """Let `run` end: at once when offline, else when everything is delivered or time is up."""
        self._stopping = True
        self._wake.set()

    async def run(self) -> None:
        """Deliver until `stop`, then try for a bounded time to deliver the rest.

        Raises `OutboxFailed`, and nothing else.
        """
        while not self._stopping:
            try:
                await self._connection()
            except Exception as error:  # noqa: BLE001 # Judged there; nothing of it is carried on.
                await self._failed(_cause(error))

    async def _failed(self, cause: BaseException) -> None:
        if isinstance(cause, OutboxFailed):
            raise cause
        if not isinstance(cause, MqttError | OSError):
            _log.error("uplink: failed, and starts anew", exc_info=cause)
            self._session = Session(self._settings, self._jitter)
        await self._pause_after(str(cause) or type(cause).__name__)

    # The connection.

    async def _connection(self) -> None:
        will = encode_document(self._agent.document("offline"))
        keepalive_s = self._settings.keepalive_s
        client = new_client(self._broker, self._store, will, keepalive_s, self._client_type)
        try:
            async with client:
                for topic in (self._topics.ack, self._topics.mirror, self._topics.signals):
                    await client.subscribe(topic(self._store), qos=1)
                _log.info("uplink: connected to %s", self._broker.url)
                self._failures = 0
                await self._converse(client)
        finally:
            self._session.handle(Disconnected(), self._outbox.status(), self._now_ms())

    async def _converse(self, client: Client) -> None:
        self._received.clear()
        self._mirror_heard_s = self._loop.time()
        async with asyncio.TaskGroup() as group:
            receiving = group.create_task(self._receive(client))
            await self._tell_agent(client)
            await self._feed(Connected(), client)
            await self._deliver(client)
            receiving.cancel()
        await self._publish_agent(client, encode_document(self._agent.document("offline")))

    async def _pause_after(self, reason: str) -> None:
        pause_ms = backoff_ms(self._failures, RECONNECT_FIRST_MS, RECONNECT_MAX_MS, self._jitter)
        # An outage may last for a week: it is told once, not at every attempt.
        level = logging.DEBUG if self._failures else logging.WARNING
        _log.log(level, "uplink: %s; trying again, the first time in %d ms", reason, pause_ms)
        self._failures += 1
        deadline_s = self._loop.time() + pause_ms / 1000
        while not self._stopping and (left_s := deadline_s - self._loop.time()) > 0:
            await self._wait(left_s)

    async def _wait(self, seconds: float) -> None:
        # Not `wait_for`: in Python 3.11 it may swallow a cancellation that comes with the event.
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return
        self._wake.clear()

    def _wake_from_thread(self) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake.set)

    def _now_ms(self) -> int:
        return int(self._loop.time() * 1000)

    # Everything that happens on a connection, one thing after the other.

    async def _deliver(self, client: Client) -> None:
        give_up_s: float | None = None
        while True:
            while self._received:
                await self._hear(self._received.popleft(), client)
            await self._feed(Tick(), client)
            await self._tell_agent_if_due(client)
            self._ask_for_mirror_if_due(client)
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
            if len(self._received) >= INCOMING_MAX:
                continue  # Dropped, as aiomqtt does above the same bound.
            decoded = self._decode(message)
            if decoded is not None:
                self._received.append(decoded)
                self._wake.set()

    def _decode(self, message: Message) -> DownMessage | None:
        try:
            decoded = codec.decode_down(message.payload)
        except FrameRejected as error:
            reason = str(error)
        else:
            if decoded.store == self._store:
                return decoded
            reason = f"it is for store {decoded.store!r}"
        self.frames_rejected += 1
        _log.warning("uplink: ignored a message on %s: %s", message.topic, reason)
        return None

    async def _hear(self, message: DownMessage, client: Client) -> None:
        if isinstance(message, Ack):
            await self._feed(message, client)
        elif isinstance(message, Welcome):
            own = await asyncio.to_thread(self._own_facts, len(message.digests))
            await self._feed(Welcomed(message, own), client)
        else:
            await self._mirror_it(message)

    def _own_facts(self, count: int) -> list[OwnFact]:
        """Return what is to be compared: our facts from the first one that is held."""
        own: list[OwnFact] = []
        after = Seq(self._outbox.status().first_seq - 1)
        while len(own) < count:
            wanted = min(DIGESTS_PER_READ, count - len(own))
            facts = self._outbox.read(after, wanted, codec.FRAME_BYTES_MAX)
            if not facts:
                break
            own += own_facts(facts)
            after = facts[-1].seq
        return own

    async def _feed(self, event: SessionInput, client: Client) -> None:
        events: deque[SessionInput] = deque([event])
        while events:
            status = self._outbox.status()
            for action in self._session.handle(events.popleft(), status, self._now_ms()):
                result = await self._perform(action, client)
                if result is not None:
                    events.append(result)

    async def _perform(self, action: Action, client: Client) -> SessionInput | None:
        match action:
            case SendHello():
                self._send(codec.encode_up(self._hello_message(action)), client)
            case SendBatch():
                return await self._send_batch(action, client)
            case Trim(epoch, through_seq):
                self._outbox.trim(epoch, through_seq)
            case StartEpoch(keep_from):
                epoch = await asyncio.to_thread(self._outbox.start_epoch, keep_from)
                _log.warning("uplink: the outbox goes on in epoch %d", epoch)
                return EpochStarted()
            case ResetMirror():
                await self._with_mirror(self._mirror.reset)
            case RaiseAlarm(kind, detail):
                if kind not in self._agent.alarms:
                    _log.error("alarm %s: %s", kind, detail)
                self._agent.alarms[kind] = detail
                self._agent_changed = True
            case ClearAlarm(kind):
                if self._agent.alarms.pop(kind, None) is not None:
                    _log.info("alarm %s is over", kind)
                    self._agent_changed = True
        return None

    # What goes out.

    def _hello_message(self, hello: SendHello) -> Hello:
        return Hello(
            store=self._store,
            epoch=hello.epoch,
            first_seq=hello.first_seq,
            next_seq=hello.next_seq,
            mirror_position=self._mirror.position,
            sent_at_ms=self._clock_ms(),
            agent_version=AGENT_VERSION,
            session=hello.session,
        )

    async def _send_batch(self, batch: SendBatch, client: Client) -> BatchSent:
        after = Seq(batch.first_seq - 1)
        facts = await asyncio.to_thread(self._outbox.read, after, batch.facts_max, batch.bytes_max)
        assert facts, "the session asks only for what the outbox holds"  # noqa: S101 # Ours.
        assert facts[0].seq == batch.first_seq, facts[0].seq  # noqa: S101 # Numbers have no gaps.
        data = [fact.data for fact in facts]
        frame = codec.encode_batch(
            self._store,
            batch.epoch,
            batch.first_seq,
            self._clock_ms(),
            data,
            session=batch.session,
            welcomed_through=batch.welcomed_through,
        )
        self._send(frame, client)
        return BatchSent(batch.first_seq, facts[-1].seq)

    def _send(self, frame: bytes, client: Client) -> None:
        # Nobody waits for the PUBACK: it proves nothing, and a slow one must not hold the next. One
        # that does not come ends the connection.
        client.post(self._topics.facts(self._store), frame, properties=frame_properties())

    async def _tell_agent_if_due(self, client: Client) -> None:
        """Counters change all the time: they are told now and then, a change of health sooner."""
        quiet_s = self._loop.time() - self._agent_told_s
        if quiet_s > (AGENT_INTERVAL_S if self._agent_changed else COUNTERS_INTERVAL_S):
            await self._tell_agent(client)

    async def _tell_agent(self, client: Client) -> None:
        self._agent_changed = False
        self._agent_told_s = self._loop.time()
        await self._publish_agent(client, encode_document(self._agent.document("online")))

    async def _publish_agent(self, client: Client, document: bytes) -> None:
        topic = self._topics.agent(self._store)
        await client.publish(topic, document, qos=1, retain=True, properties=agent_properties())

    # The mirror. It is a convenience: when it fails, facts still go to the cloud.

    async def _mirror_it(self, message: MirrorUpdate | ReorderSignal | TaskSignal) -> None:
        if isinstance(message, ReorderSignal):
            await self._with_mirror(lambda: self._mirror.apply_signal(message))
        elif isinstance(message, TaskSignal):
            await self._with_mirror(lambda: self._mirror.apply_task(message))
        else:
            self._mirror_heard_s = self._loop.time()
            await self._with_mirror(lambda: self._mirror.apply(message))

    async def _with_mirror(self, change: Callable[[], None]) -> None:
        try:
            await asyncio.to_thread(change)
        except MirrorFailed as error:
            if str(error) != self._mirror_failure:
                _log.error("%s; `stock` shows old counts", error)
            self._mirror_failure = str(error)
        else:
            self._mirror_failure = ""

    def _ask_for_mirror_if_due(self, client: Client) -> None:
        now_s = self._loop.time()
        if not self._mirror.is_behind and now_s - self._mirror_heard_s < MIRROR_CHECK_INTERVAL_S:
            return
        if now_s - self._mirror_asked_s < MIRROR_REQUEST_INTERVAL_S:
            return
        self._mirror_asked_s = now_s
        request = MirrorRequest(store=self._store, position=self._mirror.position)
        self._send(codec.encode_up(request), client)


def _cause(error: BaseException) -> BaseException:
    """Return the worst of what went wrong: the outbox, before a mistake of ours, before the net."""
    return min(_leaves(error), key=_severity)


def _severity(error: BaseException) -> int:
    if isinstance(error, OutboxFailed):
        return 0
    return 2 if isinstance(error, MqttError | OSError) else 1


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for part in error.exceptions:
            yield from _leaves(part)
    else:
        yield error
