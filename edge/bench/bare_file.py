"""The limit of `bench outbox`: apsw writing the very bytes in the very transactions, and no more.

The same tables, `synchronous=FULL`, and the log moved into the database as often. Nobody waits for
anybody, nothing is numbered, checked or counted.
"""

import time
from pathlib import Path
from typing import Final, NamedTuple

import apsw

from edge.outbox.sqlite_file import open_for_writing
from edge.outbox.writer import LOG_PAGES_MAX

INSERT: Final = "INSERT INTO facts VALUES (?, ?, ?)"
KEEP: Final = "INSERT OR REPLACE INTO checkpoints VALUES (?, ?)"
READ: Final = "SELECT seq, data FROM facts WHERE seq > ? ORDER BY seq LIMIT ?"


class Group(NamedTuple):
    """What one transaction stored: class and bytes of each fact, and checkpoints."""

    facts: list[tuple[int, bytes]]
    checkpoints: list[tuple[str, bytes]]


class BareFile:
    """A file like the outbox's, at `path`."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = open_for_writing(path, lambda: 1)
        self._db.set_wal_hook(self._count_pages)
        self._pages = 0

    def store_s(self, groups: list[Group]) -> float:
        """Return how long it takes to store these groups, a transaction each."""
        rows: list[list[tuple[int, int, bytes]]] = []
        seq = 0
        for group in groups:
            rows.append([(seq + at, *fact) for at, fact in enumerate(group.facts, 1)])
            seq += len(group.facts)
        began_s = time.perf_counter()
        for group, numbered in zip(groups, rows, strict=True):
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany(INSERT, numbered)
            self._db.executemany(KEEP, group.checkpoints)
            self._db.execute("COMMIT")
            if self._pages >= LOG_PAGES_MAX:
                self._empty_log()
        return time.perf_counter() - began_s

    def drain_s(self, facts_per_read: int) -> float:
        """Return how long it takes to read everything and to delete it."""
        began_s = time.perf_counter()
        after = 0
        while rows := list(self._db.execute(READ, (after, facts_per_read))):
            after = rows[-1][0]
        self._db.execute("BEGIN IMMEDIATE")
        self._db.execute("DELETE FROM facts WHERE seq <= ?", (after,))
        self._db.execute("COMMIT")
        self._empty_log()
        return time.perf_counter() - began_s

    def close(self) -> None:
        """Release the file."""
        self._db.close()

    def _empty_log(self) -> None:
        self._db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)

    def _count_pages(self, _: apsw.Connection, __: str, pages: int) -> int:
        self._pages = pages
        return apsw.SQLITE_OK
