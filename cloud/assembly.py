"""The cloud's parts list: which adapters stand at which seam, how they start and how they stop.

Facts come in by `Ingest`, commands by the API; both are committed by a `Shard` on its own thread,
and what that lets others know leaves by `Publisher` and the API. Everything else runs on one event
loop.
"""

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from cloud.api.access import Tokens, load_tokens
from cloud.api.application import application
from cloud.api.limits import Limits
from cloud.api.problems import ApiProblem
from cloud.api.reading import Reads
from cloud.api.server import ApiServer
from cloud.api.services import Services
from cloud.api.streaming import Hub
from cloud.api.submitting import Submitter
from cloud.broker import BackOff
from cloud.config import ApiSettings, Settings
from cloud.errors import CloudError
from cloud.ingest.mqtt import Ingest
from cloud.ingest.offering import offer_patiently
from cloud.ingest.redrive import Redriver
from cloud.journal.port import JournalReader
from cloud.orders.desk import OrderDesk
from cloud.orders.keeper import OrderKeeper
from cloud.orders.stock_router import StockRouter
from cloud.policies import withdrawn
from cloud.publisher.handover import Handover
from cloud.publisher.press import running_press
from cloud.publisher.pump import Publisher, first_cause, no_press
from cloud.recounts.watching import CountWatcher
from cloud.reorders.escalation import HOUR_MS, Patience
from cloud.reorders.watching import ReorderWatcher
from cloud.reservations.sweeper import Sweeper
from cloud.rule_book import RuleBook
from cloud.shards.answers import calls_for_hello
from cloud.shards.messages import Committed, Published, SetPolicy
from cloud.shards.on_pykka import HostedShard
from cloud.shards.ownership import OwnershipWatch
from cloud.shards.placement import shard_name
from cloud.shards.shard import Shard
from cloud.sku_location.decide import LOGIC_ERA
from cloud.storage import SqliteStorage, Storage, storage_of
from protocol.topics import Topics

ORDER_READER_THREADS: Final = 2

log = logging.getLogger(__name__)


def now_ms() -> int:
    """Return milliseconds since the Unix epoch, by this machine's clock."""
    return time.time_ns() // 1_000_000


async def run(settings: Settings, policies: list[SetPolicy], stopping: asyncio.Event) -> None:
    """Run the cloud until `stopping`, then stop in order.

    Raises what the shard failed of (`JournalFailed`, `OwnershipLost`), after telling everybody
    that the cloud is offline.
    """
    storage = storage_of(settings.journal)
    tokens = None if settings.api is None else load_tokens(Path(settings.api.tokens_file))
    with (
        _owned_journal(storage) as (shard, rule_book),
        closing(storage.reader()) as publisher_reads,
        closing(storage.reader()) as redrive_reads,
        closing(storage.reader()) as reorder_reads,
        closing(storage.reader()) as count_reads,
        closing(storage.reader()) as owner_reads,
        _reads(storage, settings.api) as reads,
        _api(settings.api, tokens, reads, rule_book) as api,
    ):
        cloud = _Cloud(
            settings,
            shard,
            publisher_reads,
            redrive_reads,
            reorder_reads,
            count_reads,
            owner_reads,
            api,
            stopping,
        )
        try:
            await cloud.run(policies)
        except BaseExceptionGroup as errors:
            # What stopped us is one failure, whatever else it took down.
            if isinstance(cause := first_cause(errors), CloudError):
                raise cause from None
            raise


@asynccontextmanager
async def headless(
    path: Path, settings: ApiSettings, tokens: Tokens
) -> AsyncIterator[tuple[HostedShard, ApiServer]]:
    """Run a shard and the API over it, without a broker; inputs are offered to the shard."""
    loop = asyncio.get_running_loop()
    failed: asyncio.Future[None] = loop.create_future()

    storage = SqliteStorage(path)
    with (
        _owned_journal(storage) as (shard, rule_book),
        _reads(storage, settings) as reads,
        _api(settings, tokens, reads, rule_book) as api,
    ):

        def note_failure(error: BaseException) -> None:
            api.note_failure()
            loop.call_soon_threadsafe(failed.set_exception, error)

        hosted = HostedShard(
            shard,
            clock_ms=now_ms,
            on_committed=api.note,
            on_failure=note_failure,
        )
        api.attach(hosted)
        serving = asyncio.create_task(api.run())
        try:
            yield hosted, api.listening
        finally:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)
            await asyncio.to_thread(hosted.stop)
            if failed.done():
                failed.result()


