"""What a process has used so far, from /proc (proc(5), `stat` and `status`)."""

import os
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
    folder = Path("/proc") / str(pid)
    # The command's name, in parentheses, may itself have spaces and parentheses.
    after_name = (folder / "stat").read_text().rpartition(")")[2].split()
    ticks = int(after_name[_UTIME_FIELD - 2]) + int(after_name[_STIME_FIELD - 2])
    sizes = dict(
        line.split(":", 1) for line in (folder / "status").read_text().splitlines() if ":" in line
    )
    return Usage(ticks / os.sysconf("SC_CLK_TCK"), _mib(sizes["VmRSS"]), _mib(sizes["VmHWM"]))


def _mib(size: str) -> float:
    return int(size.split(maxsplit=1)[0]) / 1024
