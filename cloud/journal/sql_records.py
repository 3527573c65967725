"""Reads of the records in an SQL journal, and of what commands left behind."""

from collections.abc import Iterator
from typing import Final

import msgspec

from cloud.journal.rows import CommandKeyRow, EffectRow, RecordRow
from cloud.journal.sql_queries import SqlQueries

_RECORDS: Final = "SELECT kind, store, id, position, is_open, due_at_ms, refs, record FROM records"
_EFFECTS: Final = (
    "SELECT store, gtin, position, ordinal, stamped_at_ms, seq, cause_kind, message FROM effects"
)
_KEYS: Final = "SELECT key, position, stamped_at_ms, digest, answer FROM command_keys"


class SqlRecords(SqlQueries):
    """The part of an `SqlReader` that reads records."""

    def record(self, kind: str, store: str, record_id: str) -> RecordRow | None:
        """Return a record."""
        sql = f"{_RECORDS} WHERE kind = ? AND store = ? AND id = ?"
        return self._one(_record, sql, kind, store, record_id)

    def records(
        self, kind: str, store: str | None = None, *, after: tuple[str, str] = ("", "")
    ) -> Iterator[RecordRow]:
        """Return the records of a kind (of one store), by store and id, after such a pair."""
        condition, order = "kind = ? AND (store, id) > (?, ?)", "ORDER BY store, id"
        if store is None:
            return self._rows(_record, f"{_RECORDS} WHERE {condition} {order}", kind, *after)
        sql = f"{_RECORDS} WHERE {condition} AND store = ? {order}"
        return self._rows(_record, sql, kind, *after, store)

    def records_open(
        self, kind: str, store: str | None = None, *, after: tuple[str, str] = ("", "")
    ) -> Iterator[RecordRow]:
        """Return those that somebody still has to act on, by store and id, after such a pair."""
        if store is None:
            sql = f"{_RECORDS} WHERE kind = ? AND (store, id) > (?, ?) AND is_open"
            return self._rows(_record, f"{sql} ORDER BY store, id", kind, *after)
        # The index is entered at the id; with a pair it would be read from the store's beginning.
        sql = f"{_RECORDS} WHERE kind = ? AND store = ? AND id > ? AND store >= ? AND is_open"
        after_id = after[1] if after[0] == store else ""
        return self._rows(_record, f"{sql} ORDER BY id", kind, store, after_id, after[0])

    def records_by_ref(self, kind: str, ref: str) -> list[RecordRow]:
        """Return the records of a kind that refer to something, by store and id."""
        sql = (
            "SELECT r.kind, r.store, r.id, r.position, r.is_open, r.due_at_ms, r.refs, r.record"
            " FROM record_refs f JOIN records r USING (kind, store, id)"
            " WHERE f.kind = ? AND f.ref = ? ORDER BY r.store, r.id"
        )
        return list(self._rows(_record, sql, kind, ref))

    def records_due(self, kind: str, through_ms: int, records_max: int) -> list[RecordRow]:
        """Return open records to which something must happen by then, the earliest first."""
        sql = f"{_RECORDS} WHERE kind = ? AND due_at_ms <= ? ORDER BY due_at_ms LIMIT ?"
        return list(self._rows(_record, sql, kind, through_ms, records_max))

    def records_changed(self, kind: str, after: int) -> Iterator[RecordRow]:
        """Return the records of a kind that changed after a position, oldest change first."""
        sql = f"{_RECORDS} WHERE kind = ? AND position > ? ORDER BY position, store, id"
        return self._rows(_record, sql, kind, after)

    def all_records(self) -> Iterator[RecordRow]:
        """Return all records, by kind, store and id."""
        return self._rows(_record, f"{_RECORDS} ORDER BY kind, store, id")

    def opening_records(self) -> Iterator[RecordRow]:
        """Return the records with which the present era opened, by kind, store and id."""
        sql = (
            "SELECT kind, store, id, position, is_open, due_at_ms, refs, record"
            " FROM opening_records ORDER BY kind, store, id"
        )
        return self._rows(_record, sql)

    def command_key(self, key: str) -> CommandKeyRow | None:
        """Return the command that was accepted under a key."""
        return self._one(CommandKeyRow, f"{_KEYS} WHERE key = ?", key)

    def command_keys(self) -> Iterator[CommandKeyRow]:
        """Return all keys, in order."""
        return self._rows(CommandKeyRow, f"{_KEYS} ORDER BY key")

    def effects(self, store: str, gtin: str, after: int) -> Iterator[EffectRow]:
        """Return what commands told a SKU-location after a position, in order."""
        sql = f"{_EFFECTS} WHERE store = ? AND gtin = ? AND position > ? ORDER BY position, ordinal"
        return self._rows(EffectRow, sql, store, gtin, after)


def record_cells(row: RecordRow) -> tuple[str | int | bytes | None, ...]:
    """Return a record as its row in the table."""
    refs = msgspec.json.encode(row.refs).decode()
    return (*row[:4], int(row.is_open), row.due_at_ms, refs, row.data)


def _record(
    kind: str,
    store: str,
    record_id: str,
    position: int,
    is_open: int,
    due_at_ms: int | None,
    refs: str,
    data: bytes,
) -> RecordRow:
    found_by = msgspec.json.decode(refs, type=tuple[str, ...])
    return RecordRow(kind, store, record_id, position, bool(is_open), due_at_ms, found_by, data)
