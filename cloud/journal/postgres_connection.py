"""Connections to a PostgreSQL journal: how they are made, and what is insisted on.

A connection that is lost in the middle of a transaction leaves open whether it was committed. So
nothing is ever tried again here: the journal stays failed, the process ends, and the next owner
reads the truth.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import psycopg
from psycopg.abc import Buffer
from psycopg.conninfo import conninfo_to_dict
from psycopg.types.string import StrDumper, TextLoader

from cloud.errors import JournalFailed, JournalIncompatible

CONNECT_TIMEOUT_S: Final = 10
LOCK_TIMEOUT_MS: Final = 5_000
"""How long a transaction waits for another one's, such as an operator's or a former owner's."""
STATEMENT_TIMEOUT_MS: Final = 120_000
IDLE_TIMEOUT_MS: Final = 30_000
"""A session that does nothing for so long inside a transaction is ended by the server."""

SAFE_ENOUGH: Final = ("on", "remote_apply", "remote_write", "local")
INSISTED_ON: Final = ("fsync", "full_page_writes")

_ESCAPE: Final = "\x01"
_ESCAPED: Final = {"\x00": "\x010", "\x01": "\x011"}
_UNESCAPED: Final = {text: character for character, text in _ESCAPED.items()}


def connect(url: str, role: str) -> "psycopg.Connection[tuple[Any, ...]]":
    """Return a connection in autocommit mode, whose server keeps what it confirms.

    `role` says in `pg_stat_activity` what it is for. Raises `JournalFailed` when there is no
    server, and `JournalIncompatible` when it runs without fsync or full-page writes.
    """
    with storage_errors(url):
        connection = psycopg.connect(
            url,
            autocommit=True,
            connect_timeout=CONNECT_TIMEOUT_S,
            application_name=f"stocktruth-cloud {role}",
            keepalives_idle=30,
            keepalives_interval=10,
            keepalives_count=3,
            options=(
                f"-c lock_timeout={LOCK_TIMEOUT_MS} -c statement_timeout={STATEMENT_TIMEOUT_MS}"
                f" -c idle_in_transaction_session_timeout={IDLE_TIMEOUT_MS}"
                " -c client_encoding=UTF8"
            ),
        )
        connection.adapters.register_dumper(str, _TextDumper)
        connection.adapters.register_loader("text", _TextLoader)
        try:
            _insist(connection, url)
        except BaseException:
            connection.close()
            raise
        return connection


def _insist(connection: "psycopg.Connection[tuple[Any, ...]]", url: str) -> None:
    for name in INSISTED_ON:
        if _setting(connection, name) != "on":
            detail = f"the server runs with {name} = off and would lose what it has confirmed"
            raise JournalIncompatible(f"{named(url)}: {detail}; set {name} = on and restart it")
    if _setting(connection, "synchronous_commit") not in SAFE_ENOUGH:
        connection.execute("SET synchronous_commit = on")


def _setting(connection: "psycopg.Connection[tuple[Any, ...]]", name: str) -> str:
    row = connection.execute("SELECT current_setting(%s)", (name,)).fetchone()
    return "" if row is None else str(row[0])


def named(url: str) -> str:
    """Return where a journal is, without its password."""
    parts = conninfo_to_dict(url)
    host, port = parts.get("host") or "localhost", parts.get("port") or 5432
    return f"postgresql://{host}:{port}/{parts.get('dbname') or ''}"


@contextmanager
def storage_errors(url: str) -> Iterator[None]:
    """Turn what PostgreSQL raises into `JournalFailed`. A URL that is none says what is wrong."""
    try:
        yield
    except psycopg.errors.LockNotAvailable as error:
        detail = f"another session has been inside a transaction for {LOCK_TIMEOUT_MS / 1_000:g} s"
        raise JournalFailed(f"{named(url)}: {detail}") from error
    except psycopg.Error as error:
        first_line = str(error).strip().splitlines()[:1]
        detail = f"{type(error).__name__}: {''.join(first_line)}"
        raise JournalFailed(f"{_safely_named(url)}: {detail}") from error


def _safely_named(url: str) -> str:
    try:
        return named(url)
    except psycopg.ProgrammingError:
        return "journal.url"


class _TextDumper(StrDumper):
    """Text may hold a NUL, which PostgreSQL's must not; no text of anybody's is refused for it."""

    def dump(self, obj: str) -> Buffer | None:
        if "\x00" in obj or _ESCAPE in obj:
            obj = "".join(_ESCAPED.get(character, character) for character in obj)
        return super().dump(obj)


class _TextLoader(TextLoader):
    def load(self, data: Buffer) -> bytes | str:
        text = super().load(data)
        if isinstance(text, str) and _ESCAPE in text:
            for escaped, character in _UNESCAPED.items():
                # The escape's own comes last: it begins every other one.
                text = text.replace(escaped, character) if character != _ESCAPE else text
            text = text.replace(_ESCAPED[_ESCAPE], _ESCAPE)
        return text
