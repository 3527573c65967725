"""Reservations in process: clients, a real shard on its thread, a durable journal."""

import time
from collections.abc import Callable, Sequence
from hashlib import blake2b
from pathlib import Path
from queue import SimpleQueue
from typing import Final, NamedTuple

from cloud.bench.ingest import fill
from cloud.bench.traffic import BENCH_MS, DAY_MS, Size, gtin_of, store_id
from cloud.commands.reservations import Reserve, ReserveLine
from cloud.journal.sqlite import SqliteJournal
from cloud.publisher.live import to_stores, to_third_parties
from cloud.shards.messages import BatchReceived, Committed, Reply, Submitted
from cloud.shards.on_pykka import HostedShard
from cloud.shards.placement import shard_name
from cloud.shards.shard import Shard
from cloud.sku_location.decide import LOGIC_ERA
from cloud.sku_location.refusal import Refused
from protocol.codec import decode_up, encode_batch, encode_fact
from protocol.envelope import FactBatch
from protocol.facts import StockCounted
from protocol.topics import Topics
from simulators.errors import BenchmarkFailed

NOW_MS: Final = BENCH_MS + DAY_MS
PLENTY: Final = 1_000_000
EPOCH: Final = 7
TOPICS: Final = Topics()
ANSWER_TIMEOUT_S: Final = 60.0


class Reserved(NamedTuple):
    """How many reservations a second were granted, and how long each took, in milliseconds."""

    per_s: float
    times_ms: list[float]


class Reserving:
    """A shard with plenty of every article of one store, and its clients."""

    def __init__(self, folder: Path, articles: int) -> None:
        size = Size(stores=1, articles=articles)
        self._journal: Final = SqliteJournal(fill(folder / "journal.db", size))
        self._gtins: Final = [gtin_of(number) for number in range(articles)]
        self._replies: Final[SimpleQueue[list[Reply]]] = SimpleQueue()
        name = shard_name(0, 1)
        owner_epoch = self._journal.take_ownership(name, LOGIC_ERA, NOW_MS)
        shard = Shard(self._journal, name, owner_epoch)
        shard.commit([self._counts()], NOW_MS)
        self._position = 0
        self._failure: BaseException | None = None
        self._hosted: Final = HostedShard(
            shard,
            clock_ms=lambda: NOW_MS,
            on_committed=self._note,
            on_failure=self._note_failure,
        )
        self._names = 0

    def _counts(self) -> BatchReceived:
        facts = [
            StockCounted(
                occurred_at_ms=NOW_MS,
                source="staff",
                gtin=gtin,
                quantity=PLENTY,
                measure="units",
                evidence="document",
            )
            for gtin in self._gtins
        ]
        frame = encode_batch(store_id(0), EPOCH, 1, NOW_MS, [encode_fact(fact) for fact in facts])
        batch = decode_up(frame)
        if not isinstance(batch, FactBatch):
            raise AssertionError("a batch was encoded")
        return BatchReceived(batch=batch, frame=frame)

    def _note(self, committed: Committed) -> None:
        """Encode what the publisher would send, on the shard's thread, and hand over answers."""
        arrays, _ = to_third_parties(committed, self._position, TOPICS)
        for message in (*to_stores(committed, TOPICS), *arrays):
            self._position = max(self._position, len(message.payload) and committed.position)
        self._replies.put(committed.replies)

    def _note_failure(self, error: BaseException) -> None:
        self._failure = error
        self._replies.put([])

    def run(self, reservations: int, clients: int, *, is_hot: bool) -> Reserved:
        """Let so many clients reserve one unit each, again and again."""
        begun: dict[int, float] = {}
        times_ms: list[float] = []
        started_s = time.perf_counter()
        for _ in range(min(clients, reservations)):
            self._reserve(begun, is_hot=is_hot)
        while len(times_ms) < reservations:
            for reply in self._answers():
                if isinstance(reply.answer, Refused):
                    raise BenchmarkFailed(f"refused: {reply.answer.detail}")
                times_ms.append((time.perf_counter() - begun.pop(reply.ticket)) * 1_000)
                if len(times_ms) + len(begun) < reservations:
                    self._reserve(begun, is_hot=is_hot)
        return Reserved(reservations / (time.perf_counter() - started_s), times_ms)

    def _answers(self) -> Sequence[Reply]:
        replies = self._replies.get(timeout=ANSWER_TIMEOUT_S)
        if self._failure is not None:
            raise BenchmarkFailed(f"the shard has failed: {self._failure}")
        return replies

    def _reserve(self, begun: dict[int, float], *, is_hot: bool) -> None:
        self._names += 1
        name = f"r-{self._names}"
        gtin = self._gtins[0 if is_hot else 1 + self._names % (len(self._gtins) - 1)]
        command = Reserve(
            store=store_id(0),
            key=f"bench/{name}",
            digest=blake2b(name.encode(), digest_size=16).digest(),
            reservation_id=name,
            order_id=f"o-{self._names}",
            channel="web",
            lines=[ReserveLine(gtin=gtin, quantity=1)],
            expires_at_ms=NOW_MS + DAY_MS,
        )
        begun[self._names] = time.perf_counter()
        if not self._hosted.offer(Submitted(ticket=self._names, command=command)):
            raise BenchmarkFailed("the shard has no room for so many clients")

    def close(self) -> None:
        """Stop the shard and release the file."""
        self._hosted.stop()
        self._journal.close()


def reserving(folder: Path, articles: int, work: Callable[[Reserving], None]) -> None:
    """Let `work` use a shard, and stop it."""
    shard = Reserving(folder, articles)
    try:
        work(shard)
    finally:
        shard.close()
