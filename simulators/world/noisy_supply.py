"""What the warehouse sends to a noisy store: advices, crates, papers and mistakes. Pure."""

from typing import TYPE_CHECKING, Final

from protocol.ids import Gtin
from simulators.world.agenda import Agenda
from simulators.world.happenings import AdviceSent, Line, Receipt
from simulators.world.noisy_goods import Goods, TaggedUnit
from simulators.world.noisy_settings import NoisySettings
from simulators.world.radio import Radio, Show
from simulators.world.shelves import Shelves
from simulators.world.truth_events import TrueCrossing, TrueMishap

if TYPE_CHECKING:
    from random import Random

HOUR_MS: Final = 3_600_000
ADVISED_BEFORE_MS: Final = 2 * HOUR_MS
CRATE_EVERY_MS: Final = 45_000
SIGNED_AFTER_MS: Final = 10 * 60_000
SHORT_UNTIL: Final = 0.4
OVER_UNTIL: Final = 0.7
"""Of the wrong lines so many are short, then over, and the rest are another article."""


class Supply:
    """The deliveries of one store."""

    def __init__(
        self,
        settings: NoisySettings,
        goods: Goods,
        shelves: Shelves,
        radio: Radio,
        agenda: Agenda,
        rng: "Random",
        show: Show,
    ) -> None:
        self._settings: Final = settings
        self._goods: Final = goods
        self._shelves: Final = shelves
        self._radio: Final = radio
        self._agenda: Final = agenda
        self._rng: Final = rng
        self._show: Final = show
        self._deliveries = 0
        self.crossings: Final[list[TrueCrossing]] = []
        self.mishaps: Final[list[TrueMishap]] = []

    def plan_day(self, midnight_ms: int, day: int) -> None:
        """Let a lorry come, if it is the day."""
        supply = self._settings.supply
        if day % supply.every_days == 0:
            self._agenda.at(midnight_ms + int(supply.at_hour * HOUR_MS), self._arrive)

    def _arrive(self, now_ms: int) -> None:
        lines = self._wanted()
        if not lines:
            return
        self._deliveries += 1
        document = f"DN{self._deliveries:05d}"
        self._show(AdviceSent(now_ms - ADVISED_BEFORE_MS, document, tuple(lines)))
        crates: list[TaggedUnit] = []
        for line in lines:
            gtin, quantity = self._packed(line, now_ms)
            if self._goods.skus[gtin].is_tagged:
                crates += [self._goods.make_unit(gtin) for _ in range(quantity)]
            elif quantity:
                self._goods.put_loose(gtin, quantity)
                self._shelves.changed(self._goods.skus[gtin], now_ms)
        passed_ms = self._carry_in(crates, now_ms)
        self._show(Receipt(passed_ms + SIGNED_AFTER_MS, document, tuple(lines)))

    def _wanted(self) -> list[Line]:
        refill_below = self._settings.supply.refill_below
        lines = []
        for gtin, full in self._goods.full.items():
            there = self._goods.on_hand(gtin)
            if there <= full * refill_below and there < full:
                lines.append(Line(gtin, full - there, self._goods.skus[gtin].measure))
        return lines

    def _packed(self, line: Line, now_ms: int) -> tuple[Gtin, int]:
        """Return what was packed for a line: mostly what it says."""
        if self._rng.random() >= self._settings.supply.wrong_line_share:
            return line.gtin, line.quantity
        draw = self._rng.random()
        step = 1 if line.measure == "units" else max(1, line.quantity // 10)
        if draw < SHORT_UNTIL:
            self._mishap(now_ms, line.gtin, "delivery short")
            return line.gtin, max(0, line.quantity - step)
        if draw < OVER_UNTIL:
            self._mishap(now_ms, line.gtin, "delivery over")
            return line.gtin, line.quantity + step
        other = self._goods.relative(line.gtin, self._rng)
        self._mishap(now_ms, line.gtin, "delivery of another article")
        self._mishap(now_ms, other, "delivery of another article")
        return other, line.quantity

    def _carry_in(self, units: list[TaggedUnit], now_ms: int) -> int:
        """Carry tagged units through the dock crate by crate; return when the last one is in."""
        size = self._settings.supply.crate_units_max
        at_ms = now_ms
        for start in range(0, len(units), size):
            crate = units[start : start + size]
            for unit in crate:
                self._goods.put(unit)
                self.crossings.append(TrueCrossing(at_ms, "dock", unit.epc, True))
            self._radio.pass_portal("dock", crate, at_ms, is_inwards=True)
            at_ms += CRATE_EVERY_MS
        return at_ms

    def _mishap(self, at_ms: int, gtin: Gtin, kind: str) -> None:
        self.mishaps.append(TrueMishap(at_ms, gtin, kind))
