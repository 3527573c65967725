"""The sweeper: asks the shard to end reservations that were held too long.

It looks once a second, on a thread of the readers. What it asks carries no key and may come twice:
the shard decides by its own clock whether something is due. What was asked for and is unchanged is
passed over for a while, so that nothing that stays due keeps what comes after it from its turn.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from itertools import islice
from typing import Final, NamedTuple

from cloud.commands.reservations import Expire
from cloud.ingest.offering import ShardInbox
from cloud.journal.port import JournalReader
from cloud.journal.rows import RecordRow
from cloud.records.reservation import Reservation
from cloud.shards.messages import Submitted

INTERVAL_S: Final = 1.0
BATCH_MAX: Final = 500
"""Expiries asked for at one look; the rest waits for the next."""
ASK_AGAIN_MS: Final = 60_000
"""What does not change though it was asked for is asked for again after this time."""
ASKED_MAX: Final = 10_000
"""Asked for and unchanged. Past it nothing more is asked for until some of them are forgotten."""

NO_TICKET: Final = 0
"""Nobody waits for the answer."""

log = logging.getLogger(__name__)

Due = Callable[[Callable[[JournalReader], list[RecordRow]]], Awaitable[list[RecordRow]]]


class _Asked(NamedTuple):
    """At which position of the journal a reservation was asked for, and when."""

    position: int
    at_ms: int


class Sweeper:
    """Runs on the cloud's event loop until cancelled.

    `passing` is what `read` raises when it is too busy; storage failures end it.
    """

    def __init__(
        self,
        read: Due,
        inbox_of: Callable[[str], ShardInbox],
        now_ms: Callable[[], int],
        passing: tuple[type[Exception], ...] = (),
        interval_s: float = INTERVAL_S,
    ) -> None:
        self._passing: Final = passing
        self._read: Final = read
        self._inbox_of: Final = inbox_of
        self._now_ms: Final = now_ms
        self._interval_s: Final = interval_s
        self._asked: dict[tuple[str, str], _Asked] = {}

    async def run(self) -> None:
        """Look, ask, wait, for ever."""
        while True:
            await self.sweep()
            await asyncio.sleep(self._interval_s)

    async def sweep(self) -> int:
        """Ask for what is due now, as far as the shard has room; return how many were asked."""
        now_ms = self._now_ms()
        seen_max = min(BATCH_MAX + len(self._asked), ASKED_MAX)
        try:
            due = await self._read(
                lambda reader: reader.records_due(Reservation.KIND, now_ms, seen_max)
            )
        except self._passing as error:
            log.warning("sweeper: looks again later: %s", error)
            return 0
        self._forget_all_but(due, now_ms)
        fresh = (row for row in due if (row.store, row.id) not in self._asked)
        rows = list(islice(fresh, BATCH_MAX))
        for count, row in enumerate(rows):
            command = Expire(store=row.store, reservation_id=row.id)
            if not self._inbox_of(row.store).offer(Submitted(ticket=NO_TICKET, command=command)):
                log.warning("sweeper: the shard is busy; %d reservations wait", len(rows) - count)
                return count
            self._asked[row.store, row.id] = _Asked(row.position, now_ms)
        return len(rows)

    def _forget_all_but(self, due: list[RecordRow], now_ms: int) -> None:
        """Keep of what was asked for only what is due still, unchanged, and not to be asked again.

        After a clock that was set back it is asked again at once.
        """
        self._asked = {
            key: asked
            for row in due
            if (asked := self._asked.get(key := (row.store, row.id))) is not None
            and asked.position == row.position
            and 0 <= now_ms - asked.at_ms < ASK_AGAIN_MS
        }
