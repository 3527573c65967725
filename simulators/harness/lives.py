"""A simulated process and its lives: started, killed, paused, ended, started again.

A life is one run of a process. Killing it keeps its tasks from every further turn, closes its
database connections after the disk was frozen, and resets its network connections. What is left of
a dead life is kept until the run is over, so that no `finally` block of it runs on garbage
collection.
"""

import asyncio
import contextvars
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Final

import apsw

from simulators.harness.virtual_loop import LIFE, NumberedTask


class Life:
    """One run of a process, until it ends or is killed."""

    def __init__(self, name: str, loop: asyncio.AbstractEventLoop) -> None:
        self.name: Final = name
        self.is_alive = True
        self.is_paused = False
        self.fuse: int | None = None
        """Dies after so many more turns."""
        self.on_fuse: Callable[[], None] | None = None
        self.connections: Final[list[apsw.Connection]] = []
        self.standing_still: list[NumberedTask] = []
        self.at_death: Final[list[Callable[[], None]]] = []
        self._loop: Final = loop
        self._held: Final[list[asyncio.Handle]] = []
        self.context: Final = contextvars.copy_context()
        self.context.run(LIFE.set, self)
        self.main: asyncio.Task[Any] | None = None

    def takes_turn(self, handle: asyncio.Handle) -> bool:
        """See `Living.takes_turn`."""
        if not self.is_alive:
            return False
        if self.is_paused:
            self._held.append(handle)
            return False
        if self.fuse is not None:
            self.fuse -= 1
            if self.fuse <= 0 and self.on_fuse is not None:
                self.fuse = None
                self.on_fuse()
                return self.is_alive
        return True

    def begin(self, main: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start the process's main task."""
        self.main = self._loop.create_task(main, context=self.context)
        return self.main

    def run(self, function: Callable[[], None]) -> None:
        """Do something as this process, at once."""
        self.context.run(function)

    def pause(self) -> None:
        """SIGSTOP: nothing runs, and what becomes due waits."""
        self.is_paused = True

    def resume(self) -> None:
        """SIGCONT: everything that waited runs now."""
        self.is_paused = False
        for handle in self._held:
            self._loop.call_soon(_run_unless_cancelled, handle, context=self.context.copy())
        self._held.clear()

    def end(self) -> None:
        """Let nothing of it run any more, and release what the operating system would."""
        self.is_alive = False
        self._held.clear()
        # Kept until the run is over: a task that nobody knows any more would be cleaned up.
        self.standing_still = [
            task
            for task in asyncio.all_tasks(self._loop)
            if isinstance(task, NumberedTask) and task.life is self
        ]
        for release in self.at_death:
            release()
        for connection in self.connections:
            # A connection tries to tidy up when it is closed; its disk does not answer any more.
            with suppress(apsw.Error):
                connection.close(force=True)
        self.connections.clear()


def note_connection(connection: apsw.Connection) -> None:
    """Remember whose connection it is: a hook of apsw, called for each new one."""
    life = LIFE.get()
    if isinstance(life, Life):
        life.connections.append(connection)


def _run_unless_cancelled(handle: asyncio.Handle) -> None:
    """Run what waited, unless what ran before it has called it off."""
    if not handle.cancelled():
        handle._run()  # noqa: SLF001 # asyncio's own way to run one.