@contextmanager
def _owned_journal(storage: Storage) -> Iterator[tuple[Shard, RuleBook]]:
    """Open the journal, own it, and yield its shard with the rules that it keeps."""
    with closing(storage.journal()) as journal:
        name = shard_name(0, 1)
        owner_epoch = journal.take_ownership(name, LOGIC_ERA, now_ms())
        position = journal.position()
        log.info("journal %s: owner epoch %d, position %d", storage.name, owner_epoch, position)
        rule_book = RuleBook()
        rule_book.load(journal)
        yield Shard(journal, name, owner_epoch, buffers=rule_book), rule_book


class _Reads(NamedTuple):
    """Readers for each purpose, so that a busy API never delays expiries and orders."""

    api: Reads
    orders: Reads
    sweeper: Reads


@contextmanager
def _reads(storage: Storage, settings: ApiSettings | None) -> Iterator[_Reads]:
    """Open the readers; without an API there is one that nobody asks."""
    api_threads = 1 if settings is None else settings.reader_threads
    with (
        closing(Reads(storage.reader, api_threads)) as api,
        closing(Reads(storage.reader, ORDER_READER_THREADS)) as orders,
        closing(Reads(storage.reader, 1)) as sweeper,
    ):
        yield _Reads(api, orders, sweeper)


@contextmanager
def _api(
    settings: ApiSettings | None, tokens: Tokens | None, reads: _Reads, rule_book: RuleBook
) -> Iterator["_Api"]:
    """Make what answers commands and reads, and bind its socket where there is an API."""
    submitter = Submitter()
    # Without an API nobody asks, and nothing is counted.
    limits = Limits(1 if settings is None else settings.requests_per_minute)
    read = reads.orders.on_reader
    router = StockRouter(read, rule_book)
    desk = OrderDesk(submitter.submit, read, router, now_ms, passing=(ApiProblem,))
    services = Services(
        submitter=submitter,
        reads=reads.api,
        rule_book=rule_book,
        hub=Hub(),
        orders=desk,
        limits=limits,
        now_ms=now_ms,
        now_s=time.monotonic,
    )
    if settings is None or tokens is None:
        yield _Api(services, reads.sweeper, None)
        return
    inside = application(
        services,
        tokens,
        limits,
        body_bytes_max=settings.body_bytes_max,
        now_s=time.monotonic,
    )
    with closing(ApiServer(inside, services.hub, settings.host, settings.port)) as server:
        yield _Api(services, reads.sweeper, server)


class _Api:
    """What hears of commits besides the publisher, and what runs beside ingest."""

    def __init__(self, services: Services, sweeper: Reads, server: ApiServer | None) -> None:
        self._services: Final = services
        self._sweeper_reads: Final = sweeper
        self._server: Final = server
        self._inbox: HostedShard | None = None
        self._keeper: Final = OrderKeeper(services.orders, passing=(ApiProblem,))

    @property
    def listening(self) -> ApiServer:
        """The server, where there is one."""
        if self._server is None:
            raise AssertionError("no API was configured")
        return self._server

    def note(self, committed: Committed) -> None:
        """Hear of a commit, on the shard's thread. The next commit needs the rules."""
        self._services.rule_book.note(committed.records)
        self._services.submitter.note(committed)
        self._services.hub.note(committed)
        self._keeper.note(committed)

    def note_failure(self) -> None:
        """Hear, on the shard's thread, that it has failed."""
        self._services.submitter.note_failure()

    def attach(self, inbox: HostedShard) -> None:
        """Say where commands go."""
        self._inbox = inbox
        self._services.submitter.attach(inbox)

    def _inbox_of(self, store: str) -> HostedShard:
        del store
        if self._inbox is None:
            raise AssertionError("there is no shard yet")
        return self._inbox

    async def run(self) -> None:
        """Sweep, look after orders, and serve, until cancelled."""
        sweeper = Sweeper(
            self._sweeper_reads.at_one_moment, self._inbox_of, now_ms, passing=(ApiProblem,)
        )
        async with asyncio.TaskGroup() as group:
            group.create_task(sweeper.run())
            group.create_task(self._keeper.run())
            if self._server is not None:
                group.create_task(self._server.run())


