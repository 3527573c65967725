"""The two parts that have threads of their own in production, taking turns instead.

`SteppedWriter` is the outbox's writer and `SteppedShard` the host of a shard; both run the very
code that the threads run, one group at a time, on the virtual loop.
"""

import asyncio
import contextvars
from collections.abc import Callable
from random import Random
from typing import Final

from cloud.errors import CloudError
from cloud.shards.inbox import Inbox
from cloud.shards.messages import Committed, ShardInput
from cloud.shards.shard import Shard
from edge.errors import OutboxFailed
from edge.outbox.writer import TRIM_DELAY_S, Append, Job, StartEpoch, Writer

COMMIT_DELAY_MAX_S: Final = 0.02
"""A commit waits for a disk."""


class SteppedWriter(Writer):
    """Serves each job when it is submitted: its caller would have waited for that anyway."""

    def start(self) -> None:
        """There is no thread."""

    def submit(self, job: Job) -> None:
        """Commit the job now."""
        if self.ended is None:
            self.serve([job])
        elif isinstance(job, Append | StartEpoch):
            job.done.set_exception(OutboxFailed(self.ended))

    def trim_soon(self) -> None:
        """Let the trim go alone later, unless it rides along with a commit before."""
        asyncio.get_running_loop().call_later(TRIM_DELAY_S, self._trim_alone)

    def _trim_alone(self) -> None:
        if self.ended is None:
            self.serve([])

    def join(self) -> None:
        """There is no thread."""


class SteppedShard:
    """Hosts a shard as `HostedShard` does, on the virtual loop."""

    def __init__(
        self,
        shard: Shard,
        *,
        clock_ms: Callable[[], int],
        on_committed: Callable[[Committed], None],
        on_failure: Callable[[BaseException], None],
        rng: Random,
    ) -> None:
        self._loop: Final = asyncio.get_running_loop()
        self._shard: Final = shard
        self._clock_ms: Final = clock_ms
        self._on_committed: Final = on_committed
        self._on_failure: Final = on_failure
        self._rng: Final = rng
        self._inbox: Final = Inbox(self._wake)
        self._has_failed = False
        # Whoever offers an input, it is our own process that commits it.
        self._context: Final = contextvars.copy_context()

    def offer(self, item: ShardInput) -> bool:
        """See `HostedShard.offer`."""
        return self._inbox.offer(item)

    def stop(self) -> None:
        """See `HostedShard.stop`."""
        self._inbox.close()
        while not self._has_failed and (group := self._inbox.take()):
            self._commit(group)
        if not self._has_failed:
            self._attempt(lambda: self._shard.flush(self._clock_ms()))

    def _wake(self) -> None:
        delay_s = self._rng.random() * COMMIT_DELAY_MAX_S
        self._loop.call_later(delay_s, self._turn, context=self._context)

    def _turn(self) -> None:
        if self._has_failed:
            return
        if group := self._inbox.take():
            self._commit(group)
            self._wake()

    def _commit(self, group: list[ShardInput]) -> None:
        self._attempt(lambda: self._on_committed(self._shard.commit(group, self._clock_ms())))

    def _attempt(self, work: Callable[[], None]) -> None:
        try:
            work()
        except CloudError as error:
            self._has_failed = True
            self._inbox.close()
            self._on_failure(error)
