"""Quarantined payloads in SQLite: deduplicated, counted, and bounded per store.

The shard adds entries within its own transactions; an operator's process requests redrives and
drops entries through `SqliteQuarantineDesk`, in short transactions that the shard waits for.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import apsw

from cloud.journal.port import (
    QUARANTINE_BYTES_PER_STORE_MAX,
    QUARANTINE_ENTRIES_PER_STORE_MAX,
)
from cloud.journal.rows import Quarantined, Settlement, overflow_of
from cloud.journal.sqlite_file import open_existing, storage_errors

_COUNT_AGAIN: Final = """
UPDATE quarantine SET
    times = times + 1,
    last_received_at_ms = MAX(last_received_at_ms, ?),
    status = CASE status WHEN 'redriven' THEN 'quarantined' ELSE status END
WHERE store = ? AND digest = ?
"""
_INSERT: Final = """
INSERT INTO quarantine (status, times, last_received_at_ms, digest, topic, store, epoch, seq,
                        reason, detail, payload, received_at_ms)
VALUES ('quarantined', 1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
# What was redriven has taken effect; the entry that only counts has nothing to redrive.
_REQUEST_REDRIVE: Final = """
UPDATE quarantine SET status = 'redrive_requested'
WHERE id = ? AND status != 'redriven' AND digest != x''
"""


def store_quarantined(connection: apsw.Connection, entries: Sequence[Quarantined]) -> None:
    """Add entries within the caller's transaction."""
    room: dict[str, _Room] = {}
    for entry in entries:
        if entry.store not in room:
            room[entry.store] = _Room(connection, entry.store)
        if _count_again(connection, entry):
            continue
        if room[entry.store].takes(entry):
            _insert(connection, entry)
        else:
            overflow = overflow_of(entry)
            if not _count_again(connection, overflow):
                _insert(connection, overflow)


class _Room:
    """What a store may still add within this transaction."""

    def __init__(self, connection: apsw.Connection, store: str) -> None:
        sql = "SELECT COUNT(*), TOTAL(LENGTH(payload)) FROM quarantine WHERE store = ?"
        entries, size_bytes = connection.execute(sql, (store,)).get
        self._entries = QUARANTINE_ENTRIES_PER_STORE_MAX - entries
        self._bytes = QUARANTINE_BYTES_PER_STORE_MAX - size_bytes

    def takes(self, entry: Quarantined) -> bool:
        if self._entries < 1 or self._bytes < len(entry.payload):
            return False
        self._entries -= 1
        self._bytes -= len(entry.payload)
        return True


def _count_again(connection: apsw.Connection, entry: Quarantined) -> bool:
    connection.execute(_COUNT_AGAIN, (entry.received_at_ms, entry.store, entry.digest))
    return connection.changes() > 0


def _insert(connection: apsw.Connection, entry: Quarantined) -> None:
    connection.execute(_INSERT, (entry.received_at_ms, *entry))


def settle(connection: apsw.Connection, settlements: Sequence[Settlement]) -> None:
    """Record how redrives ended, within the caller's transaction."""
    sql = "UPDATE quarantine SET status = ?, detail = ? WHERE id = ?"
    connection.executemany(sql, ((s.status, s.detail, s.quarantine_id) for s in settlements))


class SqliteQuarantineDesk:
    """A `QuarantineDesk` for an operator's process."""

    def __init__(self, path: Path) -> None:
        self._path: Final = path
        self._connection: Final = open_existing(path, read_only=False)

    def request_redrive(self, quarantine_id: int) -> bool:
        """Ask the running cloud to try an entry again; `False` when there is none to be tried."""
        return self._changes(_REQUEST_REDRIVE, quarantine_id)

    def drop(self, quarantine_id: int) -> bool:
        """Delete an entry; `False` when there is none."""
        return self._changes("DELETE FROM quarantine WHERE id = ?", quarantine_id)

    def close(self) -> None:
        """Release the file."""
        with storage_errors(self._path):
            self._connection.close()

    def _changes(self, sql: str, quarantine_id: int) -> bool:
        with storage_errors(self._path):
            self._connection.execute(sql, (quarantine_id,))
            return self._connection.changes() > 0
