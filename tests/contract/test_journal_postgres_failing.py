"""What becomes of a commit when PostgreSQL or the way to it fails; which servers are refused."""

import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from cloud.errors import CloudError, ConfigInvalid, JournalFailed, JournalIncompatible
from cloud.journal.postgres import PostgresJournal
from cloud.journal.postgres_connection import connect, named
from cloud.journal.postgres_quarantine import PostgresQuarantineDesk
from cloud.journal.postgres_reader import PostgresReader
from cloud.journal.rows import JournalWrite
from cloud.journal.verify import verify
from cloud.sku_location.decide import LOGIC_ERA
from simulators.fencing.private_postgres import PrivatePostgres
from tests.contract.journal_contract import EVERYTHING, SHARD, a_day_in, input_row
from tests.deaf_line import DeafLine
from tests.postgres import (
    address_of,
    kill_server,
    restart_server,
    running_server,
    set_server,
)
from tests.shard_inputs import NOW_MS

JOIN_DEADLINE_S = 30.0
ONE_INPUT = JournalWrite(inputs=[input_row(1)])
END_WRITERS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE application_name = 'stocktruth-cloud writer' AND datname = current_database()"
)


class _Committing:
    """A commit on a thread of its own, and how it ended."""

    def __init__(self, commit: Callable[[], None]) -> None:
        self._commit = commit
        self._error: CloudError | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._commit()
        except CloudError as error:
            self._error = error

    def failure(self) -> CloudError:
        self._thread.join(JOIN_DEADLINE_S)
        assert not self._thread.is_alive(), "the commit still waits"
        assert self._error is not None, "the commit was confirmed"
        return self._error


@pytest.fixture
def server() -> Iterator[PrivatePostgres]:
    """A server of the test's own."""
    with running_server() as running:
        yield running


@pytest.fixture
def line(url: str) -> Iterator[DeafLine]:
    proxy = DeafLine(*address_of(url))
    yield proxy
    proxy.close()


def through(line: DeafLine, url: str) -> str:
    return url.replace(f":{address_of(url)[1]}/", f":{line.port}/")


def inputs_in(url: str) -> list[int]:
    """What the next owner finds."""
    journal = PostgresJournal(url)
    journal.take_ownership(SHARD, LOGIC_ERA, NOW_MS)
    positions = [row.position for row in journal.inputs()]
    journal.close()
    return positions


@pytest.mark.parametrize("is_committed", [True, False])
def test_a_server_killed_around_a_commit_leaves_a_failed_journal_and_the_truth_to_the_next_owner(
    server: PrivatePostgres, is_committed: bool
) -> None:
    url = server.database("killed")
    line = DeafLine(*address_of(url))
    journal = PostgresJournal(through(line, url))
    owner_epoch = journal.take_ownership(SHARD, LOGIC_ERA, NOW_MS)
    line.swallow_answers_from(b"COMMIT", keep_word_back=not is_committed)
    committing = _Committing(lambda: journal.commit(owner_epoch, ONE_INPUT))
    if is_committed:
        line.wait_until_swallowed()
    else:
        line.wait_until_deaf()
    kill_server(server)
    line.cut()
    assert isinstance(committing.failure(), JournalFailed)
    restart_server(server)
    with pytest.raises(JournalFailed, match="failed before"):
        journal.commit(owner_epoch, ONE_INPUT)
    assert line.times_seen == 1, "it was tried again"
    assert inputs_in(url) == ([1] if is_committed else [])
    journal.close()
    line.close()


def test_an_answer_that_never_comes_fails_the_journal_in_time(line: DeafLine, url: str) -> None:
    journal = PostgresJournal(through(line, url))
    owner_epoch = journal.take_ownership(SHARD, LOGIC_ERA, NOW_MS)
    journal._connection.answer_timeout_s = 0.5
    line.swallow_answers_from(b"COMMIT")
    with pytest.raises(JournalFailed, match="has not answered"):
        journal.commit(owner_epoch, ONE_INPUT)
    with pytest.raises(JournalFailed, match="failed before"):
        journal.commit(owner_epoch, ONE_INPUT)
    assert inputs_in(url) == [1]
    journal.close()


