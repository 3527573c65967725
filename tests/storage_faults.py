"""Disks that fail under a running process: too small, read-only, or with calls that fail.

A small disk is a tmpfs of its own, which only root may mount. Failing calls are libfiu's: its
preloaded library stands before the C library's `fsync`, `fdatasync` and `pwrite`, which SQLite
calls also when it is linked into apsw.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from errno import ENOSPC
from pathlib import Path
from typing import Final

import pytest

SYNCS: Final = ("posix/io/sync/fsync", "posix/io/sync/fdatasync")
WRITES: Final = ("posix/io/rw/pwrite",)
COMMAND_DEADLINE_S: Final = 10.0
FILLER: Final = "filler"
REQUIRE_FIU: Final = "STOCKTRUTH_REQUIRE_FIU"
FILLER_BYTES: Final = 65_536


class FailingCalls:
    """libfiu's remote control of one process at a time."""

    def __init__(self, folder: Path) -> None:
        self._run: Final = _program("fiu-run", "fiu-utils")
        self._control: Final = _program("fiu-ctrl", "fiu-utils")
        self._pipes: Final = str(folder / "fiu")

    def under(self, command: list[str]) -> list[str]:
        """Return a command that runs the same where calls can be made to fail."""
        return [self._run, "-x", "-f", self._pipes, *command]

    def fail_once(self, pid: int, calls: tuple[str, ...], error: int) -> None:
        """Let the next one of each of these calls fail, and none after it."""
        orders = [f"enable name={call},onetime,failinfo={error}" for call in calls]
        self._order(pid, orders)

    def fail_from_now(self, pid: int, calls: tuple[str, ...], error: int) -> None:
        """Let these calls fail."""
        self._order(pid, [f"enable name={call},failinfo={error}" for call in calls])

    def _order(self, pid: int, orders: list[str]) -> None:
        arguments = [word for order in orders for word in ("-c", order)]
        subprocess.run(
            [self._control, "-f", self._pipes, *arguments, str(pid)],
            check=True,
            timeout=COMMAND_DEADLINE_S,
        )


class SmallDisk:
    """A mounted file system of a few megabytes."""

    def __init__(self, folder: Path) -> None:
        self.folder: Final = folder

    def fill(self) -> None:
        """Take all the space that is left."""
        with (self.folder / FILLER).open("ab", buffering=0) as filler:
            try:
                while filler.write(bytes(FILLER_BYTES)) == FILLER_BYTES:
                    pass
            except OSError as error:
                if error.errno != ENOSPC:
                    raise

    def make_room(self) -> None:
        """Give it back."""
        (self.folder / FILLER).unlink()

    def make_read_only(self) -> None:
        """Refuse all writes. Nothing may be open for writing."""
        _mount("-o", "remount,ro", str(self.folder))


@contextmanager
def small_disk(folder: Path, size_mib: int) -> Iterator[SmallDisk]:
    """Mount one at `folder`, which is made."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small disk")
    folder.mkdir()
    try:
        _mount("-t", "tmpfs", "-o", f"size={size_mib}m", "none", str(folder))
    except subprocess.CalledProcessError as error:
        pytest.skip(f"a container that may not mount a small disk: {error.stderr.strip()}")
    try:
        yield SmallDisk(folder)
    finally:
        umount = _program("umount", "mount")
        subprocess.run([umount, "--lazy", str(folder)], check=True, timeout=COMMAND_DEADLINE_S)


def _mount(*arguments: str) -> None:
    subprocess.run(
        [_program("mount", "mount"), *arguments],
        check=True,
        capture_output=True,
        text=True,
        timeout=COMMAND_DEADLINE_S,
    )


def _program(name: str, package: str) -> str:
    """Return the path of a program, or skip the test and say what is to be installed."""
    path = shutil.which(name)
    if path is None:
        if os.environ.get(REQUIRE_FIU) == "1":
            pytest.fail(f"{name} is not installed, and {REQUIRE_FIU}=1 asks for it")
        pytest.skip(f"{name} is not installed: apt-get install {package}")
    return path
