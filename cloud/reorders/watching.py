"""The watcher: escalates what nobody acknowledges, and reviews positions on review days.

It looks for unacknowledged reorders every `INTERVAL_S` and goes through all SKU-locations once a
day (UTC), store by store. What it asks may come twice, after a restart for instance: the shard
decides by the state whether anything follows. Runs on the cloud's event loop; the journal is read
on a worker thread, through a reader of its own.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Final

from cloud.commands import AnyCommand
from cloud.commands.reorders import Escalate, Review
from cloud.ingest.offering import ShardInbox, offer_patiently
from cloud.journal.port import JournalReader
from cloud.journal.rows import ReorderRow, decode_state
from cloud.pacing import in_pieces
from cloud.reorders.escalation import Patience, Unacknowledged
from cloud.shards.messages import Submitted
from cloud.sku_location.reorders import DAY_MS, wanted_quantity
from cloud.sku_location.state import reorder_id

log = logging.getLogger(__name__)

INTERVAL_S: Final = 10.0
ROWS_PER_READ_MAX: Final = 5_000
ESCALATIONS_PER_LOOK_MAX: Final = 100
PATIENCE: Final = Patience()
NO_TICKET: Final = 0
"""Nobody waits for the answer."""


class ReorderWatcher:
    """Looks until it is cancelled."""

    def __init__(
        self,
        reader: JournalReader,
        *,
        shard_of: Callable[[str], ShardInbox],
        now_ms: Callable[[], int],
        patience: Patience = PATIENCE,
        interval_s: float = INTERVAL_S,
    ) -> None:
        self._reader: Final = reader
        self._shard_of: Final = shard_of
        self._now_ms: Final = now_ms
        self._interval_s: Final = interval_s
        self._waiting: Final = Unacknowledged(patience)
        self._reviewed_day = 0

    async def run(self) -> None:
        """Look for ever. Raises `JournalFailed`."""
        while True:
            await self.look()
            await asyncio.sleep(self._interval_s)

    async def look(self) -> None:
        """Escalate what is due, and on a new day review what should be ordered by now."""
        await self.escalate()
        day = self._now_ms() // DAY_MS
        if day > self._reviewed_day and await self.review():
            self._reviewed_day = day

    async def escalate(self) -> int:
        """Ask for escalations, as far as the shard has room; return how many were asked."""
        while await asyncio.to_thread(self._catch_up):
            pass
        asked = 0
        for store, gtin, waiting in self._waiting.due(self._now_ms(), ESCALATIONS_PER_LOOK_MAX):
            name = reorder_id(store, gtin, waiting.number)
            command = Escalate(store=store, reorder_id=name, if_escalations=waiting.escalations)
            if not await self._ask(command):
                break
            self._waiting.offered(store, gtin)
            asked += 1
        if asked:
            log.warning("reorders: %d were not acknowledged in time", asked)
        return asked

    def _catch_up(self) -> bool:
        """Take in a page of changed reorders; say whether there may be more."""
        rows = list(_page(self._reader.reorders_changed(self._waiting.position)))
        self._waiting.note(rows)
        return len(rows) >= ROWS_PER_READ_MAX

    async def review(self) -> bool:
        """Ask for reviews at all stores; `False` when the shard had no room for all of them."""
        asked = 0
        for row in await asyncio.to_thread(self._reader.stores):
            gtins = [
                gtin
                async for piece in in_pieces(self._gtins_to_review(row.store))
                for gtin in piece
                if gtin
            ]
            for gtin in gtins:
                if not await self._ask(Review(store=row.store, gtin=gtin)):
                    return False
            asked += len(gtins)
        if asked:
            log.info("reorders: %d positions are reviewed", asked)
        return True

    def _gtins_to_review(self, store: str) -> Iterator[str | None]:
        """Return of each SKU-location its GTIN, or nothing where nothing is to be ordered."""
        now_ms = self._now_ms()
        for row in self._reader.states(store):
            is_wanted = wanted_quantity(decode_state(row.data), now_ms) > 0
            yield row.gtin if is_wanted else None

    async def _ask(self, command: AnyCommand) -> bool:
        submitted = Submitted(ticket=NO_TICKET, command=command)
        if await offer_patiently(self._shard_of(command.store), submitted):
            return True
        log.warning("reorders: the shard is busy; the rest waits")
        return False


def _page(rows: Iterator[ReorderRow]) -> Iterator[ReorderRow]:
    """Return the first rows, and all at the position of the last: the next page begins after it."""
    last = None
    for row in islice(rows, ROWS_PER_READ_MAX):
        last = row
        yield row
    for row in rows:
        if last is None or row.updated_position != last.updated_position:
            return
        yield row
