"""The PostgreSQL journal keeps the contract, and says so when a server or a role cannot."""

import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from cloud.errors import JournalFailed, JournalIncompatible, OwnershipLost
from cloud.journal.port import Journal, QuarantineDesk
from cloud.journal.postgres import PostgresJournal
from cloud.journal.postgres_connection import connect, named
from cloud.journal.postgres_quarantine import PostgresQuarantineDesk
from cloud.journal.postgres_reader import PostgresReader
from cloud.journal.postgres_schema import migrate, newest_version, version_of
from cloud.journal.postgres_types import (
    bool_array,
    bytea_array,
    escaped,
    int8_array,
    text_array,
    unescaped,
)
from cloud.journal.rows import JournalWrite, Settlement
from cloud.journal.sqlite import SqliteJournal
from cloud.journal.verify import verify
from cloud.shards.shard import Shard
from cloud.sku_location.decide import LOGIC_ERA
from simulators.fencing.private_postgres import PrivatePostgres
from tests.contract.journal_contract import (
    EVERYTHING,
    SHARD,
    JournalContract,
    a_day_in,
    input_row,
    quarantined,
)
from tests.shard_inputs import NOW_MS, batch, sold


@pytest.fixture
def journal(url: str) -> Iterator[PostgresJournal]:
    opened = PostgresJournal(url)
    yield opened
    opened.close()


class TestPostgresJournal(JournalContract):
    @pytest.fixture
    def reopen(self, url: str) -> Iterator[Callable[[], Journal]]:
        opened: list[PostgresJournal] = []

        def open_again() -> Journal:
            opened.append(PostgresJournal(url))
            return opened[-1]

        yield open_again
        for journal in opened:
            journal.close()

    @pytest.fixture
    def desk(self, url: str, journal: PostgresJournal) -> Iterator[QuarantineDesk]:
        del journal
        opened = PostgresQuarantineDesk(url)
        yield opened
        opened.close()


def test_a_day_is_replayed_to_the_same_bytes(journal: PostgresJournal, url: str) -> None:
    a_day_in(journal)
    reader = PostgresReader(url)
    report = verify(reader)
    reader.close()
    assert report.is_identical, report.differences
    assert report.states_compared > 0


def test_text_may_hold_what_postgresql_does_not_take(journal: PostgresJournal) -> None:
    owner_epoch = journal.take_ownership(SHARD, LOGIC_ERA, NOW_MS)
    shard = Shard(journal, SHARD, owner_epoch)
    strange = "T\x00\x01\x010x"
    shard.commit([batch(1, [sold(1, transaction=strange)])], NOW_MS)
    (key,) = journal.business_keys()
    assert key.transaction == strange
    again = journal.business_keys_of(key.store, [strange])
    assert list(again) == [(strange, key.line)]


def test_a_session_that_is_ended_in_a_commit_fails_the_journal(
    journal: PostgresJournal, url: str
) -> None:
    owner_epoch = journal.take_ownership(SHARD, LOGIC_ERA, NOW_MS)
    with connect(url, "reader") as killer:
        killer.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'stocktruth-cloud writer'"
            " AND datname = current_database()"
        )
    with pytest.raises(JournalFailed):
        journal.commit(owner_epoch, JournalWrite(inputs=[input_row(1)]))
    with pytest.raises(JournalFailed, match="failed before"):
        journal.commit(owner_epoch, JournalWrite(inputs=[input_row(1)]))
    with connect(url, "reader") as connection:
        assert connection.execute("SELECT COUNT(*) FROM inputs").fetchone() == (0,)


def test_an_owner_that_stopped_inside_a_transaction_is_ended(
    journal: PostgresJournal, url: str
) -> None:
    old_epoch = journal.take_ownership(SHARD, LOGIC_ERA, NOW_MS)
    newcomer = PostgresJournal(url)
    newcomer._connection.execute("SET lock_timeout = 200")
    # What a process holds that is suspended between its statements and its COMMIT.
    journal._begin_as(old_epoch, JournalWrite(inputs=[input_row(1)]))
    new_epoch = newcomer.take_ownership(SHARD, LOGIC_ERA, NOW_MS)
    assert new_epoch > old_epoch
    newcomer.commit(new_epoch, JournalWrite(inputs=[input_row(1)]))
    with pytest.raises(psycopg.Error):
        journal._connection.execute("COMMIT")
    with pytest.raises(OwnershipLost):
        journal.commit(old_epoch, JournalWrite(inputs=[input_row(2)]))
    assert newcomer.position() == 1
    newcomer.close()


def test_stale_owners_never_commit_beside_a_new_one(journal: PostgresJournal, url: str) -> None:
    stale_epoch = journal.take_ownership(SHARD, LOGIC_ERA, NOW_MS)
    newcomer = PostgresJournal(url)
    new_epoch = newcomer.take_ownership(SHARD, LOGIC_ERA, NOW_MS)
    refused = 0

    def commit_stale() -> None:
        nonlocal refused
        for position in range(1_000, 1_050):
            try:
                journal.commit(stale_epoch, JournalWrite(inputs=[input_row(position)]))
            except OwnershipLost:
                refused += 1

    stale = threading.Thread(target=commit_stale)
    stale.start()
    for position in range(1, 51):
        newcomer.commit(new_epoch, JournalWrite(inputs=[input_row(position)]))
    stale.join()
    assert refused == 50
    assert [row.position for row in newcomer.inputs()] == list(range(1, 51))
    newcomer.close()


