"""The SQLite journal while another process moves the log: an owner must not stop because of it."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from cloud.errors import JournalFailed
from cloud.journal import sqlite, sqlite_file
from cloud.journal.rows import InputRow, JournalWrite
from cloud.journal.sqlite import SqliteJournal

SHARD = "0-of-1"
WRITE_LOCK_BYTE = 120
CHECKPOINT_LOCK_BYTE = 121
"""SQLite's "WAL-mode File Format", 2.3.1: the bytes of the `-shm` file that are locked."""

HOLD = """
import fcntl, sys
file = open(sys.argv[1], "r+b")
fcntl.lockf(file, fcntl.LOCK_EX, 1, int(sys.argv[2]))
print("locked", flush=True)
sys.stdin.read()
"""


@contextmanager
def held_elsewhere(journal: Path, byte: int) -> Iterator[None]:
    """Let another process hold one of the journal's locks, as if it were suspended with it."""
    shared_memory = f"{journal}-shm"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, shared_memory, str(byte)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"locked\n"
        try:
            yield
        finally:
            holder.communicate()


def write(position: int) -> JournalWrite:
    row = InputRow(position, "batch", "S001", 7, position, position, 1, bytes(20_000))
    return JournalWrite(inputs=[row])


def test_an_owner_goes_on_while_a_suspended_process_is_moving_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "LOG_PAGES_MAX", 4)
    path = tmp_path / "journal.db"
    journal = SqliteJournal(path)
    owner_epoch = journal.take_ownership(SHARD, 1, 1)
    with held_elsewhere(path, CHECKPOINT_LOCK_BYTE):
        for position in range(1, 6):
            journal.commit(owner_epoch, write(position))
        journal.close()
    with closing(SqliteJournal(path)) as reopened:
        assert reopened.position() == 5


def test_a_journal_locked_by_a_suspended_process_says_who_is_in_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_file, "BUSY_TIMEOUT_MS", 50)
    path = tmp_path / "journal.db"
    clear = "another process has been inside a transaction"
    with (
        closing(SqliteJournal(path)) as journal,
        held_elsewhere(path, WRITE_LOCK_BYTE),
        pytest.raises(JournalFailed, match=clear),
    ):
        journal.take_ownership(SHARD, 1, 1)
