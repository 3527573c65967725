"""A User-Mode Linux guest as its host sees it: boot it, read what it testifies, cut its power.

The guest's root is the host's file system, read-only, so it runs the very programs of this
environment and needs no image. Its disk is a file: what the guest has handed to it stays when the
guest is killed, as the host keeps it; what is still in the guest's page cache is gone.
"""

import os
import select
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

import simulators
from simulators.powercut.errors import PowercutFailed
from simulators.powercut.notes import AnyNote, decode_note
from simulators.powercut.options import KEEP, RENEW, Orders

KERNEL: Final = "linux.uml"
MODULES: Final = Path("/usr/lib/uml/modules")
MEMORY_MIB: Final = 256
DISK_BYTES: Final = 384 * 1_048_576
KILL_DEADLINE_S: Final = 10.0
READ_BYTES: Final = 65_536
NEEDED: Final = {KERNEL: "user-mode-linux", "mkfs.ext4": "e2fsprogs", "dmsetup": "dmsetup"}
"""Programs, and the Debian packages that have them."""
PATHS: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def missing_packages() -> list[str]:
    """Return the Debian packages that this machine lacks."""
    missing = [package for program, package in NEEDED.items() if _found(program) is None]
    if not missing and not MODULES.is_dir():
        missing.append(NEEDED[KERNEL])
    return missing


