"""The schema of a PostgreSQL journal: numbered migrations, up and, one version, down again.

Run under an advisory lock, in one transaction. A role that may not change the schema can run the
cloud once another one has migrated it (`stocktruth-cloud migrate`).
"""

from importlib.resources import files
from typing import Final

import psycopg

from cloud.errors import JournalIncompatible
from cloud.journal.postgres_connection import Connection, named, patient

LOCK: Final = 7_305_803_123_001
"""Of migrations; any number that nobody else takes."""

FORBIDDEN: Final = (psycopg.errors.InsufficientPrivilege, psycopg.errors.InvalidSchemaName)
"""The role may not change the schema, or not even enter one."""


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
    try:
        version, newest = version_of(connection), newest_version()
    except psycopg.errors.InsufficientPrivilege as error:
        detail = f"role {connection.info.user} may not read it"
        advice = "its grants are in deploy/postgres.sql"
        raise JournalIncompatible(f"{named(url)}: {detail}; {advice}") from error
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
        if version_of(connection) == wanted == newest_version():
            return wanted
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
            present = version_of(connection)
            if present > newest_version():
                require_current(connection, url)
            with patient(connection):
                _step(connection, url, present, wanted)
    except FORBIDDEN as error:
        require_current(connection, url)
        detail = str(error).splitlines()[0]
        raise JournalIncompatible(f"{named(url)}: {detail}") from error
    return wanted


def _step(connection: Connection, url: str, present: int, wanted: int) -> None:
    ups, downs = _scripts(".sql"), _scripts(".down.sql")
    if wanted not in ups:
        raise JournalIncompatible(f"{named(url)}: there is no schema version {wanted}")
    if present == 0:
        connection.execute("CREATE TABLE journal_schema (version BIGINT NOT NULL)")
        connection.execute("INSERT INTO journal_schema VALUES (0)")
    back = range(present, wanted, -1)
    if missing := [step for step in back if step not in downs]:
        detail = f"there is no way back from schema version {missing[0]}"
        raise JournalIncompatible(f"{named(url)}: {detail}; restore a backup")
    for step in back:
        connection.execute(downs[step].encode())
    for step in range(present + 1, wanted + 1):
        connection.execute(ups[step].encode())
    connection.execute("UPDATE journal_schema SET version = %s", (wanted,))


def _scripts(ending: str) -> dict[int, str]:
    """Return the SQL of each version, from `NNNN_name.sql` or `NNNN_name.down.sql`."""
    folder = files("cloud.journal") / "migrations" / "postgres"
    return {
        int(entry.name[:4]): entry.read_text(encoding="utf-8")
        for entry in folder.iterdir()
        if entry.name.endswith(ending) and entry.name.count(".") == ending.count(".")
    }
