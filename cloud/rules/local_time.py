"""An instant as a place sees it: hour, weekday, season, holiday. Pure functions of their arguments.

Time zones come from the IANA database, holidays from the holidays package, with English names.
"""

from datetime import date, datetime
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import holidays
from msgspec import Struct

WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
SEASONS: Final = ("winter", "spring", "summer", "autumn")
HOLIDAY_YEARS_CACHED: Final = 1_024
ZONES_CACHED: Final = 1_024
_MONTHS_PER_SEASON: Final = 3
_HALF_A_YEAR_OF_SEASONS: Final = 2


class LocalTime(Struct, frozen=True, kw_only=True):
    """An instant in a location's time zone. `holiday` is empty on other days."""

    year: int
    month: int
    day: int
    hour: int
    minute: int
    weekday: str
    season: str
    is_holiday: bool
    holiday: str


@lru_cache(maxsize=ZONES_CACHED)
def zone_named(name: str) -> ZoneInfo:
    """Return an IANA time zone; `ValueError` if there is none of this name."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, OSError, ValueError) as error:
        # "Europe" is a folder of the database (OSError), "../x" leads out of it (ValueError).
        allowed = "an IANA name is allowed, as Europe/Berlin"
        raise ValueError(f"time_zone = {name!r}: {allowed}") from error


@lru_cache(maxsize=HOLIDAY_YEARS_CACHED)
def holidays_in(country: str, subdivision: str, year: int) -> dict[date, str]:
    """Return the public holidays of a year by date; `ValueError` if the place is not known.

    An empty country has none. Two holidays on one day are joined by "; ".
    """
    if not country:
        return {}
    try:
        return dict(
            holidays.country_holidays(
                country, subdivision or None, years=year, expand=False, language="en_US"
            )
        )
    except NotImplementedError as error:
        raise ValueError(
            f"country = {country!r}, subdivision = {subdivision!r}: {error};"
            " an ISO 3166 code that the holidays package has is allowed, or none"
        ) from error


def season_of(month: int, *, southern: bool) -> str:
    """Return the meteorological season: in the north, winter is December to February."""
    quarter = month % 12 // _MONTHS_PER_SEASON
    return SEASONS[(quarter + (_HALF_A_YEAR_OF_SEASONS if southern else 0)) % len(SEASONS)]


def local_time(
    at_ms: int, time_zone: str, country: str, subdivision: str, *, southern: bool
) -> LocalTime:
    """Return what the clock and the calendar on the wall show; `ValueError` for unknown places."""
    local = datetime.fromtimestamp(at_ms // 1000, tz=zone_named(time_zone))
    holiday = holidays_in(country, subdivision, local.year).get(local.date(), "")
    return LocalTime(
        year=local.year,
        month=local.month,
        day=local.day,
        hour=local.hour,
        minute=local.minute,
        weekday=WEEKDAYS[local.weekday()],
        season=season_of(local.month, southern=southern),
        is_holiday=bool(holiday),
        holiday=holiday,
    )
