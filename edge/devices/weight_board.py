"""What lies on the counter scales of the store: written by their drivers, read by scanners'.

All methods are thread-safe and never wait for a device.
"""

import threading
from collections.abc import Callable
from typing import Final

from edge.sensing.placements import Placement

FRESH_MS: Final = 2_000
"""A weight that was read longer ago is not what lies there now."""


class WeightBoard:
    """The goods at rest on each scale. `monotonic_ms` is a clock that is never set."""

    def __init__(self, monotonic_ms: Callable[[], int]) -> None:
        self._monotonic_ms = monotonic_ms
        self._lock = threading.Lock()
        self._placed: dict[str, tuple[int, Placement]] = {}

    def put(self, scale: str, placement: Placement | None) -> None:
        """Tell what lies at rest on a scale now, or that nothing does."""
        with self._lock:
            if placement is None:
                self._placed.pop(scale, None)
            else:
                self._placed[scale] = (self._monotonic_ms(), placement)

    def on(self, scale: str) -> Placement | None:
        """Return what lies at rest on a scale, if that is known to be so now."""
        with self._lock:
            at_ms, placement = self._placed.get(scale, (0, None))
        fresh = self._monotonic_ms() - at_ms <= FRESH_MS
        return placement if fresh else None
