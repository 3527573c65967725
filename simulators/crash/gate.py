"""Lets the load run, and lets it come to rest. Event loop."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final


class Gate:
    """Open or closed; whoever is inside finishes what he does."""

    def __init__(self) -> None:
        self._open: Final = asyncio.Event()
        self._empty: Final = asyncio.Event()
        self._empty.set()
        self._inside = 0

    @property
    def is_open(self) -> bool:
        """Whether somebody may begin something."""
        return self._open.is_set()

    def open(self) -> None:
        """Let everybody in."""
        self._open.set()

    async def close(self) -> None:
        """Let nobody in any more, and return when everybody has finished."""
        self._open.clear()
        await self._empty.wait()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait until it is open, and be inside meanwhile."""
        await self._open.wait()
        self._inside += 1
        self._empty.clear()
        try:
            yield
        finally:
            self._inside -= 1
            if not self._inside:
                self._empty.set()
