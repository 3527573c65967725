"""Commands on their way to the shard, and their answers on the way back, after the commit.

`submit` runs on the event loop; `note` on the shard's thread. At most `waiting_max` callers wait;
beyond, and when the inbox is full, the answer is that we are busy and nothing has happened.
"""

import asyncio
from itertools import count
from typing import Final

from cloud.api.problems import busy, outcome_unknown
from cloud.commands import AnyCommand
from cloud.errors import CloudError
from cloud.ingest.offering import ShardInbox
from cloud.shards.messages import Committed, Done, Reply, Submitted
from cloud.sku_location.refusal import Refused

WAITING_MAX: Final = 4_096
TIMEOUT_S: Final = 10.0
SHARD_FAILED: Final = "the shard has failed"


class ShardFailed(CloudError):
    """The shard failed while a command waited for its answer."""


class Submitter:
    """Knows who waits for which ticket. Made on the event loop."""

    def __init__(self, waiting_max: int = WAITING_MAX) -> None:
        self._loop: Final = asyncio.get_running_loop()
        self._inbox: ShardInbox | None = None
        self._waiting_max: Final = waiting_max
        self._tickets: Final = count(1)
        self._waiting: Final[dict[int, asyncio.Future[Done | Refused]]] = {}
        self.has_failed = False
        """Whether the shard has failed: no command will ever be answered again."""

    def attach(self, inbox: ShardInbox) -> None:
        """Say where commands go; the shard is made after whoever listens to it."""
        self._inbox = inbox

    async def submit(self, command: AnyCommand, timeout_s: float = TIMEOUT_S) -> Done | Refused:
        """Return the answer to a command once it is durable.

        Raises `ApiProblem`: busy, and nothing has happened; or too late to know.
        """
        if self._inbox is None:
            raise AssertionError("a command was submitted before there was a shard")
        if self.has_failed:
            raise busy(SHARD_FAILED)
        if len(self._waiting) >= self._waiting_max:
            raise busy("too many commands are waiting")
        ticket = next(self._tickets)
        answer: asyncio.Future[Done | Refused] = self._loop.create_future()
        self._waiting[ticket] = answer
        try:
            if not self._inbox.offer(Submitted(ticket=ticket, command=command)):
                raise busy("the shard has no room for another command")
            async with asyncio.timeout(timeout_s):
                return await answer
        except TimeoutError as error:
            raise outcome_unknown(f"no answer within {timeout_s:g} s") from error
        except ShardFailed as error:
            raise outcome_unknown(SHARD_FAILED) from error
        finally:
            del self._waiting[ticket]

    def note(self, committed: Committed) -> None:
        """Hand over the answers of a commit, in one call to the event loop."""
        if committed.replies and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._answer, committed.replies)

    def note_failure(self) -> None:
        """Hear that the shard has failed. Called on its thread, or wherever that is noticed."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._fail)

    def _fail(self) -> None:
        """Let nobody wait any longer. What was being committed may be durable, or not."""
        self.has_failed = True
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(ShardFailed(SHARD_FAILED))

    def _answer(self, replies: list[Reply]) -> None:
        for reply in replies:
            waiting = self._waiting.get(reply.ticket)
            if waiting is not None and not waiting.done():
                waiting.set_result(reply.answer)
