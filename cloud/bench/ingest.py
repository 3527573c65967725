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
    position = journal.position()
    estimator = Estimator()
    facts = told_bytes = 0
    gc.collect()
    begun_s = time.perf_counter()
    for group in _groups(frames):
        committed = shard.commit(group, _arrival_ms(group))
        told_bytes += _told_bytes(committed, position, estimator)
        position = committed.position
        facts += committed.facts_applied
    seconds = time.perf_counter() - begun_s
    journal.close()
    return Ingested(facts=facts, seconds=seconds, writes=journal.writes, told_bytes=told_bytes)


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


def _told_bytes(committed: Committed, after: int, estimator: Estimator) -> int:
    """Encode all that the publisher sends of a commit; return how much that is."""
    arrays, retained = to_third_parties(committed, after, TOPICS, estimator.estimate)
    messages = (*to_stores(committed, TOPICS), *arrays)
    live = sum(len(message.payload) for message in messages)
    return live + sum(len(message.payload) for entry in retained for message in entry.messages)


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
