"""A disk that forgets what was not synced: an SQLite file layer under the real outbox and journal.

The bytes lie in a folder in memory, written through the operating system's own layer ("unix"), so
that shared memory and locks work as ever. What is kept here is how to undo each write since its
file's last sync. A power cut undoes all of them, or some, or tears the last one at a sector; then a
folder is what a real disk might hold. A write-ahead log's shared memory is not on the disk.

After a failed sync the writes that it was for count as clean, and are lost all the same (as on
Linux: Rebello et al., "Can Applications Recover from fsync Failures?", USENIX ATC 2020).
"""

import itertools
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

import apsw

SECTOR_BYTES: Final = 512
NOT_ON_DISK: Final = ("-shm", ".lock")
LOSES_ALL: Final = 0.4
LOSES_NOTHING: Final = 0.1
TEARS: Final = 0.5

_numbers: Final = itertools.count(1)


@dataclass(slots=True)
class DiskFaults:
    """What is wrong with a machine's disk now. Counts fall with each write or sync."""

    is_full: bool = False
    is_read_only: bool = False
    fail_write_after: int | None = None
    fail_sync_after: int | None = None


class Undo(NamedTuple):
    """One write that the disk may not have: where it was, what was there, how long the file was."""

    offset: int
    before: bytes
    size_bytes: int
    written_bytes: int

    def within(self, start: int, end: int, size_bytes: int) -> "list[Undo]":
        """Return what undoes the part of the write between two offsets, if there is one.

        `size_bytes` is how long the file is by now: it does not shrink for a part.
        """
        first = max(start, self.offset)
        last = min(end, self.offset + self.written_bytes)
        if first >= last:
            return []
        before = self.before[first - self.offset : last - self.offset]
        return [Undo(first, before, size_bytes, last - first)]


