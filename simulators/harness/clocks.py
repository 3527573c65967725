"""Clocks of simulated machines: virtual time, and whatever a fault makes of it."""

import asyncio
from typing import Final

BEGINS_AT_MS: Final = 1_767_600_000_000
"""Monday 2026-01-05, 08:00 UTC: when every run begins."""


class Clock:
    """A machine's clock. `error_ms` is how far it is off, and may jump."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop: Final = loop
        self.error_ms = 0

    def true_ms(self) -> int:
        """Return what a right clock would say."""
        return BEGINS_AT_MS + int(self._loop.time() * 1_000)

    def now_ms(self) -> int:
        """Return what this one says, in milliseconds since the Unix epoch."""
        return max(0, self.true_ms() + self.error_ms)