def test_a_session_ended_inside_a_transaction_leaves_nothing_of_it(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = PostgresJournal(url)
    owner_epoch = journal.take_ownership(SHARD, LOGIC_ERA, NOW_MS)

    def end_session(*_: object) -> None:
        with connect(url, "reader") as killer:
            killer.execute(END_WRITERS)

    # Between what was written and its COMMIT.
    monkeypatch.setattr("cloud.journal.postgres.store_quarantined", end_session)
    with pytest.raises(JournalFailed, match="AdminShutdown"):
        journal.commit(owner_epoch, EVERYTHING)
    monkeypatch.undo()
    assert inputs_in(url) == []
    journal.close()


@pytest.mark.parametrize("setting", ["fsync", "full_page_writes"])
def test_a_server_that_would_lose_what_it_confirmed_is_refused(
    server: PrivatePostgres, setting: str
) -> None:
    url = server.database("unsafe")
    PostgresJournal(url).close()
    set_server(url, {setting: "off"})
    for opening in (PostgresJournal, PostgresReader, PostgresQuarantineDesk):
        with pytest.raises(JournalIncompatible, match=f"set {setting} = on and restart it"):
            opening(url)


def test_a_commit_that_its_standby_has_not_confirmed_is_not_believed(
    server: PrivatePostgres,
) -> None:
    url = server.database("replicated")
    journal = PostgresJournal(url)
    owner_epoch = journal.take_ownership(SHARD, LOGIC_ERA, NOW_MS)
    set_server(url, {"synchronous_standby_names": "nobody"})
    committing = _Committing(lambda: journal.commit(owner_epoch, ONE_INPUT))
    # A waiting COMMIT that is cancelled is confirmed all the same, with a warning.
    with psycopg.connect(url, autocommit=True) as operator:
        sql = (
            "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity"
            " WHERE wait_event = 'SyncRep' AND datname = current_database()"
        )
        for _ in range(10_000):
            if operator.execute(sql).fetchone() == (1,):
                break
    failure = committing.failure()
    assert isinstance(failure, JournalFailed)
    assert "canceling wait for synchronous replication" in str(failure)
    journal.close()


@pytest.mark.parametrize("value", ["off", "local", "remote_write"])
def test_a_role_that_commits_loosely_is_made_to_wait_for_the_disk(url: str, value: str) -> None:
    with connect(url, "migration") as operator:
        name = operator.info.dbname
        operator.execute(f"ALTER DATABASE {name} SET synchronous_commit = {value}".encode())
    journal = PostgresJournal(url)
    found = journal._connection.execute("SHOW synchronous_commit").fetchone()
    assert found == ("on",)
    journal.close()


def test_a_database_that_cannot_store_all_text_is_refused(
    postgres: PrivatePostgres, url: str
) -> None:
    with psycopg.connect(url, autocommit=True) as operator:
        operator.execute("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0")
    with pytest.raises(JournalIncompatible, match="--encoding=UTF8"):
        PostgresJournal(url.replace(url.rpartition("/")[2], "latin"))


def test_settings_in_the_url_are_kept_beside_ours(url: str) -> None:
    with connect(f"{url}?options=-csearch_path%3Delsewhere", "writer") as connection:
        assert connection.execute("SHOW search_path").fetchone() == ("elsewhere",)
        assert connection.execute("SHOW lock_timeout").fetchone() == ("5s",)
        assert connection.execute("SHOW transaction_isolation").fetchone() == ("read committed",)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:sec%zzret@host/db",
        "postgresql://user:secret@[::1/db",
        "postgresql://user:se cret@host/db",
        "postgresql://user:secret@host/db?passwort=secret",
    ],
)
def test_a_url_that_cannot_be_read_is_refused_without_a_word_of_it(url: str) -> None:
    for asking in (named, PostgresJournal, PostgresReader, PostgresQuarantineDesk):
        with pytest.raises(ConfigInvalid) as refused:
            asking(url)
        assert "ret" not in str(refused.value)
        assert refused.value.__cause__ is None


