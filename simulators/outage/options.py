"""What an outage run is asked to do, and what a store's normal day is. Pure."""

from pathlib import Path
from typing import Final

from msgspec import Struct

FACTS_PER_DAY: Final = 20_000
"""Sales and tag facts of a large store on a normal day, as in the noisy store's scenarios."""

PEAK_HOUR_SHARE: Final = 0.12
"""Of a day's facts that come in its busiest hour. The run is one long busiest hour."""

SECONDS_PER_HOUR: Final = 3_600


class OutageOptions(Struct, frozen=True, kw_only=True):
    """The command line of `stocktruth-sim outage`. Times of the run are wall time."""

    folder: Path
    minutes: float = 10.0
    speed: float = 100.0
    seed: int = 1
    steady_s: float = 15.0

    @property
    def facts_per_s(self) -> float:
        """How many facts the store makes in a second of the run."""
        return FACTS_PER_DAY * PEAK_HOUR_SHARE / SECONDS_PER_HOUR * self.speed

    def command(self) -> str:
        """Return the command that repeats this run."""
        return (
            f"stocktruth-sim outage --minutes {self.minutes:g} --speed {self.speed:g}"
            f" --seed {self.seed}"
        )
