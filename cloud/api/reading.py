"""Reads of the journal for the API: on a few threads, each with a connection of its own.

They never run on the event loop, and never make the shard wait. At most `waiting_max` wait for a
thread; beyond, the answer is that we are busy.
"""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Final, TypeVar

from cloud.api.problems import busy
from cloud.errors import JournalFailed
from cloud.journal.port import JournalReader

T = TypeVar("T")

WAITING_MAX: Final = 1_024

log = logging.getLogger(__name__)


class Reads:
    """A pool of readers. `open_reader` is called once a thread, and after a failure."""

    def __init__(
        self,
        open_reader: Callable[[], JournalReader],
        threads: int,
        waiting_max: int = WAITING_MAX,
    ) -> None:
        self._open: Final = open_reader
        self._idle: Final[SimpleQueue[JournalReader]] = SimpleQueue()
        self._threads: Final = ThreadPoolExecutor(threads, thread_name_prefix="api-reads")
        self._count: Final = threads
        self._waiting_max: Final = threads + waiting_max
        self._running = 0
        for _ in range(threads):
            self._idle.put(open_reader())

    async def at_one_moment(self, read: Callable[[JournalReader], T]) -> T:
        """Return what `read` makes of one snapshot."""

        def in_snapshot(reader: JournalReader) -> T:
            with reader.snapshot():
                return read(reader)

        return await self.on_reader(in_snapshot)

    async def on_reader(self, read: Callable[[JournalReader], T]) -> T:
        """Return what `read` makes of a reader; for reads that take their own snapshot."""
        if self._running >= self._waiting_max:
            raise busy("too many reads are waiting")
        self._running += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, self._with_reader, read)
        finally:
            self._running -= 1

    def _with_reader(self, read: Callable[[JournalReader], T]) -> T:
        reader = self._idle.get()
        try:
            return read(reader)
        except JournalFailed as error:
            # A reader that has failed stays so; the next request gets a new one.
            log.error("a read of the journal failed: %s", error)
            reader.close()
            reader = self._open()
            raise
        finally:
            self._idle.put(reader)

    def close(self) -> None:
        """Wait for what is being read, and release the files."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        for _ in range(self._count):
            self._idle.get().close()
