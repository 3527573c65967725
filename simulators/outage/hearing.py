"""When each sale was heard by an independent subscriber, by the phase in which it was made. Pure.

The sale that brings an article's cumulative `sold` to k is heard when a state says k or more.
"""

from collections import defaultdict, deque
from enum import Enum
from math import ceil
from typing import Final, NamedTuple

NS_PER_MS: Final = 1_000_000


class Phase(Enum):
    """What the line is like when a sale is made."""

    BEFORE = "before"
    OUTAGE = "outage"
    CONNECTING = "connecting"
    """The line is healed, and the agent has not tried it yet."""
    DRAINING = "draining"
    AFTER = "after"


class _Sale(NamedTuple):
    ordinal: int
    phase: Phase
    written_ns: int


class Hearing:
    """All sales so far. Times are nanoseconds of one monotonic clock."""

    def __init__(self) -> None:
        self.phase = Phase.BEFORE
        self._waiting: Final[defaultdict[str, deque[_Sale]]] = defaultdict(deque)
        self._unheard: Final = dict.fromkeys(Phase, 0)
        self._latencies_ms: Final[dict[Phase, list[float]]] = {phase: [] for phase in Phase}
        self.last_heard_ns: Final[dict[Phase, int]] = {}

    def sold(self, gtin: str, ordinal: int, written_ns: int) -> None:
        """Note that a sale was made."""
        self._waiting[gtin].append(_Sale(ordinal, self.phase, written_ns))
        self._unheard[self.phase] += 1

    def heard(self, gtin: str, sold: int, at_ns: int) -> None:
        """Note what a state says."""
        waiting = self._waiting[gtin]
        while waiting and waiting[0].ordinal <= sold:
            sale = waiting.popleft()
            self._unheard[sale.phase] -= 1
            self._latencies_ms[sale.phase].append((at_ns - sale.written_ns) / NS_PER_MS)
            self.last_heard_ns[sale.phase] = at_ns

    def unheard(self, *phases: Phase) -> int:
        """Return how many sales of these phases nobody has heard of yet."""
        return sum(self._unheard[phase] for phase in phases or Phase)

    def measured(self, phase: Phase) -> int:
        """Return how many sales of a phase were heard."""
        return len(self._latencies_ms[phase])

    def percentile_ms(self, phase: Phase, percent: int) -> float:
        """Return the nearest-rank percentile of a phase's latencies, 0 of nothing."""
        ordered = sorted(self._latencies_ms[phase])
        if not ordered:
            return 0.0
        return round(ordered[max(0, ceil(percent / 100 * len(ordered)) - 1)], 1)
