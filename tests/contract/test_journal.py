"""Both journal adapters keep the contract; the SQLite one keeps it through kills and full disks."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import apsw
import pytest

from cloud.errors import JournalFailed, JournalIncompatible
from cloud.journal import sqlite_file
from cloud.journal.memory import MemoryJournal
from cloud.journal.port import Journal, QuarantineDesk
from cloud.journal.rows import JournalWrite
from cloud.journal.sqlite import SqliteJournal
from cloud.journal.sqlite_file import migrate_file
from cloud.journal.sqlite_quarantine import SqliteQuarantineDesk
from cloud.journal.sqlite_reader import SqliteReader
from cloud.journal.verify import verify
from cloud.shards.shard import Shard
from cloud.sku_location.decide import LOGIC_ERA
from tests.contract.journal_contract import (
    EVERYTHING,
    SHARD,
    JournalContract,
    a_day_in,
    input_row,
)
from tests.disk_faults import FaultyDisk, faulty_disk
from tests.shard_inputs import GTIN, NOW_MS, STORE, batch, sold


class TestMemoryJournal(JournalContract):
    @pytest.fixture
    def journal(self) -> MemoryJournal:
        return MemoryJournal()

    @pytest.fixture
    def reopen(self, journal: MemoryJournal) -> Callable[[], Journal]:
        return lambda: journal

    @pytest.fixture
    def desk(self, journal: MemoryJournal) -> QuarantineDesk:
        return journal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


@pytest.fixture
def journal(path: Path) -> Iterator[SqliteJournal]:
    opened = SqliteJournal(path)
    yield opened
    opened.close()


class TestSqliteJournal(JournalContract):
    @pytest.fixture
    def reopen(self, path: Path) -> Iterator[Callable[[], Journal]]:
        opened: list[SqliteJournal] = []

        def open_again() -> Journal:
            opened.append(SqliteJournal(path))
            return opened[-1]

        yield open_again
        for journal in opened:
            journal.close()

    @pytest.fixture
    def desk(self, journal: SqliteJournal) -> Iterator[QuarantineDesk]:
        opened = SqliteQuarantineDesk(journal._path)
        yield opened
        opened.close()


def test_a_journal_is_synced_at_every_commit(journal: SqliteJournal) -> None:
    connection = journal._connection
    assert connection.pragma("journal_mode") == "wal"
    assert connection.pragma("synchronous") == 2


def test_a_reader_sees_what_is_committed_while_the_owner_goes_on(
    journal: SqliteJournal, path: Path
) -> None:
    shard = a_day_in(journal)
    reader = SqliteReader(path)
    with reader.snapshot():
        before = reader.position()
        shard.commit([batch(8, [sold(1)])], NOW_MS)
        assert reader.position() == before
    assert reader.position() == before + 1 == journal.position()
    assert verify(reader).is_identical
    reader.close()


def test_a_reader_cannot_write(journal: SqliteJournal, path: Path) -> None:
    a_day_in(journal)
    reader = SqliteReader(path)
    with pytest.raises(apsw.ReadOnlyError):
        reader._connection.execute("DELETE FROM inputs")
    reader.close()


def test_verify_leaves_no_scratch_files_behind(journal: SqliteJournal, path: Path) -> None:
    a_day_in(journal)
    verify(journal)
    assert {file.name for file in path.parent.iterdir()} == {
        "journal.db",
        "journal.db-wal",
        "journal.db-shm",
    }


def test_a_journal_that_is_not_there_is_named(tmp_path: Path) -> None:
    for open_it in (SqliteReader, SqliteQuarantineDesk):
        with pytest.raises(JournalFailed, match=r"nowhere\.db: there is no journal here"):
            open_it(tmp_path / "nowhere.db")
    with pytest.raises(JournalFailed, match="CantOpenError"):
        SqliteJournal(tmp_path / "no_folder" / "journal.db")


def test_a_file_that_is_no_journal_is_named(path: Path) -> None:
    path.write_bytes(b"this is no database, and long enough to be looked at" * 100)
    with pytest.raises(JournalFailed, match="NotADBError"):
        SqliteJournal(path)


def set_schema_version(path: Path, version: int) -> None:
    connection = apsw.Connection(str(path))
    connection.execute(f"PRAGMA user_version = {version}")
    connection.close()


@pytest.mark.parametrize("open_it", [SqliteJournal, SqliteReader, SqliteQuarantineDesk])
def test_a_schema_newer_than_the_program_is_refused(
    path: Path, open_it: Callable[[Path], object]
) -> None:
    SqliteJournal(path).close()
    set_schema_version(path, 9999)
    with pytest.raises(JournalIncompatible, match=r"schema version 9999.*upgrade stocktruth"):
        open_it(path)


def test_only_the_owner_migrates_a_schema(path: Path) -> None:
    SqliteJournal(path).close()
    set_schema_version(path, 0)
    for open_it in (SqliteReader, SqliteQuarantineDesk):
        with pytest.raises(JournalIncompatible, match="migrate"):
            open_it(path)


def test_a_schema_goes_back_a_version_and_on_again(path: Path) -> None:
    SqliteJournal(path).close()
    newest = migrate_file(path)
    assert migrate_file(path, newest - 1) == newest - 1
    with pytest.raises(JournalIncompatible, match="migrate"):
        SqliteReader(path)
    assert migrate_file(path) == newest
    journal = SqliteJournal(path)
    a_day_in(journal)
    assert verify(journal).is_identical
    journal.close()


@pytest.mark.parametrize(
    ("version", "problem"),
    [(9_999, "there is no schema version 9999"), (1, "no way back from schema version 2")],
)
def test_a_schema_version_that_cannot_be_reached_changes_nothing(
    path: Path, version: int, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    newest = migrate_file(path)
    ups = sqlite_file._migrations()
    monkeypatch.setattr(
        "cloud.journal.sqlite_file._migrations",
        lambda ending=".sql": ups if ending == ".sql" else {},
    )
    with pytest.raises(JournalIncompatible, match=problem):
        migrate_file(path, version)
    monkeypatch.undo()
    assert migrate_file(path) == newest
    SqliteReader(path).close()


def test_a_full_disk_fails_the_commit_whole_and_for_good(
    journal: SqliteJournal, path: Path
) -> None:
    owner_epoch = journal.take_ownership(SHARD, LOGIC_ERA, NOW_MS)
    journal.commit(owner_epoch, EVERYTHING)
    pages = journal._connection.pragma("page_count")
    journal._connection.execute(f"PRAGMA max_page_count = {pages}")
    large = JournalWrite(
        inputs=[input_row(number, payload=bytes(100_000)) for number in range(4, 8)],
        published_through=7,
    )
    with pytest.raises(JournalFailed, match="FullError"):
        journal.commit(owner_epoch, large)
    with pytest.raises(JournalFailed, match="failed before"):
        journal.commit(owner_epoch, JournalWrite(published_through=2))
    with pytest.raises(JournalFailed, match="failed before"):
        journal.position()
    reader = SqliteReader(path)
    assert (reader.position(), reader.published_through()) == (3, 1)
    reader.close()


def test_a_position_is_never_used_twice(journal: SqliteJournal) -> None:
    owner_epoch = journal.take_ownership(SHARD, LOGIC_ERA, NOW_MS)
    journal.commit(owner_epoch, EVERYTHING)
    with pytest.raises(JournalFailed, match="ConstraintError"):
        journal.commit(owner_epoch, JournalWrite(inputs=[input_row(3)]))


COMMIT_FOR_EVER = f"""
import sys
from pathlib import Path
from cloud.journal.sqlite import SqliteJournal
from cloud.journal.sqlite_file import migrate_file
from cloud.shards.shard import Shard
from cloud.sku_location.decide import LOGIC_ERA
from tests.shard_inputs import batch, received
journal = SqliteJournal(Path(sys.argv[1]))
shard = Shard(journal, {SHARD!r}, journal.take_ownership({SHARD!r}, LOGIC_ERA, 1))
for seq in range(journal.watermark("S001", 7) + 1, 1_000_000):
    shard.commit([batch(seq, [received(1)])], seq)
    print(seq, flush=True)
