"""Queries of a SQLite journal: rows as types, and whose fault it is when there are none.

One connection, for one thread. After a failure of the storage it stays failed.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar

import apsw

from cloud.errors import JournalFailed
from cloud.journal.sql_queries import SqlQueries
from cloud.journal.sqlite_file import open_existing, storage_errors

R = TypeVar("R")


class SqliteQueries(SqlQueries):
    """A connection to a journal file. Read-only unless given one."""

    def __init__(self, path: Path, connection: apsw.Connection | None = None) -> None:
        self._path: Final = path
        self._connection: Final = connection or open_existing(path, read_only=True)
        self._has_failed = False

    def close(self) -> None:
        """Release the file."""
        with storage_errors(self._path):
            self._connection.close()

    @contextmanager
    def _storage(self) -> Iterator[None]:
        if self._has_failed:
            raise JournalFailed(f"{self._path}: it has failed before")
        try:
            with storage_errors(self._path):
                yield
        except JournalFailed:
            self._has_failed = True
            raise

    def _rows(self, make: Callable[..., R], sql: str, *bindings: str | int) -> Iterator[R]:
        with self._storage():
            for row in self._connection.execute(sql, bindings):
                yield make(*row)

    def _many(
        self, make: Callable[..., R], sql: str, bindings: Iterable[tuple[str, str]]
    ) -> list[R]:
        with self._storage():
            return [make(*row) for row in self._connection.executemany(sql, bindings)]

    def _one(self, make: Callable[..., R], sql: str, *bindings: str | int) -> R | None:
        # Every command asks for its key and its records: a context manager would cost as much.
        if self._has_failed:
            raise JournalFailed(f"{self._path}: it has failed before")
        try:
            row = next(self._connection.execute(sql, bindings), None)
        except apsw.Error:
            self._has_failed = True
            with storage_errors(self._path):
                raise
        return None if row is None else make(*row)
