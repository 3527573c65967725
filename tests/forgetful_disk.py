"""A disk that, when a sync has failed, forgets what it could not write and says nothing more.

That is what Linux does on ext4: after an error the pages count as clean. Whoever reads them still
sees what was written, the next fsync succeeds, and only a power cut shows that it never was on the
disk (Rebello et al., "Can Applications Recover from fsync Failures?", USENIX ATC 2020). Everything
that SQLite opens while it is installed lies on it. Creating and deleting files is durable at once.
"""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw


class ForgetfulDisk(apsw.VFS):
    """`fail_next_sync` lets one sync fail; `cut_power` leaves only what is on the disk."""

    def __init__(self) -> None:
        super().__init__("forgetful-disk", "unix", makedefault=True)
        self.fail_next_sync = False
        self.images: defaultdict[Path, bytearray] = defaultdict(bytearray)

    def xOpen(  # noqa: N802 # The name is SQLite's.
        self, name: str | apsw.URIFilename | None, flags: list[int]
    ) -> apsw.VFSFile:
        return _File(self, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802 # SQLite's.
        super().xDelete(filename, syncdir)
        self.images.pop(Path(filename), None)

    def cut_power(self) -> None:
        """Put all files into the state of the disk. Nothing may have them open."""
        for path, image in self.images.items():
            path.write_bytes(image)
            path.with_name(path.name.replace("-wal", "") + "-shm").unlink(missing_ok=True)


class _File(apsw.VFSFile):
    def __init__(
        self, disk: ForgetfulDisk, name: str | apsw.URIFilename | None, flags: list[int]
    ) -> None:
        super().__init__("unix", name, flags)
        self._disk = disk
        self._path = Path(name.filename() if isinstance(name, apsw.URIFilename) else str(name))
        self._unsynced: list[tuple[int, bytes]] = []

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 # The name is SQLite's.
        super().xWrite(data, offset)
        self._unsynced.append((offset, bytes(data)))

    def xTruncate(self, newsize: int) -> None:  # noqa: N802 # The name is SQLite's.
        super().xTruncate(newsize)
        del self._disk.images[self._path][newsize:]

    def xSync(self, flags: int) -> None:  # noqa: N802 # The name is SQLite's.
        unsynced, self._unsynced = self._unsynced, []
        if self._disk.fail_next_sync:
            self._disk.fail_next_sync = False
            raise apsw.IOError("fsync failed")
        super().xSync(flags)
        image = self._disk.images[self._path]
        for offset, data in unsynced:
            image.extend(bytes(max(0, offset + len(data) - len(image))))
            image[offset : offset + len(data)] = data


@contextmanager
def forgetful_disk() -> Iterator[ForgetfulDisk]:
    """Put it under every database that is opened within this block."""
    disk = ForgetfulDisk()
    try:
        yield disk
    finally:
        disk.unregister()