class Machine:
    """A machine with one disk. `folder` is where its disk is, and what each boot has told.

    Not thread-safe. Raises `PowercutFailed` when something is missing or cannot be made.
    """

    def __init__(self, folder: Path, place: Path) -> None:
        self._disk: Final = folder / "disk.img"
        self._orders: Final = folder / "orders.json"
        self._console: Final = folder / "console.log"
        self._mount_point: Final = folder / "disk"
        self._folder: Final = folder
        self._place: Final = place
        self._mount_point.mkdir()
        self.renew_disk()
        self._make_place()

    @property
    def mount_point(self) -> Path:
        """Where the guest finds its disk."""
        return self._mount_point

    def renew_disk(self) -> None:
        """Put in a new disk with an empty file system."""
        with self._disk.open("wb") as file:
            file.truncate(DISK_BYTES)
        command = [_program("mkfs.ext4"), "-q", "-F", str(self._disk)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise PowercutFailed(f"{self._disk}: {done.stderr.strip()}")

    def _make_place(self) -> None:
        """Make a folder whose path is short and has no blanks: the kernel's command line has it."""
        (self._place / "disk").symlink_to(self._disk)
        (self._place / "orders").symlink_to(self._orders)
        program = [sys.executable, "-m", "simulators.powercut.guest"]
        init = self._place / "init"
        packages = [str(Path(simulators.__path__[0]).parent), os.environ.get("PYTHONPATH", "")]
        init.write_text(
            "#!/bin/sh\n"
            f"export PATH={PATHS} PYTHONPATH={shlex.quote(':'.join(packages))}\n"
            "export PYTHONDONTWRITEBYTECODE=1 LC_ALL=C.UTF-8\n"
            f'exec {shlex.join(program)} "$1"\n'
        )
        init.chmod(0o755)

    @contextmanager
    def booted(self, orders: Orders) -> Iterator["Guest"]:
        """Boot; the guest is dead when the block ends."""
        self._orders.write_bytes(msgspec.json.encode(orders))
        readable, writable = os.pipe()
        answers_in, answers_out = os.pipe()
        try:
            with self._console.open("ab") as console:
                process = subprocess.Popen(
                    self._command(answers_in, writable),
                    env={"PATH": PATHS, "TMPDIR": _shared_memory()},
                    stdin=subprocess.DEVNULL,
                    stdout=console,
                    stderr=console,
                    pass_fds=(answers_in, writable),
                    start_new_session=True,
                )
        finally:
            os.close(answers_in)
            os.close(writable)
        record = self._folder / f"boot-{orders.boot:04d}.jsonl"
        with record.open("wb") as file:
            guest = Guest(process, readable, answers_out, file)
            try:
                yield guest
            finally:
                guest.cut()
                os.close(readable)
                os.close(answers_out)

    def _command(self, answers: int, line: int) -> list[str]:
        place = self._place
        return [
            _program(KERNEL),
            f"mem={MEMORY_MIB}M",
            "rootfstype=hostfs",
            "rootflags=/",
            "ro",
            "quiet",
            f"init={place}/init",
            f"ubd0={place}/disk",
            f"uml_dir={place}/",
            "con=null",
            "con0=null,fd:1",
            "ssl=null",
            f"ssl1=fd:{answers},fd:{line}",
            "--",
            f"{place}/orders",
        ]


class Guest:
    """A running guest."""

    def __init__(
        self, process: "subprocess.Popen[bytes]", line: int, answers: int, record: BinaryIO
    ) -> None:
        self._process: Final = process
        self._record: Final = record
        self._line: Final = line
        self._answers: Final = answers
        self._rest = b""
        self._has_ended = False

    def heard(self, deadline_s: float) -> list[AnyNote]:
        """Return what the guest has told since; waits for it until `deadline_s`, monotonic.

        An empty list: nothing came yet that is whole, or the guest has ended.
        """
        wait_s = max(0.0, deadline_s - time.monotonic())
        if self._has_ended or not select.select([self._line], [], [], wait_s)[0]:
            return []
        return self._taken()

    def answer(self, *, renew: bool) -> None:
        """Tell the guest whether to begin a new data set, if it lives to hear it."""
        with suppress(BrokenPipeError):
            os.write(self._answers, RENEW if renew else KEEP)

    @property
    def has_ended(self) -> bool:
        """Whether the guest is off, and everything that it told has been heard."""
        return self._has_ended

    def cut(self) -> list[AnyNote]:
        """Kill the guest as a power cut does, and return what it had told before that."""
        self._process.kill()
        self._process.wait(KILL_DEADLINE_S)
        give_up_s = time.monotonic() + KILL_DEADLINE_S
        # The disk's own process may be in the middle of a write: the next boot waits for it.
        while left := _members(self._process.pid):
            for pid in left:
                _kill(pid)
            if time.monotonic() > give_up_s:
                raise PowercutFailed(f"processes {left} of the guest survive a SIGKILL")
            os.sched_yield()
        heard: list[AnyNote] = []
        while not self._has_ended:
            heard += self._taken()
        return heard

    def _taken(self) -> list[AnyNote]:
        data = os.read(self._line, READ_BYTES)
        if not data:
            self._has_ended = True
        self._record.write(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [decode_note(line) for line in lines]


@contextmanager
def machine(folder: Path) -> Iterator[Machine]:
    """Make a machine. Its memory and its disk are gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="powercut-") as place:
        yield Machine(folder, Path(place))


def _members(session: int) -> list[int]:
    """Return the processes of a session that are not dead."""
    members: list[int] = []
    for entry in os.scandir("/proc"):
        if not entry.name.isdecimal():
            continue
        try:
            stat = Path(entry.path, "stat").read_text()
        except OSError:
            continue  # It has ended meanwhile.
        state, _, _, its_session = stat.rpartition(")")[2].split()[:4]
        if int(its_session) == session and state not in "ZX":
            members.append(int(entry.name))
    return members


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return  # It has ended meanwhile.


def _found(program: str) -> str | None:
    return shutil.which(program, path=PATHS)


def _program(program: str) -> str:
    found = _found(program)
    if found is None:
        package = NEEDED[program]
        raise PowercutFailed(f"{program} is missing: apt-get install {package}")
    return found


def _shared_memory() -> str:
    """Return where the guest's memory goes: a file that must be in memory and executable."""
    place = "/dev/shm"  # noqa: S108 # The guest's kernel makes a file that has no name there.
    return place if os.access(place, os.W_OK) else tempfile.gettempdir()