def test_the_schema_goes_back_a_version_and_on_again(url: str) -> None:
    with connect(url, "migration") as connection:
        newest = newest_version()
        assert migrate(connection, url) == version_of(connection) == newest
        assert migrate(connection, url, newest - 1) == version_of(connection) == newest - 1
        with pytest.raises(JournalIncompatible, match="stocktruth-cloud migrate"):
            PostgresReader(url)
        assert migrate(connection, url) == newest
    journal = PostgresJournal(url)
    owner_epoch = journal.take_ownership(SHARD, LOGIC_ERA, NOW_MS)
    journal.commit(owner_epoch, EVERYTHING)
    journal.close()


def test_a_newer_schema_is_left_alone(url: str) -> None:
    with connect(url, "migration") as connection:
        migrate(connection, url)
        connection.execute("UPDATE journal_schema SET version = version + 1")
    for opening in (PostgresJournal, PostgresReader):
        with pytest.raises(JournalIncompatible, match="upgrade stocktruth"):
            opening(url)


def test_a_role_without_ddl_runs_what_another_has_migrated(
    url: str, postgres: PrivatePostgres
) -> None:
    role = f"runner_{url.rsplit('_', 1)[1]}"
    plain = url.replace("stocktruth@", f"{role}@")
    with connect(url, "migration") as owner:
        owner.execute(f"CREATE ROLE {role} LOGIN")
        owner.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        with pytest.raises(JournalIncompatible, match="stocktruth-cloud migrate"):
            PostgresJournal(plain)
        migrate(owner, url)
        owner.execute(
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}"
        )
        owner.execute(f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {role}")
    journal = PostgresJournal(plain)
    owner_epoch = journal.take_ownership(SHARD, LOGIC_ERA, NOW_MS)
    journal.commit(owner_epoch, EVERYTHING)
    journal.close()


def test_a_server_that_is_not_there_is_named_without_its_password() -> None:
    url = "postgresql://nobody:secret@127.0.0.1:1/none"
    with pytest.raises(JournalFailed) as failed:
        PostgresJournal(url)
    assert "127.0.0.1:1/none" in str(failed.value)
    assert "secret" not in str(failed.value)
    assert named(url) == "postgresql://127.0.0.1:1/none"


@pytest.mark.parametrize("seed", range(6))
def test_quarantines_are_kept_and_bounded_as_in_a_file(
    journal: PostgresJournal, tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for adapter in ("postgres_quarantine", "sqlite_quarantine"):
        module = f"cloud.journal.{adapter}"
        monkeypatch.setattr(f"{module}.QUARANTINE_ENTRIES_PER_STORE_MAX", 4)
        monkeypatch.setattr(f"{module}.QUARANTINE_BYTES_PER_STORE_MAX", 40)
    rng = random.Random(seed)
    other = SqliteJournal(tmp_path / "journal.db")
    both: list[Journal] = [journal, other]
    epochs = [each.take_ownership(SHARD, LOGIC_ERA, NOW_MS) for each in both]
    for moment in range(12):
        entries = [
            quarantined(
                bytes([rng.randrange(8)]),
                store=rng.choice(["", "S1", "S2"]),
                payload=bytes(rng.randrange(20)),
                received_at_ms=NOW_MS + rng.randrange(100),
            )
            for _ in range(rng.randrange(6))
        ]
        settled = [Settlement(rng.randrange(1, 9), "redriven", "done")] if moment % 3 else []
        write = JournalWrite(quarantined=entries, settled=settled)
        for each, epoch in zip(both, epochs, strict=True):
            each.commit(epoch, write)
        assert list(journal.quarantine()) == list(other.quarantine())
    other.close()


@pytest.mark.parametrize(
    ("column", "type_name", "values"),
    [
        (int8_array, "int8[]", []),
        (int8_array, "int8[]", [0, -1, 2**63 - 1, -(2**63)]),
        (int8_array, "int8[]", [None, 7, None]),
        (bool_array, "bool[]", [True, False]),
        (bytea_array, "bytea[]", [b"", bytes(range(256))]),
        (text_array, "text[]", ["", "NULL", "{,}", '"\\', "\N{SNOWMAN}\n"]),
    ],
)
def test_columns_arrive_as_they_were_packed(
    journal: PostgresJournal, column: Callable[[Any], object], type_name: str, values: list[Any]
) -> None:
    sql = f"SELECT %s = %s::{type_name}"
    found = journal._connection.execute(sql.encode(), (column(values), values)).fetchone()
    assert found == (True,)


@pytest.mark.parametrize(
    "text", ["\x00", "\x01", "\x010", "\x01\x00", "\x00\x011", "a\x01b\x00c", ""]
)
def test_any_text_comes_back_and_sorts_as_before(text: str) -> None:
    assert unescaped(escaped(text)) == text
    assert "\x00" not in escaped(text)
    for other in ("", "\x00", "\x00\x00", "\x01", "\x02", "0", "a"):
        assert (escaped(text) < escaped(other)) == (text < other)