class _Cloud:
    """The running parts."""

    def __init__(
        self,
        settings: Settings,
        shard: Shard,
        publisher_reads: JournalReader,
        redrive_reads: JournalReader,
        reorder_reads: JournalReader,
        count_reads: JournalReader,
        owner_reads: JournalReader,
        api: _Api,
        stopping: asyncio.Event,
    ) -> None:
        self._api: Final = api
        self._stopping: Final = stopping
        self._loop: Final = asyncio.get_running_loop()
        self._failure: BaseException | None = None
        self._redrive_reads: Final = redrive_reads
        self._has_policy_file: Final = settings.shards.policy_file is not None
        topics = Topics(settings.broker.root)
        handover = self._handover = Handover()
        for answer in calls_for_hello(publisher_reads.stores()):
            handover.put(answer)
        self._publisher: Final = Publisher(
            settings.broker,
            settings.publisher,
            handover=handover,
            reader=publisher_reads,
            owner_epoch=shard.owner_epoch,
            on_published=self._note_published,
            now_ms=now_ms,
            back_off=BackOff(random.uniform),
            press=running_press if settings.publisher.press else no_press,
        )
        self._shard: Final = HostedShard(
            shard,
            clock_ms=now_ms,
            on_committed=self._on_committed,
            on_failure=self._note_failure,
            inbox_inputs_max=settings.shards.inbox_inputs_max,
            inbox_bytes_max=settings.shards.inbox_bytes_max,
        )
        api.attach(self._shard)
        self._ingest: Final = Ingest(
            settings.broker,
            settings.ingest,
            shard_of=self._shard_of,
            answer=handover.put,
            now_ms=now_ms,
            back_off=BackOff(random.uniform),
        )
        self._ownership: Final = OwnershipWatch(owner_reads, shard.owner_epoch)
        self._redriver: Final = Redriver(
            redrive_reads, topics, shard_of=self._shard_of, now_ms=now_ms
        )
        self._watcher: Final = ReorderWatcher(
            reorder_reads,
            shard_of=self._shard_of,
            now_ms=now_ms,
            patience=Patience(first_ms=settings.shards.escalate_reorders_after_h * HOUR_MS),
        )
        self._counts: Final = CountWatcher(
            count_reads,
            shard_of=self._shard_of,
            now_ms=now_ms,
            per_day=settings.counts.recounts_per_day,
            at_hour=settings.counts.at_hour,
        )

    def _shard_of(self, store: str) -> HostedShard:
        """Return the owner of a store. One journal, one shard: it owns them all."""
        del store
        return self._shard

    def _on_committed(self, committed: Committed) -> None:
        """Tell everybody of a commit. Called on the shard's thread."""
        self._api.note(committed)
        self._handover.put(committed)

    def _note_published(self, position: int) -> None:
        # A full inbox takes the next position instead; this one is only ever too low.
        self._shard.offer(Published(position=position))

    def _note_failure(self, error: BaseException) -> None:
        """Called on the shard's thread."""
        self._api.note_failure()
        self._loop.call_soon_threadsafe(self._stop_because_of, error)

    def _stop_because_of(self, error: BaseException) -> None:
        self._failure = error
        self._stopping.set()

    async def run(self, policies: list[SetPolicy]) -> None:
        """Run until told to stop; then receiving stops first, and publishing last."""
        async with self._publishing(), asyncio.TaskGroup() as group:
            receiving = group.create_task(self._receive(policies))
            await self._stopping.wait()
            receiving.cancel()
        if self._failure is not None:
            raise self._failure

    @asynccontextmanager
    async def _publishing(self) -> AsyncIterator[None]:
        """Publish around what receives, so that the last commits are still told."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._publisher.run())
            try:
                yield
            finally:
                await asyncio.to_thread(self._shard.stop)
                self._publisher.stop()

    async def _receive(self, policies: list[SetPolicy]) -> None:
        if self._has_policy_file:
            await self._set_policies(policies)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._ingest.run())
            group.create_task(self._redriver.run())
            group.create_task(self._watcher.run())
            group.create_task(self._ownership.run())
            group.create_task(self._counts.run())
            group.create_task(self._api.run())

    async def _set_policies(self, policies: list[SetPolicy]) -> None:
        gone = await asyncio.to_thread(
            lambda: list(withdrawn(self._redrive_reads.states(), policies))
        )
        await self._command(gone)
        await self._command(policies)
        log.info("policies: %d in the file, %d withdrawn", len(policies), len(gone))

    async def _command(self, commands: Iterable[SetPolicy]) -> None:
        for command in commands:
            while not await offer_patiently(self._shard, command):
                log.warning("policies: the shard is busy")
