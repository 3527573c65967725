"""The mirror: the store's own copy of its authoritative counts, readable without network.

It can be fetched anew at any time. So `synchronous=NORMAL` is enough: a power cut may take back
the last updates, the position goes back with them, and the cloud sends them again. And a file of
another schema is emptied rather than migrated. Changes come from the uplink, on a thread of its
choice, one at a time; the command line reads the file from another process.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import apsw
import msgspec

from edge.errors import EdgeError
from protocol.updates import MirrorState, MirrorUpdate, ReorderSignal, TaskSignal

BUSY_TIMEOUT_MS: Final = 5_000
SCHEMA_VERSION: Final = 2

TASKS_MAX: Final = 200
"""The newest are kept; what nobody got round to, a later signal brings again or nobody needs."""

_TABLES: Final = """
DROP TABLE IF EXISTS states;
DROP TABLE IF EXISTS reorders;
DROP TABLE IF EXISTS tasks;
DROP TABLE IF EXISTS progress;
CREATE TABLE states (
    gtin TEXT PRIMARY KEY, version INTEGER NOT NULL, state BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE reorders (
    reorder_id TEXT PRIMARY KEY, gtin TEXT NOT NULL, revision INTEGER NOT NULL,
    is_open INTEGER NOT NULL, signal BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX reorders_of ON reorders (gtin);
CREATE TABLE tasks (task_id TEXT PRIMARY KEY, task BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE progress (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    position INTEGER NOT NULL, epoch INTEGER NOT NULL, through_seq INTEGER NOT NULL
) STRICT;
INSERT INTO progress VALUES (1, 0, 0, 0);
"""
_UPSERT_STATE: Final = """
INSERT INTO states VALUES (?, ?, ?) ON CONFLICT (gtin) DO UPDATE
SET version = excluded.version, state = excluded.state WHERE excluded.version > version
"""
_UPSERT_REORDER: Final = """
INSERT INTO reorders VALUES (?, ?, ?, ?, ?) ON CONFLICT (reorder_id) DO UPDATE
SET revision = excluded.revision, is_open = excluded.is_open, signal = excluded.signal
WHERE excluded.revision > revision
"""
_UPSERT_TASK: Final = "INSERT INTO tasks VALUES (?, ?) ON CONFLICT (task_id) DO NOTHING"
_log = logging.getLogger(__name__)
_encoder: Final = msgspec.msgpack.Encoder()
_state_decoder: Final = msgspec.msgpack.Decoder(MirrorState)
_signal_decoder: Final = msgspec.msgpack.Decoder(ReorderSignal)
_task_decoder: Final = msgspec.msgpack.Decoder(TaskSignal)


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
        self.is_behind = False
        """An update came whose predecessor did not: ask the cloud for what is missing."""
        with self._translated():
            try:
                self._db = _open(path, read_only=read_only)
            except (apsw.CorruptError, apsw.NotADBError) as error:
                if read_only:
                    raise
                _log.warning("mirror %s: %s; it begins anew, the cloud has it all", path, error)
                for suffix in ("", "-wal", "-shm"):
                    path.with_name(path.name + suffix).unlink(missing_ok=True)
                self._db = _open(path, read_only=False)
        self.position = self.progress().position
        """The journal position through which the mirror is complete."""

    def progress(self) -> Progress:
        """Return how far the mirror is."""
        rows = self._rows("SELECT position, epoch, through_seq FROM progress")
        return Progress(*rows[0])

    def apply(self, update: MirrorUpdate) -> None:
        """Take an update in, unless one before it is missing; then `is_behind` says so.

        Its states stay out then: they would contain facts that `progress` does not tell of, and
        `expected` would count those twice.
        """
        if update.previous_position > self.position:
            self.is_behind = True
            return
        # The cloud starts from nothing again when our position is none of its journal's.
        starts_over = update.previous_position == 0 and update.position < self.position
        rows = [(state.gtin, state.version, _encoder.encode(state)) for state in update.states]
        is_news = starts_over or update.position >= self.position
        with self._transaction():
            if starts_over:
                self._empty()
            self._db.executemany(_UPSERT_STATE, rows)
            if is_news:
                progress = (update.position, update.epoch, update.through_seq)
                self._db.execute(
                    "UPDATE progress SET position = ?, epoch = ?, through_seq = ?", progress
                )
        if is_news:
            self.position = update.position
            self.is_behind = False

    def apply_signal(self, signal: ReorderSignal) -> None:
        """Take a reorder in.

        A closed one is remembered until the next of its GTIN, so that a late copy of an older
        revision does not open it again.
        """
        is_open = signal.status not in ("received", "cancelled")
        row = (signal.reorder_id, signal.gtin, signal.revision, is_open, _encoder.encode(signal))
        forget = "DELETE FROM reorders WHERE gtin = ? AND reorder_id <> ? AND NOT is_open"
        with self._transaction():
            self._db.execute(forget, (signal.gtin, signal.reorder_id))
            self._db.execute(_UPSERT_REORDER, row)

    def apply_task(self, task: TaskSignal) -> None:
        """Take a task in, and let go of the oldest beyond `TASKS_MAX`."""
        forget = (
            "DELETE FROM tasks WHERE task_id NOT IN"
            " (SELECT task_id FROM tasks ORDER BY task_id DESC LIMIT ?)"
        )
        with self._transaction():
            self._db.execute(_UPSERT_TASK, (task.task_id, _encoder.encode(task)))
            self._db.execute(forget, (TASKS_MAX,))

    def reset(self) -> None:
        """Forget everything: the cloud is older than this mirror."""
        with self._transaction():
            self._empty()
        self.position = 0
        self.is_behind = True

    def states(self, gtin: str | None = None) -> list[MirrorState]:
        """Return the states of all GTINs, or of one, by GTIN."""
        query = "SELECT state FROM states WHERE ?1 IS NULL OR gtin = ?1 ORDER BY gtin"
        return [_state_decoder.decode(state) for (state,) in self._rows(query, gtin)]

    def open_reorders(self) -> list[ReorderSignal]:
        """Return the open reorders."""
        query = "SELECT signal FROM reorders WHERE is_open ORDER BY reorder_id"
        return [_signal_decoder.decode(signal) for (signal,) in self._rows(query)]

    def tasks(self) -> list[TaskSignal]:
        """Return the newest tasks, the newest first."""
        query = "SELECT task FROM tasks ORDER BY task_id DESC"
        return [_task_decoder.decode(task) for (task,) in self._rows(query)]

    def close(self) -> None:
        """Release the file."""
        self._db.close()

    def _empty(self) -> None:
        self._db.execute("DELETE FROM states")
        self._db.execute("DELETE FROM reorders")
        self._db.execute("DELETE FROM tasks")
        self._db.execute("UPDATE progress SET position = 0, epoch = 0, through_seq = 0")

    def _rows(self, query: str, *bindings: str | None) -> list[tuple[Any, ...]]:
        with self._translated():
            return list(self._db.execute(query, bindings))

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._translated(), self._db:
            yield

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except apsw.Error as error:
            raise MirrorFailed(f"mirror {self._path}: {error}") from error


def _open(path: Path, *, read_only: bool) -> apsw.Connection:
    if read_only:
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        connection.set_busy_timeout(BUSY_TIMEOUT_MS)
        return connection
    connection = apsw.Connection(str(path))
    connection.set_busy_timeout(BUSY_TIMEOUT_MS)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    if connection.execute("PRAGMA user_version").fetchone() != (SCHEMA_VERSION,):
        with connection:
            connection.execute(_TABLES)
            connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
    return connection
