"""Reads of a PostgreSQL journal, from any process and thread, one thread per reader.

What may be long comes by a cursor on the server, some rows at a time, so that taking the first row
of many costs a row; the rest in one round trip.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import lru_cache
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, TypeVar

from cloud.errors import JournalFailed
from cloud.journal.port import Journal
from cloud.journal.postgres_connection import (
    Connection,
    connect,
    is_idle,
    named,
    roll_back,
    storage_errors,
)
from cloud.journal.postgres_schema import require_current
from cloud.journal.postgres_types import text_array
from cloud.journal.rows import BusinessKeyRow, StateRow
from cloud.journal.sql_reader import SqlReader

R = TypeVar("R")

ROWS_AT_FIRST: Final = 16
"""Many who ask want one row, or a few."""
ROWS_PER_FETCH: Final = 128
"""A row of `inputs` may hold a frame of 1 MiB."""

_STATES: Final = "SELECT store, gtin, position, state FROM states"
_KEYS: Final = 'SELECT store, "transaction", line, position, seq, digest FROM business_keys'


class PostgresReader(SqlReader):
    """A `JournalReader` of a database, by a connection of its own unless given one.

    Raises `JournalFailed` when there is no server, `JournalIncompatible` when its schema is not
    this program's or it would lose what it confirms.
    """

    def __init__(self, url: str, connection: Connection | None = None) -> None:
        self._url: Final = url
        self._has_failed = False
        self._is_in_snapshot = False
        self._cursors: Final = count(1)
        self._open_cursors = 0
        self._connection: Final = connection or connect(url, "reader")
        if connection is None:
            try:
                with storage_errors(url):
                    require_current(self._connection, url)
            except BaseException:
                self._connection.close()
                raise

    def close(self) -> None:
        """Release the connection."""
        self._connection.close()

    @contextmanager
    def _storage(self) -> Iterator[None]:
        if self._has_failed:
            raise JournalFailed(f"{named(self._url)}: it has failed before")
        try:
            with storage_errors(self._url):
                yield
        except JournalFailed:
            self._has_failed = True
            raise

    def _rows(self, make: Callable[..., R], sql: str, *bindings: str | int) -> Iterator[R]:
        name = f"rows_{next(self._cursors)}"
        self._open_cursors += 1
        try:
            rows = self._first_rows(name, sql, bindings)
            rows_max = ROWS_AT_FIRST
            while rows:
                for row in rows:
                    yield make(*row)
                if len(rows) < rows_max:
                    break
                rows_max = ROWS_PER_FETCH
                rows = self._next_rows(name)
        finally:
            self._open_cursors -= 1
            self._close_cursor(name)

    def _first_rows(
        self, name: str, sql: str, bindings: tuple[str | int, ...]
    ) -> list[tuple[Any, ...]]:
        """Open a cursor, and a transaction around it where there is none, in one round trip."""
        with self._storage():
            execute = self._connection.execute
            with self._connection.pipeline():
                if is_idle(self._connection):
                    execute("BEGIN READ ONLY")
                declare = f"DECLARE {name} NO SCROLL CURSOR FOR ".encode()
                execute(declare + _with_placeholders(sql), bindings, prepare=False)
                fetch = f"FETCH {ROWS_AT_FIRST} FROM {name}".encode()
                fetched = execute(fetch, prepare=False, binary=True)
            return fetched.fetchall()

    def _next_rows(self, name: str) -> list[tuple[Any, ...]]:
        with self._storage():
            fetch = f"FETCH {ROWS_PER_FETCH} FROM {name}".encode()
            return self._connection.execute(fetch, prepare=False, binary=True).fetchall()

    def _close_cursor(self, name: str) -> None:
        """Close a cursor; the last one ends the transaction that was opened for it.

        An iterator that was left may be collected when its connection is gone already.
        """
        if self._has_failed or self._connection.closed:
            return
        # What was read is whole, and nobody is there to be told; the next read says that it failed.
        with suppress(JournalFailed), self._storage():
            if self._is_in_snapshot or self._open_cursors:
                self._connection.execute(f"CLOSE {name}".encode(), prepare=False)
            else:
                self._connection.execute("COMMIT")

    def _many(
        self, make: Callable[..., R], sql: str, bindings: Iterable[tuple[str, str]]
    ) -> list[R]:
        with self._storage(), self._connection.pipeline():
            text = _with_placeholders(sql)
            answers = [self._connection.execute(text, pair, binary=True) for pair in bindings]
        return [make(*row) for answer in answers for row in answer]

    def _one(self, make: Callable[..., R], sql: str, *bindings: str | int) -> R | None:
        with self._storage():
            text = _with_placeholders(sql)
            row = self._connection.execute(text, bindings, binary=True).fetchone()
        return None if row is None else make(*row)

    def _all(self, make: Callable[..., R], sql: str, *bindings: Any) -> list[R]:
        with self._storage():
            rows = self._connection.execute(sql.encode(), bindings, binary=True)
            return [make(*row) for row in rows]

    def states_of(self, store: str, gtins: Iterable[str]) -> list[StateRow]:
        """Return those of these SKU-locations that exist, in any order."""
        sql = f"{_STATES} WHERE store = %s AND gtin = ANY(%s)"
        return self._all(StateRow, sql, store, text_array(list(gtins)))

    def states_at(self, stores: Iterable[str], gtin: str) -> list[StateRow]:
        """Return those of one GTIN's SKU-locations at these stores that exist, in any order."""
        sql = f"{_STATES} WHERE store = ANY(%s) AND gtin = %s"
        return self._all(StateRow, sql, text_array(list(stores)), gtin)

    def business_keys_of(
        self, store: str, transactions: Iterable[str]
    ) -> Mapping[tuple[str, int], BusinessKeyRow]:
        """Return the claimed lines of these till transactions, by transaction and line."""
        sql = f'{_KEYS} WHERE store = %s AND "transaction" = ANY(%s)'
        rows = self._all(BusinessKeyRow, sql, store, text_array(list(transactions)))
        return {(row.transaction, row.line): row for row in rows}

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Let all reads inside see one moment."""
        self._require_no_cursor()
        with self._storage():
            self._connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        self._is_in_snapshot = True
        try:
            yield
        finally:
            self._is_in_snapshot = False
            if not self._has_failed and not self._connection.closed:
                with self._storage():
                    roll_back(self._connection)

    def _require_no_cursor(self) -> None:
        """Refuse to begin inside another transaction: what it commits would not be durable yet."""
        if not self._has_failed and not self._connection.closed and not is_idle(self._connection):
            raise AssertionError("an iterator of this journal has not been used up")

    @contextmanager
    def scratch(self) -> Iterator[Journal]:
        """Make an empty journal on this machine's own disk, not durable, and delete it in the end.

        In the database it would need the right to change the schema.
        """
        # Imported here only: who does not verify opens no file.
        from cloud.journal.sqlite import SqliteJournal  # noqa: PLC0415

        with TemporaryDirectory(prefix="stocktruth-scratch-") as folder:
            journal = SqliteJournal(Path(folder) / "scratch.db", durable=False)
            try:
                yield journal
            finally:
                journal.close()


@lru_cache(maxsize=256)
def _with_placeholders(sql: str) -> bytes:
    return sql.replace("?", "%s").encode()
