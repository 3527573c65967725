"""Redrive: quarantined entries that an operator wants tried again go through admission once more.

The operator's command leaves a request in the journal's file, where it survives a restart; this
loop looks for it. The shard decides and records how it ended. Runs on the cloud's event loop; the
journal is read on a worker thread.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from cloud.ingest.admission import admit
from cloud.ingest.offering import ShardInbox
from cloud.journal.port import JournalReader
from cloud.journal.rows import QuarantineEntry
from cloud.shards.messages import BatchReceived, DocumentReceived, PayloadRefused, Redrive
from protocol.codec import encode_up
from protocol.facts import TIME_MS_MAX
from protocol.ids import StoreId
from protocol.topics import Topics

log = logging.getLogger(__name__)

POLL_S: Final = 1.0
ENTRIES_PER_POLL_MAX: Final = 100


class Redriver:
    """Polls until it is cancelled. A request stays one until the shard has settled it."""

    def __init__(
        self,
        reader: JournalReader,
        topics: Topics,
        *,
        shard_of: Callable[[str], ShardInbox],
        now_ms: Callable[[], int],
    ) -> None:
        self._reader: Final = reader
        self._topics: Final = topics
        self._shard_of: Final = shard_of
        self._now_ms: Final = now_ms
        self._offered: set[int] = set()

    async def run(self) -> None:
        """Look for requests for ever. Raises `JournalFailed`."""
        while True:
            await self.poll()
            await asyncio.sleep(POLL_S)

    async def poll(self) -> None:
        """Offer the requests that were not offered yet; what a full shard refuses, comes again."""
        entries = await asyncio.to_thread(self._reader.redrive_requests, ENTRIES_PER_POLL_MAX)
        self._offered.intersection_update(entry.id for entry in entries)
        for entry in entries:
            if entry.id in self._offered:
                continue
            redrive = redrive_of(entry, self._topics, self._now_ms())
            if self._shard_of(entry.content.store).offer(redrive):
                log.info("redrive: quarantine entry %d goes to its shard again", entry.id)
                self._offered.add(entry.id)


def redrive_of(entry: QuarantineEntry, topics: Topics, now_ms: int) -> Redrive:
    """Return what the shard is to do with a quarantined entry."""
    content = entry.content
    if content.seq:
        return Redrive(quarantine_id=entry.id, batch=None)
    # What a shard quarantined had passed admission, and has no topic any more.
    topic = content.topic or topics.facts(StoreId(content.store))
    admitted = admit(topic, content.payload, topics, now_ms)
    if isinstance(admitted, BatchReceived):
        batch = _as_if_sent_now(admitted, now_ms - content.received_at_ms)
        return Redrive(quarantine_id=entry.id, batch=batch)
    if isinstance(admitted, DocumentReceived):
        return Redrive(quarantine_id=entry.id, batch=None, document=admitted)
    if isinstance(admitted, PayloadRefused):
        return Redrive(quarantine_id=entry.id, batch=None, detail=admitted.detail)
    return Redrive(
        quarantine_id=entry.id, batch=None, detail="only batches and documents can be redriven"
    )


def _as_if_sent_now(received: BatchReceived, waited_ms: int) -> BatchReceived:
    """Return a batch as it would come now, so that its wait is not taken for its clock's error."""
    sent_at_ms = min(max(0, received.batch.sent_at_ms + waited_ms), TIME_MS_MAX)
    batch = replace(received.batch, sent_at_ms=sent_at_ms)
    return BatchReceived(batch=batch, frame=encode_up(batch))
