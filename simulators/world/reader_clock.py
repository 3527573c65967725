"""A reader's own clock: off by some, drifting, set right by nobody. Pure."""

from typing import TYPE_CHECKING, Final

from simulators.world.noisy_settings import ReaderFaultSettings

if TYPE_CHECKING:
    from random import Random


class NoisyReaderClock:
    """Turns true time into what the reader says."""

    def __init__(self, settings: ReaderFaultSettings, started_ms: int, rng: "Random") -> None:
        self._started_ms: Final = started_ms
        self._skew_ms: Final = rng.gauss(0.0, settings.clock_skew_ms)
        self._drift: Final = rng.gauss(0.0, settings.clock_drift_ppm) / 1_000_000

    def says(self, at_ms: int) -> int:
        """Return what the clock shows at a true time, in milliseconds."""
        return int(at_ms + self._skew_ms + self._drift * (at_ms - self._started_ms))
