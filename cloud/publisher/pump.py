"""The publisher: tells stores, WMS and channels what was committed, across broken connections.

While there is no connection nothing is kept but the position: edges ask again, mirrors request,
and what should be retained is read from the journal, from where the broker's own memory ends.
Runs on the cloud's event loop with a connection of its own.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from typing import Final

from aiomqtt import MqttError, Will
from paho.mqtt.packettypes import PacketTypes

from cloud.broker import CALL_TIMEOUT_S, BackOff, ClientType, new_client
from cloud.config import PublisherSettings
from cloud.journal.port import JournalReader
from cloud.publisher.handover import Handover
from cloud.publisher.marker import Marker, position_to_fill_from
from cloud.publisher.outgoing import CLOUD
from cloud.publisher.press import Press
from cloud.publisher.progress import Progress
from cloud.publisher.properties import properties_of
from cloud.publisher.refill import Refill
from cloud.publisher.session import MARKER_RESERVE, Session
from mqtt5 import Client
from protocol.broker_settings import BrokerSettings
from protocol.topics import Topics

log = logging.getLogger(__name__)


Printing = Callable[[], contextlib.AbstractAsyncContextManager["Press | None"]]
"""Starts what makes documents in a process of its own."""


@contextlib.asynccontextmanager
async def no_press() -> AsyncIterator[None]:
    """Make documents on the event loop."""
    yield None


class Publisher:
    """Publishes until `stop`; a lost connection is made again with back-off."""

    def __init__(
        self,
        broker: BrokerSettings,
        settings: PublisherSettings,
        *,
        handover: Handover,
        reader: JournalReader,
        owner_epoch: int,
        on_published: Callable[[int], None],
        now_ms: Callable[[], int],
        back_off: BackOff,
        client_type: ClientType = Client,
        press: Printing = no_press,
    ) -> None:
        """Read where the journal stands; no shard may have committed to `handover` before."""
        self._broker: Final = broker
        self._settings: Final = settings
        self._topics: Final = Topics(broker.root)
        self._handover: Final = handover
        self._reader: Final = reader
        self._owner_epoch: Final = owner_epoch
        self._on_published: Final = on_published
        self._now_ms: Final = now_ms
        self._back_off: Final = back_off
        self._client_type: Final = client_type
        self._printing: Final = press
        self._press: Press | None = None
        self._head = reader.position()
        self._stopping: Final = asyncio.Event()

    def stop(self) -> None:
        """Make `run` return once everything handed over was told, or could not be in time."""
        self._stopping.set()

    async def run(self) -> None:
        """Publish until `stop`. Raises a group with `JournalFailed` when the journal fails."""
        with ThreadPoolExecutor(1, "publisher-reads") as reading:
            async with self._printing() as self._press:
                await self._publish_until_stopped(reading)

    async def _publish_until_stopped(self, reading: ThreadPoolExecutor) -> None:
        while not self._stopping.is_set():
            try:
                await self._connect_and_publish(reading)
            except* MqttError as errors:
                log.warning("publisher: no broker (%s)", first_cause(errors))
            if not self._stopping.is_set():
                await self._pause()

    async def _pause(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._back_off.next_s()):
                await self._stopping.wait()

    async def _connect_and_publish(self, reading: ThreadPoolExecutor) -> None:
        """Connect with a last will that says no more than what the broker truly has.

        A will is fixed when a connection begins, before we know what the broker remembers. The
        first one promises nothing; when the broker remembers more, we connect again.
        """
        marker = Marker(self._now_ms(), version("stocktruth"), self._owner_epoch)
        promised = 0
        while True:
            async with self._new_client(marker.offline(promised)) as client:
                fill_from = await self._read_back(client, marker)
                if fill_from == promised:
                    self._back_off.succeeded()
                    await self._publish_on(client, marker, fill_from, reading)
                    return
            promised = fill_from

    def _new_client(self, will: bytes) -> Client:
        window = self._settings.live_window + self._settings.retained_window
        return new_client(
            self._broker,
            "publisher",
            in_flight_max=window + MARKER_RESERVE,
            client_type=self._client_type,
            will=Will(
                self._topics.cloud_agent(),
                will,
                qos=1,
                retain=True,
                properties=properties_of(CLOUD, PacketTypes.WILLMESSAGE),
            ),
        )

    async def _read_back(self, client: Client, marker: Marker) -> int:
        """Return the position after which the broker may lack what it should retain.

        Our own document follows the subscription on the same topic: when it comes back first,
        the broker had none. Until the answer is known it says 0, so that a crash in between leads
        to more work and never to less.
        """
        topic = self._topics.cloud_agent()
        probe = marker.online(0)
        await client.subscribe(topic, qos=1)
        await self._tell(client, probe)
        remembered = await self._before(probe, client)
        await client.unsubscribe(topic)
        fill_from = position_to_fill_from(remembered, self._head)
        await self._tell(client, marker.online(fill_from))
        return fill_from

    async def _tell(self, client: Client, document: bytes) -> None:
        topic, properties = self._topics.cloud_agent(), properties_of(CLOUD)
        await client.publish(topic, document, qos=1, retain=True, properties=properties)

    async def _before(self, probe: bytes, client: Client) -> bytes | None:
        remembered: bytes | None = None
        try:
            async with asyncio.timeout(CALL_TIMEOUT_S):
                async for message in client.messages:
                    if message.payload == probe:
                        break
                    remembered = message.payload
        except TimeoutError as error:
            topic = self._topics.cloud_agent()
            raise MqttError(f"the broker does not let us read {topic}") from error
        return remembered

    async def _publish_on(
        self, client: Client, marker: Marker, fill_from: int, reading: ThreadPoolExecutor
    ) -> None:
        log.info("publisher: connected; the broker is at %d of %d", fill_from, self._head)
        progress = Progress(self._head, fill_from, self._settings.backlog_topics_max)
        session = Session(
            client,
            self._settings,
            self._topics,
            progress=progress,
            handover=self._handover,
            marker=marker,
            refill_from=lambda since: Refill(self._reader, since, self._topics),
            reading=reading,
            on_published=self._on_published,
            press=self._press,
        )
        try:
            await session.run(self._stopping)
        finally:
            self._head = progress.head


def first_cause(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the first exception that is no group, for a log line."""
    first: BaseException = errors
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    return first
