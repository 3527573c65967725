"""When and how the power is cut: drawn from the seed, one plan for each cycle. Pure.

The fault model. A guest writes to its disk through its page cache. A cut takes the page cache and
whatever the disk itself had not written yet. How much that is depends on the disk:

    prompt      everything that the guest handed to the disk is on the platter
    caching     the disk keeps writes in a memory of its own until it is told to flush; before that
                it writes back what it likes, in any order, in pieces of 512 bytes
    failing     the disk fails every write from a moment on, and then the power goes
    vanishing   the disk accepts everything and writes nothing from a moment on, and then the power
                goes; what was acknowledged after that moment is not counted
"""

from collections.abc import Mapping
from random import Random
from typing import Final, Literal

from msgspec import Struct

Disk = Literal["prompt", "caching", "failing", "vanishing"]
Moment = Literal["opening", "migration", "load", "checkpoint", "disk"]
"""What the cut follows: the mounting of the disk, the opening of a new data set, the first writes,
the start of a checkpoint, or the moment at which the disk fails or vanishes."""

DISK_WEIGHTS: Final[dict[Disk, int]] = {"prompt": 4, "caching": 4, "failing": 1, "vanishing": 1}

MS_MAX: Final[dict[Moment, int]] = {
    "opening": 250,
    "migration": 60,
    "load": 1_200,
    "checkpoint": 12,
    "disk": 150,
}
"""The longest time from a moment to its cut."""

CYCLES_PER_SET_MAX: Final = 8
"""A data set lives through so many cuts at most; then a new one begins."""
DISK_GOES_AFTER_MS_MAX: Final = 900


class CutPlan(Struct, frozen=True, kw_only=True):
    """One cycle. `is_fresh`: after the check, a new data set begins, made by an `is_old` release.

    The cut comes `delay_ms` after the `occurrence`-th time that the moment comes.
    `disk_goes_after_ms` counts from the first writes.
    """

    disk: Disk
    moment: Moment
    delay_ms: float
    occurrence: int = 1
    is_fresh: bool = False
    is_old: bool = False
    disk_goes_after_ms: int = 0


def draw_plan(rng: Random, set_age: int, weights: Mapping[Disk, int] = DISK_WEIGHTS) -> CutPlan:
    """Return the plan of a cycle; `set_age` cuts have hit the data set, 0: there is none."""
    is_fresh = set_age == 0 or set_age >= rng.randint(3, CYCLES_PER_SET_MAX)
    disk = rng.choices(list(weights), list(weights.values()))[0]
    moment = _moment(rng, disk, is_fresh=is_fresh, set_age=set_age)
    return CutPlan(
        disk=disk,
        moment=moment,
        delay_ms=round(rng.random() * MS_MAX[moment], 1),
        occurrence=rng.randint(1, 3) if moment == "checkpoint" else 1,
        is_fresh=is_fresh,
        is_old=is_fresh and rng.random() < 0.5,
        disk_goes_after_ms=rng.randint(0, DISK_GOES_AFTER_MS_MAX),
    )


def _moment(rng: Random, disk: Disk, *, is_fresh: bool, set_age: int) -> Moment:
    if disk in ("failing", "vanishing"):
        return "disk"
    draw = rng.random()
    if is_fresh and draw < 0.4:
        return "migration"
    # A data set that is about to end is checked first, so nothing may cut that short.
    if not is_fresh and set_age and draw < 0.15:
        return "opening"
    return "checkpoint" if draw > 0.7 else "load"
