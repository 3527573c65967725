"""How often somebody may ask: one token bucket a caller, in memory. Pure; time is an argument.

There is one bucket for each token of the tokens file, so their number is bounded by that file.
"""

from math import ceil
from typing import Final

BURST_S: Final = 10
"""Who was silent may ask this many seconds' worth at once."""


class TokenBucket:
    """Fills with time, up to a burst; each request takes one."""

    def __init__(self, per_minute: int, now_s: float) -> None:
        self._per_s: Final = per_minute / 60
        self._most: Final = max(1.0, self._per_s * BURST_S)
        self._left = self._most
        self._filled_at_s = now_s

    def take(self, now_s: float) -> int:
        """Take one and return 0, or return after how many seconds there will be one."""
        self._fill(now_s)
        if self._left >= 1:
            self._left -= 1
            return 0
        return max(1, ceil((1 - self._left) / self._per_s))

    def charge(self, count: int, now_s: float) -> None:
        """Take so many, also when there are fewer: then there are none until that is made good."""
        self._fill(now_s)
        self._left -= count

    def _fill(self, now_s: float) -> None:
        self._left = min(self._most, self._left + (now_s - self._filled_at_s) * self._per_s)
        self._filled_at_s = now_s


class Limits:
    """The buckets of all callers."""

    def __init__(self, requests_per_minute: int) -> None:
        self._requests_per_minute: Final = requests_per_minute
        self._buckets: Final[dict[str, TokenBucket]] = {}

    def take(self, name: str, own_per_minute: int | None, now_s: float) -> int:
        """Take one of a caller's requests; 0, or after how many seconds to ask again."""
        bucket = self._buckets.get(name)
        if bucket is None:
            bucket = TokenBucket(own_per_minute or self._requests_per_minute, now_s)
            self._buckets[name] = bucket
        return bucket.take(now_s)

    def charge(self, name: str, count: int, now_s: float) -> None:
        """Count more requests of a caller that was let in."""
        bucket = self._buckets.get(name)
        if bucket is not None:
            bucket.charge(count, now_s)
