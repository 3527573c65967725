"""What a process has used so far, from /proc (proc(5), `stat`, `status` and `io`)."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

_UTIME_FIELD: Final = 13
_STIME_FIELD: Final = 14


class Usage(NamedTuple):
    """Processor time of all threads, memory now and at its highest."""

    cpu_s: float
    rss_mib: float
    rss_max_mib: float


def usage_of(pid: int) -> Usage:
    """Return the usage of a running process. Raises `OSError` when it has ended."""
    folder = _folder(pid)
    # The command's name, in parentheses, may itself have spaces and parentheses.
    after_name = (folder / "stat").read_text().rpartition(")")[2].split()
    ticks = int(after_name[_UTIME_FIELD - 2]) + int(after_name[_STIME_FIELD - 2])
    sizes = _fields(folder / "status")
    return Usage(ticks / os.sysconf("SC_CLK_TCK"), _mib(sizes["VmRSS"]), _mib(sizes["VmHWM"]))


def waited_s(pid: int) -> float:
    """Return how long the threads of a process could have run and had no processor.

    On a machine that others use as well, this is what they took (proc(5), `schedstat`).
    """
    waited_ns = 0
    for task in (Path("/proc") / str(pid) / "task").iterdir():
        with suppress(OSError):  # A thread may end meanwhile.
            waited_ns += int((task / "schedstat").read_text().split()[1])
    return waited_ns / 1e9


def written_bytes_of(pid: int) -> int:
    """Return what a process has had written to disks: whole pages. Raises `OSError` likewise."""
    return int(_fields(_folder(pid) / "io")["write_bytes"])


def threads_of(pid: int) -> int:
    """Return how many threads a process has. Raises `OSError` likewise."""
    return int(_fields(_folder(pid) / "status")["Threads"])


def _folder(pid: int) -> Path:
    return Path("/proc") / str(pid)


def _fields(file: Path) -> dict[str, str]:
    return dict(line.split(":", 1) for line in file.read_text().splitlines() if ":" in line)


def _mib(size: str) -> float:
    return int(size.split(maxsplit=1)[0]) / 1024
