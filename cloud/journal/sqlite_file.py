"""SQLite files: opening, migrating, transactions, and whose errors they raise.

Through apsw, which brings its own SQLite: the standard library links whatever the system has, and
SQLite before 3.51.3 can lose commits in WAL mode. The file is in WAL mode, so that readers in
other processes never wait for the shard, nor the shard for them.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.resources import files
from pathlib import Path
from typing import Final

import apsw

from cloud.errors import JournalFailed, JournalIncompatible

BUSY_TIMEOUT_MS: Final = 5_000
"""How long a writer waits for another process's transaction, such as an operator's redrive."""

CACHE_KIB: Final = 65_536
LOG_PAGES_MAX: Final = 4_096
"""Above 16 MiB, the log is moved into the database: two more syncs, in the shard's thread."""

WAL_BYTES_KEPT_MAX: Final = 67_108_864
REWRITE_BYTES: Final = 65_536
"""At once: a page is never larger, so no file layer of SQLite's is asked for more."""


def open_for_writing(path: Path, *, durable: bool = True) -> apsw.Connection:
    """Open a journal file, make or migrate it, and return the connection.

    Raises `JournalIncompatible` when the file's schema is newer than this program, and
    `JournalFailed` for everything the storage does wrong. Not `durable` is for scratch files.

    The journal moves the log into the database itself (`move_log`): SQLite's automatic checkpoints,
    after a commit and on closing, hide a failed fsync and try it again.
    """
    with storage_errors(path):
        connection = _connected(path, durable=durable)
        _migrate(connection, path)
        return connection


def _connected(path: Path, *, durable: bool) -> apsw.Connection:
    connection = apsw.Connection(str(path))
    connection.set_busy_timeout(BUSY_TIMEOUT_MS)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'OFF'}")
    connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    connection.wal_autocheckpoint(0)
    connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
    connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES_KEPT_MAX}")
    return connection


def open_existing(path: Path, *, read_only: bool) -> apsw.Connection:
    """Open a journal file that another program owns, without making or migrating it.

    Raises as `open_for_writing` does, and when the file is not there or waits for its migration.
    """
    if not path.exists():
        raise JournalFailed(f"{path}: there is no journal here")
    access = apsw.SQLITE_OPEN_READONLY if read_only else apsw.SQLITE_OPEN_READWRITE
    with storage_errors(path):
        connection = apsw.Connection(str(path), flags=access)
        connection.set_busy_timeout(BUSY_TIMEOUT_MS)
        connection.execute("PRAGMA synchronous = FULL")
        if not read_only:
            connection.wal_autocheckpoint(0)
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        _require_current(connection, path)
        return connection


def move_log(connection: apsw.Connection, *, is_last: bool = False) -> None:
    """Move the write-ahead log into the database, as far as no reader is in the way.

    `is_last`: leave an empty log behind, if nobody reads. Waits for nobody: while another process
    is at it, such as an owner that was suspended and has been replaced, the log grows on.

    Raises apsw's errors, a failed fsync among them; then nothing of the file can be relied on.
    """
    with suppress(apsw.BusyError):
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
    if is_last:
        connection.set_busy_timeout(0)
        with suppress(apsw.BusyError):
            connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)


def rewrite_log(path: Path) -> None:
    """Write the log's own bytes over it and sync them. Nobody may be writing it meanwhile.

    After a failed fsync Linux counts what it could not write as written. A process that starts
    anew still reads it from memory, and would put acknowledged commits behind a hole that only a
    power cut shows. Raises apsw's errors.
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


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn what SQLite raises into `JournalFailed`."""
    try:
        yield
    except apsw.BusyError as error:
        detail = f"another process has been inside a transaction for {BUSY_TIMEOUT_MS / 1_000:g} s"
        advice = "nobody can take it over before that process goes on or is ended"
        raise JournalFailed(f"{path}: {detail}; {advice}") from error
    except apsw.Error as error:
        raise JournalFailed(f"{path}: {type(error).__name__}: {error}") from error


@contextmanager
def transaction(connection: apsw.Connection, mode: str = "IMMEDIATE") -> Iterator[None]:
    """Commit what happens inside, or nothing of it. IMMEDIATE takes the write lock at once."""
    connection.execute(f"BEGIN {mode}")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # A failed COMMIT may have rolled back already.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def migrate_file(path: Path, to_version: int | None = None) -> int:
    """Bring a file to a version of the schema, the newest unless told, and return it.

    Makes a file that is not there. Raises `JournalIncompatible` when it is newer than this program
    or there is no way to that version, and `JournalFailed`.
    """
    with storage_errors(path):
        connection = _connected(path, durable=True)
        try:
            _migrate(connection, path, to_version)
            move_log(connection, is_last=True)
            return _version(connection)
        finally:
            connection.close()


def _migrations(ending: str = ".sql") -> dict[int, str]:
    """Return the SQL of each schema version, from `NNNN_name.sql` or `NNNN_name.down.sql`."""
    folder = files("cloud.journal") / "migrations" / "sqlite"
    return {
        int(entry.name[:4]): entry.read_text(encoding="utf-8")
        for entry in folder.iterdir()
        if entry.name.endswith(ending) and entry.name.count(".") == ending.count(".")
    }


def _migrate(connection: apsw.Connection, path: Path, to_version: int | None = None) -> None:
    migrations = _migrations()
    newest = max(migrations)
    wanted = newest if to_version is None else to_version
    if _version(connection) == wanted == newest:
        return
    with transaction(connection):
        version = _version(connection)
        if version > newest:
            raise _too_new(path, version, newest)
        for script in _steps(path, migrations, version, wanted):
            connection.execute(script)
        connection.execute(f"PRAGMA user_version = {wanted}")


def _steps(path: Path, ups: dict[int, str], present: int, wanted: int) -> list[str]:
    """Return the scripts that lead from a version to another."""
    if wanted not in ups:
        raise JournalIncompatible(f"{path}: there is no schema version {wanted}")
    downs = _migrations(".down.sql")
    back = range(present, wanted, -1)
    if missing := [step for step in back if step not in downs]:
        detail = f"there is no way back from schema version {missing[0]}"
        raise JournalIncompatible(f"{path}: {detail}; restore a backup")
    return [downs[step] for step in back] + [ups[step] for step in range(present + 1, wanted + 1)]


def _require_current(connection: apsw.Connection, path: Path) -> None:
    version, newest = _version(connection), max(_migrations())
    if version > newest:
        raise _too_new(path, version, newest)
    if version < newest:
        detail = f"schema version {version}, this program reads {newest}"
        raise JournalIncompatible(f"{path}: {detail}; start stocktruth-cloud once to migrate it")


def _too_new(path: Path, version: int, newest: int) -> JournalIncompatible:
    detail = f"schema version {version}, this program knows {newest} at most"
    return JournalIncompatible(f"{path}: {detail}; upgrade stocktruth")


def _version(connection: apsw.Connection) -> int:
    return int(connection.pragma("user_version"))
