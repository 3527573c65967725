"""A shard: it owns the SKU-locations of its stores and commits what reaches it in groups.

`commit` turns all inputs of a group into one transaction of the journal and returns what may be
told now that it is durable. A failed transaction leaves nothing behind: a group works on a layer
of its own, and the residents take the layer over only after the commit. No clock, no thread, no
runtime: Pykka, Ray and the deterministic harness host the same object.
"""

from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import Final

from cloud.journal.port import Journal
from cloud.shards.answers import mirror_changes, store_changes, welcome
from cloud.shards.group import Group, StoreProgress
from cloud.shards.messages import (
    Committed,
    HelloReceived,
    MirrorRequested,
    Published,
    ShardInput,
    StoreChange,
)
from cloud.shards.residents import Residents
from cloud.shards.sessions import Sessions
from cloud.shards.stamping import Buffers, NoBuffers, Stamping
from cloud.sku_location.state import SkuLocation

RESIDENTS_MAX: Final = 200_000
"""About 0.6 kB each; a SKU-location beyond is activated again from the journal when needed."""

PUBLISHED_ALONE_EVERY_MS: Final = 1_000
"""The publish position rides on other transactions; alone it gets one at most this often.

What a crash forgets of it is published twice, which readers recognise by version.
"""

NO_BUFFERS: Final = NoBuffers()


class Shard:
    """One shard under one owner epoch. Not thread-safe: it belongs to the thread that hosts it.

    After `commit` has raised, the shard must not be used again: the storage has failed, or
    another owner has taken over.
    """

    def __init__(
        self,
        journal: Journal,
        shard_id: str,
        owner_epoch: int,
        *,
        residents_max: int = RESIDENTS_MAX,
        buffers: Buffers = NO_BUFFERS,
    ) -> None:
        self.shard_id: Final = shard_id
        self.owner_epoch: Final = owner_epoch
        self._journal: Final = journal
        self._residents: Final = Residents(residents_max)
        self._stamping: Final = Stamping(buffers, journal)
        self._sessions: Final = Sessions()
        self._published_through: int | None = None
        self._published_written_at_ms: int | None = None

    @property
    def active(self) -> int:
        """SKU-locations in memory."""
        return len(self._residents)

    def commit(self, inputs: Sequence[ShardInput], now_ms: int) -> Committed:
        """Make a group of inputs durable, in order, and return what may be told now.

        `now_ms` is stamped on all of them. Raises `JournalFailed` and `OwnershipLost`.
        """
        group = Group(self._journal, self._residents, now_ms, self._stamping, self._sessions)
        for item in inputs:
            if isinstance(item, Published):
                self._published_through = max(item.position, self._published_through or 0)
            elif not isinstance(item, HelloReceived | MirrorRequested):
                group.take(item)
        stores = group.stores()
        self._write(group, stores, now_ms)
        self._residents.keep(group.changes.active)
        return self._committed(group, stores, inputs)

    def flush(self, now_ms: int) -> None:
        """Write a publish position that still waits for company."""
        if self._published_through is not None:
            self._published_written_at_ms = None
            self.commit([], now_ms)

    def _write(self, group: Group, stores: list[StoreProgress], now_ms: int) -> None:
        write = group.write(stores, self._published_through)
        if write.is_empty() or (write.is_publish_position_only() and not self._is_due(now_ms)):
            return
        self._journal.commit(self.owner_epoch, write)
        if self._published_through is not None:
            self._published_through = None
            self._published_written_at_ms = now_ms

    def _is_due(self, now_ms: int) -> bool:
        written_at_ms = self._published_written_at_ms
        return written_at_ms is None or now_ms - written_at_ms >= PUBLISHED_ALONE_EVERY_MS

    def _committed(
        self, group: Group, stores: list[StoreProgress], inputs: Sequence[ShardInput]
    ) -> Committed:
        journal = self._journal
        committed = Committed(
            position=group.position,
            answers=[*group.acks.messages(journal)],
            changes=_told(group, stores),
            reorders=group.changes.reorders,
            replies=group.replies,
            records=group.changes.changed_records,
            notices=group.changes.notices,
            facts_applied=group.changes.facts_applied,
            facts_duplicate=group.facts_duplicate + group.changes.facts_duplicate,
            facts_quarantined=len(group.changes.quarantined),
        )
        for item in inputs:
            if isinstance(item, HelloReceived):
                answer = welcome(item.hello, journal)
                self._sessions.begin(item.hello, answer.through_seq)
                committed.answers.append(answer)
                committed.mirrors.extend(self._mirror_if_behind(item))
            elif isinstance(item, MirrorRequested):
                request = item.request
                committed.mirrors.extend(mirror_changes(request.store, request.position, journal))
        return committed

    def _mirror_if_behind(self, item: HelloReceived) -> Iterator[StoreChange]:
        store, after = item.hello.store, item.hello.mirror_position
        row = self._journal.store(store)
        if (0 if row is None else row.position) != after:
            yield from mirror_changes(store, after, self._journal)


def _told(group: Group, stores: list[StoreProgress]) -> list[StoreChange]:
    """Return the newest states that the group made, by store and position."""
    by_store: dict[str, list[tuple[int, SkuLocation]]] = {}
    for key, state in group.changes.states.items():
        by_store.setdefault(key[0], []).append((group.changes.positions[key], state))
    told: list[StoreChange] = []
    for progress in stores:
        if progress.row.position > progress.previous_position:
            states = sorted(by_store[progress.row.store], key=itemgetter(0))
            told.extend(
                store_changes(
                    progress.row, progress.through_seq, progress.previous_position, states
                )
            )
    return told
