"""The simulated broker's client: stands in for `mqtt5.Client`, as far as our code uses it.

It raises what that raises when it does: `MqttError` for a lost or refused connection and for a
call that takes too long. Incoming messages wait in the given kind of queue, and are dropped when it
is full.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from aiomqtt import Message, MqttError, Will

if TYPE_CHECKING:
    from simulators.harness.broker import SimulatedBroker

CALL_TIMEOUT_S: Final = 10.0
IN_FLIGHT_MAX: Final = 20
TIMED_OUT: Final = "Operation timed out"


class Arrived(NamedTuple):
    """A message on its way to a client."""

    topic: str
    payload: bytes
    retain: bool


class SimulatedClient:
    """One client, for one connection."""

    def __init__(
        self,
        broker: "SimulatedBroker",
        host: str,
        *,
        identifier: str,
        will: Will | None = None,
        timeout: float = CALL_TIMEOUT_S,
        keepalive: int = 60,
        queue_type: Callable[..., asyncio.Queue[Message]] | None = None,
        max_queued_incoming_messages: int = 0,
        **_: Any,
    ) -> None:
        self.host: Final = host
        self.identifier: Final = identifier
        self.will: Final = will
        self.keepalive_s: Final = keepalive
        self.patterns: list[str] = []
        self.next_delivery_s = 0.0
        self.under_way = 0
        self.in_flight_max: Final = IN_FLIGHT_MAX
        self._posts: Final[set[asyncio.Task[None]]] = set()
        self._broker: Final = broker
        self._timeout_s: Final = timeout
        self._queue: Final = (queue_type or asyncio.Queue)(maxsize=max_queued_incoming_messages)
        self._is_connected = False
        self._lost: asyncio.Future[None] | None = None
        self._next_arrival_s = 0.0

    async def __aenter__(self) -> "SimulatedClient":
        """Connect. Raises `MqttError`."""
        broker, loop = self._broker, asyncio.get_running_loop()
        self._lost = loop.create_future()
        await asyncio.sleep(2 * broker.delay_s())
        if broker.is_cut(self.host):
            await asyncio.sleep(self._timeout_s)
            raise MqttError(TIMED_OUT)
        refused = broker.faults.connect_refused
        if not broker.is_up or (refused and broker.rng.random() < refused):
            raise MqttError("[Errno 111] Connection refused")
        self._is_connected = True
        broker.admit(self)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Say goodbye: no last will."""
        if self._is_connected:
            self._is_connected = False
            self._broker.leave(self)

    def lose_connection(self) -> None:
        """The connection is gone; everybody who waits for something hears of it."""
        self._is_connected = False
        if self._lost is not None and not self._lost.done():
            self._lost.set_result(None)

    def hear(self, message: Arrived) -> None:
        """Put a message into the queue, or drop it when that is full."""
        if not self._is_connected:
            return
        topic, payload, retain = message
        try:
            self._queue.put_nowait(
                Message(topic=topic, payload=payload, qos=1, retain=retain, mid=0, properties=None)
            )
        except asyncio.QueueFull:
            self._broker.note("client: queue full")

    @property
    def messages(self) -> AsyncIterator[Message]:
        """Messages as they come. Raises `MqttError` when the connection is lost."""
        return self._messages()

    async def _messages(self) -> AsyncIterator[Message]:
        while True:
            getting = asyncio.ensure_future(self._queue.get())
            try:
                await self._or_lost(getting)
            finally:
                if not getting.done():
                    getting.cancel()
            if not getting.done() or getting.cancelled():
                raise MqttError("Disconnected during message iteration")
            yield getting.result()

    async def subscribe(self, topic: str | list[tuple[str, int]], qos: int = 0, **_: Any) -> None:
        """Ask for topics. Raises `MqttError`."""
        wanted = topic if isinstance(topic, list) else [(topic, qos)]
        await self._reach()
        patterns = [pattern for pattern, _ in wanted]
        self.patterns += patterns
        self._broker.send_retained(self, patterns, max(qos for _, qos in wanted))

    async def unsubscribe(self, topic: str, **_: Any) -> None:
        """Ask for a topic no more. Raises `MqttError`."""
        await self._reach()
        self.patterns = [pattern for pattern in self.patterns if pattern != topic]

    async def publish(
        self,
        topic: str,
        payload: bytes = b"",
        qos: int = 0,
        retain: bool = False,
        properties: Any = None,
        timeout: float | None = None,  # noqa: ASYNC109 # As aiomqtt has it.
        **_: Any,
    ) -> None:
        """Send a message, and wait until the broker confirms one of QoS 1. Raises `MqttError`."""
        del properties
        broker, loop = self._broker, asyncio.get_running_loop()
        await self._reach(timeout)
        confirmed = loop.create_future()
        at_s = self._next_arrival_s = max(self._next_arrival_s, loop.time() + broker.delay_s())

        def arrive() -> None:
            if not self._is_connected or broker.is_cut(self.host):
                return
            broker.take(topic, payload, retain=retain)
            if broker.faults.puback_lost and broker.rng.random() < broker.faults.puback_lost:
                broker.note("broker: PUBACK lost")
            elif not confirmed.done():
                confirmed.set_result(None)

        broker.at(at_s, arrive)
        if not qos:
            return
        try:
            async with asyncio.timeout(timeout or self._timeout_s):
                await self._or_lost(confirmed)
        except TimeoutError:
            raise MqttError(TIMED_OUT) from None
        if not confirmed.done():
            raise MqttError("Disconnected during publish")

    def post(  # The arguments are those of `mqtt5.Client.post`.
        self,
        topic: str,
        payload: bytes,
        *,
        retain: bool = False,
        properties: Any = None,
        then: Callable[[], None] | None = None,
        timeout: float | None = None,
    ) -> None:
        """Send with QoS 1; what goes wrong ends the connection. Raises `MqttError`."""
        if not self._is_connected:
            raise MqttError("the client is not connected")

        async def posted() -> None:
            try:
                await self.publish(topic, payload, 1, retain, properties, timeout)
            except MqttError:
                if self._is_connected:
                    self._broker.end(self)
                return
            if then is not None and self._is_connected:
                then()

        task = asyncio.get_running_loop().create_task(posted())
        self._posts.add(task)
        task.add_done_callback(self._posts.discard)

    async def _reach(self, timeout_s: float | None = None) -> None:
        """Raise what a call raises when it cannot reach the broker."""
        broker = self._broker
        if not self._is_connected:
            raise MqttError("[code:4] The client is not currently connected.")
        if broker.faults.reset and broker.rng.random() < broker.faults.reset:
            broker.note("network: reset")
            broker.end(self)
            raise MqttError("[Errno 104] Connection reset by peer")
        if broker.is_cut(self.host):
            lost = self._lost
            assert lost is not None  # noqa: S101 # Made when we connected.
            await asyncio.wait((lost,), timeout=timeout_s or self._timeout_s)
            raise MqttError(TIMED_OUT)

    async def _or_lost(self, wanted: asyncio.Future[Any]) -> None:
        assert self._lost is not None, "not connected"  # noqa: S101 # The caller's mistake.
        await asyncio.wait((wanted, self._lost), return_when=asyncio.FIRST_COMPLETED)
