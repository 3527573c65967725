"""Labels: what truly happened during a recording, as somebody wrote it down.

Pure types. Times are seconds since the recording began (`at_s`), or instants with an offset (`at`)
from a clock on the wall. docs/record-and-replay.md shows a file.
"""

from datetime import datetime
from typing import Annotated, Final

from msgspec import Meta, Struct

from protocol.facts import Count, Name, Zone

LABELS_MAX: Final = 100_000
DAY_S: Final = 86_400.0

Seconds = Annotated[
    float, Meta(ge=0, le=1e9, description="0 to 1000000000 seconds since the recording began")
]
EpcHex = Annotated[
    str,
    Meta(pattern="^([0-9A-Fa-f]{2}){1,62}$", description="an EPC: 1 to 62 bytes, hexadecimal"),
]
EpcHexes = Annotated[list[EpcHex], Meta(min_length=1, max_length=10_000)]


class CrossingLabel(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """These tags came into a zone, within `within_s` of a moment."""

    epcs: EpcHexes
    to_zone: Zone
    at_s: Seconds | None = None
    at: datetime | None = None
    within_s: Annotated[float, Meta(gt=0, le=DAY_S)] = 10.0

    def __post_init__(self) -> None:
        """Refuse what is at no time, or at two."""
        _require_one_time(self.at_s, self.at)


class InBoxLabel(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """These tags, and no others, were received from `from_s` to `to_s`."""

    epcs: EpcHexes
    from_s: Seconds
    to_s: Seconds

    def __post_init__(self) -> None:
        """Refuse a time that runs backwards."""
        if self.to_s <= self.from_s:
            raise ValueError("to_s must be after from_s")


class ShelfLabel(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """So many units lay on a shelf at a moment, and had for a while."""

    shelf: Name
    quantity: Count
    at_s: Seconds | None = None
    at: datetime | None = None

    def __post_init__(self) -> None:
        """Refuse what is at no time, or at two."""
        _require_one_time(self.at_s, self.at)


class Labels(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A labels file.

    `is_complete` says that no tag came into a zone that the crossings name, other than they say:
    then whatever else is decided about these zones is wrong.
    """

    is_complete: bool = True
    crossings: Annotated[list[CrossingLabel], Meta(max_length=LABELS_MAX)] = []
    in_box: Annotated[list[InBoxLabel], Meta(max_length=LABELS_MAX)] = []
    shelves: Annotated[list[ShelfLabel], Meta(max_length=LABELS_MAX)] = []


def _require_one_time(at_s: float | None, at: datetime | None) -> None:
    if (at_s is None) == (at is None):
        raise ValueError("expected either at_s or at")
    if at is not None and at.tzinfo is None:
        raise ValueError("at needs an offset, such as 2026-03-14T10:00:00+01:00")
