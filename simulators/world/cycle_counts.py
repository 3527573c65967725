"""Counts by hand in a noisy store: some articles in turn each day, others where asked. Pure."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Final

from protocol.ids import Gtin
from simulators.world.happenings import ManualCount
from simulators.world.scene import Scene
from simulators.world.store_time import DAY_MS, HOUR_MS, STARTED_MS

if TYPE_CHECKING:
    from random import Random

GRAMS_SPREAD: Final = 0.005
"""Standard deviation of weighing what is there, as a part of it."""
WRONG_PART: Final = 20
NOTICE_MS: Final = 60_000

Counted = Callable[[Gtin, int], None]


class CycleCounts:
    """Staff who count. Counts that somebody asked for have a stream of chance of their own.

    `counted` is told what was counted in turn, since the head office's book is set right by that.
    """

    def __init__(self, scene: Scene, counted: Counted, rng: "Random", asked_rng: "Random") -> None:
        self._scene: Final = scene
        self._settings: Final = scene.settings.counts
        self._counted: Final = counted
        self._rng: Final = rng
        self._asked_rng: Final = asked_rng
        self._order: Final = list(scene.goods.skus)
        self._turn = 0
        self._asked_day = -1
        self._asked = 0

    def plan_day(self, midnight_ms: int) -> None:
        """Count what is next in turn this morning."""
        at_ms = midnight_ms + int(self._settings.at_hour * HOUR_MS)
        for _ in range(min(self._settings.cycle_counts_per_day, len(self._order))):
            gtin = self._order[self._turn]
            self._turn = (self._turn + 1) % len(self._order)
            self._scene.agenda.at(at_ms, partial(self._count_in_turn, gtin))
            at_ms += int(self._settings.count_s * 1_000)

    def ask(self, gtins: Iterable[Gtin], now_ms: int) -> None:
        """Count these today, as far as staff find time: this morning, or at once if it is over."""
        day = (now_ms - STARTED_MS) // DAY_MS
        if day != self._asked_day:
            self._asked_day, self._asked = day, 0
        begins_ms = STARTED_MS + day * DAY_MS + int(self._settings.at_hour * HOUR_MS)
        at_ms = max(begins_ms, now_ms + NOTICE_MS)
        for gtin in gtins:
            if self._asked == self._settings.recounts_per_day:
                return
            self._scene.agenda.at(at_ms, partial(self._count_asked, gtin))
            self._asked += 1
            at_ms += int(self._settings.count_s * 1_000)

    def _count_in_turn(self, gtin: Gtin, now_ms: int) -> None:
        self._counted(gtin, self._count(gtin, now_ms, self._rng))

    def _count_asked(self, gtin: Gtin, now_ms: int) -> None:
        self._count(gtin, now_ms, self._asked_rng)

    def _count(self, gtin: Gtin, now_ms: int, rng: "Random") -> int:
        """Count one article, show it, and return it."""
        scene = self._scene
        measure = scene.goods.skus[gtin].measure
        there = scene.goods.on_hand(gtin)
        seen = there - self._overlooked(gtin, rng)
        if measure == "grams":
            seen = round(seen * rng.gauss(1.0, GRAMS_SPREAD))
        if rng.random() < self._settings.wrong_share:
            step = 1 if measure == "units" else max(1, there // WRONG_PART)
            seen += rng.choice((-step, -step, step))
        seen = max(0, seen)
        if measure == "units" and seen != there:
            scene.truth.mishap(now_ms, "miscounted", gtin)
        scene.show(ManualCount(now_ms, gtin, seen, measure))
        return seen

    def _overlooked(self, gtin: Gtin, rng: "Random") -> int:
        goods, share = self._scene.goods, self._settings.overlooked_share
        units = goods.units.get(gtin)
        if units is None:
            return sum(rng.random() < share for _ in range(goods.loose[gtin].astray))
        return sum(unit.is_misplaced and rng.random() < share for unit in units)
