"""`bench ingest`: batches as they come from a broker, to committed states, ready to be told.

A real shard on a real, durable journal, fed through the real admission and inbox, and everything
that the publisher would send encoded. Its limit is a bare loop that decodes the same bytes, adds
to a dict and inserts the same rows in as many durable transactions.
"""

import gc
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cloud.bench.showing import Advance
from cloud.bench.traffic import BATCH_FACTS, BENCH_MS, Size, Traffic, gtin_of, stock_of, store_id
from cloud.ingest.admission import admit
from cloud.journal.rows import JournalWrite
from cloud.journal.sqlite import SqliteJournal
from cloud.publisher.live import to_stores, to_third_parties
from cloud.publisher.progress import Progress
from cloud.publisher.wms import messages_of
from cloud.shards.inbox import GROUP_FACTS_MAX, Inbox
from cloud.shards.messages import BatchReceived, Committed, ShardInput
from cloud.shards.placement import shard_name
from cloud.shards.shard import Shard
from cloud.sku_location.belief import Estimator
from cloud.sku_location.decide import LOGIC_ERA
from protocol.bench_report import BenchReport, Figure
from protocol.codec import decode_up
from protocol.envelope import FactBatch
from protocol.ids import StoreId
from protocol.topics import Topics

SHARE_MIN: Final = 0.6
FACTS_PER_S_MIN: Final = 120_000
TOPICS: Final = Topics("st/1")
FRAMES_PER_GROUP: Final = GROUP_FACTS_MAX // BATCH_FACTS
RETAINED_PER_S: Final = 5_000
"""Retained documents that a broker takes beside all that is live; the rest is conflated."""

TOPICS_MAX: Final = 50_000
BUSY_STORES: Final = 8
"""As many stores send at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingested:
    """One run: how many facts in how long, and what each transaction wrote."""

    facts: int
    seconds: float
    writes: list[JournalWrite]
    told_bytes: int

    @property
    def per_s(self) -> float:
        """Facts a second."""
        return self.facts / self.seconds


def bench(folder: Path, size: Size, facts: int, seed: int, advance: Advance) -> BenchReport:
    """Ingest so many facts into a journal of this size, then let the bare loop do as much."""
    traffic = Traffic(size, seed)
    stores = range(min(BUSY_STORES, size.stores))
    frames = list(traffic.batches(stores, facts))
    advance(0.3)
    real = run(fill(folder / "journal.db", size), frames)
    advance(0.7)
    bare = _bare_loop(fill(folder / "bare.db", size), frames, real.writes)
    advance(1.0)
    share = bare / real.seconds
    states = sum(len(write.states) for write in real.writes)
    return BenchReport(
        bench="ingest",
        seed=seed,
        conditions={
            "sku_locations": size.sku_locations,
            "stores": size.stores,
            "facts": facts,
            "groups": len(real.writes),
        },
        figures=[
            Figure(
                name="ingested, durable", value=real.per_s, unit="facts/s", at_least=FACTS_PER_S_MIN
            ),
            Figure(
                name="bare loop over the same bytes and rows", value=facts / bare, unit="facts/s"
            ),
            Figure(
                name="share of the bare loop",
                value=share,
                unit="",
                at_least=SHARE_MIN,
                is_ratio=True,
            ),
            Figure(name="states written", value=states / facts, unit="per fact"),
            Figure(name="told", value=real.told_bytes / facts, unit="bytes/fact"),
        ],
    )


def fill(path: Path, size: Size, advance: Advance = lambda _: None) -> Path:
    """Make a journal in which every SKU-location of every store has a past."""
    gtins = [gtin_of(number) for number in range(size.articles)]
    journal = SqliteJournal(path, durable=False)
    owner_epoch = journal.take_ownership(shard_name(0, 1), LOGIC_ERA, BENCH_MS)
    for number in range(size.stores):
        journal.commit(owner_epoch, stock_of(store_id(number), number + 1, gtins))
        advance((number + 1) / size.stores)
    journal.close()
    return path


class _Noting(SqliteJournal):
    """A journal that remembers what was written, for the bare loop to write again."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.writes: Final[list[JournalWrite]] = []

    def commit(self, owner_epoch: int, write: JournalWrite) -> None:
        """Commit, and remember."""
        super().commit(owner_epoch, write)
        self.writes.append(write)


