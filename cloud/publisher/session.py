"""One connection of the publisher: lanes that share it, and end with it.

The live lane sends what a commit says at once. The newest state per topic follows as confirmations
come in. The fill lane reads from the journal what the broker may lack. The marker lane tells how
far the broker is. What is live and what is retained have windows of their own, so that a long fill
never delays an acknowledgement. Runs on the cloud's event loop; the journal is read on a thread of
its own.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from typing import Final

from aiomqtt import MqttError

from cloud.config import PublisherSettings
from cloud.publisher.handover import Handover, Told
from cloud.publisher.live import to_stores, to_third_parties
from cloud.publisher.marker import Marker
from cloud.publisher.outgoing import CLOUD, Outgoing
from cloud.publisher.press import Press
from cloud.publisher.progress import Progress
from cloud.publisher.properties import properties_of
from cloud.publisher.refill import Page, Refill
from cloud.publisher.retained import Retained
from cloud.publisher.stores import answer
from cloud.publisher.wms import messages_of, printed, stock_in_arrays
from cloud.shards.messages import Committed
from cloud.sku_location.belief import Estimator
from cloud.sku_location.state import SkuLocation
from mqtt5 import Client
from protocol.topics import Topics
from protocol.updates import Ack

log = logging.getLogger(__name__)

FLUSH_DEADLINE_S: Final = 3.0

MARKER_RESERVE: Final = 2
"""Places in the client's window besides live and retained messages: the marker's, and a spare."""


AT_ONCE_MAX: Final = 8
"""So few documents are made here sooner than another process could make them."""


class _Stopped(Exception):
    """Ends the lanes and what is still in flight."""


class Window:
    """Bounds the publishes that the broker has not confirmed."""

    def __init__(self, size: int) -> None:
        self._free: Final = asyncio.Semaphore(size)
        self.in_flight = 0

    async def enter(self) -> None:
        """Wait for a place."""
        await self._free.acquire()
        self.in_flight += 1

    def leave(self) -> None:
        """Give a place back."""
        self.in_flight -= 1
        self._free.release()


def shared_places(settings: PublisherSettings, in_flight_max: int) -> tuple[int, int]:
    """Return how many live and how many retained messages may be in flight.

    When the broker takes fewer than the settings say (`Receive Maximum`), both share what it takes
    as the settings would, so that a long fill never keeps an acknowledgement waiting.
    """
    live, retained = settings.live_window, settings.retained_window
    places = max(2, in_flight_max - MARKER_RESERVE)
    if live + retained > places:
        live = max(1, places * live // (live + retained))
        retained = places - live
    return live, retained


class Session:
    """Publishes on a connected client until it fails or is asked to stop."""

    def __init__(
        self,
        client: Client,
        settings: PublisherSettings,
        topics: Topics,
        *,
        progress: Progress,
        handover: Handover,
        marker: Marker,
        refill_from: Callable[[int], Refill],
        reading: Executor,
        on_published: Callable[[int], None],
        press: Press | None = None,
    ) -> None:
        self._client: Final = client
        self._press: Final = press
        self._topics: Final = topics
        self._progress: Final = progress
        self._handover: Final = handover
        self._marker: Final = marker
        self._refill_from: Final = refill_from
        self._reading: Final = reading
        self._on_published: Final = on_published
        self._marker_interval_s: Final = settings.marker_interval_ms / 1_000
        self._timeout_s: Final = settings.confirm_timeout_ms / 1_000
        live, self._retained_max = shared_places(settings, client.in_flight_max)
        self._live_window: Final = Window(live)
        self._retained_in_flight = 0
        self._group: Final = asyncio.TaskGroup()
        self._moved: Final = asyncio.Event()
        self._telling: Final = asyncio.Lock()
        self._estimator: Final = Estimator()
        self._is_busy = False

    async def run(self, stopping: asyncio.Event) -> None:
        """Publish until `stopping`, then flush within bounds and say goodbye.

        Raises an exception group: of `MqttError` when the connection fails, of `JournalFailed`
        when the journal cannot be read.
        """
        try:
            async with self._group:
                for lane in (
                    self._listen(),
                    self._live_lane(),
                    self._fill_lane(),
                ):
                    self._group.create_task(lane)
                telling_progress = self._group.create_task(self._marker_lane())
                await stopping.wait()
                await self._flush()
                # An "online" after our goodbye would stay with the broker.
                telling_progress.cancel()
                await self._publish_marker(self._marker.offline(self._progress.confirmed_through))
                raise _Stopped
        except* _Stopped:
            log.info("publisher: stopped; the broker is at %d", self._progress.confirmed_through)

    async def _listen(self) -> None:
        """Notice a lost connection: nothing else arrives here."""
        async for _ in self._client.messages:
            pass

    async def _live_lane(self) -> None:
        while True:
            taken = await self._handover.take()
            self._is_busy = True
            try:
                for item in taken.items:
                    await self._tell(item)
                if taken.lost_through is not None:
                    log.warning("publisher: slower than the shard; reading the journal instead")
                    self._progress.lost_through(taken.lost_through)
            finally:
                # Also on a lost connection: what was taken is not offered a second time, and the
                # next connection reads it from the journal.
                self._progress.passed(taken.newest_position)
                self._is_busy = False
            self._moved.set()

    async def _tell(self, item: Told) -> None:
        if isinstance(item, Ack):
            await self._send(answer(item, self._topics))
            return
        async with self._telling:
            await self._tell_committed(item)

    async def _tell_committed(self, item: Committed) -> None:
        for message in to_stores(item, self._topics):
            await self._send(message)
        arrays, retained = to_third_parties(item, self._progress.head, self._topics)
        for message in arrays:
            await self._send(message)
        self._progress.committed(item.position, retained)
        self._send_retained()
        self._moved.set()

    async def _send(self, message: Outgoing) -> None:
        """Send in the order of the calls, with a bounded number unconfirmed."""
        await self._live_window.enter()
        self._post(message, self._live_confirmed)

    def _live_confirmed(self) -> None:
        self._live_window.leave()
        self._moved.set()

    def _send_retained(self) -> None:
        """Send as many of the newest states as have a place among those in flight.

        With a press, many at a time: while more wait than find a place, half of them are awaited.
        """
        backlog = self._progress.backlog
        free = self._retained_max - self._retained_in_flight
        if self._press is not None and backlog.waiting > free and free < self._retained_max // 2:
            return
        entries = [backlog.take() for _ in range(min(free, backlog.waiting))]
        self._retained_in_flight += len(entries)
        if self._press is None or len(entries) <= AT_ONCE_MAX:
            self._send_entries(entries)
        else:
            self._print_entries(entries, self._press)

    def _send_entries(self, entries: Iterable[Retained]) -> None:
        for entry in entries:
            self._send_entry(entry, messages_of(entry, self._estimator.estimate))

    def _print_entries(self, entries: Iterable[Retained], press: Press) -> None:
        """Have the documents of states made elsewhere, and send them when they come."""
        states = [entry for entry in entries if isinstance(entry.subject, SkuLocation)]
        others = (entry for entry in entries if not isinstance(entry.subject, SkuLocation))
        self._send_entries(others)
        printing = press.documents(
            [entry.subject for entry in states if isinstance(entry.subject, SkuLocation)]
        )
        printing.add_done_callback(lambda done: self._send_printed(states, done))

    def _send_printed(self, entries: list[Retained], done: "asyncio.Future[list[bytes]]") -> None:
        if done.cancelled() or done.exception() is not None:
            self._send_entries(entries)
            return
        for entry, document in zip(entries, done.result(), strict=True):
            self._send_entry(entry, printed(entry, document))

    def _send_entry(self, entry: Retained, messages: Sequence[Outgoing]) -> None:
        """Send an entry's messages, one after the confirmation of the other."""
        message, *others = messages
        self._post(message, lambda: self._entry_confirmed(entry, others))

    def _entry_confirmed(self, entry: Retained, others: Sequence[Outgoing]) -> None:
        if others:
            self._send_entry(entry, others)
            return
        self._progress.backlog.confirm(entry)
        self._retained_in_flight -= 1
        self._send_retained()
        self._moved.set()

    def _post(self, message: Outgoing, then: Callable[[], None]) -> None:
        # What fails here ends the connection, which `_listen` raises.
        with contextlib.suppress(MqttError):
            self._client.post(
                message.topic,
                message.payload,
                retain=message.retain,
                properties=properties_of(message.form),
                then=then,
                timeout=self._timeout_s,
            )

    async def _fill_lane(self) -> None:
        while True:
            await self._until(lambda: self._progress.wants_fill)
            since = self._progress.fill_begins()
            log.info("publisher: filling in what changed after position %d", since)
            refill = self._refill_from(since)
            while page := await self._next_page(refill):
                await self._fill_in(page)
            self._progress.fill_ends()
            self._moved.set()

    async def _next_page(self, refill: Refill) -> Page | None:
        """Read a page, and return it when everything that it may hold has been offered live."""
        await self._until(lambda: self._progress.has_room)
        self._progress.backlog.page_begins()
        loop = asyncio.get_running_loop()
        page = await loop.run_in_executor(self._reading, refill.next_page)
        if page is None:
            self._progress.backlog.page_ends([])
            return None
        await self._until(lambda: self._progress.head >= page.position)
        return page

    async def _fill_in(self, page: Page) -> None:
        # Nothing newer of the page's GTINs may leave between the comparison and its arrays.
        async with self._telling:
            await self._tell_page(page)

    async def _tell_page(self, page: Page) -> None:
        newest = self._progress.backlog.page_ends(page.entries)
        self._send_retained()
        self._moved.set()
        if page.store is not None:
            states = [e.subject for e in newest if isinstance(e.subject, SkuLocation)]
            for message in stock_in_arrays(page.store, states, self._topics):
                await self._send(message)

    async def _marker_lane(self) -> None:
        told: int | None = None
        while True:
            through = self._progress.confirmed_through
            if through != told:
                await self._publish_marker(self._marker.online(through))
                self._on_published(through)
                told = through
            await asyncio.sleep(self._marker_interval_s)

    async def _publish_marker(self, payload: bytes) -> None:
        topic = self._topics.cloud_agent()
        await self._publish(Outgoing(topic, payload, CLOUD, retain=True))

    async def _flush(self) -> None:
        try:
            async with asyncio.timeout(FLUSH_DEADLINE_S):
                await self._until(lambda: self._is_idle)
        except TimeoutError:
            log.warning("publisher: not everything could be told; the next start goes on")

    @property
    def _is_idle(self) -> bool:
        waits = self._handover.is_empty and not self._is_busy
        return waits and self._live_window.in_flight == 0 and len(self._progress.backlog) == 0

    async def _until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            self._moved.clear()
            await self._moved.wait()

    async def _publish(self, message: Outgoing) -> None:
        await self._client.publish(
            message.topic,
            message.payload,
            qos=1,
            retain=message.retain,
            properties=properties_of(message.form),
            timeout=self._timeout_s,
        )
