"""Which journal a campaign is about: a file, or a database by its URL. Any process."""

from json import dumps
from pathlib import Path
from typing import Final

from cloud.journal.port import Journal
from cloud.journal.sqlite import SqliteJournal

POSTGRES_SCHEMES: Final = ("postgresql://", "postgres://")


def open_journal(place: str) -> Journal:
    """Open the journal at `place`. Raises `JournalFailed` and `JournalIncompatible`."""
    if place.startswith(POSTGRES_SCHEMES):
        # Imported here only: whoever has no PostgreSQL needs no driver for it.
        from cloud.journal.postgres import PostgresJournal  # noqa: PLC0415

        return PostgresJournal(place)
    return SqliteJournal(Path(place))


def settings_of(place: str) -> str:
    """Return the lines of `[journal]` in `cloud.toml` that name it."""
    return f"{'url' if place.startswith(POSTGRES_SCHEMES) else 'path'} = {dumps(place)}"
