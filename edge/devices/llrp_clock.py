"""The offset between a reader's clock and the gateway's.

Pure. A reader stamps what it saw before we receive it, so `received - stamped` is the offset plus
a delay that is never negative: the least difference seen is the best estimate. It is taken anew in
each window, so that drift is followed in both directions. Works for UTC and uptime stamps alike.
"""

from typing import Final

WINDOW_MS: Final = 60_000


class ReaderClock:
    """Turns a reader's stamps into the gateway's time, in milliseconds."""

    def __init__(self) -> None:
        self._window_started_ms: int | None = None
        self._window_least_ms: int | None = None
        self.offset_ms: int | None = None
        """What to add to a reader's stamp; `None` before the first one."""

    def observe(self, stamped_ms: int, received_ms: int) -> None:
        """Learn from one stamp and the gateway's time when it arrived."""
        difference_ms = received_ms - stamped_ms
        if self._window_started_ms is None or received_ms - self._window_started_ms > WINDOW_MS:
            if self._window_least_ms is not None:
                self.offset_ms = self._window_least_ms
            self._window_started_ms, self._window_least_ms = received_ms, difference_ms
        assert self._window_least_ms is not None  # noqa: S101 # Set with the window's start.
        self._window_least_ms = min(self._window_least_ms, difference_ms)
        if self.offset_ms is None or difference_ms < self.offset_ms:
            self.offset_ms = difference_ms

    def to_gateway_ms(self, stamped_ms: int) -> int:
        """Return a stamp in gateway time, never below 0."""
        return max(0, stamped_ms + (self.offset_ms or 0))
