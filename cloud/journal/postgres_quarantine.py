"""Quarantined payloads in PostgreSQL: deduplicated, counted, and bounded per store.

The shard adds a group's entries within its own transaction, in two round trips however many they
are; an operator's process requests redrives and drops entries through `PostgresQuarantineDesk`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from cloud.journal.port import (
    QUARANTINE_BYTES_PER_STORE_MAX,
    QUARANTINE_ENTRIES_PER_STORE_MAX,
)
from cloud.journal.postgres_connection import Connection, connect, storage_errors
from cloud.journal.postgres_schema import require_current
from cloud.journal.postgres_types import bytea_array, int8_array, text_array
from cloud.journal.rows import Quarantined, Settlement, overflow_of

# Locked, so that an operator cannot drop an entry between our looking and our counting it again.
_KNOWN: Final = """
SELECT store, digest FROM quarantine
WHERE (store, digest) IN (SELECT * FROM unnest(%s, %s)) FOR UPDATE
"""
_ROOM: Final = """
SELECT store, COUNT(*), SUM(LENGTH(payload))::int8 FROM quarantine WHERE store = ANY(%s)
GROUP BY store
"""
_COUNT_AGAIN: Final = """
UPDATE quarantine AS old SET
    times = old.times + new.times,
    last_received_at_ms = GREATEST(old.last_received_at_ms, new.last_received_at_ms),
    status = CASE old.status WHEN 'redriven' THEN 'quarantined' ELSE old.status END
FROM unnest(%s, %s, %s, %s) AS new (store, digest, times, last_received_at_ms)
WHERE old.store = new.store AND old.digest = new.digest
"""
_INSERT: Final = """
INSERT INTO quarantine (status, times, last_received_at_ms, digest, topic, store, epoch, seq,
                        reason, detail, payload, received_at_ms)
SELECT 'quarantined', * FROM unnest(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""
# What was redriven has taken effect; the entry that only counts has nothing to redrive.
_REQUEST_REDRIVE: Final = """
UPDATE quarantine SET status = 'redrive_requested'
WHERE id = %s AND status != 'redriven' AND digest != ''::bytea
"""


@dataclass(slots=True)
class _Tally:
    """How often an entry came in this transaction."""

    entry: Quarantined
    is_new: bool
    times: int = 0
    last_received_at_ms: int = 0

    def note(self, received_at_ms: int) -> None:
        self.times += 1
        self.last_received_at_ms = max(self.last_received_at_ms, received_at_ms)


def store_quarantined(connection: Connection, entries: Sequence[Quarantined]) -> None:
    """Add entries within the caller's transaction."""
    if not entries:
        return
    known, room = _present(connection, entries)
    tallies: dict[tuple[str, bytes], _Tally] = {}
    for entry in entries:
        key = (entry.store, entry.digest)
        is_counted_already = key in tallies or key in known
        if not is_counted_already and not room[entry.store].takes(entry):
            kept = overflow_of(entry)
            key = (kept.store, kept.digest)
        else:
            kept = entry
        if key not in tallies:
            tallies[key] = _Tally(kept, is_new=key not in known)
        tallies[key].note(entry.received_at_ms)
    _write(connection, list(tallies.values()))


class _Room:
    """What a store may still add within this transaction."""

    def __init__(self, entries: int = 0, size_bytes: int = 0) -> None:
        self._entries = QUARANTINE_ENTRIES_PER_STORE_MAX - entries
        self._bytes = QUARANTINE_BYTES_PER_STORE_MAX - size_bytes

    def takes(self, entry: Quarantined) -> bool:
        if self._entries < 1 or self._bytes < len(entry.payload):
            return False
        self._entries -= 1
        self._bytes -= len(entry.payload)
        return True


def _present(
    connection: Connection, entries: Sequence[Quarantined]
) -> tuple[set[tuple[str, bytes]], dict[str, _Room]]:
    """Return which of these are there already, overflows included, and what room each store has."""
    stores = sorted({entry.store for entry in entries})
    keys = sorted({(e.store, e.digest) for e in entries} | {(store, b"") for store in stores})
    columns = (text_array([key[0] for key in keys]), bytea_array([key[1] for key in keys]))
    with connection.pipeline():
        known = connection.execute(_KNOWN, columns, binary=True)
        used = connection.execute(_ROOM, (text_array(stores),), binary=True)
    room = {store: _Room() for store in stores}
    room |= {store: _Room(count, size_bytes) for store, count, size_bytes in used}
    return {(store, digest) for store, digest in known}, room


def _write(connection: Connection, tallies: Sequence[_Tally]) -> None:
    again = [tally for tally in tallies if not tally.is_new]
    new = [tally for tally in tallies if tally.is_new]
    with connection.pipeline():
        if again:
            connection.execute(
                _COUNT_AGAIN,
                (
                    text_array([tally.entry.store for tally in again]),
                    bytea_array([tally.entry.digest for tally in again]),
                    int8_array([tally.times for tally in again]),
                    int8_array([tally.last_received_at_ms for tally in again]),
                ),
            )
        if new:
            connection.execute(_INSERT, _columns(new))


def _columns(tallies: Sequence[_Tally]) -> list[Any]:
    entries = [tally.entry for tally in tallies]
    return [
        int8_array([tally.times for tally in tallies]),
        int8_array([tally.last_received_at_ms for tally in tallies]),
        bytea_array([entry.digest for entry in entries]),
        text_array([entry.topic for entry in entries]),
        text_array([entry.store for entry in entries]),
        int8_array([entry.epoch for entry in entries]),
        int8_array([entry.seq for entry in entries]),
        text_array([entry.reason for entry in entries]),
        text_array([entry.detail for entry in entries]),
        bytea_array([entry.payload for entry in entries]),
        int8_array([entry.received_at_ms for entry in entries]),
    ]


def settle(connection: Connection, settlements: Sequence[Settlement]) -> None:
    """Record how redrives ended, within the caller's transaction.

    After `store_quarantined`: what was refused again in this group has its redrive's last word.
    """
    if not settlements:
        return
    with connection.pipeline():
        for settled in settlements:
            sql = "UPDATE quarantine SET status = %s, detail = %s WHERE id = %s"
            values = (settled.status, settled.detail, settled.quarantine_id)
            connection.execute(sql, values)


class PostgresQuarantineDesk:
    """A `QuarantineDesk` for an operator's process. Raises as `PostgresReader` does."""

    def __init__(self, url: str) -> None:
        self._url: Final = url
        self._connection: Final = connect(url, "quarantine desk")
        try:
            with storage_errors(url):
                require_current(self._connection, url)
        except BaseException:
            self._connection.close()
            raise

    def request_redrive(self, quarantine_id: int) -> bool:
        """Ask the running cloud to try an entry again; `False` when there is none to be tried."""
        return self._changes(_REQUEST_REDRIVE, quarantine_id)

    def drop(self, quarantine_id: int) -> bool:
        """Delete an entry; `False` when there is none."""
        return self._changes("DELETE FROM quarantine WHERE id = %s", quarantine_id)

    def close(self) -> None:
        """Release the connection."""
        self._connection.close()

    def _changes(self, sql: str, quarantine_id: int) -> bool:
        with storage_errors(self._url):
            return self._connection.execute(sql.encode(), (quarantine_id,)).rowcount > 0
