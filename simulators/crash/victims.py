"""The processes of a crash campaign: started, armed, killed, started again.

A victim is the product's own program with traps around it (`victim`), or the broker. What it prints
goes to its log, and none outlives the campaign. Main thread of the campaign, on its event loop.
"""

import asyncio
import contextlib
import os
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from pathlib import Path
from typing import Final

from simulators.errors import ChildDied

STOP_DEADLINE_S: Final = 20.0
LAST_LINES: Final = 12
_TAIL_BYTES: Final = 8_192


class Victim:
    """One program. `arguments` follow the interpreter's `-m`; one with traps takes orders."""

    def __init__(
        self, name: str, arguments: tuple[str, ...], folder: Path, *, is_trapped: bool
    ) -> None:
        self.name: Final = name
        self._arguments: Final = arguments
        self._folder: Final = folder
        self._is_trapped: Final = is_trapped
        self._process: Process | None = None

    @property
    def log(self) -> Path:
        """What it printed, in all its lives."""
        return self._folder / f"{self.name}.log"

    async def start(self, armed: str = "") -> None:
        """Start it; `armed` is the trap's first order."""
        tether = ("-m", "simulators.demo.tether", str(os.getpid()))
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *(*tether, sys.executable, "-m", *self._arguments),
                stdin=PIPE if self._is_trapped else DEVNULL,
                stdout=PIPE if self._is_trapped else log,
                stderr=log,
                cwd=self._folder,
                start_new_session=True,
            )
        await self.order(armed)

    @property
    def _running(self) -> Process:
        if self._process is None:
            raise AssertionError(f"{self.name} was not started")
        return self._process

    @property
    def has_ended(self) -> bool:
        """Whether there is no process any more, or none yet."""
        return self._process is None or self._process.returncode is not None

    async def order(self, line: str) -> None:
        """Tell the trap. A victim that is dead by now hears nothing."""
        stdin = self._running.stdin
        if stdin is not None:
            with contextlib.suppress(ConnectionError):
                stdin.write(f"{line}\n".encode())
                await stdin.drain()

    async def hit(self, patience_s: float) -> int | None:
        """Return when it died in its trap (monotonic, ns), or `None` if it does not in time."""
        stdout = self._running.stdout
        if stdout is None:
            return None
        try:
            async with asyncio.timeout(patience_s):
                line = await stdout.readline()
        except TimeoutError:
            return None
        words = line.split()
        if words[:1] != [b"hit"]:
            return None
        # Not `kill`, which would look whether it lives, and take its status from who waits for it.
        await self._running.wait()
        return int(words[2])

    async def kill(self) -> int:
        """SIGKILL, unless it is dead; return when, by the monotonic clock in nanoseconds."""
        process = self._running
        at_ns = time.monotonic_ns()
        if self.has_ended:
            return at_ns
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        return at_ns

    def require_alive(self) -> None:
        """Raise `ChildDied` when it ended by itself."""
        if self.has_ended:
            status = self._running.returncode
            raise ChildDied(f"{self.name} ended by itself with {status}:\n{self._last_words()}")

    async def stop(self) -> None:
        """SIGTERM, and SIGKILL if that takes too long."""
        if self.has_ended:
            return
        process = self._running
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(STOP_DEADLINE_S):
                await process.wait()
        except TimeoutError:
            await self.kill()

    def _last_words(self) -> str:
        with self.log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
        return "\n".join(f"  | {line}" for line in lines[-LAST_LINES:])
