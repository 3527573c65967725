"""The processes of a crash campaign: started, armed, killed, started again.

A victim is the product's own program with traps around it (`victim`), or the broker. What it prints
goes to its log. Main thread of the campaign, on its event loop.
"""

import asyncio
import contextlib
import os
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from pathlib import Path
from typing import Final

from simulators.demo.broker import BrokerAddress, until_accepting
from simulators.errors import DemoFailed

STOP_DEADLINE_S: Final = 20.0


class Victim:
    """One program. `arguments` follow the interpreter's `-m`."""

    def __init__(self, name: str, arguments: tuple[str, ...], folder: Path) -> None:
        self.name: Final = name
        self._arguments: Final = arguments
        self._folder: Final = folder
        self._process: Process | None = None

    async def start(self, armed: str = "") -> None:
        """Start it; `armed` is the trap's first order."""
        with (self._folder / f"{self.name}.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", *self._arguments),
                stdin=PIPE,
                stdout=PIPE if self._is_trapped else DEVNULL,
                stderr=log,
                cwd=self._folder,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )
        await self.order(armed)

    @property
    def _is_trapped(self) -> bool:
        return self._arguments[0] == "simulators.crash.victim"

    @property
    def _running(self) -> Process:
        if self._process is None:
            raise AssertionError(f"{self.name} was not started")
        return self._process

    async def order(self, line: str) -> None:
        """Tell the trap. A victim that is dead by now hears nothing."""
        stdin = self._running.stdin
        if self._is_trapped and stdin is not None:
            with contextlib.suppress(ConnectionError):
                stdin.write(f"{line}\n".encode())
                await stdin.drain()

    async def hit(self, patience_s: float) -> bool:
        """Say whether it died in its trap within that time."""
        stdout = self._running.stdout
        if stdout is None:
            return False
        try:
            async with asyncio.timeout(patience_s):
                line = await stdout.readline()
        except TimeoutError:
            return False
        return line.startswith(b"hit ")

    async def kill(self) -> int:
        """SIGKILL, unless it is dead; return when, by the monotonic clock in nanoseconds."""
        process = self._running
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        at_ns = time.monotonic_ns()
        await process.wait()
        return at_ns

    def require_alive(self) -> None:
        """Raise `DemoFailed` when it ended by itself."""
        status = self._running.returncode
        if status is not None:
            raise DemoFailed(f"{self.name} ended by itself with {status}; log: {self._folder}")

    async def stop(self) -> None:
        """SIGTERM, and SIGKILL if that takes too long."""
        process = self._running
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(STOP_DEADLINE_S):
                await process.wait()
        except TimeoutError:
            await self.kill()


async def started(victim: Victim, address: BrokerAddress) -> None:
    """Start a victim; a broker is waited for, since nobody can do anything without it."""
    await victim.start()
    if victim.name == "broker":
        await until_accepting(address)
