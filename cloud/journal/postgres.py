"""The journal in PostgreSQL: one group commit of a shard is one transaction.

Runs on the shard's thread. The owner epoch is read under a row lock inside the transaction, so that
a stale owner cannot commit (P3), and a new owner waits for, or ends, what the old one has begun.
Groups go as arrays, one statement a table, all in one round trip.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import psycopg

from cloud.errors import JournalFailed, JournalIncompatible, OwnershipLost
from cloud.journal.port import (
    QUARANTINE_BYTES_PER_STORE_MAX,
    QUARANTINE_ENTRIES_PER_STORE_MAX,
)
from cloud.journal.postgres_connection import connect, named, storage_errors
from cloud.journal.postgres_reader import PostgresReader
from cloud.journal.postgres_schema import migrate
from cloud.journal.rows import JournalWrite, Quarantined, RecordRow, overflow_of
from cloud.journal.sql_records import record_cells

WRITER: Final = "writer"
OWNING_ATTEMPTS_MAX: Final = 3

_INPUTS: Final = ("inputs", "int8 text text int8 int8 int8 int8 bytea", "")
_WATERMARKS: Final = (
    "watermarks",
    "text int8 int8",
    "ON CONFLICT (store, epoch) DO UPDATE SET through_seq = excluded.through_seq",
)
_STATES: Final = (
    "states",
    "text text int8 bytea",
    "ON CONFLICT (store, gtin) DO UPDATE SET position = excluded.position, state = excluded.state",
)
_STORES: Final = (
    "stores",
    "text int8 int8",
    "ON CONFLICT (store) DO UPDATE SET position = excluded.position, epoch = excluded.epoch",
)
_KEYS: Final = ("business_keys", "text text int8 int8 int8 bytea", "")
_REORDERS: Final = (
    "reorders",
    "text text int8 int8 text bytea",
    (
        "ON CONFLICT (store, gtin, number) DO UPDATE SET"
        " updated_position = excluded.updated_position, reorder = excluded.reorder"
    ),
)
_RECORDS: Final = (
    "records",
    "text text text int8 bool int8 text bytea",
    (
        "ON CONFLICT (kind, store, id) DO UPDATE SET position = excluded.position,"
        " is_open = excluded.is_open, due_at_ms = excluded.due_at_ms,"
        " refs = excluded.refs, record = excluded.record"
    ),
)
_REFS: Final = ("record_refs", "text text text text", "ON CONFLICT DO NOTHING")
_COMMAND_KEYS: Final = ("command_keys", "text int8 int8 bytea bytea", "")
_EFFECTS: Final = ("effects", "text text int8 int8 int8 int8 text bytea", "")

_COUNT_AGAIN: Final = """
UPDATE quarantine SET
    times = times + 1,
    last_received_at_ms = GREATEST(last_received_at_ms, %s),
    status = CASE status WHEN 'redriven' THEN 'quarantined' ELSE status END
WHERE store = %s AND digest = %s
"""
_INSERT_QUARANTINED: Final = """
INSERT INTO quarantine (status, times, last_received_at_ms, digest, topic, store, epoch, seq,
                        reason, detail, payload, received_at_ms)
