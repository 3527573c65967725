"""A world that is worse, or better, than its scenario says, by factors. Pure.

What is multiplied are the shares of what goes wrong: 97 % of tags read and a factor of 2 make 94 %.
"""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from simulators.truth.options import Factors
from simulators.world.noisy_settings import NoisySettings

_Names = Mapping[str, tuple[str, ...]]

_READ_SHARES: Final[_Names] = {
    "sweeps": ("read_probability", "weak_read_probability"),
    "portals": ("exit_read_probability", "dock_read_probability"),
}
"""Shares of what goes well."""
_UNREAD_SHARES: Final[_Names] = {
    "tags": ("weak_share", "dead_share"),
    "portals": ("one_side_share",),
    "readers": ("lost_report_share", "late_report_share"),
}
_THEFTS: Final[_Names] = {"thefts": ("per_unit_year",)}
_ERROR_SHARES: Final[_Names] = {
    "opening": ("wrong_share",),
    "visitors": ("misplaced_share",),
    "tills": (
        "wrong_item_share",
        "wrong_quantity_share",
        "not_scanned_share",
        "flavours_as_one_share",
        "wrong_return_share",
    ),
    "supply": ("wrong_line_share",),
    "counts": ("wrong_share", "overlooked_share"),
}


def worsened(settings: NoisySettings, factors: Factors) -> NoisySettings:
    """Return the settings of a world that errs by these factors as much."""
    for part, names in _READ_SHARES.items():
        settings = _changed(settings, part, names, factors.read, is_good=True)
    for part, names in _UNREAD_SHARES.items():
        settings = _changed(settings, part, names, factors.read)
    for part, names in _THEFTS.items():
        settings = _changed(settings, part, names, factors.theft)
    for part, names in _ERROR_SHARES.items():
        settings = _changed(settings, part, names, factors.errors)
    return settings


def _changed(
    settings: NoisySettings,
    part: str,
    names: tuple[str, ...],
    factor: float,
    *,
    is_good: bool = False,
) -> NoisySettings:
    before: Struct = getattr(settings, part)
    shares = {
        name: _good(getattr(before, name), factor)
        if is_good
        else min(1.0, getattr(before, name) * factor)
        for name in names
    }
    return replace(settings, **{part: replace(before, **shares)})


def _good(share: float, factor: float) -> float:
    return max(0.0, 1.0 - factor * (1.0 - share))
