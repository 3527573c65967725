"""What the antennas of a store look at: a zone, a side of a portal, or what a handheld passes.

Pure data, made from the settings once.
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple

from msgspec import Struct

from protocol.facts import Zone

Side = Literal["outside", "inside"]


class PortalSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A doorway between two zones."""

    name: str
    outside: Zone
    inside: Zone


class ZoneAntenna(NamedTuple):
    """An antenna that reads a zone."""

    zone: Zone


class PortalAntenna(NamedTuple):
    """An antenna that reads one side of a portal."""

    portal: PortalSettings
    side: Side


class SweepAntenna(NamedTuple):
    """An antenna that somebody carries through the store to count it."""


Antenna = ZoneAntenna | PortalAntenna | SweepAntenna

Layout = Mapping[tuple[str, int], Antenna]
"""What each antenna of each reader looks at."""
