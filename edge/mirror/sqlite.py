"""The mirror: the store's own copy of its authoritative counts, readable without network.

It can be fetched anew at any time, so `synchronous=NORMAL` is enough: a power cut may take back the
last updates, the position goes back with them, and the cloud sends them again.
"""

import threading
from pathlib import Path
from typing import Any, Final, NamedTuple

import apsw
import msgspec

from edge.errors import EdgeError
from protocol.updates import MirrorState, MirrorUpdate, ReorderSignal

BUSY_TIMEOUT_MS: Final = 5_000

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS states (
    gtin TEXT PRIMARY KEY, version INTEGER NOT NULL, state BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS reorders (
    reorder_id TEXT PRIMARY KEY, gtin TEXT NOT NULL, signal BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS progress (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    position INTEGER NOT NULL, epoch INTEGER NOT NULL, through_seq INTEGER NOT NULL
) STRICT;
INSERT OR IGNORE INTO progress VALUES (1, 0, 0, 0);
"""
_encoder: Final = msgspec.msgpack.Encoder()
_state_decoder: Final = msgspec.msgpack.Decoder(MirrorState)
_signal_decoder: Final = msgspec.msgpack.Decoder(ReorderSignal)


class MirrorFailed(EdgeError):
    """The mirror's file cannot be used. It may be deleted: the cloud sends everything again."""


class Progress(NamedTuple):
    """How far the mirror is, and which of the store's facts its states contain."""

    position: int
    epoch: int
    through_seq: int


class SqliteMirror:
    """The mirror in the file `path`. Raises `MirrorFailed` from every method."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self._path = path
        self._lock = threading.Lock()
        try:
            flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
            self._db = apsw.Connection(
                str(path), flags=apsw.SQLITE_OPEN_READONLY if read_only else flags
            )
            self._db.set_busy_timeout(BUSY_TIMEOUT_MS)
            if not read_only:
                self._db.execute("PRAGMA journal_mode=WAL")
                self._db.execute("PRAGMA synchronous=NORMAL")
                self._db.execute(_SCHEMA)
        except apsw.Error as error:
            raise MirrorFailed(f"mirror {path}: {error}") from error

    def progress(self) -> Progress:
        """Return how far the mirror is."""
        ((position, epoch, through_seq),) = self._rows(
            "SELECT position, epoch, through_seq FROM progress"
        )
        return Progress(position, epoch, through_seq)

    def apply(self, update: MirrorUpdate) -> bool:
        """Take an update in; return `False` when one before it is missing.

        States are taken in any case, since a newer version is a newer version.
        """
        rows = [(s.gtin, s.version, _encoder.encode(s)) for s in update.states]
        upsert = (
            "INSERT INTO states VALUES (?, ?, ?) ON CONFLICT (gtin) DO UPDATE"
            " SET version = excluded.version, state = excluded.state"
            " WHERE excluded.version > version"
        )
        advance = "UPDATE progress SET position = ?, epoch = ?, through_seq = ?"
        with self._transaction() as db:
            ((position,),) = list(db.execute("SELECT position FROM progress"))
            db.executemany(upsert, rows)
            complete = update.previous_position <= int(position or 0)
            if complete and update.position > int(position or 0):
                db.execute(advance, (update.position, update.epoch, update.through_seq))
        return complete

    def apply_signal(self, signal: ReorderSignal) -> None:
        """Keep an open reorder; forget a closed one."""
        with self._transaction() as db:
            if signal.status in ("received", "cancelled"):
                db.execute("DELETE FROM reorders WHERE reorder_id = ?", (signal.reorder_id,))
            else:
                row = (signal.reorder_id, signal.gtin, _encoder.encode(signal))
                db.execute("INSERT OR REPLACE INTO reorders VALUES (?, ?, ?)", row)

    def reset(self) -> None:
        """Forget everything: the cloud is older than this mirror."""
        with self._transaction() as db:
            db.execute("DELETE FROM states")
            db.execute("DELETE FROM reorders")
            db.execute("UPDATE progress SET position = 0, epoch = 0, through_seq = 0")

    def states(self, gtin: str | None = None) -> list[MirrorState]:
        """Return the states of all GTINs, or of one, by GTIN."""
        query = "SELECT state FROM states WHERE ?1 IS NULL OR gtin = ?1 ORDER BY gtin"
        return [_state_decoder.decode(state) for (state,) in self._rows(query, gtin)]

    def open_reorders(self) -> list[ReorderSignal]:
        """Return the open reorders."""
        query = "SELECT signal FROM reorders ORDER BY reorder_id"
        return [_signal_decoder.decode(signal) for (signal,) in self._rows(query)]

    def close(self) -> None:
        """Release the file."""
        with self._lock:
            self._db.close()

    def _transaction(self) -> "_Transaction":
        return _Transaction(self._db, self._lock, self._path)

    def _rows(self, query: str, *bindings: str | None) -> list[tuple[Any, ...]]:
        try:
            with self._lock:
                return list(self._db.execute(query, bindings))
        except apsw.Error as error:
            raise MirrorFailed(f"mirror {self._path}: {error}") from error


class _Transaction:
    """One transaction under the mirror's lock; a driver's error leaves as `MirrorFailed`."""

    def __init__(self, db: apsw.Connection, lock: threading.Lock, path: Path) -> None:
        self._db = db
        self._lock = lock
        self._path = path

    def __enter__(self) -> apsw.Connection:
        self._lock.acquire()
        self._db.__enter__()
        return self._db

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        try:
            self._db.__exit__(kind, error, trace)
        except apsw.Error as failure:
            raise MirrorFailed(f"mirror {self._path}: {failure}") from failure
        finally:
            self._lock.release()
        if isinstance(error, apsw.Error):
            raise MirrorFailed(f"mirror {self._path}: {error}") from error
