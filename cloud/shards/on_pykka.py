"""A shard as a Pykka actor: one thread that takes what waits in its inbox and commits it as one.

When it is idle an input is committed at once; under load groups grow by themselves, because more
waits when the commit before is done. `on_committed` and `on_failure` run on the actor's thread.
"""

import logging
from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from types import TracebackType
from typing import Final

from pykka import ActorDeadError, ActorRef, ThreadingActor

from cloud.errors import CloudError
from cloud.shards.inbox import INBOX_BYTES_MAX, INBOX_INPUTS_MAX, Inbox
from cloud.shards.messages import Committed, ShardInput
from cloud.shards.shard import Shard
from protocol.updates import Ack

STOP_TIMEOUT_S: Final = 30.0

logger = logging.getLogger(__name__)


class _Wake(Enum):
    """The one message of the actor: inputs wait. At most one is under way."""

    WAKE = "wake"


class ShardActor(ThreadingActor):
    """Takes, commits, tells. Started by `HostedShard`."""

    def __init__(
        self,
        shard: Shard,
        inbox: Inbox,
        clock_ms: Callable[[], int],
        on_committed: Callable[[Committed], None],
        on_failure: Callable[[BaseException], None],
    ) -> None:
        super().__init__()
        self._shard: Final = shard
        self._inbox: Final = inbox
        self._clock_ms: Final = clock_ms
        self._on_committed: Final = on_committed
        self._tell_failure: Final = on_failure
        self._has_failed = False

    def on_receive(self, message: _Wake) -> None:
        """Commit one group, then look again, after whatever else was told meanwhile."""
        group = self._inbox.take()
        if not group:
            return
        self._commit(group)
        if self._has_failed:
            self.stop()
        else:
            self.actor_ref.tell(message)

    def on_stop(self) -> None:
        """Commit what still waits, and a publish position that waited for company."""
        self._inbox.close()
        while not self._has_failed and (group := self._inbox.take()):
            self._commit(group)
        if not self._has_failed:
            self._flush()

    def on_failure(
        self,
        exception_type: type[BaseException] | None,
        exception_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Tell a failure that nobody foresaw; Pykka has logged it and ends the thread."""
        del exception_type, traceback
        self._fail(exception_value or AssertionError("the shard failed without an exception"))

    def _commit(self, group: list[ShardInput]) -> None:
        try:
            committed = self._shard.commit(group, self._clock_ms())
        except CloudError as error:
            self._fail_of_storage(error)
            return
        _log_reused_numbers(committed)
        self._on_committed(committed)

    def _flush(self) -> None:
        try:
            self._shard.flush(self._clock_ms())
        except CloudError as error:
            self._fail_of_storage(error)

    def _fail_of_storage(self, error: CloudError) -> None:
        logger.critical("shard %s stops: %s", self._shard.shard_id, error)
        self._fail(error)

    def _fail(self, error: BaseException) -> None:
        self._has_failed = True
        self._inbox.close()
        self._tell_failure(error)


def _log_reused_numbers(committed: Committed) -> None:
    for answer in committed.answers:
        if isinstance(answer, Ack) and answer.problem == "seq_reused":
            logger.warning("store %s was restored or cloned: %s", answer.store, answer.detail)


class HostedShard:
    """A shard on a thread of its own, from construction until `stop` or a failure.

    `on_committed` gets every commit in order. `on_failure` is called once, with what the shard
    failed of; the process must stop then, because nothing more can be promised.
    """

    def __init__(
        self,
        shard: Shard,
        *,
        clock_ms: Callable[[], int],
        on_committed: Callable[[Committed], None],
        on_failure: Callable[[BaseException], None],
        inbox_inputs_max: int = INBOX_INPUTS_MAX,
        inbox_bytes_max: int = INBOX_BYTES_MAX,
    ) -> None:
        self._inbox: Final = Inbox(
            self._wake, inputs_max=inbox_inputs_max, bytes_max=inbox_bytes_max
        )
        self._actor: Final[ActorRef[ShardActor]] = ShardActor.start(
            shard, self._inbox, clock_ms, on_committed, on_failure
        )

    @property
    def waiting(self) -> int:
        """Inputs in the inbox."""
        return len(self._inbox)

    @property
    def is_alive(self) -> bool:
        """Say whether the shard still takes inputs."""
        return self._actor.is_alive()

    def offer(self, item: ShardInput) -> bool:
        """Hand an input over, from any thread, without waiting.

        `False`: the inbox is full, or the shard has stopped (`is_alive`). Keep the input and offer
        it again, or let it go: what is not committed is not acknowledged, so it will be resent.
        """
        return self._inbox.offer(item)

    def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> None:
        """Commit what waits, then end the thread. Raises `pykka.Timeout` if that takes longer."""
        with suppress(ActorDeadError):
            self._actor.stop(timeout=timeout_s)

    def _wake(self) -> None:
        # A dead actor has closed the inbox and taken what was in it, or has failed and told so.
        with suppress(ActorDeadError):
            self._actor.tell(_Wake.WAKE)
