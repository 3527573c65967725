"""The watcher of counts: once a day it lets books follow beliefs and asks for recounts.

It asks each store for the recounts that are worth most. What it asks carries the store's day as
key, so that a restart asks nobody twice. Runs on the cloud's event loop; the journal is read on a
worker thread, through a reader of its own, in pieces (`pacing`), so that nobody is held up.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from hashlib import blake2b
from typing import Final

import msgspec

from cloud.commands.command import LINES_MAX
from cloud.commands.recounts import ReviewCounts
from cloud.ingest.offering import ShardInbox, offer_patiently
from cloud.journal.port import JournalReader
from cloud.journal.rows import decode_state
from cloud.pacing import in_pieces
from cloud.recounts.choosing import Candidate, choose, looked_at
from cloud.shards.messages import Submitted
from cloud.sku_location.evidence import BOOK_FOLLOWS_FROM

log = logging.getLogger(__name__)

INTERVAL_S: Final = 60.0
DAY_MS: Final = 86_400_000
HOUR_MS: Final = 3_600_000
NO_TICKET: Final = 0
"""Nobody waits for the answer."""


class CountWatcher:
    """Looks until it is cancelled. `per_day` is how many recounts a store can do."""

    def __init__(
        self,
        reader: JournalReader,
        *,
        shard_of: Callable[[str], ShardInbox],
        now_ms: Callable[[], int],
        per_day: int,
        at_hour: int,
        interval_s: float = INTERVAL_S,
    ) -> None:
        self._reader: Final = reader
        self._shard_of: Final = shard_of
        self._now_ms: Final = now_ms
        self._per_day: Final = per_day
        self._at_hour: Final = at_hour
        self._interval_s: Final = interval_s
        self._looked: Final[dict[str, int]] = {}

    async def run(self) -> None:
        """Look for ever. Raises `JournalFailed`."""
        while True:
            await self.look()
            await asyncio.sleep(self._interval_s)

    async def look(self) -> None:
        """Review the stores whose day has begun and that were not reviewed in it."""
        day = (self._now_ms() - self._at_hour * HOUR_MS) // DAY_MS
        for row in await asyncio.to_thread(self._reader.stores):
            if self._looked.get(row.store, -1) < day and await self._review(row.store, day):
                self._looked[row.store] = day

    async def _review(self, store: str, day: int) -> bool:
        """Ask for what one store's counts need; `False` when the shard had no room."""
        candidates: list[Candidate] = []
        async for piece in in_pieces(self._candidates(store)):
            candidates += [candidate for candidate in piece if candidate is not None]
        settled = [c.state.gtin for c in candidates if c.is_settled(BOOK_FOLLOWS_FROM)]
        doubtful = [c.state.gtin for c in choose(candidates, self._per_day)]
        for number, command in enumerate(review_commands(store, settled, doubtful)):
            key = f"counts/{store}/{day}/{number}"
            digest = blake2b(msgspec.msgpack.encode(command), digest_size=16).digest()
            keyed = msgspec.structs.replace(command, key=key, digest=digest)
            submitted = Submitted(ticket=NO_TICKET, command=keyed)
            if not await offer_patiently(self._shard_of(store), submitted):
                log.warning("counts: the shard is busy; %s is looked at later", store)
                return False
        if settled or doubtful:
            log.info("counts: %s: %d settled, %d to recount", store, len(settled), len(doubtful))
        return True

    def _candidates(self, store: str) -> Iterator[Candidate | None]:
        now_ms = self._now_ms()
        return (looked_at(decode_state(row.data), now_ms) for row in self._reader.states(store))


def review_commands(
    store: str, settled: Sequence[str], doubtful: Sequence[str]
) -> Iterator[ReviewCounts]:
    """Return the commands for a store's day, each within the bounds of one command."""
    for start in range(0, len(settled), LINES_MAX):
        yield ReviewCounts(store=store, settled=tuple(settled[start : start + LINES_MAX]))
    for start in range(0, len(doubtful), LINES_MAX):
        yield ReviewCounts(store=store, doubtful=tuple(doubtful[start : start + LINES_MAX]))
