"""The client: one connection to a broker, on the event loop of its caller.

What is published in one turn of the loop leaves in one write, and so do confirmations. `post` calls
back when the broker has confirmed, and makes no task: a loss of the connection, or a confirmation
that is too late, ends the connection, which `messages` and every waiting call raise as `MqttError`.
"""

import asyncio
import logging
import ssl
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from types import TracebackType
from typing import Final, NamedTuple, TypeVar

from aiomqtt import Message, MqttError, Will
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from mqtt5 import packets
from mqtt5.packets import (
    FAILURE,
    NO_PROPERTIES,
    PACKET_ID_MAX,
    REMAINING_BYTES_MAX,
    Answered,
    Confirmed,
    Decoder,
    Ended,
    PacketInvalid,
    Pong,
    Published,
    Welcomed,
)

CALL_TIMEOUT_S: Final = 10.0
CHECK_INTERVAL_S: Final = 1.0
CLOSE_TIMEOUT_S: Final = 2.0
FORMS_MAX: Final = 64
"""Packed properties that are remembered; a program has a handful of kinds of message."""
TIMED_OUT: Final = "Operation timed out"

T = TypeVar("T")

Confirm = Callable[[], None]
Hear = Callable[[str, bytes, bool], None]
"""Takes topic, payload and whether it was retained."""

_log = logging.getLogger(__name__)


class _Waiting(NamedTuple):
    """A message that waits for a place among those in flight."""

    topic: bytes
    payload: bytes
    retain: bool
    properties: bytes
    then: "Confirm | asyncio.Future[None] | None"
    timeout_s: float


class _InFlight(NamedTuple):
    """What happens when a message is confirmed, and when that is too late."""

    then: "Confirm | asyncio.Future[None] | None"
    deadline_s: float


