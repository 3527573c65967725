"""The journal in PostgreSQL: one group commit of a shard is one transaction.

Runs on the shard's thread. The owner epoch is read under a row lock inside the transaction, so that
a stale owner cannot commit (P3), and a new owner waits for, or ends, what the old one has begun.
A group goes as arrays, one statement a table. All but the COMMIT is one round trip, and COMMIT is
sent only when every answer has been looked at.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

import psycopg

from cloud.errors import JournalFailed, JournalIncompatible, OwnershipLost
from cloud.journal.postgres_connection import (
    Connection,
    connect,
    named,
    patient,
    roll_back,
    storage_errors,
)
from cloud.journal.postgres_quarantine import settle, store_quarantined
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
            with self._storage():
                try:
                    return self._own(shard, logic, now_ms)
                except psycopg.errors.LockNotAvailable:
                    writer = self._connection.info.parameter_status("application_name")
                    self._connection.execute(_END_FORMER_WRITERS, (writer,))
        with self._storage():
            return self._own(shard, logic, now_ms)

    def _own(self, shard: str, logic: int, now_ms: int) -> int:
        with _rolled_back_on_errors(self._connection):
            self._connection.execute("BEGIN")
            sql = (
                "UPDATE journal SET shard = COALESCE(shard, %s), owner_epoch = owner_epoch + 1"
                " RETURNING shard, owner_epoch"
            )
            row = self._connection.execute(sql, (shard,), binary=True).fetchone()
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
        may_have_committed = self._has_failed
        try:
            with self._storage(), _rolled_back_on_errors(self._connection):
                self._begin_as(owner_epoch, write)
                store_quarantined(self._connection, write.quarantined)
                settle(self._connection, write.settled)
                may_have_committed = True
                self._commit()
        except JournalFailed as error:
            if not may_have_committed:
                self._tell_if_replaced(owner_epoch, error)
            raise

    def _begin_as(self, owner_epoch: int, write: JournalWrite) -> None:
        """Write inside a new transaction, whose first lock is the fence.

        What a stale owner wrote is rolled back. It may have met what the new owner wrote in the
        same places, so the fence is looked at before any other error.
        """
        fence: psycopg.Cursor[tuple[Any, ...]] | None = None
        try:
            with self._connection.pipeline():
                self._connection.execute("BEGIN")
                sql = "SELECT owner_epoch FROM journal FOR UPDATE"
                fence = self._connection.execute(sql, binary=True)
                self._write(write)
        except psycopg.Error:
            if fence is not None and fence.description is not None:
                self._compare(fence, owner_epoch)
            raise
        self._compare(fence, owner_epoch)

    def _compare(self, fence: "psycopg.Cursor[tuple[Any, ...]]", owner_epoch: int) -> None:
        row = fence.fetchone()
        present = 0 if row is None else row[0]
        if present != owner_epoch:
            detail = f"owner epoch {present} has taken over from {owner_epoch}"
            raise OwnershipLost(f"{named(self._url)}: {detail}")

    def _commit(self) -> None:
        """Commit, and believe nothing but the plain confirmation.

        A server whose standby did not answer in time confirms with a warning that it has committed
        here only.
        """
        self._warnings.clear()
        said = self._connection.execute("COMMIT").statusmessage
        if said != COMMITTED or self._warnings:
            detail = "; ".join([f"it answered COMMIT with {said}", *self._warnings])
            raise JournalFailed(f"{named(self._url)}: {detail}")

    def _tell_if_replaced(self, owner_epoch: int, error: JournalFailed) -> None:
        """Say that another owner ended our session, if one did: that is no fault of the storage."""
        try:
            with connect(self._url, "reader") as connection:
                row = connection.execute("SELECT owner_epoch FROM journal").fetchone()
        except (JournalFailed, JournalIncompatible, psycopg.Error):
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
        self._insert(_REFS, _refs_of(write.records))
        self._insert(_COMMAND_KEYS, write.command_keys)
        self._insert(_EFFECTS, write.effects)
        if write.published_through is not None:
            sql = "UPDATE journal SET published_through = %s"
            self._connection.execute(sql, (write.published_through,))

    def _insert(self, table: _Table, rows: Sequence[Iterable[Any]]) -> None:
        if rows:
            columns = zip(table.types, zip(*rows, strict=True), strict=True)
            arrays = [COLUMNS[type_name](cells) for type_name, cells in columns]
            self._connection.execute(table.insert, arrays)


@contextmanager
def _rolled_back_on_errors(connection: Connection) -> Iterator[None]:
    try:
        yield
    except BaseException:
        roll_back(connection)
        raise


def _cells(row: RecordRow) -> list[Any]:
    cells = list(record_cells(row))
    cells[4] = row.is_open
    return cells


def _refs_of(records: Sequence[RecordRow]) -> list[tuple[str, str, str, str]]:
    """Return what records are found by. A reference is never taken away again."""
    refs = {(row.kind, ref, row.store, row.id): None for row in records for ref in row.refs}
    return list(refs)
