"""A disk that fills up and fails, under everything that SQLite opens while it is installed."""

from collections.abc import Iterator
from contextlib import contextmanager

import apsw


class FaultyDisk(apsw.VFS):
    """Passes everything on to the real disk, until told to fail.

    `is_full` refuses writes. `sync_fails_on` names the end of the file name whose fsync fails:
    `.db` is the database, which is synced by a checkpoint; `-wal` its log, synced by a commit.
    """

    def __init__(self) -> None:
        super().__init__("faulty-disk", "unix", makedefault=True)
        self.is_full = False
        self.sync_fails_on: str | None = None
        self.failed_syncs = 0

    def xOpen(  # noqa: N802 # The name is SQLite's.
        self, name: str | apsw.URIFilename | None, flags: list[int]
    ) -> apsw.VFSFile:
        return _File(self, name, flags)


class _File(apsw.VFSFile):
    def __init__(
        self, disk: FaultyDisk, name: str | apsw.URIFilename | None, flags: list[int]
    ) -> None:
        super().__init__("unix", name, flags)
        self._disk = disk
        self._name = name.filename() if isinstance(name, apsw.URIFilename) else str(name)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 # The name is SQLite's.
        if self._disk.is_full:
            raise apsw.FullError("no space left on device")
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:  # noqa: N802 # The name is SQLite's.
        ending = self._disk.sync_fails_on
        if ending is not None and self._name.endswith(ending):
            self._disk.failed_syncs += 1
            raise apsw.IOError("fsync failed")
        super().xSync(flags)


@contextmanager
def faulty_disk() -> Iterator[FaultyDisk]:
    """Put the faulty disk under every database that is opened within this block."""
    disk = FaultyDisk()
    try:
        yield disk
    finally:
        disk.unregister()
