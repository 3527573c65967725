"""The journal in memory: for the deterministic harness, tests and demonstrations of the port.

It keeps the promises of `Journal` except durability. It is also the reading and the operator's
side, so whoever uses those from another thread must wait until the shard has stopped.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

from cloud.errors import JournalIncompatible, OwnershipLost
from cloud.journal.port import (
    QUARANTINE_BYTES_PER_STORE_MAX,
    QUARANTINE_ENTRIES_PER_STORE_MAX,
)
from cloud.journal.rows import (
    BusinessKeyRow,
    CommandKeyRow,
    EffectRow,
    EraRow,
    InputRow,
    JournalWrite,
    Quarantined,
    QuarantineEntry,
    RecordRow,
    ReorderRow,
    Settlement,
    StateRow,
    StoreRow,
    WatermarkRow,
    overflow_of,
)

K = TypeVar("K", tuple[str, str], tuple[str, int], tuple[str, str, int], tuple[str, str, str])
V = TypeVar("V")


class MemoryJournal:
    """A `Journal` and a `QuarantineDesk`."""

    def __init__(self) -> None:
        self._shard: str | None = None
        self._owner_epoch = 0
        self._published_through = 0
        self._era = EraRow(number=0, logic=0, opened_after=0, opened_at_ms=0)
        self._inputs: list[InputRow] = []
        self._states: dict[tuple[str, str], StateRow] = {}
        self._stores: dict[str, StoreRow] = {}
        self._watermarks: dict[tuple[str, int], WatermarkRow] = {}
        self._business_keys: dict[tuple[str, str, int], BusinessKeyRow] = {}
        self._reorders: dict[tuple[str, str, int], ReorderRow] = {}
        self._opening_states: dict[tuple[str, str], StateRow] = {}
        self._opening_watermarks: dict[tuple[str, int], WatermarkRow] = {}
        self._records: dict[tuple[str, str, str], RecordRow] = {}
        self._opening_records: dict[tuple[str, str, str], RecordRow] = {}
        self._command_keys: dict[str, CommandKeyRow] = {}
        self._effects: list[EffectRow] = []
        self._quarantine: dict[int, QuarantineEntry] = {}
        self._quarantined_ever = 0

    def take_ownership(self, shard: str, logic: int, now_ms: int) -> int:
        """Become the owner and return the new owner epoch."""
        if self._shard not in (None, shard):
            raise JournalIncompatible(f"it belongs to shard {self._shard}, not {shard}")
        self._shard = shard
        self._owner_epoch += 1
        if self._era.logic != logic:
            self._era = EraRow(self._era.number + 1, logic, self.position(), now_ms)
            self._opening_states = dict(self._states)
            self._opening_watermarks = dict(self._watermarks)
            self._opening_records = dict(self._records)
        return self._owner_epoch

    def commit(self, owner_epoch: int, write: JournalWrite) -> None:
        """Keep all of `write`, or raise and change nothing."""
        if owner_epoch != self._owner_epoch:
            detail = f"owner epoch {self._owner_epoch} has taken over from {owner_epoch}"
            raise OwnershipLost(detail)
        self._inputs.extend(write.inputs)
        self._watermarks.update(((row.store, row.epoch), row) for row in write.watermarks)
        self._states.update(((row.store, row.gtin), row) for row in write.states)
        self._stores.update((row.store, row) for row in write.stores)
        self._business_keys.update((row[:3], row) for row in write.business_keys)
        self._reorders.update((row[:3], row) for row in write.reorders)
        self._records.update((row[:3], row) for row in write.records)
        self._command_keys.update((row.key, row) for row in write.command_keys)
        self._effects.extend(write.effects)
        for entry in write.quarantined:
            self._keep(entry)
        for settlement in write.settled:
            self._settle(settlement)
        if write.published_through is not None:
            self._published_through = write.published_through

    def _keep(self, content: Quarantined) -> None:
        if self._count_again(content):
            return
        kept = [e.content for e in self._quarantine.values() if e.content.store == content.store]
        size_bytes = sum(len(other.payload) for other in kept) + len(content.payload)
        is_full = len(kept) >= QUARANTINE_ENTRIES_PER_STORE_MAX
        if is_full or size_bytes > QUARANTINE_BYTES_PER_STORE_MAX:
            content = overflow_of(content)
            if self._count_again(content):
                return
        self._quarantined_ever += 1
        number = self._quarantined_ever
        entry = QuarantineEntry(number, "quarantined", 1, content.received_at_ms, content)
        self._quarantine[number] = entry

    def _count_again(self, content: Quarantined) -> bool:
        for entry in self._quarantine.values():
            if (entry.content.store, entry.content.digest) == (content.store, content.digest):
                self._quarantine[entry.id] = entry._replace(
                    times=entry.times + 1,
                    last_received_at_ms=max(entry.last_received_at_ms, content.received_at_ms),
                    status="quarantined" if entry.status == "redriven" else entry.status,
                )
                return True
        return False

    def _settle(self, settlement: Settlement) -> None:
        entry = self._quarantine.get(settlement.quarantine_id)
        if entry is not None:
            content = entry.content._replace(detail=settlement.detail)
            self._quarantine[entry.id] = entry._replace(status=settlement.status, content=content)

    def position(self) -> int:
        """Return the position of the newest input, 0 before the first."""
        return self._inputs[-1].position if self._inputs else 0

    def published_through(self) -> int:
        """Return the position through which the broker has confirmed everything."""
        return self._published_through

    def owner_epoch(self) -> int:
        """Return who may commit now, 0 before the first owner."""
        return self._owner_epoch

    def era(self) -> EraRow:
        """Return the present era; number 0 before any owner came."""
        return self._era

    def inputs(self, after: int = 0, store: str | None = None) -> Iterator[InputRow]:
        """Return the inputs (of one store) after a position, in order."""
        return (row for row in self._inputs if row.position > after and store in (None, row.store))

    def batches(self, store: str, epoch: int, first_seq: int, last_seq: int) -> Iterator[InputRow]:
        """Return the batches that hold any of these facts, in order."""
        for row in self._inputs:
            overlaps = row.last_seq >= first_seq and row.first_seq <= last_seq
            if overlaps and (row.store, row.epoch) == (store, epoch):
                yield row

    def state(self, store: str, gtin: str) -> StateRow | None:
        """Return the newest state of a SKU-location."""
        return self._states.get((store, gtin))

    def states_of(self, store: str, gtins: Iterable[str]) -> list[StateRow]:
        """Return those of these SKU-locations that exist, in any order."""
        return [self._states[store, gtin] for gtin in gtins if (store, gtin) in self._states]

    def states_at(self, stores: Iterable[str], gtin: str) -> list[StateRow]:
        """Return those of one GTIN's SKU-locations at these stores that exist, in any order."""
        return [self._states[store, gtin] for store in stores if (store, gtin) in self._states]

    def states(self, store: str | None = None, *, after: str = "") -> Iterator[StateRow]:
        """Return all states, by store and GTIN (or those of one store after a GTIN)."""
        rows = _by_key(self._states, store)
        return rows if store is None else (row for row in rows if row.gtin > after)

    def states_changed(self, store: str, after: int) -> Iterator[StateRow]:
        """Return a store's states that changed after a position, oldest change first."""
        changed = (row for row in _by_key(self._states, store) if row.position > after)
        return iter(sorted(changed, key=lambda row: row.position))

    def stores(self) -> list[StoreRow]:
        """Return where every store stands, by store."""
        return [row for _, row in sorted(self._stores.items())]

    def store(self, store: str) -> StoreRow | None:
        """Return where a store stands."""
        return self._stores.get(store)

    def watermark(self, store: str, epoch: int) -> int:
        """Return the highest contiguous number applied, 0 for an unknown epoch."""
        row = self._watermarks.get((store, epoch))
        return 0 if row is None else row.through_seq

    def watermarks(self, store: str | None = None) -> Iterator[WatermarkRow]:
        """Return all watermarks (of one store), by store and epoch."""
        return _by_key(self._watermarks, store)

    def business_keys_of(
        self, store: str, transactions: Iterable[str]
    ) -> Mapping[tuple[str, int], BusinessKeyRow]:
        """Return the claimed lines of these till transactions, by transaction and line."""
        wanted = set(transactions)
        rows = (row for row in self._business_keys.values() if row.store == store)
        return {(row.transaction, row.line): row for row in rows if row.transaction in wanted}

    def business_keys(self) -> Iterator[BusinessKeyRow]:
        """Return all claimed till lines, by store, transaction and line."""
        return _by_key(self._business_keys)

    def reorders(self, *, after: tuple[str, str, int] = ("", "", 0)) -> Iterator[ReorderRow]:
        """Return all reorders, by store, GTIN and number, after such a triple."""
        return (row for row in _by_key(self._reorders) if row[:3] > after)

    def reorders_changed(self, after: int) -> Iterator[ReorderRow]:
        """Return the reorders that changed after a position, oldest change first."""
        changed = (row for row in self._reorders.values() if row.updated_position > after)
        return iter(sorted(changed, key=lambda row: row.updated_position))

    def record(self, kind: str, store: str, record_id: str) -> RecordRow | None:
        """Return a record."""
        return self._records.get((kind, store, record_id))

    def records(
        self, kind: str, store: str | None = None, *, after: tuple[str, str] = ("", "")
    ) -> Iterator[RecordRow]:
        """Return the records of a kind (of one store), by store and id, after such a pair."""
        for row in self.all_records():
            if row.kind == kind and store in (None, row.store) and (row.store, row.id) > after:
                yield row

    def records_open(
        self, kind: str, store: str | None = None, *, after: tuple[str, str] = ("", "")
    ) -> Iterator[RecordRow]:
        """Return those that somebody still has to act on, by store and id, after such a pair."""
        return (row for row in self.records(kind, store, after=after) if row.is_open)

    def records_by_ref(self, kind: str, ref: str) -> list[RecordRow]:
        """Return the records of a kind that refer to something, by store and id."""
        return [row for row in self.records(kind) if ref in row.refs]

    def records_due(self, kind: str, through_ms: int, records_max: int) -> list[RecordRow]:
        """Return open records to which something must happen by then, the earliest first."""
        due = [
            (row.due_at_ms, row)
            for row in self.records(kind)
            if row.due_at_ms is not None and row.due_at_ms <= through_ms
        ]
        return [row for _, row in sorted(due, key=lambda pair: pair[0])][:records_max]

    def records_changed(self, kind: str, after: int) -> Iterator[RecordRow]:
        """Return the records of a kind that changed after a position, oldest change first."""
        changed = (row for row in self.records(kind) if row.position > after)
        return iter(sorted(changed, key=lambda row: row.position))

    def all_records(self) -> Iterator[RecordRow]:
        """Return all records, by kind, store and id."""
        return iter([row for _, row in sorted(self._records.items())])

    def opening_records(self) -> Iterator[RecordRow]:
        """Return the records with which the present era opened, by kind, store and id."""
        return iter([row for _, row in sorted(self._opening_records.items())])

    def command_key(self, key: str) -> CommandKeyRow | None:
        """Return the command that was accepted under a key."""
        return self._command_keys.get(key)

    def command_keys(self) -> Iterator[CommandKeyRow]:
        """Return all keys, in order."""
        return iter([row for _, row in sorted(self._command_keys.items())])

    def effects(self, store: str, gtin: str, after: int) -> Iterator[EffectRow]:
        """Return what commands told a SKU-location after a position, in order."""
        for row in self._effects:
            if (row.store, row.gtin) == (store, gtin) and row.position > after:
                yield row

    def opening_states(self) -> Iterator[StateRow]:
        """Return the snapshot with which the present era opened, by store and GTIN."""
        return _by_key(self._opening_states)

    def opening_state(self, store: str, gtin: str) -> StateRow | None:
        """Return the state of a SKU-location in that snapshot."""
        return self._opening_states.get((store, gtin))

    def opening_watermarks(self) -> Iterator[WatermarkRow]:
        """Return the watermarks with which the present era opened, by store and epoch."""
        return _by_key(self._opening_watermarks)

    def quarantine(self, store: str | None = None) -> Iterator[QuarantineEntry]:
        """Return quarantined entries (of one store), oldest first."""
        entries = list(self._quarantine.values())
        return (entry for entry in entries if store in (None, entry.content.store))

    def quarantine_entry(self, quarantine_id: int) -> QuarantineEntry | None:
        """Return one entry."""
        return self._quarantine.get(quarantine_id)

    def redrive_requests(self, entries_max: int) -> list[QuarantineEntry]:
        """Return entries whose redrive an operator has requested, oldest first."""
        requested = [e for e in self._quarantine.values() if e.status == "redrive_requested"]
        return requested[:entries_max]

    def request_redrive(self, quarantine_id: int) -> bool:
        """Ask for an entry to be tried again; `False` when there is none to be tried."""
        entry = self._quarantine.get(quarantine_id)
        if entry is None or entry.status == "redriven" or not entry.content.digest:
            return False
        self._quarantine[quarantine_id] = entry._replace(status="redrive_requested")
        return True

    def drop(self, quarantine_id: int) -> bool:
        """Delete an entry; `False` when there is none."""
        return self._quarantine.pop(quarantine_id, None) is not None

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Nothing happens between reads of one thread."""
        yield

    @contextmanager
    def scratch(self) -> "Iterator[MemoryJournal]":
        """Make an empty journal."""
        yield MemoryJournal()

    def close(self) -> None:
        """There is nothing to release: whoever opens it again, gets what it held."""


def _by_key(rows: dict[K, V], store: str | None = None) -> Iterator[V]:
    """Return rows in the order of their keys, the first part of which is the store."""
    return iter([row for key, row in sorted(rows.items()) if store in (None, key[0])])
