"""What a handheld reader reads in a sweep through the whole store. Pure.

Whether a tag is read is a normal variable above zero: its quality, the readability of the article
and of the tag, and how carefully this sweep went along the fixture. So what is missed once is
missed again more easily, and neighbours are missed together; the mean over all tags is as set.
"""

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import TYPE_CHECKING, Final

from simulators.world.reader_reports import RawRead, ReaderReports
from simulators.world.reader_settings import SweepSettings, TagQualitySettings
from simulators.world.tagged_units import TaggedUnit

if TYPE_CHECKING:
    from random import Random

ANTENNA: Final = 1
HANDHELD_DBM: Final = -58.0
LEVEL_SPREAD_DB: Final = 5.0
REREAD_MS: Final = 400
READS_MAX: Final = 4
_NORMAL: Final = NormalDist()


class Handheld:
    """The handheld of one store."""

    def __init__(
        self,
        settings: SweepSettings,
        tags: TagQualitySettings,
        rng: "Random",
        reports: ReaderReports,
    ) -> None:
        self._settings: Final = settings
        self._rng: Final = rng
        self._reports: Final = reports
        # An average over a normal variable of this spread: E[Phi(b + sZ)] = Phi(b / sqrt(1 + s²)).
        spread = math.sqrt(
            1 + tags.article_spread**2 + tags.tag_spread**2 + settings.haste_spread**2
        )
        healthy = healthy_read_probability(settings, tags)
        self._threshold: Final = {
            "healthy": spread * _quantile(healthy),
            "weak": spread * _quantile(settings.weak_read_probability),
        }

    def sweep(self, units: Sequence[TaggedUnit], started_ms: int, ended_ms: int) -> None:
        """Let somebody walk past all units, fixture by fixture."""
        rng = self._rng
        ordered = sorted(units, key=lambda unit: unit.fixture)
        step_ms = (ended_ms - started_ms) / max(1, len(ordered))
        reads: list[RawRead] = []
        fixture, care = None, 0.0
        for index, unit in enumerate(ordered):
            if unit.fixture != fixture:
                fixture, care = unit.fixture, rng.gauss(0.0, self._settings.haste_spread)
            at_ms = started_ms + int(step_ms * index)
            if unit.foreign_epc is not None:
                reads.append(RawRead(at_ms, ANTENNA, unit.foreign_epc, HANDHELD_DBM))
            if self._is_read(unit, care):
                level_dbm = rng.gauss(HANDHELD_DBM, LEVEL_SPREAD_DB)
                reads.append(RawRead(at_ms, ANTENNA, unit.epc, level_dbm))
                for _ in range(rng.randrange(READS_MAX)):
                    again_ms = min(ended_ms, at_ms + rng.randrange(REREAD_MS))
                    reads.append(RawRead(again_ms, ANTENNA, unit.epc, level_dbm - 1.0))
        self._reports.report(reads)

    def _is_read(self, unit: TaggedUnit, care: float) -> bool:
        if unit.quality == "dead":
            return False
        rng = self._rng
        if unit.is_misplaced and rng.random() >= self._settings.misplaced_factor:
            return False
        margin = self._threshold[unit.quality] + unit.readability + care
        return margin + rng.gauss(0.0, 1.0) > 0


def healthy_read_probability(sweeps: SweepSettings, tags: TagQualitySettings) -> float:
    """Return how often a healthy tag is read, so that the mean over all tags is as set."""
    healthy = 1.0 - tags.weak_share - tags.dead_share
    if healthy <= 0:
        return 0.0
    rest = sweeps.read_probability - tags.weak_share * sweeps.weak_read_probability
    return min(0.9995, max(0.0, rest / healthy))


def _quantile(share: float) -> float:
    return _NORMAL.inv_cdf(min(0.9999, max(0.0001, share)))
