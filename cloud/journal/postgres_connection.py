"""Connections to a PostgreSQL journal: how they are made, and what is insisted on.

A connection that is lost in the middle of a transaction leaves open whether it was committed. So
nothing is ever tried again here: the journal stays failed, the process ends, and the next owner
reads the truth. Nor does anything wait for ever: a server or a network that has gone silent is
noticed by the keepalives, by the kernel's timeout of what was sent, and by our own of an answer.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, Literal, NamedTuple, TypeVar

import psycopg
from psycopg import pq
from psycopg.abc import PQGen
from psycopg.conninfo import conninfo_to_dict

from cloud.errors import ConfigInvalid, JournalFailed, JournalIncompatible
from cloud.journal.postgres_types import register

Role = Literal["writer", "reader", "quarantine desk", "migration"]
R = TypeVar("R")

CONNECT_TIMEOUT_S: Final = 10
LOCK_TIMEOUT_MS: Final = 5_000
"""How long a transaction waits for another one's, such as an operator's or a former owner's."""
STATEMENT_TIMEOUT_MS: Final = 120_000
ANSWER_TIMEOUT_S: Final = 150
"""Longer than the server may take: then it, or what is between, will not answer any more."""
SENT_TIMEOUT_MS: Final = 30_000
"""After so long without the other side's acknowledgement, the kernel gives a connection up."""
WRITER_IDLE_TIMEOUT_MS: Final = 30_000
"""A writer that does nothing for so long inside a transaction is ended by the server."""
READER_IDLE_TIMEOUT_MS: Final = 3_600_000
"""A reader's `verify` may compute for minutes between two fetches; it holds no row lock."""

SERVER_VERSION_MIN: Final = 140_000
DURABLE: Final = ("on", "remote_apply")
INSISTED_ON: Final = ("fsync", "full_page_writes")
EXPECTED_URL: Final = "expected postgresql://USER@HOST:PORT/DATABASE, special characters as %XX"


class Connection(psycopg.Connection[tuple[Any, ...]]):
    """A connection that does not wait for an answer for ever."""

    answer_timeout_s: float = ANSWER_TIMEOUT_S

    def wait(self, gen: PQGen[R], *args: Any, **options: Any) -> R:
        """Wait as psycopg does, but give the connection up after `answer_timeout_s`."""
        return super().wait(self._bounded(gen), *args, **options)

    def _bounded(self, gen: PQGen[R]) -> PQGen[R]:
        until = time.monotonic() + self.answer_timeout_s
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                # psycopg looks in ten times a second while there is nothing to be read.
                if ready == psycopg.waiting.Ready.NONE and time.monotonic() >= until:
                    self.close()
                    waited = f"{self.answer_timeout_s:g} s"
                    raise psycopg.OperationalError(f"the server has not answered for {waited}")
                wanted = gen.send(ready)
        except StopIteration as done:
            result: R = done.value
            return result


class _Server(NamedTuple):
    fsync: str
    full_page_writes: str
    synchronous_commit: str
    server_encoding: str
    is_standby: bool


def connect(url: str, role: Role) -> Connection:
    """Return a connection in autocommit mode, whose server keeps what it confirms.

    `role` says in `pg_stat_activity` what it is for. Raises `JournalFailed` when there is no
    server, `JournalIncompatible` when it runs without fsync or full-page writes, is too old or
    cannot store all text, and `ConfigInvalid` when the URL is none.
    """
    given = url_parts(url)
    with storage_errors(url):
        connection = Connection.connect(
            url,
            autocommit=True,
            connect_timeout=CONNECT_TIMEOUT_S,
            application_name=f"stocktruth-cloud {role}",
            client_encoding="UTF8",
            keepalives=1,
            keepalives_idle=30,
            keepalives_interval=10,
            keepalives_count=3,
            tcp_user_timeout=SENT_TIMEOUT_MS,
            options=f"{given.get('options') or ''} {_session_options(role)}".strip(),
        )
    try:
        register(connection)
        with storage_errors(url):
            _insist(connection, url, role)
    except BaseException:
        connection.close()
        raise
    return connection


