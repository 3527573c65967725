"""What the reader of a portal reads: goods that pass, and goods that only stand near. Pure.

A coarse model of what `portal_radio` works out from physics, at microseconds a tag, so that a store
lives through months in seconds. A link budget in dB decides: what is left for a tag is its quality
and readability, its angle and place in the bag, the crowd around it, and the antennas' power; below
zero it is not read at all, and the more is left, the more often and the stronger it is read. Levels
rise and fall with the walk: about 12 dB from the middle of an antenna's field to its edge.
"""

import math
from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import TYPE_CHECKING, Final, Literal

from simulators.world.reader_reports import RawRead, ReaderReports
from simulators.world.reader_settings import (
    POWER_NOMINAL_DBM,
    PortalReaderSettings,
    TagQualitySettings,
)
from simulators.world.tagged_units import TaggedUnit
from simulators.world.truth_events import Portal

if TYPE_CHECKING:
    from random import Random

Side = Literal["inside", "outside"]

LEAD_MS: Final = 4_000
"""So long before somebody is in the doorway may the first read be."""
OVER_MS: Final = 4_000
"""So long after that, and after a stop, nothing is read any more."""
SIDE_DISTANCE_MS: Final = 700
"""From the middle of one side's field to the doorway, at walking pace."""
SIDE_SPREAD_MS: Final = 420
WALK_MAX: Final = 2.3
"""A field ends at so many of its spreads."""
EDGE_LOSS_DB: Final = 12.0
LEVEL_NOISE_DB: Final = 2.0
READS_MAX: Final = 60
BACK_LOBE_SHARE: Final = 0.05
BACK_LOBE_DB: Final = 10.0
READABILITY_DB: Final = 3.0
"""What one standard deviation of a tag's readability is worth."""
USUAL_CROWD: Final[dict[Portal, int]] = {"dock": 24, "exit": 2}
LINGERING_MS: Final = 12_000
PARKED_READ_EVERY_MS: Final = 12_000

OUTSIDE: Final[dict[Portal, int]] = {"dock": 1, "exit": 2}
INSIDE: Final[dict[Portal, int]] = {"dock": 2, "exit": 1}
"""The first antenna of each side; further ones follow in steps of two."""


def antennas(portal: Portal, per_side: int) -> Mapping[int, Side]:
    """Return which side each antenna of a portal looks at."""
    sides: dict[int, Side] = {}
    for step in range(0, 2 * per_side, 2):
        sides[OUTSIDE[portal] + step] = "outside"
        sides[INSIDE[portal] + step] = "inside"
    return sides


