"""An owner as its campaign sees it: a suspendable process that testifies. Campaign's event loop."""

import asyncio
from asyncio.subprocess import Process
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeVar

from simulators.errors import ChildDied
from simulators.fencing.moments import Moment
from simulators.fencing.suspendable import DEADLINE_S, Suspendable
from simulators.fencing.testimony import AnyNote, decode_note

N = TypeVar("N")


class OwnerProcess(Suspendable):
    """One owner. `notes` is what it has testified so far."""

    def __init__(self, number: int, module: str, place: str, seed: str, folder: Path) -> None:
        arguments = ("-m", module, place, str(number), seed)
        super().__init__(f"owner {number}", arguments, folder / "owners.log")
        self.number: Final = number
        self.notes: Final[list[AnyNote]] = []
        self._testimony: Final = folder / f"owner-{number:04d}.jsonl"
        self._news: Final = asyncio.Condition()

    async def _follow(self, process: Process) -> None:
        assert process.stdout is not None  # noqa: S101 # It was made with a pipe.
        with self._testimony.open("wb") as file:
            while line := await process.stdout.readline():
                file.write(line)
                self.notes.append(decode_note(line))
                await self._wake()
        await super()._follow(process)
        await self._wake()

    async def _wake(self) -> None:
        async with self._news:
            self._news.notify_all()

    def tell(self, command: str) -> None:
        """Give a command."""
        process = self._running()
        assert process.stdin is not None  # noqa: S101 # It was made with a pipe.
        process.stdin.write(f"{command}\n".encode())

    def stop_at(self, moment: Moment) -> None:
        """Have it suspend itself at a moment of its next commit."""
        self.tell(f"stop {moment}")

    async def until(self, kind: type[N] | tuple[type[N], ...], after: int = 0) -> N:
        """Return the first such note after so many. Raises `ChildDied` when none comes."""
        found = await self.within(DEADLINE_S, kind, after)
        if found is None:
            raise ChildDied(f"{self.name} tells nothing; see {self.log}")
        return found

    async def within(
        self, seconds: float, kind: type[N] | tuple[type[N], ...], after: int = 0
    ) -> N | None:
        """Return the first such note after so many; `None` when it does not come in time."""

        def first() -> N | None:
            return next((note for note in self.notes[after:] if isinstance(note, kind)), None)

        with suppress(TimeoutError):
            async with asyncio.timeout(seconds), self._news:
                await self._news.wait_for(lambda: first() is not None or self.status is not None)
        found = first()
        if found is None and self.status is not None:
            raise ChildDied(f"{self.name} ended with {self.status}; see {self.log}")
        return found
