"""Notices that another cloud owns the journal now, also while there is nothing to commit.

A commit of a stale owner is refused inside its transaction (P3); this only ends it in time. A cloud
that was suspended, replaced and resumed in a quiet hour would otherwise fight with its successor
for the names that both have at the broker, and tell what it still held.
"""

import asyncio
from typing import Final

from cloud.errors import OwnershipLost
from cloud.journal.port import JournalReader

INTERVAL_S: Final = 1.0


class OwnershipWatch:
    """Looks until it is cancelled, or the journal has another owner."""

    def __init__(
        self, reader: JournalReader, owner_epoch: int, interval_s: float = INTERVAL_S
    ) -> None:
        self._reader: Final = reader
        self._owner_epoch: Final = owner_epoch
        self._interval_s: Final = interval_s

    async def run(self) -> None:
        """Look for ever. Raises `OwnershipLost` and `JournalFailed`."""
        while True:
            present = await asyncio.to_thread(self._reader.owner_epoch)
            if present != self._owner_epoch:
                detail = f"owner epoch {present} has taken over from {self._owner_epoch}"
                raise OwnershipLost(detail)
            await asyncio.sleep(self._interval_s)