class SimulatedDisk(apsw.VFS):
    """The default file layer of this process while it is installed; other folders pass through."""

    def __init__(self, note: Callable[[str], None]) -> None:
        super().__init__(f"simulated-{os.getpid()}-{next(_numbers)}", "unix", makedefault=True)
        self.note: Final = note
        self._machines: Final[dict[str, Machine]] = {}

    def uninstall(self) -> None:
        """Let SQLite use the operating system's files again."""
        self.unregister()

    def machine(self, folder: Path, rng: Random) -> "Machine":
        """Let everything below a folder be one machine's disk."""
        folder.mkdir(parents=True, exist_ok=True)
        machine = Machine(folder, rng, self.note)
        self._machines[f"{folder}/"] = machine
        return machine

    def _machine_of(self, name: str) -> "Machine | None":
        return next((m for folder, m in self._machines.items() if name.startswith(folder)), None)

    def xOpen(  # noqa: N802 # The name is SQLite's.
        self, name: str | apsw.URIFilename | None, flags: list[int]
    ) -> apsw.VFSFile:
        """See `apsw.VFS.xOpen`."""
        path = name.filename() if isinstance(name, apsw.URIFilename) else str(name)
        machine = self._machine_of(path)
        if machine is None:
            return apsw.VFSFile("unix", name, flags)
        machine.must_answer()
        return _File(machine, path, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802 # SQLite's.
        """See `apsw.VFS.xDelete`."""
        machine = self._machine_of(filename)
        if machine is not None:
            machine.must_answer()
            machine.forget(filename)
        super().xDelete(filename, syncdir)


class Machine:
    """One machine's disk: how it fails, what it forgets, what an image of it is."""

    def __init__(self, folder: Path, rng: Random, note: Callable[[str], None]) -> None:
        self.faults = DiskFaults()
        self.note: Final = note
        self._folder: Final = folder
        self._rng: Final = rng
        self._answers = True
        self._unsynced: dict[str, list[Undo]] = {}
        self._believed_synced: dict[str, list[Undo]] = {}
        self._lost: dict[str, list[Undo]] | None = None

    def must_answer(self) -> None:
        """Raise `apsw.IOError` when nobody is there to answer."""
        if not self._answers:
            raise apsw.IOError("the machine is off")

    def kill(self) -> None:
        """Answer nothing any more; what was written stays in the operating system's memory."""
        self._answers = False
        self._lost = None

    def power_cut(self) -> None:
        """Answer nothing any more, and decide which unsynced writes never reached the disk."""
        self._answers = False
        mood = self._rng.random()
        self._lost = {path: list(undos) for path, undos in self._believed_synced.items()}
        for path, undos in self._unsynced.items():
            kept = self._kept(mood, len(undos))
            gone = undos[kept:]
            if gone and self._rng.random() < TEARS:
                gone[0] = self._torn(gone[0])
            self._lost.setdefault(path, []).extend(gone)
        if any(self._lost.values()):
            self.note("disk: unsynced writes lost")

    def _kept(self, mood: float, writes: int) -> int:
        if mood < LOSES_ALL:
            return 0
        return writes if mood > 1 - LOSES_NOTHING else self._rng.randint(0, writes)

    def _torn(self, undo: Undo) -> Undo:
        """Return what undoes the write from some sector on: those before it were written."""
        sectors = undo.written_bytes // SECTOR_BYTES
        if sectors < 2:
            return undo
        self.note("disk: torn write")
        kept_bytes = self._rng.randrange(1, sectors) * SECTOR_BYTES
        size_bytes = max(undo.size_bytes, undo.offset + kept_bytes)
        return Undo(
            undo.offset + kept_bytes,
            undo.before[kept_bytes:],
            size_bytes,
            undo.written_bytes - kept_bytes,
        )

    def restore(self) -> None:
        """Answer again. After a power cut the files are what the disk has."""
        if self._lost is not None:
            for path, undos in self._lost.items():
                _undo(Path(path), undos)
            self._unsynced.clear()
            self._believed_synced.clear()
            self._lost = None
            for shared in self._folder.glob("*-shm"):
                shared.unlink()
        self._answers = True

    def image(self) -> dict[str, bytes]:
        """Return the files of the disk as they are now, by name."""
        return {path.name: path.read_bytes() for path in self._files()}

    def restore_image(self, image: dict[str, bytes]) -> None:
        """Let the disk be what it was. Nobody may have its files open."""
        for path in self._folder.iterdir():
            if path.is_file() and path.suffix != ".lock":
                path.unlink()
        for name, content in image.items():
            (self._folder / name).write_bytes(content)
        self._unsynced.clear()
        self._believed_synced.clear()

    def _files(self) -> list[Path]:
        files = (path for path in self._folder.iterdir() if path.is_file())
        return [path for path in files if not path.name.endswith(NOT_ON_DISK)]

    # What files ask.

    def may_write(self, *, grows: bool) -> None:
        """Raise what a write raises now. A full disk has no room for what makes a file longer."""
        self.must_answer()
        faults = self.faults
        if faults.is_read_only:
            raise apsw.ReadOnlyError("the disk is read-only")
        if faults.is_full and grows:
            self.note("disk: full")
            raise apsw.FullError("no space left on device")
        if faults.fail_write_after is not None:
            faults.fail_write_after -= 1
            if faults.fail_write_after <= 0:
                faults.fail_write_after = None
                self.note("disk: write failed")
                raise apsw.IOError("write failed")

    def wrote(self, path: str, undo: Undo) -> None:
        """Remember how to undo a write."""
        self._unsynced.setdefault(path, []).append(undo)

    def sync(self, path: str) -> None:
        """Let a file's writes be on the disk; or fail, and only say so once."""
        self.must_answer()
        faults = self.faults
        written = self._unsynced.pop(path, [])
        if faults.fail_sync_after is None:
            return
        faults.fail_sync_after -= 1
        if faults.fail_sync_after <= 0:
            faults.fail_sync_after = None
            self._believed_synced.setdefault(path, []).extend(written)
            self.note("disk: fsync failed")
            raise apsw.IOError("fsync failed")

    def overwrote(self, path: str, offset: int, written_bytes: int, size_bytes: int) -> None:
        """Let what was lost and is written anew be dirty anew: the next sync is for it too."""
        lost = self._believed_synced.pop(path, [])
        if not lost:
            return
        end = offset + written_bytes
        still_lost = self._believed_synced[path] = []
        for undo in lost:
            still_lost += undo.within(0, offset, size_bytes)
            still_lost += undo.within(end, undo.offset + undo.written_bytes, size_bytes)
            for dirty in undo.within(offset, end, size_bytes):
                self.wrote(path, dirty)

    def forget(self, path: str) -> None:
        """Nothing of a deleted file can be undone."""
        self._unsynced.pop(path, None)
        self._believed_synced.pop(path, None)


class _File(apsw.VFSFile):
    def __init__(
        self, machine: Machine, path: str, name: str | apsw.URIFilename | None, flags: list[int]
    ) -> None:
        super().__init__("unix", name, flags)
        self._machine: Final = machine
        self._path: Final = path

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 # The name is SQLite's.
        size_bytes = super().xFileSize()
        self._machine.may_write(grows=offset + len(data) > size_bytes)
        known_bytes = min(len(data), max(0, size_bytes - offset))
        before = super().xRead(known_bytes, offset) if known_bytes else b""
        self._machine.overwrote(self._path, offset, len(data), size_bytes)
        super().xWrite(data, offset)
        self._machine.wrote(self._path, Undo(offset, before, size_bytes, len(data)))

    def xTruncate(self, newsize: int) -> None:  # noqa: N802 # The name is SQLite's.
        self._machine.may_write(grows=False)
        size_bytes = super().xFileSize()
        if newsize < size_bytes:
            before = super().xRead(size_bytes - newsize, newsize)
            self._machine.wrote(self._path, Undo(newsize, before, size_bytes, 0))
        super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:  # noqa: ARG002, N802 # The name is SQLite's.
        self._machine.sync(self._path)


def _undo(path: Path, undos: list[Undo]) -> None:
    if not path.exists():
        return
    with path.open("r+b") as file:
        for undo in reversed(undos):
            file.seek(undo.offset)
            file.write(undo.before)
            file.truncate(undo.size_bytes)
