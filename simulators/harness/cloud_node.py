"""The cloud in the simulation: its real parts, on the virtual loop.

Journal, shard, ingest, publisher, watchers and sweeper are production code, put together as
`cloud.assembly` does; the shard takes turns instead of having a thread. The daily look at counts is
left out: it lets the book follow what is believed, and the checkers hold the book to documents.
"""

import asyncio
import contextvars
from collections.abc import Callable, Coroutine
from pathlib import Path
from random import Random
from typing import Any, Final, TypeVar

from cloud.api.problems import ApiProblem
from cloud.api.submitting import Submitter
from cloud.broker import BackOff
from cloud.config import IngestSettings, PublisherSettings
from cloud.errors import CloudError
from cloud.ingest.mqtt import Ingest
from cloud.ingest.redrive import Redriver
from cloud.journal.port import JournalReader
from cloud.journal.sqlite_reader import SqliteReader
from cloud.orders.desk import OrderDesk
from cloud.orders.keeper import OrderKeeper
from cloud.orders.stock_router import StockRouter
from cloud.publisher.handover import Handover
from cloud.publisher.pump import Publisher, first_cause
from cloud.reorders.watching import ReorderWatcher
from cloud.reservations.sweeper import Sweeper
from cloud.rule_book import RuleBook
from cloud.shards.answers import calls_for_hello
from cloud.shards.messages import Committed, Published, SetPolicy
from cloud.shards.ownership import OwnershipWatch
from cloud.shards.placement import shard_name
from cloud.shards.shard import Shard
from cloud.sku_location.decide import LOGIC_ERA
from mqtt5 import Client
from protocol.broker_settings import BrokerSettings
from protocol.topics import Topics
from simulators.harness.clocks import Clock
from simulators.harness.stepped import SteppedShard
from simulators.harness.witness import Witness, WitnessedJournal

T = TypeVar("T")
SHARD: Final = shard_name(0, 1)
BROKER: Final = BrokerSettings(url="mqtt://broker:1883")


class CloudNode:
    """What runs in one life of a cloud. `witness` sees what its journal commits."""

    def __init__(
        self,
        path: Path,
        *,
        clock: Clock,
        rng: Random,
        client_type: Callable[..., Client],
        policies: list[SetPolicy],
        witness: Witness,
    ) -> None:
        self.submitter: Submitter | None = None
        self.orders: OrderDesk | None = None
        self.owner_epoch = 0
        self.told_through = 0
        self.reader: JournalReader | None = None
        self._path: Final = path
        self._clock: Final = clock
        self._rng: Final = rng
        self._client_type: Final = client_type
        self._policies: Final = policies
        self._witness: Final = witness
        self._stopping: Final = asyncio.Event()
        self._context: Final = contextvars.copy_context()
        self._rules: Final = RuleBook()
        self._failure: BaseException | None = None

    def stop(self) -> None:
        """SIGTERM."""
        self._stopping.set()

    def release(self) -> None:
        """See `Program.release`: a cloud holds no locks but SQLite's."""

    async def run(self) -> None:
        """Run as the cloud does. Raises `CloudError` when it cannot go on."""
        journal = WitnessedJournal(self._path, self._witness)
        now_ms = self._clock.now_ms
        self.owner_epoch = journal.take_ownership(SHARD, LOGIC_ERA, now_ms())
        reader = self.reader = SqliteReader(self._path)
        self._rules.load(journal)
        self._handover = handover = Handover()
        for answer in calls_for_hello(reader.stores()):
            handover.put(answer)
        publisher = Publisher(
            BROKER,
            PublisherSettings(),
            handover=handover,
            reader=reader,
            owner_epoch=self.owner_epoch,
            on_published=self._note_published,
            now_ms=now_ms,
            back_off=BackOff(self._rng.uniform),
            client_type=self._client_type,
        )
        submitter = Submitter()
        self._shard = shard = SteppedShard(
            Shard(journal, SHARD, self.owner_epoch, buffers=self._rules),
            clock_ms=now_ms,
            on_committed=self._on_committed,
            on_failure=self._note_failure,
            rng=self._rng,
        )
        submitter.attach(shard)
        self.submitter = submitter
        self.orders = OrderDesk(
            submitter.submit,
            self._read,
            StockRouter(self._read, self._rules),
            now_ms,
            passing=(ApiProblem,),
        )
        self._keeper = OrderKeeper(self.orders, passing=(ApiProblem,))
        try:
            await self._serve(publisher, reader)
        except BaseExceptionGroup as errors:
            if isinstance(cause := first_cause(errors), CloudError):
                raise cause from None
            raise
        finally:
            self.submitter = self.orders = None
        self.reader = None
        reader.close()
        journal.close()
        if self._failure is not None:
            raise self._failure

    async def _serve(self, publisher: Publisher, reader: JournalReader) -> None:
        """Publish around what receives, so that the last commits are still told."""
        async with asyncio.TaskGroup() as publishing:
            publishing.create_task(publisher.run())
            try:
                async with asyncio.TaskGroup() as group:
                    receiving = group.create_task(self._receive(reader))
                    await self._stopping.wait()
                    receiving.cancel()
            finally:
                await asyncio.to_thread(self._shard.stop)
                publisher.stop()

    async def _receive(self, reader: JournalReader) -> None:
        for policy in self._policies:
            self._shard.offer(policy)

        now_ms, shard_of = self._clock.now_ms, self._shard_of
        ingest = Ingest(
            BROKER,
            IngestSettings(),
            shard_of=shard_of,
            answer=self._handover.put,
            now_ms=now_ms,
            back_off=BackOff(self._rng.uniform),
            client_type=self._client_type,
        )
        async with asyncio.TaskGroup() as group:
            group.create_task(ingest.run())
            group.create_task(OwnershipWatch(reader, self.owner_epoch).run())
            group.create_task(
                Redriver(reader, Topics(BROKER.root), shard_of=shard_of, now_ms=now_ms).run()
            )
            group.create_task(ReorderWatcher(reader, shard_of=shard_of, now_ms=now_ms).run())
            group.create_task(Sweeper(self._read, shard_of, now_ms, passing=(ApiProblem,)).run())
            group.create_task(self._keeper.run())

    async def request(self, work: Coroutine[Any, Any, T], timeout_s: float) -> T:
        """Do something as this process, for a client who waits so long. Raises `TimeoutError`.

        When the process is killed, the work stands still, and the client hears nothing.
        """
        loop = asyncio.get_running_loop()
        task = loop.create_task(work, context=self._context)
        done, _ = await asyncio.wait((task,), timeout=timeout_s)
        if not done:
            # Nobody waits any more for what becomes of it.
            task.add_done_callback(lambda late: late.cancelled() or late.exception())
            raise TimeoutError
        return task.result()

    async def _read(self, question: Callable[[JournalReader], T], /) -> T:
        if self.reader is None:
            raise AssertionError("nobody reads before the journal is open")
        return await asyncio.to_thread(question, self.reader)

    def _shard_of(self, store: str) -> SteppedShard:
        del store
        return self._shard

    def _on_committed(self, committed: Committed) -> None:
        self._rules.note(committed.records)
        self._keeper.note(committed)
        if self.submitter is not None:
            self.submitter.note(committed)
        self._handover.put(committed)

    def _note_published(self, position: int) -> None:
        self.told_through = position
        self._shard.offer(Published(position=position))

    def _note_failure(self, error: BaseException) -> None:
        if self.submitter is not None:
            self.submitter.note_failure()
        self._failure = error
        self._stopping.set()
