"""What staff of a noisy store do besides selling: sweep, count, recount, tidy. Pure."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from protocol.ids import Gtin
from simulators.world.agenda import Agenda
from simulators.world.happenings import ManualCount, SweepEnded, SweepStarted
from simulators.world.noisy_goods import Goods
from simulators.world.noisy_settings import NoisySettings
from simulators.world.radio import Radio, Show
from simulators.world.truth_events import TrueMishap

if TYPE_CHECKING:
    from random import Random

HOUR_MS: Final = 3_600_000
COUNTS_BEGIN_HOUR: Final = 5.0
"""Before the lorry comes and before the doors open, so that nothing moves while somebody counts."""
COUNT_EVERY_MS: Final = 20_000
GRAMS_SPREAD: Final = 0.02


class NoisyStaff:
    """Everybody who works in the store. Mistakes of counts have a stream of chance of their own."""

    def __init__(
        self,
        settings: NoisySettings,
        goods: Goods,
        radio: Radio,
        agenda: Agenda,
        rng: "Random",
        counting_rng: "Random",
        show: Show,
    ) -> None:
        self._settings: Final = settings
        self._goods: Final = goods
        self._radio: Final = radio
        self._agenda: Final = agenda
        self._rng: Final = rng
        self._counting_rng: Final = counting_rng
        self._show: Final = show
        self._turn = 0
        self.mishaps: Final[list[TrueMishap]] = []

    def plan_day(self, midnight_ms: int, day: int) -> None:
        """Sweep if it is the day, count what is next in turn, tidy and misplace."""
        sweeps = self._settings.sweeps
        if sweeps.every_days and day % sweeps.every_days == 0 and self._goods.units:
            self._agenda.at(midnight_ms + int(sweeps.at_hour * HOUR_MS), self._sweep)
        self._agenda.at(midnight_ms + HOUR_MS, self._tidy)
        in_turn = self._next_in_turn(self._settings.counts.cycle_counts_per_day)
        self.count(in_turn, midnight_ms)

    def count(self, gtins: Sequence[Gtin], midnight_ms: int) -> None:
        """Count these in the morning."""
        at_ms = midnight_ms + int(COUNTS_BEGIN_HOUR * HOUR_MS)
        for gtin in gtins:
            self._agenda.at(at_ms, lambda now_ms, g=gtin: self._count(g, now_ms))
            at_ms += COUNT_EVERY_MS

    def _next_in_turn(self, many: int) -> list[Gtin]:
        if not many:
            return []
        order = list(self._goods.skus)
        chosen = [order[(self._turn + index) % len(order)] for index in range(many)]
        self._turn = (self._turn + many) % len(order)
        return chosen

    def _count(self, gtin: Gtin, now_ms: int) -> None:
        counts, rng = self._settings.counts, self._counting_rng
        measure = self._goods.skus[gtin].measure
        there = self._goods.on_hand(gtin)
        seen = there
        if measure == "grams":
            seen = max(0, round(there * rng.gauss(1.0, GRAMS_SPREAD / 4)))
        for unit in self._goods.units.get(gtin, ()):
            seen -= unit.is_misplaced and rng.random() < counts.overlooked_share
        if rng.random() < counts.wrong_share:
            step = 1 if measure == "units" else max(1, there // 20)
            seen = max(0, seen + rng.choice((-step, -step, step)))
        if measure == "units" and seen != there:
            self.mishaps.append(TrueMishap(now_ms, gtin, "miscounted"))
        self._show(ManualCount(now_ms, gtin, seen, measure))

    def _sweep(self, now_ms: int) -> None:
        ends_ms = now_ms + int(self._settings.sweeps.minutes * 60_000)
        name = f"sweep-{now_ms // 86_400_000}"
        self._show(SweepStarted(now_ms, name))
        units = [unit for of_gtin in self._goods.units.values() for unit in of_gtin]
        self._radio.sweep(units, now_ms + 1_000, ends_ms - 5_000)
        self._show(SweepEnded(ends_ms, name))

    def _tidy(self, _now_ms: int) -> None:
        visitors, rng = self._settings.visitors, self._rng
        back = min(1.0, 1.0 / visitors.tidied_after_days)
        for unit in list(self._goods.misplaced):
            if rng.random() < back:
                self._goods.tidy(unit)
        units = [unit for of_gtin in self._goods.units.values() for unit in of_gtin]
        newly = visitors.misplaced_share * back * len(units)
        count = min(len(units), int(newly) + (rng.random() < newly % 1))
        for unit in rng.sample(units, count):
            if not unit.is_misplaced:
                self._goods.misplace(unit)