def _session_options(role: Role) -> str:
    is_reader = role == "reader"
    settings = {
        "lock_timeout": LOCK_TIMEOUT_MS,
        "statement_timeout": STATEMENT_TIMEOUT_MS,
        "idle_in_transaction_session_timeout": (
            READER_IDLE_TIMEOUT_MS if is_reader else WRITER_IDLE_TIMEOUT_MS
        ),
        # The fence is a row lock, which re-reads the row once it has it; only this level does.
        "default_transaction_isolation": r"read\ committed",
        "tcp_keepalives_idle": 30,
        "tcp_keepalives_interval": 10,
        "tcp_keepalives_count": 3,
    }
    if is_reader:
        settings["default_transaction_read_only"] = "on"
    return " ".join(f"-c {name}={value}" for name, value in settings.items())


def _insist(connection: Connection, url: str, role: Role) -> None:
    if connection.info.server_version < SERVER_VERSION_MIN:
        detail = f"PostgreSQL {connection.info.server_version // 10_000} is too old"
        raise JournalIncompatible(f"{named(url)}: {detail}; 14 or newer is needed")
    server = _server_of(connection)
    for name in INSISTED_ON:
        if getattr(server, name) != "on":
            detail = f"the server runs with {name} = off and would lose what it has confirmed"
            raise JournalIncompatible(f"{named(url)}: {detail}; set {name} = on and restart it")
    if server.server_encoding != "UTF8":
        detail = f"the database's encoding is {server.server_encoding}, which cannot store all text"
        advice = "make it anew: createdb --encoding=UTF8 --template=template0"
        raise JournalIncompatible(f"{named(url)}: {detail}; {advice}")
    if server.is_standby and role != "reader":
        advice = "name the primary, or all hosts with target_session_attrs=read-write"
        raise JournalFailed(
            f"{named(url)}: the server is a standby, which takes no commits; {advice}"
        )
    if server.synchronous_commit not in DURABLE:
        connection.execute("SET synchronous_commit = on")


def _server_of(connection: Connection) -> _Server:
    names = [*INSISTED_ON, "synchronous_commit", "server_encoding"]
    columns = ", ".join(f"current_setting('{name}')" for name in names)
    sql = f"SELECT {columns}, pg_is_in_recovery()"
    row = connection.execute(sql.encode()).fetchone()
    if row is None:
        raise AssertionError("a SELECT without FROM returned no row")
    return _Server(*row)


@contextmanager
def patient(connection: Connection) -> Iterator[None]:
    """Let the statements of the present transaction take as long as they need.

    For what copies or rewrites whole tables. A dead server is still noticed by the keepalives.
    """
    connection.execute("SET LOCAL statement_timeout = 0")
    connection.answer_timeout_s = float("inf")
    try:
        yield
    finally:
        connection.answer_timeout_s = ANSWER_TIMEOUT_S


def url_parts(url: str) -> dict[str, Any]:
    """Return what is in a URL. Raises `ConfigInvalid`, without a word of what it says."""
    try:
        return dict(conninfo_to_dict(url))
    except psycopg.ProgrammingError:
        # Its text quotes the URL, and may quote the password; so it is not chained either.
        raise ConfigInvalid(f"journal.url: cannot be read; {EXPECTED_URL}") from None


def named(url: str) -> str:
    """Return where a journal is, without its password. Raises `ConfigInvalid`."""
    parts = url_parts(url)
    host, port = parts.get("host") or "localhost", parts.get("port") or 5432
    return f"postgresql://{host}:{port}/{parts.get('dbname') or ''}"


@contextmanager
def storage_errors(url: str) -> Iterator[None]:
    """Turn what PostgreSQL raises into `JournalFailed`."""
    try:
        yield
    except psycopg.errors.LockNotAvailable as error:
        detail = f"another session has been inside a transaction for {LOCK_TIMEOUT_MS / 1_000:g} s"
        raise JournalFailed(f"{named(url)}: {detail}") from error
    except psycopg.Error as error:
        first_line = str(error).strip().splitlines()[:1]
        detail = f"{type(error).__name__}: {''.join(first_line)}"
        raise JournalFailed(f"{named(url)}: {detail}") from error


def is_idle(connection: Connection) -> bool:
    """Say whether a connection is outside of any transaction."""
    return connection.info.transaction_status == pq.TransactionStatus.IDLE


def roll_back(connection: Connection) -> None:
    """End a transaction that failed, if its connection is still there."""
    if not connection.closed and not is_idle(connection):
        connection.execute("ROLLBACK")
