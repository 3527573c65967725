"""Reads of a PostgreSQL journal, from any process and thread, one thread per reader.

What may be long comes by a cursor on the server, a few rows at a time; the rest in one round trip.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, TypeVar

import psycopg

from cloud.errors import JournalFailed
from cloud.journal.port import Journal
from cloud.journal.postgres_connection import connect, named, storage_errors
from cloud.journal.postgres_schema import require_current
from cloud.journal.rows import BusinessKeyRow, StateRow
from cloud.journal.sql_reader import SqlReader

R = TypeVar("R")

ROWS_PER_FETCH: Final = 1_000

_STATES: Final = "SELECT store, gtin, position, state FROM states"
_KEYS: Final = 'SELECT store, "transaction", line, position, seq, digest FROM business_keys'


class PostgresReader(SqlReader):
    """A `JournalReader` of a database, by a connection of its own unless given one.

    Raises `JournalFailed` when there is no server, `JournalIncompatible` when its schema is not
    this program's or it would lose what it confirms.
    """

    def __init__(
        self, url: str, connection: "psycopg.Connection[tuple[Any, ...]] | None" = None
    ) -> None:
        self._url: Final = url
        self._has_failed = False
        self._cursors: Final = count(1)
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
        # Outside of a transaction the server keeps the rows for a cursor that outlives it.
        is_alone = self._connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
        with (
            self._storage(),
            self._connection.cursor(name, withhold=is_alone) as cursor,
        ):
            cursor.itersize = ROWS_PER_FETCH
            cursor.execute(_with_placeholders(sql), bindings)
            for row in cursor:
                yield make(*row)

    def _many(
        self, make: Callable[..., R], sql: str, bindings: Iterable[tuple[str, str]]
    ) -> list[R]:
        found: list[R] = []
        for pair in bindings:
            found.extend(self._rows(make, sql, *pair))
        return found

    def _one(self, make: Callable[..., R], sql: str, *bindings: str | int) -> R | None:
        with self._storage():
            row = self._connection.execute(_with_placeholders(sql), bindings).fetchone()
        return None if row is None else make(*row)

    def _all(self, make: Callable[..., R], sql: str, *bindings: Any) -> list[R]:
        with self._storage():
            return [make(*row) for row in self._connection.execute(sql, bindings)]

    def states_of(self, store: str, gtins: Iterable[str]) -> list[StateRow]:
        """Return those of these SKU-locations that exist, in any order."""
        sql = f"{_STATES} WHERE store = %s AND gtin = ANY(%s::text[])"
        return self._all(StateRow, sql, store, list(gtins))

    def states_at(self, stores: Iterable[str], gtin: str) -> list[StateRow]:
        """Return those of one GTIN's SKU-locations at these stores that exist, in any order."""
        sql = f"{_STATES} WHERE store = ANY(%s::text[]) AND gtin = %s"
        return self._all(StateRow, sql, list(stores), gtin)

    def business_keys_of(
        self, store: str, transactions: Iterable[str]
    ) -> Mapping[tuple[str, int], BusinessKeyRow]:
        """Return the claimed lines of these till transactions, by transaction and line."""
        sql = f'{_KEYS} WHERE store = %s AND "transaction" = ANY(%s::text[])'
        rows = self._all(BusinessKeyRow, sql, store, list(transactions))
        return {(row.transaction, row.line): row for row in rows}

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Let all reads inside see one moment."""
        with self._storage(), self._connection.transaction():
            self._connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield

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
def _with_placeholders(sql: str) -> str:
    return sql.replace("?", "%s")
