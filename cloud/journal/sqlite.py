"""The journal in a SQLite file: one group commit of a shard is one transaction, synced.

Runs on the shard's thread. The owner epoch is compared inside the transaction, so that a stale
owner cannot commit (P3).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import apsw

from cloud.errors import JournalIncompatible, OwnershipLost
from cloud.journal.rows import JournalWrite, RecordRow
from cloud.journal.sql_records import record_cells
from cloud.journal.sqlite_file import (
    LOG_PAGES_MAX,
    move_log,
    open_for_writing,
    rewrite_log,
    transaction,
)
from cloud.journal.sqlite_quarantine import settle, store_quarantined
from cloud.journal.sqlite_reader import SqliteReader

_INSERT_INPUT: Final = "INSERT INTO inputs VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_INSERT_KEY: Final = "INSERT INTO business_keys VALUES (?, ?, ?, ?, ?, ?)"
_UPSERT_WATERMARK: Final = (
    "INSERT INTO watermarks VALUES (?, ?, ?)"
    " ON CONFLICT DO UPDATE SET through_seq = excluded.through_seq"
)
_UPSERT_STATE: Final = (
    "INSERT INTO states VALUES (?, ?, ?, ?)"
    " ON CONFLICT DO UPDATE SET position = excluded.position, state = excluded.state"
)
_UPSERT_STORE: Final = (
    "INSERT INTO stores VALUES (?, ?, ?)"
    " ON CONFLICT DO UPDATE SET position = excluded.position, epoch = excluded.epoch"
)
_UPSERT_REORDER: Final = (
    "INSERT INTO reorders VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE"
    " SET updated_position = excluded.updated_position, reorder = excluded.reorder"
)
_UPSERT_RECORD: Final = (
    "INSERT INTO records VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
    " position = excluded.position, is_open = excluded.is_open, due_at_ms = excluded.due_at_ms,"
    " refs = excluded.refs, record = excluded.record"
)
_INSERT_REF: Final = "INSERT INTO record_refs VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
_INSERT_COMMAND_KEY: Final = "INSERT INTO command_keys VALUES (?, ?, ?, ?, ?)"
_INSERT_EFFECT: Final = "INSERT INTO effects VALUES (?, ?, ?, ?, ?, ?, ?, ?)"


class SqliteJournal(SqliteReader):
    """A `Journal` in a file, made or migrated when it is opened."""

    def __init__(self, path: Path, *, durable: bool = True) -> None:
        super().__init__(path, open_for_writing(path, durable=durable))
        self._log_pages = 0
        self._connection.set_wal_hook(self._note_log_pages)

    def take_ownership(self, shard: str, logic: int, now_ms: int) -> int:
        """Become the owner of the file and return the new owner epoch."""
        with self._storage(), transaction(self._connection):
            sql = "UPDATE journal SET shard = COALESCE(shard, ?), owner_epoch = owner_epoch + 1"
            self._connection.execute(sql, (shard,))
            sql = "SELECT shard, owner_epoch FROM journal"
            (owner_shard, owner_epoch) = self._connection.execute(sql).get
            if owner_shard != shard:
                detail = f"it belongs to shard {owner_shard}, not {shard}"
                raise JournalIncompatible(f"{self._path}: {detail}")
            era = self.era()
            if era.logic != logic:
                self._open_era(era.number + 1, logic, now_ms)
            # Nobody else writes the log while we hold its lock.
            rewrite_log(self._path)
            return int(owner_epoch)

    def _open_era(self, number: int, logic: int, now_ms: int) -> None:
        era = (number, logic, self.position(), now_ms)
        self._connection.execute("INSERT INTO eras VALUES (?, ?, ?, ?)", era)
        self._connection.execute(
            """
            DELETE FROM opening_states;
            DELETE FROM opening_watermarks;
            DELETE FROM opening_records;
            INSERT INTO opening_states SELECT * FROM states;
            INSERT INTO opening_watermarks SELECT * FROM watermarks;
            INSERT INTO opening_records SELECT * FROM records;
            """
        )

    def commit(self, owner_epoch: int, write: JournalWrite) -> None:
        """Make all of `write` durable in one transaction, or raise and change nothing."""
        with self._storage(), transaction(self._connection):
            present = self._number("SELECT owner_epoch FROM journal")
            if present != owner_epoch:
                detail = f"owner epoch {present} has taken over from {owner_epoch}"
                raise OwnershipLost(f"{self._path}: {detail}")
            self._write(write)
        if self._log_pages > LOG_PAGES_MAX:
            self._move_log()

    def _note_log_pages(self, _: apsw.Connection, __: str, pages: int) -> int:
        self._log_pages = pages
        return apsw.SQLITE_OK

    def _move_log(self, *, is_last: bool = False) -> None:
        with self._storage():
            move_log(self._connection, is_last=is_last)
        self._log_pages = 0

    def close(self) -> None:
        """Move what is left in the log into the database, and release the file."""
        try:
            if not self._has_failed:
                self._move_log(is_last=True)
        finally:
            super().close()

    def _write(self, write: JournalWrite) -> None:
        connection = self._connection
        connection.executemany(_INSERT_INPUT, write.inputs)
        connection.executemany(_UPSERT_WATERMARK, write.watermarks)
        connection.executemany(_UPSERT_STATE, write.states)
        connection.executemany(_UPSERT_STORE, write.stores)
        connection.executemany(_INSERT_KEY, write.business_keys)
        connection.executemany(_UPSERT_REORDER, write.reorders)
        self._write_records(write.records)
        connection.executemany(_INSERT_COMMAND_KEY, write.command_keys)
        connection.executemany(_INSERT_EFFECT, write.effects)
        store_quarantined(connection, write.quarantined)
        settle(connection, write.settled)
        if write.published_through is not None:
            sql = "UPDATE journal SET published_through = ?"
            connection.execute(sql, (write.published_through,))

    def _write_records(self, records: list[RecordRow]) -> None:
        if not records:
            return
        self._connection.executemany(_UPSERT_RECORD, (record_cells(row) for row in records))
        self._connection.executemany(_INSERT_REF, _refs_of(records))


def _refs_of(records: list[RecordRow]) -> Iterator[tuple[str, str, str, str]]:
    """Return what the records are found by. A reference is never taken away again."""
    for row in records:
        for ref in row.refs:
            yield row.kind, ref, row.store, row.id
