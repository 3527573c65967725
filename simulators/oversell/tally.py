"""What clients counted and measured. Pure."""

from collections import Counter
from math import ceil
from typing import Final


class Tally:
    """Counts of one run, and latencies of reservation requests in milliseconds."""

    def __init__(self) -> None:
        self.attempts = 0
        self.granted = 0
        self.requests = 0
        self.replays = 0
        self.hung_up = 0
        self.refused: Final[Counter[str]] = Counter()
        self.sequels: Final[Counter[str]] = Counter()
        self.sequels_refused: Final[Counter[str]] = Counter()
        self.server_errors: Final[Counter[int]] = Counter()
        self.latencies_ms: Final[list[float]] = []
        self.units_sold = 0
        self.units_delivered = 0

    def percentile_ms(self, percent: float) -> float:
        """Return the nearest-rank percentile; 0 before anything was measured."""
        if not self.latencies_ms:
            return 0.0
        ordered = sorted(self.latencies_ms)
        return ordered[max(0, ceil(percent / 100 * len(ordered)) - 1)]
