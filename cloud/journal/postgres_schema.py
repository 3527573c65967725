"""The schema of a PostgreSQL journal: numbered migrations, up and, one version, down again.

Run under an advisory lock, in one transaction. A role that may not change the schema can run the
cloud once another one has migrated it (`stocktruth-cloud migrate`).
"""

from importlib.resources import files
from typing import Any, Final

import psycopg

from cloud.errors import JournalIncompatible
from cloud.journal.postgres_connection import named

LOCK: Final = 7_305_803_123_001
"""Of migrations; any number that nobody else takes."""

Connection = psycopg.Connection[tuple[Any, ...]]


def newest_version() -> int:
    """Return the version that this program reads and writes."""
    return max(_scripts(".sql"))


def version_of(connection: Connection) -> int:
    """Return the version of the schema, 0 when there is none."""
    found = connection.execute("SELECT to_regclass('journal_schema') IS NOT NULL").fetchone()
    if found is None or not found[0]:
        return 0
    row = connection.execute("SELECT version FROM journal_schema").fetchone()
    return 0 if row is None else int(row[0])


def require_current(connection: Connection, url: str) -> None:
    """Raise `JournalIncompatible` unless the schema is the one that this program knows."""
    version, newest = version_of(connection), newest_version()
    if version > newest:
        detail = f"schema version {version}, this program knows {newest} at most"
        raise JournalIncompatible(f"{named(url)}: {detail}; upgrade stocktruth")
    if version < newest:
        detail = f"schema version {version}, this program needs {newest}"
        advice = "run `stocktruth-cloud migrate` as a role that may change the schema"
        raise JournalIncompatible(f"{named(url)}: {detail}; {advice}")


def migrate(connection: Connection, url: str, to_version: int | None = None) -> int:
    """Bring the schema to a version, the newest unless told, and return it.

    Raises `JournalIncompatible` when it is newer than this program, when there is no way to that
    version, or when the role may not.
    """
    wanted = newest_version() if to_version is None else to_version
    try:
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
            present = version_of(connection)
            if present > newest_version():
                require_current(connection, url)
            _step(connection, url, present, wanted)
    except psycopg.errors.InsufficientPrivilege as error:
        require_current(connection, url)
        raise JournalIncompatible(f"{named(url)}: {error}") from error
    return wanted


def _step(connection: Connection, url: str, present: int, wanted: int) -> None:
    if present == 0:
        connection.execute("CREATE TABLE journal_schema (version BIGINT NOT NULL)")
        connection.execute("INSERT INTO journal_schema VALUES (0)")
    ups, downs = _scripts(".sql"), _scripts(".down.sql")
    steps = [ups[step] for step in range(present + 1, wanted + 1) if step in ups]
    for step in range(present, wanted, -1):
        if step not in downs:
            detail = f"there is no way back from schema version {step}"
            raise JournalIncompatible(f"{named(url)}: {detail}; restore a backup")
        steps.append(downs[step])
    for script in steps:
        connection.execute(script.encode())
    connection.execute("UPDATE journal_schema SET version = %s", (wanted,))


def _scripts(ending: str) -> dict[int, str]:
    """Return the SQL of each version, from `NNNN_name.sql` or `NNNN_name.down.sql`."""
    folder = files("cloud.journal") / "migrations" / "postgres"
    return {
        int(entry.name[:4]): entry.read_text(encoding="utf-8")
        for entry in folder.iterdir()
        if entry.name.endswith(ending) and entry.name.count(".") == ending.count(".")
    }
