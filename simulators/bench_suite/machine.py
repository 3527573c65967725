"""What the benches ran on: without it no figure says anything."""

import os
import platform
import subprocess
from pathlib import Path
from typing import NamedTuple

import apsw


class Machine(NamedTuple):
    """A machine and the versions that matter."""

    processor: str
    cores: int
    memory_gb: float
    system: str
    python: str
    sqlite: str

    def line(self) -> str:
        """Return it in a line."""
        return (
            f"{self.processor}, {self.cores} cores, {self.memory_gb:.0f} GB; {self.system};"
            f" Python {self.python}, SQLite {self.sqlite}"
        )


def this_machine() -> Machine:
    """Look at this one."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return Machine(
        processor=_processor(),
        cores=os.cpu_count() or 1,
        memory_gb=pages / 1e9,
        system=f"{platform.system()} {platform.release().split('-')[0]} {platform.machine()}",
        python=platform.python_version(),
        sqlite=apsw.sqlite_lib_version(),
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or "a processor without a name"


def commit_of(tree: Path) -> str:
    """Return the commit of a working tree, with a mark if it has been changed since."""
    described = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=10"],  # noqa: S607 # As the user's shell finds it.
        cwd=tree,
        capture_output=True,
        text=True,
        check=False,
    )
    return described.stdout.strip() or "no commit"
