"""The cloud's parts list: which adapters stand at which seam, how they start and how they stop.

Facts come in by `Ingest`, are committed by a `Shard` on its own thread, and what that lets others
know leaves by `Publisher`. Everything else runs on one event loop.
"""

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Final

from cloud.broker import BackOff
from cloud.config import Settings
from cloud.errors import CloudError, ConfigInvalid
from cloud.ingest.mqtt import Ingest
from cloud.ingest.offering import offer_patiently
from cloud.ingest.redrive import Redriver
from cloud.journal.port import JournalReader
from cloud.journal.sqlite import SqliteJournal
from cloud.journal.sqlite_reader import SqliteReader
from cloud.policies import withdrawn
from cloud.publisher.handover import Handover
from cloud.publisher.pump import Publisher, first_cause
from cloud.shards.messages import Published, SetPolicy
from cloud.shards.on_pykka import HostedShard
from cloud.shards.placement import shard_name
from cloud.shards.shard import Shard
from cloud.sku_location.decide import LOGIC_ERA
from protocol.topics import Topics

log = logging.getLogger(__name__)


def now_ms() -> int:
    """Return milliseconds since the Unix epoch, by this machine's clock."""
    return time.time_ns() // 1_000_000


async def run(settings: Settings, policies: list[SetPolicy], stopping: asyncio.Event) -> None:
    """Run the cloud until `stopping`, then stop in order.

    Raises what the shard failed of (`JournalFailed`, `OwnershipLost`), after telling everybody
    that the cloud is offline.
    """
    path = Path(settings.journal.path)
    _make_folder(path.parent)
    with (
        closing(SqliteJournal(path)) as journal,
        closing(SqliteReader(path)) as publisher_reads,
        closing(SqliteReader(path)) as redrive_reads,
    ):
        name = shard_name(0, settings.shards.count)
        owner_epoch = journal.take_ownership(name, LOGIC_ERA, now_ms())
        log.info("journal %s: owner epoch %d, position %d", path, owner_epoch, journal.position())
        shard = Shard(journal, name, owner_epoch)
        cloud = _Cloud(settings, shard, publisher_reads, redrive_reads, stopping)
        try:
            await cloud.run(policies)
        except BaseExceptionGroup as errors:
            # What stopped us is one failure, whatever else it took down.
            if isinstance(cause := first_cause(errors), CloudError):
                raise cause from None
            raise


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigInvalid(f"journal.path: cannot make {folder}: {error.strerror}") from error


class _Cloud:
    """The running parts."""

    def __init__(
        self,
        settings: Settings,
        shard: Shard,
        publisher_reads: JournalReader,
        redrive_reads: JournalReader,
        stopping: asyncio.Event,
    ) -> None:
        self._stopping: Final = stopping
        self._loop: Final = asyncio.get_running_loop()
        self._failure: BaseException | None = None
        self._redrive_reads: Final = redrive_reads
        self._has_policy_file: Final = settings.shards.policy_file is not None
        topics = Topics(settings.broker.root)
        handover = Handover()
        self._publisher: Final = Publisher(
            settings.broker,
            settings.publisher,
            handover=handover,
            reader=publisher_reads,
            owner_epoch=shard.owner_epoch,
            on_published=self._note_published,
            now_ms=now_ms,
            back_off=BackOff(random.uniform),
        )
        self._shard: Final = HostedShard(
            shard,
            clock_ms=now_ms,
            on_committed=handover.put,
            on_failure=self._note_failure,
            inbox_inputs_max=settings.shards.inbox_inputs_max,
            inbox_bytes_max=settings.shards.inbox_bytes_max,
        )
        self._ingest: Final = Ingest(
            settings.broker,
            settings.ingest,
            shard_of=self._shard_of,
            answer=handover.put,
            now_ms=now_ms,
            back_off=BackOff(random.uniform),
        )
        self._redriver: Final = Redriver(
            redrive_reads, topics, shard_of=self._shard_of, now_ms=now_ms
        )

    def _shard_of(self, store: str) -> HostedShard:
        """Return the owner of a store. One journal, one shard: it owns them all."""
        del store
        return self._shard

    def _note_published(self, position: int) -> None:
        # A full inbox takes the next position instead; this one is only ever too low.
        self._shard.offer(Published(position=position))

    def _note_failure(self, error: BaseException) -> None:
        """Called on the shard's thread."""
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
