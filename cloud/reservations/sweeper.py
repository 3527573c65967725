"""The sweeper: asks the shard to end reservations that were held too long.

It looks once a second, on a thread of the readers. What it asks carries no key and may come twice:
the shard decides by its own clock whether something is due.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from cloud.commands.reservations import Expire
from cloud.ingest.offering import ShardInbox
from cloud.journal.port import JournalReader
from cloud.journal.rows import RecordRow
from cloud.records.reservation import Reservation
from cloud.shards.messages import Submitted

INTERVAL_S: Final = 1.0
BATCH_MAX: Final = 500
"""Expiries asked for at one look; the rest waits for the next."""

NO_TICKET: Final = 0
"""Nobody waits for the answer."""

log = logging.getLogger(__name__)

Due = Callable[[Callable[[JournalReader], list[RecordRow]]], Awaitable[list[RecordRow]]]


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

    async def run(self) -> None:
        """Look, ask, wait, for ever."""
        while True:
            await self.sweep()
            await asyncio.sleep(self._interval_s)

    async def sweep(self) -> int:
        """Ask for what is due now, as far as the shard has room; return how many were asked."""
        through_ms = self._now_ms()
        try:
            rows = await self._read(
                lambda reader: reader.records_due(Reservation.KIND, through_ms, BATCH_MAX)
            )
        except self._passing as error:
            log.warning("sweeper: looks again later: %s", error)
            return 0
        for count, row in enumerate(rows):
            command = Expire(store=row.store, reservation_id=row.id)
            if not self._inbox_of(row.store).offer(Submitted(ticket=NO_TICKET, command=command)):
                log.warning("sweeper: the shard is busy; %d reservations wait", len(rows) - count)
                return count
        return len(rows)
