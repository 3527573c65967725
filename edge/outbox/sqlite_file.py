"""The outbox's SQLite file: opening, locking and migrating it."""

import fcntl
import os
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Final

import apsw

from edge.errors import OutboxFailed
from protocol.ids import EPOCH_MAX

SCHEMA: Final = ("0001_outbox.sql", "0002_shed.sql")
BUSY_TIMEOUT_MS: Final = 5_000
REWRITE_BYTES: Final = 65_536
"""At once: a page is never larger, so no file layer of SQLite's is asked for more."""


def lock(path: Path) -> int:
    """Return the descriptor of a lock that this process holds on the outbox until it ends.

    Raises `OutboxFailed` when another process has it: two writers would give one number twice.
    """
    descriptor = os.open(path.with_suffix(".lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o640)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        detail = f"outbox {path}: another agent is using it; one agent per data_dir"
        raise OutboxFailed(detail) from error
    return descriptor


def open_for_writing(path: Path, mint_epoch: Callable[[], int]) -> apsw.Connection:
    """Open the outbox, creating or migrating it. `mint_epoch` numbers a new life of it.

    `synchronous=FULL`: in WAL mode every commit is on the disk when it returns. With `NORMAL` a
    power cut takes back commits that were acknowledged. The writer moves the log into the database
    itself: SQLite's automatic checkpoints hide a failed fsync, and try it again.
    """
    _rewrite_log(path)
    connection = apsw.Connection(str(path))
    connection.set_busy_timeout(BUSY_TIMEOUT_MS)
    connection.wal_autocheckpoint(0)
    connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
    mode = connection.pragma("journal_mode", "wal")
    if mode != "wal":
        raise OutboxFailed(f"outbox {path}: its file system allows no write-ahead log, but {mode}")
    connection.pragma("synchronous", "full")
    _migrate(connection, path)
    if connection.execute("SELECT count(*) FROM life").fetchone() == (0,):
        epoch = mint_epoch()
        assert 1 <= epoch <= EPOCH_MAX, epoch  # noqa: S101 # A wrong mint is our own mistake.
        with connection:
            insert = "INSERT INTO life (only, epoch, next_seq) VALUES (1, ?, 1)"
            connection.execute(insert, (epoch,))
    return connection


def open_for_reading(path: Path) -> apsw.Connection:
    """Open a second connection that sees what was committed and changes nothing."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    connection.set_busy_timeout(BUSY_TIMEOUT_MS)
    return connection


def _rewrite_log(path: Path) -> None:
    """Write the log's own bytes over it and sync them. We hold the lock: nobody writes it.

    After a failed fsync Linux counts what it could not write as written. A process that starts
    anew still reads it from memory, and would put acknowledged commits behind a hole that only a
    power cut shows.
    """
    log = path.with_name(f"{path.name}-wal")
    if not log.exists():
        return
    # By way of SQLite, so that simulated disks see it too.
    flags = apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_READWRITE
    file = apsw.VFSFile("", str(log), [flags, 0])
    try:
        size_bytes = file.xFileSize()
        for offset in range(0, size_bytes, REWRITE_BYTES):
            data = file.xRead(min(REWRITE_BYTES, size_bytes - offset), offset)
            file.xWrite(data, offset)
        file.xSync(apsw.SQLITE_SYNC_NORMAL)
    finally:
        file.xClose()


def _migrate(connection: apsw.Connection, path: Path) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone() or (0,)
    if version > len(SCHEMA):
        detail = f"outbox {path}: made by a newer release (schema {version}); install that one"
        raise OutboxFailed(detail)
    for number, name in enumerate(SCHEMA[version:], start=version + 1):
        script = files("edge.outbox").joinpath("migrations", name).read_text()
        with connection:
            connection.execute(script)
            connection.execute(f"PRAGMA user_version={number}")