"""
COMMITS_BEFORE_KILL = 40


def test_what_was_told_to_be_committed_survives_a_kill(path: Path) -> None:
    told = 0
    for _ in range(2):
        command = [sys.executable, "-c", COMMIT_FOR_EVER, str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for _ in range(COMMITS_BEFORE_KILL):
                told = int(process.stdout.readline())
            process.kill()
            rest = process.stdout.read().split()
            told = int(rest[-1]) if rest else told
        journal = SqliteJournal(path)
        assert journal.watermark(STORE, 7) in (told, told + 1)
        report = verify(journal)
        assert report.is_identical
        assert report.facts_applied == journal.watermark(STORE, 7)
        assert journal.state(STORE, GTIN) is not None
        journal.close()


def commit_for_long(shard: Shard) -> None:
    for seq in range(1, 200):
        shard.commit([batch(seq, [sold(1)])], NOW_MS)


@pytest.fixture
def disk() -> Iterator[FaultyDisk]:
    with faulty_disk() as faulty:
        yield faulty


@pytest.mark.parametrize("file", ["-wal", ".db"])
def test_a_failed_fsync_stops_the_journal_and_is_never_tried_again(
    disk: FaultyDisk, path: Path, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloud.journal.sqlite.LOG_PAGES_MAX", 4)
    journal = SqliteJournal(path)
    shard = Shard(journal, SHARD, journal.take_ownership(SHARD, LOGIC_ERA, NOW_MS))
    disk.sync_fails_on = file
    with pytest.raises(JournalFailed, match="IOError"):
        commit_for_long(shard)
    assert disk.failed_syncs == 1
    with pytest.raises(JournalFailed, match="failed before"):
        shard.commit([batch(1, [sold(1)])], NOW_MS)
    journal.close()
    assert disk.failed_syncs == 1


def test_the_log_is_moved_into_the_database_as_it_grows(
    journal: SqliteJournal, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloud.journal.sqlite.LOG_PAGES_MAX", 16)
    shard = Shard(journal, SHARD, journal.take_ownership(SHARD, LOGIC_ERA, NOW_MS))
    commit_for_long(shard)
    log = path.with_name(path.name + "-wal")
    assert log.stat().st_size < 100 * 4_096
