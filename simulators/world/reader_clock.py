"""A reader's own clock: off by some, drifting, and now and then set anew with a jump. Pure."""

from bisect import bisect_right
from typing import TYPE_CHECKING, Final

from simulators.world.reader_settings import ReaderFaultSettings
from simulators.world.store_time import DAY_MS, DAYS_PER_MONTH

if TYPE_CHECKING:
    from random import Random


class NoisyReaderClock:
    """Turns true time into what the reader says."""

    def __init__(self, settings: ReaderFaultSettings, started_ms: int, rng: "Random") -> None:
        self._settings: Final = settings
        self._rng: Final = rng
        self._drift: Final = rng.gauss(0.0, settings.clock_drift_ppm) / 1_000_000
        self._set_ms: Final = [started_ms]
        self._skews_ms: Final = [rng.gauss(0.0, settings.clock_skew_ms)]
        self._next_set_ms = self._after(started_ms)

    def says(self, at_ms: int) -> int:
        """Return what the clock shows at a true time, in milliseconds."""
        while self._next_set_ms is not None and self._next_set_ms <= at_ms:
            self._set_ms.append(self._next_set_ms)
            self._skews_ms.append(self._rng.gauss(0.0, self._settings.clock_skew_ms))
            self._next_set_ms = self._after(self._next_set_ms)
        index = max(0, bisect_right(self._set_ms, at_ms) - 1)
        return int(at_ms + self._skews_ms[index] + self._drift * (at_ms - self._set_ms[index]))

    def _after(self, at_ms: int) -> int | None:
        per_month = self._settings.clock_steps_per_month
        if not per_month:
            return None
        return at_ms + 1 + int(self._rng.expovariate(per_month / DAYS_PER_MONTH) * DAY_MS)
