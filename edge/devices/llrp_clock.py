"""The offset between a reader's clock and the gateway's, and what a reader's stamps mean here.

Pure. A reader stamps before we receive, so `received - stamped` is the offset plus a delay that is
never negative: the least difference is the best estimate (as in Cristian, "Probabilistic clock
synchronization", 1989, with one direction only). It is taken over two windows of one minute, so
that drift and a clock set back are followed. The connection's first event gives the first stamp;
live reports give the others, and old ones out of a reader's buffer only ever look late.

Received times are on the gateway's monotonic clock, and stamps become *ages*: neither clock's jump
while a report is under way, nor an uptime clock that knows no date, puts a reading elsewhere.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

WINDOW_MS: Final = 60_000


class Received(NamedTuple):
    """When a message arrived, on both clocks of the gateway, in milliseconds."""

    monotonic_ms: int
    utc_ms: int


class ReaderClock:
    """One clock of a reader (UTC or uptime); stamps are its microseconds."""

    def __init__(self) -> None:
        self._window_ends_ms: int | None = None
        self._least_ms = 0
        self._least_before_ms: int | None = None

    @property
    def is_known(self) -> bool:
        """Whether any stamp was seen."""
        return self._window_ends_ms is not None

    def observe(self, stamp_us: int, received: Received) -> None:
        """Learn from the stamp of something that happened just before it was received."""
        difference_ms = received.monotonic_ms - stamp_us // 1000
        if self._window_ends_ms is None or received.monotonic_ms >= self._window_ends_ms:
            self._least_before_ms = self._least_ms if self.is_known else None
            self._least_ms = difference_ms
            self._window_ends_ms = received.monotonic_ms + WINDOW_MS
        self._least_ms = min(self._least_ms, difference_ms)

    def to_gateway_ms(self, stamp_us: int, received: Received) -> int:
        """Return a stamp in gateway UTC: never negative, never after it was received."""
        stamped_ms = stamp_us // 1000 + self._offset_ms()
        age_ms = max(0, received.monotonic_ms - stamped_ms)
        return max(0, received.utc_ms - age_ms)

    def all_to_gateway_ms(self, stamps_us: Sequence[int], received: Received) -> list[int]:
        """Return what `to_gateway_ms` does of each, in one go."""
        now_ms = received.utc_ms
        shift_ms = now_ms - received.monotonic_ms + self._offset_ms()
        if min(stamps_us) // 1000 + shift_ms < 0 or now_ms < 0:
            return [self.to_gateway_ms(stamp_us, received) for stamp_us in stamps_us]
        return [
            seen_ms if (seen_ms := stamp_us // 1000 + shift_ms) < now_ms else now_ms
            for stamp_us in stamps_us
        ]

    def ahead_ms(self, received: Received) -> int:
        """Return how far the reader's clock is ahead of the gateway's UTC."""
        return received.monotonic_ms - received.utc_ms - self._offset_ms()

    def _offset_ms(self) -> int:
        if self._least_before_ms is None:
            return self._least_ms
        return min(self._least_ms, self._least_before_ms)