def run(path: Path, frames: Sequence[tuple[str, bytes]]) -> Ingested:
    """Ingest the frames into a journal, as fast as it goes."""
    journal = _Noting(path)
    name = shard_name(0, 1)
    shard = Shard(journal, name, journal.take_ownership(name, LOGIC_ERA, BENCH_MS))
    publishing = _Publishing(journal.position())
    facts = 0
    gc.collect()
    begun_s = time.perf_counter()
    for group in _groups(frames):
        committed = shard.commit(group, _arrival_ms(group))
        publishing.tell(committed)
        facts += committed.facts_applied
    seconds = time.perf_counter() - begun_s
    journal.close()
    return Ingested(
        facts=facts, seconds=seconds, writes=journal.writes, told_bytes=publishing.told_bytes
    )


def _groups(frames: Sequence[tuple[str, bytes]]) -> Iterator[list[ShardInput]]:
    """Admit the frames and return them in groups, as a busy shard takes them from its inbox."""
    inbox = Inbox(lambda: None)
    for start in range(0, len(frames), FRAMES_PER_GROUP):
        for store, frame in frames[start : start + FRAMES_PER_GROUP]:
            item = admit(TOPICS.facts(StoreId(store)), frame, TOPICS, BENCH_MS)
            if not inbox.offer(item):
                raise AssertionError("an inbox that is empty takes a group")
        while group := inbox.take():
            yield group


def _arrival_ms(group: list[ShardInput]) -> int:
    """Return when the group is taken: as its last batch was sent."""
    return max(item.batch.sent_at_ms for item in group if isinstance(item, BatchReceived))


class _Publishing:
    """Encodes what the publisher sends: all that is live, and the retained at a broker's pace."""

    def __init__(self, position: int) -> None:
        self._progress: Final = Progress(position, position, TOPICS_MAX)
        self._estimator: Final = Estimator()
        self._begun_s: Final = time.perf_counter()
        self._retained = 0
        self.told_bytes = 0

    def tell(self, committed: Committed) -> None:
        """Encode all that a commit lets others know, as far as a broker would take it by now."""
        arrays, retained = to_third_parties(committed, self._progress.head, TOPICS)
        for message in (*to_stores(committed, TOPICS), *arrays):
            self.told_bytes += len(message.payload)
        self._progress.committed(committed.position, retained)
        backlog = self._progress.backlog
        taken_by_now = RETAINED_PER_S * (time.perf_counter() - self._begun_s)
        while backlog.waiting and self._retained < taken_by_now:
            entry = backlog.take()
            for message in messages_of(entry, self._estimator.estimate):
                self.told_bytes += len(message.payload)
            backlog.confirm(entry)
            self._retained += 1


def _bare_loop(
    path: Path, frames: Sequence[tuple[str, bytes]], writes: Sequence[JournalWrite]
) -> float:
    """Decode the frames, add to a dict, insert the rows; return the seconds that it took."""
    journal = SqliteJournal(path)
    epoch = journal.take_ownership(shard_name(0, 1), LOGIC_ERA, BENCH_MS)
    counts: dict[tuple[str, str], int] = {}
    gc.collect()
    begun_s = time.perf_counter()
    for number, write in enumerate(writes):
        start = number * FRAMES_PER_GROUP
        for store, frame in frames[start : start + FRAMES_PER_GROUP]:
            batch = decode_up(frame)
            if not isinstance(batch, FactBatch):
                raise AssertionError("the bench sends batches")
            for fact in batch.facts:
                key = (store, fact.source)
                counts[key] = counts.get(key, 0) + 1
        journal.commit(epoch, write)
    seconds = time.perf_counter() - begun_s
    journal.close()
    return seconds
