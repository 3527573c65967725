"""Distances on the earth. Pure."""

from math import asin, cos, radians, sin, sqrt
from typing import Final

EARTH_RADIUS_KM: Final = 6_371.0088
"""Mean radius (IUGG)."""


def distance_km(
    latitude: float, longitude: float, other_latitude: float, other_longitude: float
) -> float:
    """Return the great-circle distance (haversine formula; R. W. Sinnott, 1984)."""
    half_height = sin(radians(other_latitude - latitude) / 2) ** 2
    half_width = sin(radians(other_longitude - longitude) / 2) ** 2
    shrunk = cos(radians(latitude)) * cos(radians(other_latitude)) * half_width
    # Rounding may lead a hair beyond 1 for opposite points.
    return 2 * EARTH_RADIUS_KM * asin(sqrt(min(1.0, half_height + shrunk)))
