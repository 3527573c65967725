"""The journal: one ordered log of inputs per shard, and what they led to, as rows.

A shard commits through `Journal` from its own thread. Everybody else (`verify`, the command line,
the publisher's catch-up) reads through a `JournalReader` of their own, while the shard runs.
Every method raises `JournalFailed` when the storage fails; after that the journal stays failed,
since what a failed fsync has lost, a second one does not bring back.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Final, Protocol

from cloud.journal.rows import (
    BusinessKeyRow,
    CommandKeyRow,
    EffectRow,
    EraRow,
    InputRow,
    JournalWrite,
    QuarantineEntry,
    RecordRow,
    ReorderRow,
    StateRow,
    StoreRow,
    WatermarkRow,
)

QUARANTINE_ENTRIES_PER_STORE_MAX: Final = 1_000
QUARANTINE_BYTES_PER_STORE_MAX: Final = 16 * 1_048_576
"""Past either bound, a store's payloads are only counted, in one entry (`rows.overflow_of`)."""


class JournalReader(Protocol):
    """Reads. Iterators stream: they hold a few rows, and are to be used up before a commit."""

    def position(self) -> int:
        """Return the position of the newest input, 0 before the first."""

    def published_through(self) -> int:
        """Return the position through which the broker has confirmed everything."""

    def owner_epoch(self) -> int:
        """Return who may commit now, 0 before the first owner."""

    def era(self) -> EraRow:
        """Return the present era; number 0 before any owner came."""

    def inputs(self, after: int = 0, store: str | None = None) -> Iterator[InputRow]:
        """Return the inputs (of one store) after a position, in order."""

    def batches(self, store: str, epoch: int, first_seq: int, last_seq: int) -> Iterator[InputRow]:
        """Return the batches that hold any of these facts, in order."""

    def state(self, store: str, gtin: str) -> StateRow | None:
        """Return the newest state of a SKU-location."""

    def states_of(self, store: str, gtins: Iterable[str]) -> list[StateRow]:
        """Return those of these SKU-locations that exist, in any order."""

    def states_at(self, stores: Iterable[str], gtin: str) -> list[StateRow]:
        """Return those of one GTIN's SKU-locations at these stores that exist, in any order."""

    def states(self, store: str | None = None, *, after: str = "") -> Iterator[StateRow]:
        """Return all states, by store and GTIN (or those of one store after a GTIN)."""

    def states_changed(self, store: str, after: int) -> Iterator[StateRow]:
        """Return a store's states that changed after a position, oldest change first."""

    def stores(self) -> list[StoreRow]:
        """Return where every store stands, by store."""

    def store(self, store: str) -> StoreRow | None:
        """Return where a store stands."""

    def watermark(self, store: str, epoch: int) -> int:
        """Return the highest contiguous number applied, 0 for an unknown epoch."""

    def watermarks(self, store: str | None = None) -> Iterator[WatermarkRow]:
        """Return all watermarks (of one store), by store and epoch."""

    def business_keys_of(
        self, store: str, transactions: Iterable[str]
    ) -> Mapping[tuple[str, int], BusinessKeyRow]:
        """Return the claimed lines of these till transactions, by transaction and line."""

    def business_keys(self) -> Iterator[BusinessKeyRow]:
        """Return all claimed till lines, by store, transaction and line."""

    def reorders(self, *, after: tuple[str, str, int] = ("", "", 0)) -> Iterator[ReorderRow]:
        """Return all reorders, by store, GTIN and number, after such a triple."""

    def reorders_changed(self, after: int) -> Iterator[ReorderRow]:
        """Return the reorders that changed after a position, oldest change first."""

    def record(self, kind: str, store: str, record_id: str) -> RecordRow | None:
        """Return a record."""

    def records(
        self, kind: str, store: str | None = None, *, after: tuple[str, str] = ("", "")
    ) -> Iterator[RecordRow]:
        """Return the records of a kind (of one store), by store and id, after such a pair."""

    def records_open(
        self, kind: str, store: str | None = None, *, after: tuple[str, str] = ("", "")
    ) -> Iterator[RecordRow]:
        """Return those that somebody still has to act on, by store and id, after such a pair."""

    def records_by_ref(self, kind: str, ref: str) -> list[RecordRow]:
        """Return the records of a kind that refer to something, by store and id."""

    def records_due(self, kind: str, through_ms: int, records_max: int) -> list[RecordRow]:
        """Return open records to which something must happen by then, the earliest first."""

    def records_changed(self, kind: str, after: int) -> Iterator[RecordRow]:
        """Return the records of a kind that changed after a position, oldest change first."""

    def all_records(self) -> Iterator[RecordRow]:
        """Return all records, by kind, store and id."""

    def command_key(self, key: str) -> CommandKeyRow | None:
        """Return the command that was accepted under a key."""

    def command_keys(self) -> Iterator[CommandKeyRow]:
        """Return all keys, in order."""

    def effects(self, store: str, gtin: str, after: int) -> Iterator[EffectRow]:
        """Return what commands told a SKU-location after a position, in order."""

    def opening_records(self) -> Iterator[RecordRow]:
        """Return the records with which the present era opened, by kind, store and id."""

    def opening_states(self) -> Iterator[StateRow]:
        """Return the snapshot with which the present era opened, by store and GTIN."""

    def opening_state(self, store: str, gtin: str) -> StateRow | None:
        """Return the state of a SKU-location in that snapshot."""

    def opening_watermarks(self) -> Iterator[WatermarkRow]:
        """Return the watermarks with which the present era opened, by store and epoch."""

    def quarantine(self, store: str | None = None) -> Iterator[QuarantineEntry]:
        """Return quarantined entries (of one store), oldest first."""

    def quarantine_entry(self, quarantine_id: int) -> QuarantineEntry | None:
        """Return one entry."""

    def redrive_requests(self, entries_max: int) -> list[QuarantineEntry]:
        """Return entries whose redrive an operator has requested, oldest first."""

    def snapshot(self) -> AbstractContextManager[None]:
        """Return a context in which all reads see one and the same moment."""

    def scratch(self) -> "AbstractContextManager[Journal]":
        """Return an empty journal of the same kind that is thrown away afterwards."""

    def close(self) -> None:
        """Release the storage."""


class Journal(JournalReader, Protocol):
    """The one writer's side. Not thread-safe: it belongs to its shard's thread."""

    def take_ownership(self, shard: str, logic: int, now_ms: int) -> int:
        """Become the owner and return the new owner epoch; who owned it before, cannot commit.

        Opens a new era, with a snapshot of all states, when `logic` is another than the present
        era's. Raises `JournalIncompatible` when the journal belongs to another shard.
        """

    def commit(self, owner_epoch: int, write: JournalWrite) -> None:
        """Make all of `write` durable in one transaction.

        Raises `OwnershipLost` when the owner epoch is another by now; then nothing was written.
        """


class QuarantineDesk(Protocol):
    """What an operator may do about quarantined entries, from any process."""

    def request_redrive(self, quarantine_id: int) -> bool:
        """Ask the running cloud to try an entry again; `False` when there is none to be tried."""

    def drop(self, quarantine_id: int) -> bool:
        """Delete an entry; `False` when there is none."""

    def close(self) -> None:
        """Release the storage."""
