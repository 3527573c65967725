"""The journal in PostgreSQL: one group commit of a shard is one transaction.

Runs on the shard's thread. The owner epoch is read under a row lock inside the transaction, so that
a stale owner cannot commit (P3), and a new owner waits for, or ends, what the old one has begun.
A group goes as arrays, one statement a table. All but the COMMIT is one round trip, and COMMIT is
sent only when every answer has been looked at.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

import psycopg

from cloud.errors import ConfigInvalid, JournalFailed, JournalIncompatible, OwnershipLost
from cloud.journal.postgres_connection import (
    Connection,
    connect,
    named,
    patient,
    roll_back,
    storage_errors,
)
from cloud.journal.postgres_quarantine import store_quarantined
from cloud.journal.postgres_reader import PostgresReader
from cloud.journal.postgres_schema import migrate
from cloud.journal.postgres_types import COLUMNS
from cloud.journal.rows import JournalWrite, RecordRow
from cloud.journal.sql_records import record_cells

OWNING_ATTEMPTS_MAX: Final = 3
COMMITTED: Final = "COMMIT"
"""What the server calls a COMMIT that was one: that of a failed transaction is a ROLLBACK."""


class _Table(NamedTuple):
    """How rows enter a table: a statement with an array a column, and the columns' types."""

    insert: bytes
    types: tuple[str, ...]


def _table(name: str, types: str, conflict: str = "") -> _Table:
    columns = ", ".join("%s" for _ in types.split())
    sql = f"INSERT INTO {name} SELECT * FROM unnest({columns}) {conflict}"  # noqa: S608 # Our words.
    return _Table(sql.encode(), tuple(types.split()))


_INPUTS: Final = _table("inputs", "int8 text text int8 int8 int8 int8 bytea")
_WATERMARKS: Final = _table(
    "watermarks",
    "text int8 int8",
    "ON CONFLICT (store, epoch) DO UPDATE SET through_seq = excluded.through_seq",
)
_STATES: Final = _table(
    "states",
    "text text int8 bytea",
    "ON CONFLICT (store, gtin) DO UPDATE SET position = excluded.position, state = excluded.state",
)
_STORES: Final = _table(
    "stores",
    "text int8 int8",
    "ON CONFLICT (store) DO UPDATE SET position = excluded.position, epoch = excluded.epoch",
)
_KEYS: Final = _table("business_keys", "text text int8 int8 int8 bytea")
_REORDERS: Final = _table(
    "reorders",
    "text text int8 int8 text bytea",
    (
        "ON CONFLICT (store, gtin, number) DO UPDATE SET"
        " updated_position = excluded.updated_position, reorder = excluded.reorder"
    ),
)
_RECORDS: Final = _table(
    "records",
    "text text text int8 bool int8 text bytea",
    (
        "ON CONFLICT (kind, store, id) DO UPDATE SET position = excluded.position,"
        " is_open = excluded.is_open, due_at_ms = excluded.due_at_ms,"
        " refs = excluded.refs, record = excluded.record"
    ),
)
_REFS: Final = _table("record_refs", "text text text text", "ON CONFLICT DO NOTHING")
_COMMAND_KEYS: Final = _table("command_keys", "text int8 int8 bytea bytea")
_EFFECTS: Final = _table("effects", "text text int8 int8 int8 int8 text bytea")

# Those of our writers that are inside a transaction on this very journal, which may share its
# database with others. Nobody else's session is ended: an operator's is for the operator to end.
_END_FORMER_WRITERS: Final = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE application_name = %s AND pid <> pg_backend_pid() AND pid IN (
    SELECT pid FROM pg_locks WHERE granted AND relation = 'journal'::regclass
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND mode IN ('RowShareLock', 'RowExclusiveLock')
)
"""


class PostgresJournal(PostgresReader):
    """A `Journal` in a database, whose schema is made or migrated if the role may do so.

    Raises as `PostgresReader` does.
    """

    def __init__(self, url: str) -> None:
        connection = connect(url, "writer")
        try:
            with storage_errors(url):
                migrate(connection, url)
        except BaseException:
            connection.close()
            raise
        super().__init__(url, connection)
        self._warnings: Final[list[str]] = []
        connection.add_notice_handler(self._note_warning)

    def _note_warning(self, notice: psycopg.errors.Diagnostic) -> None:
        if notice.severity_nonlocalized == "WARNING":
            self._warnings.append(notice.message_primary or "")

    def take_ownership(self, shard: str, logic: int, now_ms: int) -> int:
        """Become the owner and return the new owner epoch.

        A former owner that stopped inside a transaction keeps its row lock; its session is ended,
        and the transaction with it.
        """
        self._require_no_cursor()
        for _ in range(OWNING_ATTEMPTS_MAX - 1):
            try:
                with self._storage():
                    return self._own_unless_locked(shard, logic, now_ms)
            except _Locked:
                with self._storage():
                    writer = self._connection.info.parameter_status("application_name")
                    self._connection.execute(_END_FORMER_WRITERS, (writer,))
        with self._storage():
            return self._own(shard, logic, now_ms)

    def _own_unless_locked(self, shard: str, logic: int, now_ms: int) -> int:
        try:
            return self._own(shard, logic, now_ms)
        except psycopg.errors.LockNotAvailable as error:
            raise _Locked from error

    def _own(self, shard: str, logic: int, now_ms: int) -> int:
        with _transaction(self._connection):
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
            self._commit()
        return int(owner_epoch)

    def _open_era(self, number: int, logic: int, now_ms: int) -> None:
        execute = self._connection.execute
        era = (number, logic, self.position(), now_ms)
        with patient(self._connection):
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
        self._require_no_cursor()
        is_asked_to_commit = False
        try:
            with self._storage(), _transaction(self._connection):
                self._write_as(owner_epoch, write)
                is_asked_to_commit = True
                self._commit()
        except JournalFailed as error:
            if not is_asked_to_commit:
                self._tell_if_replaced(owner_epoch, error)
            raise

    def _write_as(self, owner_epoch: int, write: JournalWrite) -> None:
        """Do all but commit. Raises `OwnershipLost` whatever else went wrong for a stale owner."""
        with self._connection.pipeline():
            sql = "SELECT owner_epoch FROM journal FOR UPDATE"
            fence = self._connection.execute(sql, binary=True)
            try:
                self._write(write)
                self._connection.execute("SELECT")
            finally:
                pass
        self._compare(fence, owner_epoch)
        store_quarantined(self._connection, write.quarantined)
