"""A process that is suspended and resumed, and whose end is of interest.

Runs in the campaign's event loop. The process is tied to the campaign (`simulators.demo.tether`),
so that nothing that is suspended is ever left behind.
"""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

from simulators.errors import ChildDied

DEADLINE_S: Final = 60.0
POLL_S: Final = 0.001
LINE_BYTES_MAX: Final = 65_536


class Suspendable:
    """One command, from `start` until it has ended. Its standard error goes to `log`."""

    def __init__(self, name: str, arguments: Sequence[str], log: Path) -> None:
        self.name: Final = name
        self.log: Final = log
        self.status: int | None = None
        self._command: Final = (sys.executable, *arguments)
        self._process: Process | None = None
        self._watch: asyncio.Task[None] | None = None

    async def start(self, *, piped: bool = False) -> None:
        """Start the process, with pipes as its standard input and output if `piped`."""
        tether = (sys.executable, "-m", "simulators.demo.tether", str(os.getpid()))
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *tether,
                *self._command,
                stdin=PIPE if piped else DEVNULL,
                stdout=PIPE if piped else log,
                stderr=log,
                limit=LINE_BYTES_MAX,
            )
        self._watch = asyncio.create_task(self._follow(self._process))

    async def _follow(self, process: Process) -> None:
        self.status = await process.wait()

    def suspend(self) -> None:
        """Suspend it wherever it is."""
        self._running().send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self._running().send_signal(signal.SIGCONT)

    def terminate(self) -> None:
        """Ask it to end in an orderly way."""
        self._running().terminate()

    async def until_suspended(self) -> None:
        """Return when the kernel says that it is. Raises `ChildDied`."""
        async with self.deadline("is not suspended"):
            while _state_of(self._running().pid) != "T":  # noqa: ASYNC110 # There is no event.
                await asyncio.sleep(POLL_S)

    async def until_ended(self, deadline_s: float = DEADLINE_S) -> int:
        """Return its exit status. Raises `ChildDied` when it does not end in time."""
        if self._watch is None:
            raise ChildDied(f"{self.name} was not started")
        async with self.deadline("does not end", deadline_s):
            await asyncio.shield(self._watch)
        assert self.status is not None  # noqa: S101 # `_follow` sets it last.
        return self.status

    async def kill(self) -> None:
        """End it, however it is."""
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.kill()
        if self._watch is not None:
            await self._watch

    @asynccontextmanager
    async def deadline(self, what: str, seconds: float = DEADLINE_S) -> AsyncIterator[None]:
        """Raise `ChildDied` when what is done inside takes too long."""
        try:
            async with asyncio.timeout(seconds):
                yield
        except TimeoutError as error:
            detail = f"{self.name} {what} within {seconds:.0f} s; see {self.log}"
            raise ChildDied(detail) from error

    def _running(self) -> Process:
        if self._process is None or self._process.returncode is not None:
            raise ChildDied(f"{self.name} has ended; see {self.log}")
        return self._process


def _state_of(pid: int) -> str:
    """Return a process's state (proc(5)); it follows the name, which is in parentheses."""
    return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0]
