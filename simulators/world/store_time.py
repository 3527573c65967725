"""Store time: days, hours, when people come, and draws of chance over it. Pure."""

from typing import TYPE_CHECKING, Final

from simulators.world.people_settings import HoursSettings

if TYPE_CHECKING:
    from random import Random

MINUTE_MS: Final = 60_000
HOUR_MS: Final = 3_600_000
DAY_MS: Final = 86_400_000
DAYS_PER_YEAR: Final = 365.0
DAYS_PER_MONTH: Final = 30.4
STARTED_MS: Final = 1_767_571_200_000
"""2026-01-05T00:00:00Z, a Monday."""

_POISSON_SMALL: Final = 50.0


def some_time(hours: HoursSettings, midnight_ms: int, rng: "Random") -> int:
    """Return when one of a day's visitors comes."""
    half = (hours.closes_at - hours.opens_at) / 2
    begins = hours.opens_at + (half if rng.random() < hours.evening_share else 0.0)
    return midnight_ms + int((begins + rng.random() * half) * HOUR_MS)


def poisson(mean: float, rng: "Random") -> int:
    """Return a Poisson draw: by its exponential gaps, or the normal approximation above 50."""
    if mean <= 0:
        return 0
    if mean > _POISSON_SMALL:
        return max(0, round(rng.gauss(mean, mean**0.5)))
    events, at = 0, rng.expovariate(1.0)
    while at < mean:
        events += 1
        at += rng.expovariate(1.0)
    return events


def delay_ms(mean_ms: float, rng: "Random") -> int:
    """Return a waiting time of this mean, exponentially distributed."""
    return int(rng.expovariate(1.0) * mean_ms)
