"""The demo's child processes: started, killed, started again, and never left behind.

Each logs to a file of its own, runs in a session of its own (so that a Ctrl-C at the terminal
reaches the demo alone, which then stops them in order), and is tied to the demo by
`simulators.demo.tether`. A child that ends unasked ends the demo with its last words. Runs in the
demo's event loop.
"""

import asyncio
import logging
import os
import signal
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from simulators.demo.messages import PIPE_LINE_BYTES_MAX
from simulators.errors import ChildDied

STOP_DEADLINE_S: Final = 10.0
LAST_LINES: Final = 12

_TAIL_BYTES: Final = 8_192

log = logging.getLogger(__name__)


class Child:
    """One command, as one process after the other.

    With `piped`, its standard input and output are pipes to the demo. `program`: Python, unless
    it is another.
    """

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        folder: Path,
        *,
        piped: bool = False,
        program: str = sys.executable,
    ) -> None:
        self.name = name
        self.log_file = folder / f"{name}.log"
        self.kills = 0
        self.outage_s = 0.0
        self._command = (program, *arguments)
        self._piped = piped
        self._process: Process | None = None
        self._watch: asyncio.Task[None] | None = None
        self._down_since: float | None = None
        self.on_death: Callable[[str], None] = log.error
        """Is told, in words, when a process has ended unasked."""

    @property
    def pipes(self) -> tuple[asyncio.StreamWriter, asyncio.StreamReader]:
        """Standard input and output of a piped child."""
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            raise ChildDied(f"{self.name} is not running with pipes")
        return process.stdin, process.stdout

    @property
    def is_running(self) -> bool:
        """Whether there is a process."""
        return self._process is not None and self._process.returncode is None

    @property
    def pid(self) -> int:
        """The process, as long as it runs: the tether becomes the command."""
        if self._process is None:
            raise ChildDied(f"{self.name} is not running")
        return self._process.pid

    async def start(self) -> None:
        """Start the command, or start it again."""
        tether = ("-m", "simulators.demo.tether", str(os.getpid()))
        with self.log_file.open("ab") as file:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *tether,
                *self._command,
                stdin=PIPE if self._piped else DEVNULL,
                stdout=PIPE if self._piped else file,
                stderr=file,
                start_new_session=True,
                limit=PIPE_LINE_BYTES_MAX,
            )
        self._note_up()
        self._watch = asyncio.create_task(self._wait(self._process))

    async def kill(self) -> None:
        """End the process with SIGKILL: nothing is flushed, nobody is told."""
        process = await self._unwatched()
        if process is None:
            return
        self.kills += 1
        self._down_since = time.monotonic()
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()

    async def stop(self) -> None:
        """End the process in an orderly way; with SIGKILL if it takes too long."""
        process = await self._unwatched()
        if process is None:
            return
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), STOP_DEADLINE_S)
        except TimeoutError:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    def kill_now(self) -> None:
        """End the process without waiting for anything."""
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.kill()

    def last_words(self) -> str:
        """Return the end of its log."""
        with suppress(OSError), self.log_file.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
            return "\n".join(f"  | {line}" for line in lines[-LAST_LINES:])
        return ""

    async def _unwatched(self) -> Process | None:
        """Stop to call its end a surprise, and return the process if it runs."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.wait([self._watch])
            self._watch = None
        process, self._process = self._process, None
        return process if process is not None and process.returncode is None else None

    async def _wait(self, process: Process) -> None:
        status = await process.wait()
        how = f"signal {-status}" if status < 0 else f"status {status}"
        said = f"{self.log_file} ends with\n{self.last_words()}"
        self.on_death(f"{self.name} ended with {how}; {said}")

    def _note_up(self) -> None:
        if self._down_since is not None:
            self.outage_s += time.monotonic() - self._down_since
            self._down_since = None


class Crew:
    """All children of a demo, in the order in which they were started."""

    def __init__(self) -> None:
        self.children: list[Child] = []
        self._death: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def start(self, child: Child) -> Child:
        """Start a child and take care of it."""
        self.children.append(child)
        child.on_death = self._mourn
        await child.start()
        return child

    async def until_one_dies(self) -> None:
        """Wait until a child ends unasked. Raises `ChildDied`."""
        raise ChildDied(await asyncio.shield(self._death))

    async def stop(self) -> None:
        """Stop all children, the youngest first: who depends on others goes before them."""
        for child in reversed(self.children):
            await child.stop()

    def kill_now(self) -> None:
        """End all children without waiting for anything."""
        for child in self.children:
            child.kill_now()

    def _mourn(self, text: str) -> None:
        if not self._death.done():
            self._death.set_result(text)
