"""When something is off for a while: a gateway that reboots, a reader without its line. Pure.

Outages are drawn one after another as far as somebody asks, so it does not matter in which steps
time is looked at.
"""

from bisect import bisect_right
from typing import TYPE_CHECKING, Final

from simulators.world.store_time import DAY_MS, DAYS_PER_MONTH, MINUTE_MS

if TYPE_CHECKING:
    from random import Random


class Outages:
    """All outages of one thing since `started_ms`; they do not overlap."""

    def __init__(
        self, per_month: float, mean_minutes: float, started_ms: int, rng: "Random"
    ) -> None:
        self._every_ms: Final = DAYS_PER_MONTH * DAY_MS / per_month if per_month else 0.0
        self._mean_ms: Final = mean_minutes * MINUTE_MS
        self._rng: Final = rng
        self._begins_ms: Final[list[int]] = []
        self._ends_ms: Final[list[int]] = []
        self._drawn_ms = started_ms

    def ends_ms(self, at_ms: int) -> int | None:
        """Return when the outage ends that is on at this time; `None` if there is none."""
        self._draw_until(at_ms)
        index = bisect_right(self._begins_ms, at_ms) - 1
        if index < 0 or self._ends_ms[index] <= at_ms:
            return None
        return self._ends_ms[index]

    def ending(self, from_ms: int, until_ms: int) -> list[int]:
        """Return when outages end, from a time until before another."""
        self._draw_until(until_ms)
        return [at_ms for at_ms in self._ends_ms if from_ms <= at_ms < until_ms]

    def _draw_until(self, at_ms: int) -> None:
        while self._every_ms and self._drawn_ms <= at_ms:
            begins_ms = self._drawn_ms + 1 + int(self._rng.expovariate(1.0) * self._every_ms)
            # A reboot takes about as long each time: uniform around its mean.
            ends_ms = begins_ms + 1 + int(self._rng.uniform(0.5, 1.5) * self._mean_ms)
            self._begins_ms.append(begins_ms)
            self._ends_ms.append(ends_ms)
            self._drawn_ms = ends_ms