def test_an_abandoned_iterator_ends_its_transaction(url: str) -> None:
    journal = PostgresJournal(url)
    owner_epoch = journal.take_ownership(SHARD, LOGIC_ERA, NOW_MS)
    rows = [input_row(number) for number in range(1, 400)]
    journal.commit(owner_epoch, JournalWrite(inputs=rows))
    assert next(journal.inputs()) == rows[0]
    walk = journal.inputs()
    assert next(walk) == rows[0]
    with pytest.raises(AssertionError, match="has not been used up"):
        journal.commit(owner_epoch, JournalWrite(published_through=1))
    assert list(walk) == rows[1:]
    journal.commit(owner_epoch, JournalWrite(published_through=1))
    journal.close()


def test_iterators_and_questions_may_alternate_on_one_reader(url: str) -> None:
    journal = PostgresJournal(url)
    owner_epoch = journal.take_ownership(SHARD, LOGIC_ERA, NOW_MS)
    rows = [input_row(number) for number in range(1, 400)]
    journal.commit(owner_epoch, JournalWrite(inputs=rows))
    reader = PostgresReader(url)
    seen = [
        (row, other.position) for row, other in zip(reader.inputs(), reader.inputs(), strict=True)
    ]
    assert [row for row, _ in seen] == rows
    for row in reader.inputs(after=300):
        assert reader.position() == 399 >= row.position
    # It was no snapshot: what is committed later is seen.
    journal.commit(owner_epoch, JournalWrite(inputs=[input_row(400)]))
    assert reader.position() == 400
    reader.close()
    journal.close()


def test_a_reader_cannot_write(url: str) -> None:
    PostgresJournal(url).close()
    reader = PostgresReader(url)
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        reader._connection.execute("DELETE FROM inputs")
    reader.close()


def test_a_new_owner_ends_no_session_of_another_journal_in_the_same_database(url: str) -> None:
    with connect(url, "migration") as operator:
        operator.execute("CREATE SCHEMA one")
        operator.execute("CREATE SCHEMA two")
    one, two, newcomer = (
        PostgresJournal(f"{url}?options=-csearch_path%3D{name}") for name in ("one", "two", "two")
    )
    epochs = [journal.take_ownership(SHARD, LOGIC_ERA, NOW_MS) for journal in (one, two)]
    for journal, epoch in zip((one, two), epochs, strict=True):
        journal._begin_as(epoch, ONE_INPUT)
    newcomer._connection.execute("SET lock_timeout = 200")
    assert newcomer.take_ownership(SHARD, LOGIC_ERA, NOW_MS) == 2
    one._commit()
    assert one.position() == 1
    assert newcomer.position() == 0
    for journal in (one, two, newcomer):
        journal.close()


def test_the_roles_of_the_deployment_migrate_run_and_take_over(
    server: PrivatePostgres,
) -> None:
    url = server.database("deployed")
    script = Path(__file__).parents[2] / "deploy" / "postgres.sql"
    psql = [str(server._binaries / "psql"), "-v", "ON_ERROR_STOP=1", "-q", "-f", str(script), url]
    subprocess.run(psql, check=True, capture_output=True, timeout=JOIN_DEADLINE_S)
    owners = url.replace("stocktruth@", "stocktruth_owner@")
    clouds = url.replace("stocktruth@", "stocktruth_cloud@")
    with pytest.raises(JournalIncompatible, match="stocktruth-cloud migrate"):
        PostgresJournal(clouds)
    PostgresJournal(owners).close()
    old, new = PostgresJournal(clouds), PostgresJournal(clouds)
    old_epoch = old.take_ownership(SHARD, LOGIC_ERA, NOW_MS)
    old._begin_as(old_epoch, ONE_INPUT)
    new._connection.execute("SET lock_timeout = 200")
    a_day_in(new)
    assert verify(new).is_identical
    desk = PostgresQuarantineDesk(clouds)
    assert [desk.request_redrive(entry.id) for entry in new.quarantine()] == [True]
    desk.close()
    for journal in (old, new):
        journal.close()
