"""Reads of a journal in an SQL database, from any process and thread, one thread per reader."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from cloud.journal.rows import (
    BusinessKeyRow,
    EraRow,
    InputRow,
    Quarantined,
    QuarantineEntry,
    ReorderRow,
    StateRow,
    StoreRow,
    WatermarkRow,
)
from cloud.journal.sql_records import SqlRecords

_INPUTS: Final = (
    "SELECT position, kind, store, epoch, first_seq, last_seq, stamped_at_ms, payload FROM inputs"
)
_STATES: Final = "SELECT store, gtin, position, state FROM states"
_OPENING_STATES: Final = "SELECT store, gtin, position, state FROM opening_states"
_KEYS: Final = 'SELECT store, "transaction", line, position, seq, digest FROM business_keys'
_REORDERS: Final = "SELECT store, gtin, number, updated_position, measure, reorder FROM reorders"
_QUARANTINE: Final = (
    "SELECT id, status, times, last_received_at_ms, digest, topic, store, epoch, seq, reason,"
    " detail, payload, received_at_ms FROM quarantine"
)


class SqlReader(SqlRecords):
    """What reads alike on every SQL adapter; each adds its own snapshots and scratch journals."""

    _of_store = "store = ?"
    """How a walk by position asks for one store's rows."""

    def position(self) -> int:
        """Return the position of the newest input, 0 before the first."""
        return self._number("SELECT COALESCE(MAX(position), 0) FROM inputs")

    def published_through(self) -> int:
        """Return the position through which the broker has confirmed everything."""
        return self._number("SELECT published_through FROM journal")

    def owner_epoch(self) -> int:
        """Return who may commit now, 0 before the first owner."""
        return self._number("SELECT owner_epoch FROM journal")

    def era(self) -> EraRow:
        """Return the present era; number 0 before any owner came."""
        sql = "SELECT number, logic, opened_after, opened_at_ms FROM eras"
        newest = self._one(EraRow, f"{sql} ORDER BY number DESC LIMIT 1")
        return newest or EraRow(number=0, logic=0, opened_after=0, opened_at_ms=0)

    def inputs(self, after: int = 0, store: str | None = None) -> Iterator[InputRow]:
        """Return the inputs (of one store) after a position, in order."""
        if store is None:
            return self._rows(InputRow, f"{_INPUTS} WHERE position > ? ORDER BY position", after)
        sql = f"{_INPUTS} WHERE position > ? AND {self._of_store} ORDER BY position"
        return self._rows(InputRow, sql, after, store)

    def batches(self, store: str, epoch: int, first_seq: int, last_seq: int) -> Iterator[InputRow]:
        """Return the batches that hold any of these facts, in order."""
        condition = "store = ? AND epoch = ? AND last_seq >= ? AND first_seq <= ?"
        sql = f"{_INPUTS} WHERE {condition} ORDER BY last_seq"
        return self._rows(InputRow, sql, store, epoch, first_seq, last_seq)

    def state(self, store: str, gtin: str) -> StateRow | None:
        """Return the newest state of a SKU-location."""
        return self._one(StateRow, f"{_STATES} WHERE store = ? AND gtin = ?", store, gtin)

    def states_of(self, store: str, gtins: Iterable[str]) -> list[StateRow]:
        """Return those of these SKU-locations that exist, in any order."""
        sql = f"{_STATES} WHERE store = ? AND gtin = ?"
        return self._many(StateRow, sql, ((store, gtin) for gtin in gtins))

    def states(self, store: str | None = None, *, after: str = "") -> Iterator[StateRow]:
        """Return all states, by store and GTIN (or those of one store after a GTIN)."""
        if store is None:
            return self._rows(StateRow, f"{_STATES} ORDER BY store, gtin")
        sql = f"{_STATES} WHERE store = ? AND gtin > ? ORDER BY gtin"
        return self._rows(StateRow, sql, store, after)

    def states_changed(self, store: str, after: int) -> Iterator[StateRow]:
        """Return a store's states that changed after a position, oldest change first."""
        sql = f"{_STATES} WHERE store = ? AND position > ? ORDER BY position"
        return self._rows(StateRow, sql, store, after)

    def stores(self) -> list[StoreRow]:
        """Return where every store stands, by store."""
        sql = "SELECT store, position, epoch FROM stores ORDER BY store"
        return list(self._rows(StoreRow, sql))

    def store(self, store: str) -> StoreRow | None:
        """Return where a store stands."""
        sql = "SELECT store, position, epoch FROM stores WHERE store = ?"
        return self._one(StoreRow, sql, store)

    def watermark(self, store: str, epoch: int) -> int:
        """Return the highest contiguous number applied, 0 for an unknown epoch."""
        sql = "SELECT through_seq FROM watermarks WHERE store = ? AND epoch = ?"
        return self._number(sql, store, epoch)

    def watermarks(self, store: str | None = None) -> Iterator[WatermarkRow]:
        """Return all watermarks (of one store), by store and epoch."""
        sql = "SELECT store, epoch, through_seq FROM watermarks"
        if store is None:
            return self._rows(WatermarkRow, f"{sql} ORDER BY store, epoch")
        return self._rows(WatermarkRow, f"{sql} WHERE store = ? ORDER BY epoch", store)

    def business_keys_of(
        self, store: str, transactions: Iterable[str]
    ) -> Mapping[tuple[str, int], BusinessKeyRow]:
        """Return the claimed lines of these till transactions, by transaction and line."""
        sql = f'{_KEYS} WHERE store = ? AND "transaction" = ?'
        rows = self._many(BusinessKeyRow, sql, ((store, name) for name in transactions))
        return {(row.transaction, row.line): row for row in rows}

    def business_keys(self) -> Iterator[BusinessKeyRow]:
        """Return all claimed till lines, by store, transaction and line."""
        return self._rows(BusinessKeyRow, f'{_KEYS} ORDER BY store, "transaction", line')

    def reorders(self, *, after: tuple[str, str, int] = ("", "", 0)) -> Iterator[ReorderRow]:
        """Return all reorders, by store, GTIN and number, after such a triple."""
        sql = f"{_REORDERS} WHERE (store, gtin, number) > (?, ?, ?) ORDER BY store, gtin, number"
        return self._rows(ReorderRow, sql, *after)

    def reorders_changed(self, after: int) -> Iterator[ReorderRow]:
        """Return the reorders that changed after a position, oldest change first."""
        sql = f"{_REORDERS} WHERE updated_position > ? ORDER BY updated_position"
        return self._rows(ReorderRow, sql, after)

    def opening_states(self) -> Iterator[StateRow]:
        """Return the snapshot with which the present era opened, by store and GTIN."""
        return self._rows(StateRow, f"{_OPENING_STATES} ORDER BY store, gtin")

    def opening_state(self, store: str, gtin: str) -> StateRow | None:
        """Return the state of a SKU-location in that snapshot."""
        return self._one(StateRow, f"{_OPENING_STATES} WHERE store = ? AND gtin = ?", store, gtin)

    def opening_watermarks(self) -> Iterator[WatermarkRow]:
        """Return the watermarks with which the present era opened, by store and epoch."""
        sql = "SELECT store, epoch, through_seq FROM opening_watermarks ORDER BY store, epoch"
        return self._rows(WatermarkRow, sql)

    def quarantine(self, store: str | None = None) -> Iterator[QuarantineEntry]:
        """Return quarantined entries (of one store), oldest first."""
        if store is None:
            return self._rows(_entry, f"{_QUARANTINE} ORDER BY id")
        return self._rows(_entry, f"{_QUARANTINE} WHERE store = ? ORDER BY id", store)

    def quarantine_entry(self, quarantine_id: int) -> QuarantineEntry | None:
        """Return one entry."""
        return self._one(_entry, f"{_QUARANTINE} WHERE id = ?", quarantine_id)

    def redrive_requests(self, entries_max: int) -> list[QuarantineEntry]:
        """Return entries whose redrive an operator has requested, oldest first."""
        sql = f"{_QUARANTINE} WHERE status = 'redrive_requested' ORDER BY id LIMIT ?"
        return list(self._rows(_entry, sql, entries_max))


def _entry(
    quarantine_id: int, status: Any, times: int, last_received_at_ms: int, *content: Any
) -> QuarantineEntry:
    return QuarantineEntry(quarantine_id, status, times, last_received_at_ms, Quarantined(*content))
