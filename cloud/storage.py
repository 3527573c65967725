"""Where the journal is kept, and which adapters open it: a SQLite file, or PostgreSQL."""

from pathlib import Path
from typing import Final, Protocol

from cloud.config import JournalSettings
from cloud.errors import ConfigInvalid
from cloud.journal.port import Journal, JournalReader, QuarantineDesk
from cloud.journal.sqlite import SqliteJournal
from cloud.journal.sqlite_file import migrate_file
from cloud.journal.sqlite_quarantine import SqliteQuarantineDesk
from cloud.journal.sqlite_reader import SqliteReader


class Storage(Protocol):
    """Opens a journal. All methods raise `JournalFailed` and `JournalIncompatible`."""

    @property
    def name(self) -> str:
        """How messages call it; never with a password."""

    def journal(self) -> Journal:
        """Open it for its one writer, and make or migrate it."""

    def reader(self) -> JournalReader:
        """Open it for reading."""

    def desk(self) -> QuarantineDesk:
        """Open its quarantine for an operator."""

    def migrate(self, to_version: int | None = None) -> str:
        """Bring it to a version of the schema, the newest unless told; say what there is now.

        Raises `JournalIncompatible` when there is no way to that version.
        """


class SqliteStorage:
    """A journal in a file."""

    def __init__(self, path: Path) -> None:
        self.path: Final = path

    @property
    def name(self) -> str:
        """Its path."""
        return str(self.path)

    def journal(self) -> Journal:
        """See `Storage.journal`. Raises `ConfigInvalid` when its folder cannot be made."""
        self._make_folder()
        return SqliteJournal(self.path)

    def reader(self) -> JournalReader:
        """See `Storage.reader`."""
        return SqliteReader(self.path)

    def desk(self) -> QuarantineDesk:
        """See `Storage.desk`."""
        return SqliteQuarantineDesk(self.path)

    def migrate(self, to_version: int | None = None) -> str:
        """See `Storage.migrate`."""
        self._make_folder()
        return f"{self.name}: schema version {migrate_file(self.path, to_version)}"

    def _make_folder(self) -> None:
        folder = self.path.parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigInvalid(f"journal.path: cannot make {folder}: {error.strerror}") from error


class PostgresStorage:
    """A journal in a database. Its driver is loaded only here: a file needs none."""

    def __init__(self, url: str) -> None:
        self._url: Final = url

    @property
    def name(self) -> str:
        """Where it is, without a password."""
        from cloud.journal.postgres_connection import named  # noqa: PLC0415 # See the class.

        return named(self._url)

    def journal(self) -> Journal:
        """See `Storage.journal`."""
        from cloud.journal.postgres import PostgresJournal  # noqa: PLC0415 # See the class.

        return PostgresJournal(self._url)

    def reader(self) -> JournalReader:
        """See `Storage.reader`."""
        from cloud.journal.postgres_reader import PostgresReader  # noqa: PLC0415 # See the class.

        return PostgresReader(self._url)

    def desk(self) -> QuarantineDesk:
        """See `Storage.desk`."""
        # See the class.
        from cloud.journal.postgres_quarantine import PostgresQuarantineDesk  # noqa: PLC0415

        return PostgresQuarantineDesk(self._url)

    def migrate(self, to_version: int | None = None) -> str:
        """See `Storage.migrate`."""
        from cloud.journal.postgres_connection import connect  # noqa: PLC0415 # See the class.
        from cloud.journal.postgres_schema import migrate  # noqa: PLC0415 # See the class.

        with connect(self._url, "migration") as connection:
            version = migrate(connection, self._url, to_version)
        return f"{self.name}: schema version {version}"


def storage_of(settings: JournalSettings) -> Storage:
    """Return what the settings name; nothing is opened.

    Raises `ConfigInvalid` when the driver is not installed, or the URL cannot be read.
    """
    if settings.url is None:
        if settings.path is None:
            raise AssertionError("the configuration was not checked")
        return SqliteStorage(Path(settings.path))
    try:
        import psycopg  # noqa: F401, PLC0415 # Only to see that it is there.
    except ImportError as error:
        advice = "pip install 'stocktruth[postgres]'"
        raise ConfigInvalid(f"journal.url: psycopg is not installed: {advice}") from error
    storage = PostgresStorage(settings.url)
    # Raises when the URL is none: `check` shall find that.
    _ = storage.name
    return storage
