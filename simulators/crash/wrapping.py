"""Puts traps around the product's functions, and under its SQLite files, from outside.

Used in the victim's process before the product's `main` runs. A point whose function is not there
is a mistake of ours, and ends the victim at once rather than never being reached.
"""

import functools
import importlib
import inspect
from collections.abc import Callable, Iterable
from typing import Any, Final

import apsw

from simulators.crash.points import OPERATIONS, Point
from simulators.crash.trap import Trap

DISK: Final = "disk:"
SECTOR_BYTES: Final = 512


def set_traps(points: Iterable[Point], trap: Trap) -> None:
    """Wrap the functions of all points. Raises `AttributeError` and `ImportError`."""
    disk: dict[tuple[str, str], list[str]] = {}
    for point in points:
        if point.target.startswith(DISK):
            file, operation = point.target.removeprefix(DISK).split(":")
            disk.setdefault((file, _known(operation)), []).append(point.name)
        else:
            _wrap(point, trap)
    if disk:
        # It stays registered for as long as it is referenced: as long as the process lives.
        _DISKS.append(TrappedDisk(disk, trap))


def _known(operation: str) -> str:
    if operation not in OPERATIONS:
        raise AttributeError(f"no such operation of a disk: {operation}")
    return operation


def _wrap(point: Point, trap: Trap) -> None:
    module, _, path = point.target.partition(":")
    owner: Any = importlib.import_module(module)
    *outer, name = path.split(".")
    for part in outer:
        owner = getattr(owner, part)
    setattr(owner, name, _trapped(getattr(owner, name), point, trap))


def _trapped(function: Callable[..., Any], point: Point, trap: Trap) -> Callable[..., Any]:
    """Return the function with the trap before or after it."""
    before = point.when == "before"

    @functools.wraps(function)
    def called(*args: Any, **named: Any) -> Any:
        if before:
            trap.reached(point.name)
        result = function(*args, **named)
        if not before:
            trap.reached(point.name)
        return result

    @functools.wraps(function)
    async def awaited(*args: Any, **named: Any) -> Any:
        if before:
            trap.reached(point.name)
        result = await function(*args, **named)
        if not before:
            trap.reached(point.name)
        return result

    return awaited if inspect.iscoroutinefunction(function) else called


class TrappedDisk(apsw.VFS):
    """SQLite's own file access, with traps at writes and syncs of some files."""

    def __init__(self, points: dict[tuple[str, str], list[str]], trap: Trap) -> None:
        super().__init__("trapped", "unix", makedefault=True)
        self._points: Final = points
        self._trap: Final = trap

    def xOpen(  # noqa: N802 # SQLite's name for it.
        self, name: str | apsw.URIFilename | None, flags: list[int]
    ) -> apsw.VFSFile:
        """Open a file; those without a point are left alone."""
        path = name.filename() if isinstance(name, apsw.URIFilename) else name or ""
        file = path.rpartition("/")[2]
        points = {op: names for (of, op), names in self._points.items() if of == file}
        if not points:
            return apsw.VFSFile("unix", name, flags)
        return TrappedFile(name, flags, points, self._trap)


class TrappedFile(apsw.VFSFile):
    """One file with traps, by operation."""

    def __init__(
        self,
        name: str | apsw.URIFilename | None,
        flags: list[int],
        points: dict[str, list[str]],
        trap: Trap,
    ) -> None:
        super().__init__("unix", name, flags)
        self._points: Final = points
        self._trap: Final = trap

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 # SQLite's name for it.
        """Write; die before it, or when some sectors of it are written."""
        self._reached("write")
        for point in self._points.get("torn_write", ()):
            if self._trap.passes(point):
                half = len(data) // 2
                super().xWrite(data[: half - half % SECTOR_BYTES or half], offset)
                self._trap.die(point)
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:  # noqa: N802 # SQLite's name for it.
        """Sync; die before it or after it."""
        self._reached("before_sync")
        super().xSync(flags)
        self._reached("after_sync")

    def _reached(self, operation: str) -> None:
        for point in self._points.get(operation, ()):
            self._trap.reached(point)


_DISKS: Final[list[TrappedDisk]] = []