class PortalRadio:
    """The reader of one portal."""

    def __init__(
        self,
        portal: Portal,
        settings: PortalReaderSettings,
        tags: TagQualitySettings,
        rng: "Random",
        reports: ReaderReports,
    ) -> None:
        self._portal: Final = portal
        self._settings: Final = settings
        self._rng: Final = rng
        self._reports: Final = reports
        steps = range(0, 2 * settings.antennas_per_side, 2)
        self._outside: Final = [OUTSIDE[portal] + step for step in steps]
        self._inside: Final = [INSIDE[portal] + step for step in steps]
        read = settings.exit_read_probability
        if portal == "dock":
            read = settings.dock_read_probability
        spread_db = math.hypot(
            settings.orientation_db,
            READABILITY_DB * math.hypot(tags.article_spread, tags.tag_spread),
        )
        self._left_db: Final = {
            "healthy": margin_for(read, spread_db),
            "weak": margin_for(read * settings.weak_factor, spread_db),
        }

    def cross(
        self,
        units: Sequence[TaggedUnit],
        doorway_ms: int,
        stop_ms: int,
        strays: Sequence[TaggedUnit],
        *,
        is_inwards: bool,
    ) -> None:
        """Let units go through, in the doorway from `doorway_ms` for `stop_ms`, past strays."""
        first, last = self._outside, self._inside
        if not is_inwards:
            first, last = last, first
        reads: list[RawRead] = []
        pace = self._rng.uniform(0.7, 1.6)
        away_ms = int(SIDE_DISTANCE_MS * pace)
        for unit in units:
            margin_db = self._margin_db(unit, len(units))
            if margin_db is None:
                continue
            draw = self._rng.random() / max(1e-9, self._settings.one_side_share)
            if draw >= 0.5:
                reads += self._side(first, last, unit, margin_db, doorway_ms - away_ms, pace)
            if not 0.5 <= draw < 1.0:
                leaves_ms = doorway_ms + stop_ms + away_ms
                reads += self._side(last, first, unit, margin_db, leaves_ms, pace)
        for unit in strays:
            reads += self._faint(self._inside, unit, doorway_ms - 2_000, 4_000 + stop_ms)
        self._reports.report(reads)

    def linger(self, unit: TaggedUnit, at_ms: int) -> None:
        """Let a unit be carried up to the portal from inside, and back again."""
        rng, reads = self._rng, list[RawRead]()
        margin_db = self._margin_db(unit, 1)
        if margin_db is not None:
            for _ in range(rng.randint(2, 5)):
                when_ms = at_ms + LEAD_MS + rng.randrange(LINGERING_MS)
                reads += self._side(self._inside, self._outside, unit, margin_db - 2, when_ms, 1.5)
            if rng.random() < 0.5:  # The outer antennas hear it too, a little.
                reads += self._faint(self._outside, unit, at_ms + LEAD_MS, LINGERING_MS)
        self._reports.report(reads)

    def stand(self, units: Sequence[TaggedUnit], at_ms: int, lasts_ms: int) -> None:
        """Let units stand inside the portal for so long, as on a cart that somebody parked."""
        rng, reads = self._rng, list[RawRead]()
        for unit in units:
            if unit.quality == "dead":
                continue
            level_dbm = self._settings.peak_dbm - rng.uniform(4.0, 14.0)
            when_ms = at_ms + int(rng.expovariate(1 / PARKED_READ_EVERY_MS))
            while when_ms < at_ms + lasts_ms:
                reads.append(self._read(self._inside, unit, level_dbm, when_ms))
                when_ms += 1 + int(rng.expovariate(1 / PARKED_READ_EVERY_MS))
        self._reports.report(reads)

    def pass_by(self, unit: TaggedUnit, at_ms: int) -> None:
        """Let somebody outside pass with a unit that is not the store's any more."""
        self._reports.report(self._faint(self._outside, unit, at_ms, 3_000))

    def _margin_db(self, unit: TaggedUnit, crowd: int) -> float | None:
        """Return how much better than necessary a unit's link is; `None` if it is not read."""
        if unit.quality == "dead":
            return None
        settings = self._settings
        margin_db = (
            self._left_db[unit.quality]
            + self._rng.gauss(0.0, settings.orientation_db)
            + READABILITY_DB * unit.readability
            + settings.power_dbm
            - POWER_NOMINAL_DBM
            - settings.crowding_db * math.log2(crowd / USUAL_CROWD[self._portal])
        )
        return margin_db if margin_db > 0 else None

    def _side(
        self,
        facing: list[int],
        behind: list[int],
        unit: TaggedUnit,
        margin_db: float,
        middle_ms: int,
        pace: float,
    ) -> list[RawRead]:
        """Return the reads of a unit that walks through the field of one side's antennas."""
        rng = self._rng
        usual_db = max(1.0, self._left_db["healthy"])
        mean = self._settings.reads_per_side * pace * min(2.0, 0.3 + 0.6 * margin_db / usual_db)
        count = min(READS_MAX, max(1, int(mean * (0.5 + 0.5 * rng.expovariate(1.0)))))
        peak_dbm = self._settings.peak_dbm + min(8.0, margin_db - usual_db)
        spread_ms = SIDE_SPREAD_MS * pace
        reads = []
        for _ in range(count):
            away = max(-WALK_MAX, min(WALK_MAX, rng.gauss(0.0, 1.0)))
            level_dbm = peak_dbm - EDGE_LOSS_DB * away * away / (WALK_MAX * WALK_MAX)
            heard_by = facing
            if rng.random() < BACK_LOBE_SHARE:
                heard_by, level_dbm = behind, level_dbm - BACK_LOBE_DB
            reads.append(self._read(heard_by, unit, level_dbm, middle_ms + int(away * spread_ms)))
        return reads

    def _faint(
        self, heard_by: list[int], unit: TaggedUnit, from_ms: int, lasts_ms: int
    ) -> list[RawRead]:
        if unit.quality == "dead":
            return []
        rng = self._rng
        level_dbm = self._settings.peak_dbm - rng.uniform(10.0, 18.0)
        return [
            self._read(heard_by, unit, level_dbm, from_ms + rng.randrange(lasts_ms))
            for _ in range(rng.randint(1, 4))
        ]

    def _read(self, heard_by: list[int], unit: TaggedUnit, level_dbm: float, at_ms: int) -> RawRead:
        rng = self._rng
        antenna = heard_by[0] if len(heard_by) == 1 else rng.choice(heard_by)
        epc = unit.epc
        if unit.foreign_epc is not None and rng.random() < 0.5:
            epc = unit.foreign_epc
        return RawRead(at_ms, antenna, epc, level_dbm + rng.gauss(0.0, LEVEL_NOISE_DB))


def margin_for(read: float, spread_db: float) -> float:
    """Return the mean margin at which tags are read so often, with links that differ so much."""
    return NormalDist(0.0, max(0.01, spread_db)).inv_cdf(min(0.9999, max(0.0001, read)))