VALUES ('quarantined', 1, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""
_END_FORMER_WRITERS: Final = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE application_name = %s AND datname = current_database() AND pid <> pg_backend_pid()
"""


class PostgresJournal(PostgresReader):
    """A `Journal` in a database, whose schema is made or migrated if the role may do so.

    Raises as `PostgresReader` does.
    """

    def __init__(self, url: str) -> None:
        connection = connect(url, WRITER)
        try:
            with storage_errors(url):
                migrate(connection, url)
        except BaseException:
            connection.close()
            raise
        super().__init__(url, connection)

    def take_ownership(self, shard: str, logic: int, now_ms: int) -> int:
        """Become the owner and return the new owner epoch.

        A former owner that stopped inside a transaction keeps its row lock; its session is ended,
        and the transaction with it.
        """
        for _ in range(OWNING_ATTEMPTS_MAX - 1):
            try:
                with self._connection.transaction():
                    return self._own(shard, logic, now_ms)
            except psycopg.errors.LockNotAvailable:
                with self._storage():
                    writer = self._connection.info.parameter_status("application_name")
                    self._connection.execute(_END_FORMER_WRITERS, (writer,))
            except psycopg.Error:
                break
        with self._storage(), self._connection.transaction():
            return self._own(shard, logic, now_ms)

    def _own(self, shard: str, logic: int, now_ms: int) -> int:
        sql = (
            "UPDATE journal SET shard = COALESCE(shard, %s), owner_epoch = owner_epoch + 1"
            " RETURNING shard, owner_epoch"
        )
        row = self._connection.execute(sql, (shard,)).fetchone()
        if row is None:
            raise JournalIncompatible(f"{named(self._url)}: its only row is missing")
        owner_shard, owner_epoch = row
        if owner_shard != shard:
            detail = f"it belongs to shard {owner_shard}, not {shard}"
            raise JournalIncompatible(f"{named(self._url)}: {detail}")
        era = self.era()
        if era.logic != logic:
            self._open_era(era.number + 1, logic, now_ms)
        return int(owner_epoch)

    def _open_era(self, number: int, logic: int, now_ms: int) -> None:
        execute = self._connection.execute
        era = (number, logic, self.position(), now_ms)
        execute("INSERT INTO eras VALUES (%s, %s, %s, %s)", era)
        execute("DELETE FROM opening_states")
        execute("DELETE FROM opening_watermarks")
        execute("DELETE FROM opening_records")
        execute("INSERT INTO opening_states SELECT * FROM states")
        execute("INSERT INTO opening_watermarks SELECT * FROM watermarks")
        execute("INSERT INTO opening_records SELECT * FROM records")

    def commit(self, owner_epoch: int, write: JournalWrite) -> None:
        """Make all of `write` durable in one transaction, or raise.

        After `OwnershipLost` nothing was written. After `JournalFailed` nobody knows: the answer to
        a COMMIT may have been lost with the connection.
        """
        commits = False
        try:
            with self._storage(), self._connection.transaction():
                self._require_owner(owner_epoch)
                with self._connection.pipeline():
                    self._write(write)
                self._store_quarantined(write.quarantined)
                commits = True
        except JournalFailed as error:
            if not commits:
                self._tell_if_replaced(owner_epoch, error)
            raise

    def _require_owner(self, owner_epoch: int) -> None:
        row = self._connection.execute("SELECT owner_epoch FROM journal FOR UPDATE").fetchone()
        present = 0 if row is None else row[0]
        if present != owner_epoch:
            detail = f"owner epoch {present} has taken over from {owner_epoch}"
            raise OwnershipLost(f"{named(self._url)}: {detail}")

    def _tell_if_replaced(self, owner_epoch: int, error: JournalFailed) -> None:
        """Say that another owner ended our session, if one did: that is no fault of the storage."""
        try:
            with connect(self._url, "reader") as connection:
                row = connection.execute("SELECT owner_epoch FROM journal").fetchone()
        except (JournalFailed, psycopg.Error):
            return
        if row is not None and row[0] != owner_epoch:
            detail = f"owner epoch {row[0]} has taken over from {owner_epoch}"
            raise OwnershipLost(f"{named(self._url)}: {detail}") from error

    def _write(self, write: JournalWrite) -> None:
        self._insert(_INPUTS, write.inputs)
        self._insert(_WATERMARKS, write.watermarks)
        self._insert(_STATES, write.states)
        self._insert(_STORES, write.stores)
        self._insert(_KEYS, write.business_keys)
        self._insert(_REORDERS, write.reorders)
        self._insert(_RECORDS, [_cells(row) for row in write.records])
        refs = {
            (row.kind, ref, row.store, row.id): None for row in write.records for ref in row.refs
        }
        self._insert(_REFS, list(refs))
        self._insert(_COMMAND_KEYS, write.command_keys)
        self._insert(_EFFECTS, write.effects)
        for settled in write.settled:
            sql = "UPDATE quarantine SET status = %s, detail = %s WHERE id = %s"
            values = (settled.status, settled.detail, settled.quarantine_id)
            self._connection.execute(sql, values)
        if write.published_through is not None:
            sql = "UPDATE journal SET published_through = %s"
            self._connection.execute(sql, (write.published_through,))

    def _insert(self, target: tuple[str, str, str], rows: Sequence[Iterable[Any]]) -> None:
        """Insert rows by one statement, each column an array."""
        if not rows:
            return
        table, types, conflict = target
        columns = ", ".join(f"%s::{name}[]" for name in types.split())
        sql = f"INSERT INTO {table} SELECT * FROM unnest({columns}) {conflict}"  # noqa: S608 # Ours.
        values = [list(column) for column in zip(*rows, strict=True)]
        self._connection.execute(sql.encode(), values)

    def _store_quarantined(self, entries: Sequence[Quarantined]) -> None:
        for entry in entries:
            if self._count_again(entry):
                continue
            if self._has_room(entry):
                self._quarantine(entry)
            elif not self._count_again(overflow := overflow_of(entry)):
                self._quarantine(overflow)

    def _count_again(self, entry: Quarantined) -> bool:
        values = (entry.received_at_ms, entry.store, entry.digest)
        return self._connection.execute(_COUNT_AGAIN, values).rowcount > 0

    def _has_room(self, entry: Quarantined) -> bool:
        sql = (
            "SELECT COUNT(*), COALESCE(SUM(LENGTH(payload)), 0)::int8"
            " FROM quarantine WHERE store = %s"
        )
        row = self._connection.execute(sql, (entry.store,)).fetchone()
        entries, size_bytes = (0, 0) if row is None else row
        fits = size_bytes + len(entry.payload) <= QUARANTINE_BYTES_PER_STORE_MAX
        return bool(fits and entries < QUARANTINE_ENTRIES_PER_STORE_MAX)

    def _quarantine(self, entry: Quarantined) -> None:
        self._connection.execute(_INSERT_QUARANTINED, (entry.received_at_ms, *entry))


def _cells(row: RecordRow) -> list[Any]:
    cells = list(record_cells(row))
    cells[4] = row.is_open
    return cells


class PostgresQuarantineDesk:
    """A `QuarantineDesk` for an operator's process."""

    def __init__(self, url: str) -> None:
        self._url: Final = url
        self._connection: Final = connect(url, "quarantine desk")

    def request_redrive(self, quarantine_id: int) -> bool:
        """Ask the running cloud to try an entry again; `False` when there is none to be tried."""
        sql = (
            "UPDATE quarantine SET status = 'redrive_requested'"
            " WHERE id = %s AND status != 'redriven' AND digest != ''::bytea"
        )
        return self._changes(sql, quarantine_id)

    def drop(self, quarantine_id: int) -> bool:
        """Delete an entry; `False` when there is none."""
        return self._changes("DELETE FROM quarantine WHERE id = %s", quarantine_id)

    def close(self) -> None:
        """Release the connection."""
        self._connection.close()

    def _changes(self, sql: str, quarantine_id: int) -> bool:
        with storage_errors(self._url):
            return self._connection.execute(sql.encode(), (quarantine_id,)).rowcount > 0