class Client(asyncio.Protocol):
    """One connection. The arguments are those of `aiomqtt.Client` that we use.

    `on_message` is called instead of queueing, for those who need no queue.
    """

    def __init__(  # As many as aiomqtt's that we use.
        self,
        hostname: str,
        port: int = 1883,
        *,
        identifier: str,
        clean_start: bool = True,
        keepalive: int = 60,
        timeout: float = CALL_TIMEOUT_S,
        queue_type: Callable[..., asyncio.Queue[Message]] | None = None,
        max_queued_incoming_messages: int = 0,
        max_inflight_messages: int = 20,
        properties: Properties | None = None,
        tls_context: ssl.SSLContext | None = None,
        will: Will | None = None,
        on_message: Hear | None = None,
    ) -> None:
        self._address: Final = (hostname, port)
        self._tls: Final = tls_context
        self._timeout_s: Final = timeout
        self._keepalive_s = keepalive
        self._window = max_inflight_messages
        self._packet_bytes_max = REMAINING_BYTES_MAX
        self._connect: Final = packets.connect(
            identifier,
            keepalive,
            clean_start=clean_start,
            properties=_packed(properties),
            will=_will(will),
        )
        ours = getattr(properties, "MaximumPacketSize", REMAINING_BYTES_MAX)
        self._decoder: Final = Decoder(ours)
        self._queue: Final = (queue_type or asyncio.Queue)(maxsize=max_queued_incoming_messages)
        self._hear: Final = on_message or self._enqueue
        self._loop: Final = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._welcome: Final[asyncio.Future[Welcomed]] = self._loop.create_future()
        self._closed: Final = asyncio.Event()
        self._failure: MqttError | None = None
        self._listener: asyncio.Future[None] | None = None
        self._out: list[bytes] = []
        self._is_flush_due = False
        self._waiting: Final[deque[_Waiting]] = deque()
        self._in_flight: Final[dict[int, _InFlight]] = {}
        self._calls: Final[dict[int, asyncio.Future[bytes]]] = {}
        self._last_id = 0
        self._forms: Final[dict[int, tuple[Properties, bytes]]] = {}
        self._sent_s = self._heard_s = 0.0
        self._check: asyncio.TimerHandle | None = None

    @property
    def in_flight_max(self) -> int:
        """How many messages may be unconfirmed; what is beyond waits here."""
        return self._window

    # Connecting and leaving.

    async def __aenter__(self) -> "Client":
        """Connect. Raises `MqttError`."""
        try:
            async with asyncio.timeout(self._timeout_s):
                self._transport, _ = await self._loop.create_connection(
                    lambda: self, *self._address, ssl=self._tls
                )
                self._write(self._connect)
                welcome = await self._welcome
        except TimeoutError:
            self._give_up()
            raise MqttError(TIMED_OUT) from None
        except (OSError, MqttError) as error:
            self._give_up()
            raise MqttError(str(error)) from error
        except BaseException:
            self._give_up()
            raise
        if welcome.reason >= FAILURE:
            self._give_up()
            raise MqttError(f"the broker refuses the connection: reason {welcome.reason:#x}")
        self._window = min(self._window, welcome.receive_maximum)
        self._packet_bytes_max = welcome.packet_bytes_max
        if welcome.keepalive_s is not None:
            self._keepalive_s = welcome.keepalive_s
        self._check = self._loop.call_later(CHECK_INTERVAL_S, self._look_after)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Say goodbye: no last will."""
        if self._failure is None and self._transport is not None:
            self._write(packets.DISCONNECT_BYTES)
            self._flush()
            self._fail(MqttError("disconnected"))
            self._transport.close()
            try:
                async with asyncio.timeout(CLOSE_TIMEOUT_S):
                    await self._closed.wait()
            except TimeoutError:
                self._transport.abort()

    def _give_up(self) -> None:
        self._fail(MqttError("not connected"))
        if self._transport is not None:
            self._transport.abort()

    # Talking to the broker.

    async def subscribe(self, topic: str | Sequence[tuple[str, int]], qos: int = 0) -> list[int]:
        """Ask for topics; returns the reason codes. Raises `MqttError`."""
        topics = [(topic, qos)] if isinstance(topic, str) else topic
        return list(await self._call(lambda number: packets.subscribe(number, topics)))

    async def unsubscribe(self, topic: str) -> None:
        """Ask for a topic no more. Raises `MqttError`."""
        await self._call(lambda number: packets.unsubscribe(number, [topic]))

    async def publish(
        self,
        topic: str,
        payload: bytes = b"",
        qos: int = 0,
        retain: bool = False,
        properties: Properties | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 # As aiomqtt has it.
    ) -> None:
        """Send a message, and wait until the broker confirms one of QoS 1. Raises `MqttError`."""
        self._raise_failure()
        if not qos:
            packed = self._form(properties)
            self._write(
                packets.publish(topic.encode(), payload, 0, retain=retain, properties=packed)
            )
            return
        confirmed: asyncio.Future[None] = self._loop.create_future()
        self._send(topic, payload, retain, properties, confirmed, timeout or self._timeout_s)
        await self._answer(confirmed, timeout)

    def post(
        self,
        topic: str,
        payload: bytes,
        *,
        retain: bool = False,
        properties: Properties | None = None,
        then: Confirm | None = None,
        timeout: float | None = None,
    ) -> None:
        """Send a message with QoS 1, and call `then` when the broker has confirmed it.

        A confirmation that takes longer than `timeout` ends the connection. Raises `MqttError` when
        there is none.
        """
        self._raise_failure()
        self._send(topic, payload, retain, properties, then, timeout or self._timeout_s)

    @property
    def messages(self) -> AsyncIterator[Message]:
        """Messages as they come, for one listener. Raises `MqttError` when the connection ends."""
        return self._messages()

    async def _messages(self) -> AsyncIterator[Message]:
        while True:
            while not self._queue.empty():
                yield self._queue.get_nowait()
            if self._failure is not None:
                raise MqttError(f"Disconnected during message iteration: {self._failure}")
            self._listener = self._loop.create_future()
            await self._listener

    # What leaves.

    def _send(
        self,
        topic: str,
        payload: bytes,
        retain: bool,
        properties: Properties | None,
        then: "Confirm | asyncio.Future[None] | None",
        timeout_s: float,
    ) -> None:
        packed = self._form(properties)
        message = _Waiting(topic.encode(), payload, retain, packed, then, timeout_s)
        if self._waiting or len(self._in_flight) >= self._window:
            self._waiting.append(message)
        else:
            self._launch(message)

    def _launch(self, message: _Waiting) -> None:
        topic, payload, retain, properties, then, timeout_s = message
        number = self._free_id()
        packet = packets.publish(topic, payload, number, retain=retain, properties=properties)
        if len(packet) > self._packet_bytes_max:
            self._lose(f"the broker takes packets of {self._packet_bytes_max} bytes at most")
            return
        self._in_flight[number] = _InFlight(then, self._loop.time() + timeout_s)
        self._write(packet)

    def _free_id(self) -> int:
        number = self._last_id
        while True:
            number = number % PACKET_ID_MAX + 1
            if number not in self._in_flight and number not in self._calls:
                self._last_id = number
                return number

    def _form(self, properties: Properties | None) -> bytes:
        """Return packed properties; nobody changes those that were published once."""
        if properties is None:
            return NO_PROPERTIES
        known = self._forms.get(id(properties))
        if known is not None:
            return known[1]
        if len(self._forms) >= FORMS_MAX:
            self._forms.clear()
        packed = _packed(properties)
        self._forms[id(properties)] = (properties, packed)
        return packed

    def _write(self, packet: bytes) -> None:
        self._out.append(packet)
        if not self._is_flush_due:
            self._is_flush_due = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._is_flush_due = False
        if self._out and self._transport is not None:
            self._transport.write(b"".join(self._out))
            self._out.clear()
            self._sent_s = self._loop.time()

    async def _call(self, packet: Callable[[int], bytes]) -> bytes:
        self._raise_failure()
        number = self._free_id()
        answer: asyncio.Future[bytes] = self._loop.create_future()
        self._calls[number] = answer
        self._write(packet(number))
        return await self._answer(answer, None)

    async def _answer(self, answer: "asyncio.Future[T]", timeout_s: float | None) -> T:
        try:
            async with asyncio.timeout(self._timeout_s if timeout_s is None else timeout_s):
                return await answer
        except TimeoutError:
            raise MqttError(TIMED_OUT) from None

    # What arrives.

    def data_received(self, data: bytes) -> None:
        """Take packets in."""
        self._heard_s = self._loop.time()
        try:
            for packet in self._decoder.feed(data):
                if self._failure is not None:
                    return
                self._take(packet)
        except PacketInvalid as error:
            self._lose(str(error))
            return
        while self._waiting and len(self._in_flight) < self._window:
            self._launch(self._waiting.popleft())

    def _take(self, packet: packets.Packet) -> None:
        if isinstance(packet, Published):
            self._hear(packet.topic, packet.payload, packet.retain)
            if packet.packet_id:
                self._write(packets.puback(packet.packet_id))
        elif isinstance(packet, Confirmed):
            self._confirm(packet)
        elif isinstance(packet, Answered):
            answer = self._calls.pop(packet.packet_id, None)
            if answer is not None and not answer.done():
                answer.set_result(packet.reasons)
        elif isinstance(packet, Welcomed):
            if not self._welcome.done():
                self._welcome.set_result(packet)
        elif isinstance(packet, Ended):
            self._lose(f"the broker ends the connection: reason {packet.reason:#x}")
        else:
            assert isinstance(packet, Pong), packet  # noqa: S101 # That it came is all it says.

    def _confirm(self, packet: Confirmed) -> None:
        # As with aiomqtt, a refusal is a confirmation: that the broker took a message proves
        # nothing, and who needs to know asks at the other end.
        if packet.reason >= FAILURE:
            _log.warning("the broker refuses a message: reason %#x", packet.reason)
        then = self._in_flight.pop(packet.packet_id, _NOBODY).then
        if isinstance(then, asyncio.Future):
            if not then.done():
                then.set_result(None)
        elif then is not None:
            then()

    def _enqueue(self, topic: str, payload: bytes, retain: bool) -> None:
        message = Message(
            topic=topic, payload=payload, qos=1, retain=retain, mid=0, properties=None
        )
        try:
            self._queue.put_nowait(message)
        except asyncio.QueueFull:
            _log.warning("Message queue is full. Discarding message.")
        self._wake_listener()

    def _wake_listener(self) -> None:
        if self._listener is not None and not self._listener.done():
            self._listener.set_result(None)

    # The end.

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone, whoever ended it."""
        self._fail(MqttError(str(exc) if exc else "the connection is closed"))
        self._closed.set()

    def _lose(self, reason: str) -> None:
        self._fail(MqttError(reason))
        if self._transport is not None:
            self._transport.abort()

    def _fail(self, error: MqttError) -> None:
        """Tell everybody who waits; the first reason counts."""
        if self._failure is not None:
            return
        self._failure = error
        if self._check is not None:
            self._check.cancel()
        waiting = [message.then for message in self._waiting]
        flown = [message.then for message in self._in_flight.values()]
        for future in (*waiting, *flown, *self._calls.values(), self._welcome):
            if isinstance(future, asyncio.Future) and not future.done():
                future.set_exception(error)
                future.exception()  # Whoever stopped waiting is not told of it at the end.
        self._waiting.clear()
        self._in_flight.clear()
        self._calls.clear()
        self._wake_listener()

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise MqttError(str(self._failure)) from self._failure
        if self._transport is None:
            raise MqttError("the client is not connected")

    def _look_after(self) -> None:
        """Each second: is the broker still there, and does it confirm in time."""
        now_s = self._loop.time()
        oldest = next(iter(self._in_flight.values()), None)
        if oldest is not None and oldest.deadline_s < now_s:
            self._lose(TIMED_OUT)
            return
        if self._keepalive_s:
            if now_s - self._heard_s > 1.5 * self._keepalive_s:
                self._lose("the broker is silent")
                return
            if now_s - min(self._heard_s, self._sent_s) > self._keepalive_s / 2:
                self._write(packets.PINGREQ_BYTES)
        self._check = self._loop.call_later(CHECK_INTERVAL_S, self._look_after)


_NOBODY: Final = _InFlight(None, 0.0)


def _packed(properties: Properties | None) -> bytes:
    if properties is None:
        return NO_PROPERTIES
    return bytes(properties.pack())  # type: ignore[no-untyped-call] # paho leaves it untyped.


def _will(will: Will | None) -> packets.Will | None:
    if will is None:
        return None
    payload = will.payload if isinstance(will.payload, bytes) else str(will.payload or "").encode()
    properties = will.properties or Properties(PacketTypes.WILLMESSAGE)  # type: ignore[no-untyped-call] # See above.
    return packets.Will(will.topic.encode(), payload, will.qos, will.retain, _packed(properties))
