"""Who comes into a noisy store: buyers, who bring back, carry their own, or steal. Pure.

Each day their times are drawn at its beginning; what they do follows when their time has come, by
what is on the shelves then.
"""

from heapq import heappop, heappush
from typing import TYPE_CHECKING, Final

from protocol.ids import Gtin
from simulators.world.agenda import Agenda
from simulators.world.goods import Sku
from simulators.world.happenings import Line, Refund, Sale
from simulators.world.noisy_goods import Goods, TaggedUnit
from simulators.world.noisy_settings import NoisySettings
from simulators.world.radio import Radio, Show
from simulators.world.shelves import Shelves
from simulators.world.truth_events import TrueCrossing, TrueMishap, TrueTheft

if TYPE_CHECKING:
    from random import Random

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 86_400_000
DAYS_PER_YEAR: Final = 365.0
TO_COUNTER_MS: Final = 300_000
"""From the door to the till with what is brought back."""
VISIT_MIN_MS: Final = 8 * 60_000
VISIT_MAX_MS: Final = 50 * 60_000
ATTEMPTS_MAX: Final = 3
"""Who does not find what he wants, looks for something else so often."""

Taken = tuple[Sku, list[TaggedUnit], int]
"""An article, the tagged units of it that somebody has, and how much that is."""


class Customers:
    """Everybody who does not work in the store, and the books of what they do for the judge."""

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
        self._sales = 0
        self._away: list[tuple[int, int, Gtin, TaggedUnit | None, int]] = []
        self._owned: list[TaggedUnit] = []
        self.crossings: Final[list[TrueCrossing]] = []
        self.thefts: Final[list[TrueTheft]] = []
        self.mishaps: Final[list[TrueMishap]] = []

    def plan_day(self, midnight_ms: int, weekday: int) -> None:
        """Draw who comes when on this day."""
        settings, rng = self._settings, self._rng
        busy = settings.hours.weekdays[weekday]
        units = self._goods.total_units()
        per_basket = (
            (1 + settings.visitors.lines_max) / 2 * (1 + settings.visitors.second_unit_share)
        )
        mean = busy * units * settings.assortment.turns / DAYS_PER_YEAR / per_basket
        baskets = max(0, round(rng.gauss(mean, mean**0.5)))
        for _ in range(baskets):
            self._agenda.at(self._some_time(midnight_ms), self._buy)
        for _ in range(_poisson(baskets * settings.visitors.carry_in_share, rng)):
            self._agenda.at(self._some_time(midnight_ms), self._carry_about)
        for _ in range(_poisson(units * settings.thefts.per_unit_year / DAYS_PER_YEAR, rng)):
            self._agenda.at(self._some_time(midnight_ms), self._steal)
        for _ in range(_poisson(settings.portals.lingering_per_day, rng)):
            self._agenda.at(self._some_time(midnight_ms), self._linger)
        while self._away and self._away[0][0] < midnight_ms + DAY_MS:
            _, _, gtin, unit, quantity = heappop(self._away)
            at_ms = self._some_time(midnight_ms)
            self._agenda.at(
                at_ms, lambda now_ms, g=gtin, u=unit, q=quantity: self._bring_back(g, u, q, now_ms)
            )

    def _some_time(self, midnight_ms: int) -> int:
        hours = self._settings.hours
        half = (hours.closes_at - hours.opens_at) / 2
        begins = hours.opens_at
        if self._rng.random() < hours.evening_share:
            begins += half
        return midnight_ms + int((begins + self._rng.random() * half) * HOUR_MS)

    def _buy(self, now_ms: int) -> None:
        basket: list[Taken] = []
        for _ in range(self._rng.randint(1, self._settings.visitors.lines_max)):
            taken = self._take_something(now_ms)
            if taken is not None:
                basket.append(taken)
        if not basket:
            return
        lines = [line for taken in basket for line in self._scanned(taken, now_ms)]
        self._sales += 1
        till = self._rng.randint(1, self._settings.tills.tills)
        if lines:
            self._show(Sale(now_ms, till, self._sales, tuple(lines)))
        for sku, units, quantity in basket:
            self._may_come_back(sku, units, quantity, now_ms)
        to_exit_s = 20 + self._rng.expovariate(1 / self._settings.visitors.to_exit_s)
        self._leave(basket, now_ms + int(to_exit_s * 1_000))

    def _take_something(self, now_ms: int) -> Taken | None:
        for _ in range(ATTEMPTS_MAX):
            sku = self._goods.wanted(self._rng)
            taken = self._take(sku, self._quantity_of(sku), now_ms)
            if taken is not None:
                return taken
        return None

    def _quantity_of(self, sku: Sku) -> int:
        visitors = self._settings.visitors
        if sku.measure == "grams":
            return self._rng.randint(visitors.grams_min, visitors.grams_max)
        if self._rng.random() < visitors.second_unit_share and visitors.units_per_line_max > 1:
            return self._rng.randint(2, visitors.units_per_line_max)
        return 1

    def _take(self, sku: Sku, quantity: int, now_ms: int) -> Taken | None:
        """Take goods off the shelf; they are in the store until somebody carries them out."""
        if sku.is_tagged:
            units = self._goods.units[sku.gtin]
            free = [unit for unit in units if not unit.is_misplaced]
            chosen = self._rng.sample(free, min(quantity, len(free)))
            for unit in chosen:
                self._goods.take(unit)
            return (sku, chosen, len(chosen)) if chosen else None
        taken = self._goods.take_loose(sku.gtin, quantity)
        if taken:
            self._shelves.changed(sku, now_ms)
        return (sku, [], taken) if taken else None

    def _scanned(self, taken: Taken, now_ms: int) -> list[Line]:
        """Return the lines that the till writes for one article, mistakes included."""
        sku, _, quantity = taken
        tills, draw = self._settings.tills, self._rng.random()
        if draw < tills.not_scanned_share:
            self._mishap(now_ms, sku.gtin, "not scanned")
            return []
        draw -= tills.not_scanned_share
        if draw < tills.wrong_item_share:
            other = self._goods.relative(sku.gtin, self._rng)
            if other != sku.gtin:
                self._mishap(now_ms, sku.gtin, "wrong item at the till")
                self._mishap(now_ms, other, "wrong item at the till")
            return [Line(other, quantity, sku.measure)]
        draw -= tills.wrong_item_share
        if draw < tills.wrong_quantity_share:
            self._mishap(now_ms, sku.gtin, "wrong quantity at the till")
            return [Line(sku.gtin, self._mistaken(sku, quantity), sku.measure)]
        return [Line(sku.gtin, quantity, sku.measure)]

    def _mistaken(self, sku: Sku, quantity: int) -> int:
        if sku.measure == "grams":
            return quantity * 2
        if quantity > 1 and self._rng.random() < 0.5:
            return quantity - 1
        return quantity + 1

    def _may_come_back(self, sku: Sku, units: list[TaggedUnit], quantity: int, now_ms: int) -> None:
        if sku.measure == "grams":  # Nobody takes cut cheese back.
            return
        visitors = self._settings.visitors
        for index in range(quantity):
            if self._rng.random() < visitors.return_share:
                days = 0.5 + self._rng.expovariate(1 / max(0.1, visitors.return_after_days))
                unit = units[index] if units else None
                due_ms = now_ms + int(days * DAY_MS)
                heappush(self._away, (due_ms, self._sales * 1_000 + index, sku.gtin, unit, 1))
            elif units and len(self._owned) < _OWNED_MAX:
                self._owned.append(units[index])

    def _leave(self, basket: list[Taken], at_ms: int) -> None:
        units = [unit for _, tagged, _ in basket for unit in tagged]
        if units:
            self._cross(units, at_ms, is_inwards=False)

    def _cross(self, units: list[TaggedUnit], at_ms: int, *, is_inwards: bool) -> None:
        for unit in units:
            self.crossings.append(TrueCrossing(at_ms, "exit", unit.epc, is_inwards))
        strays = self._strays(units)
        self._radio.pass_portal("exit", units, at_ms, strays, is_inwards=is_inwards)

    def _strays(self, passing: list[TaggedUnit]) -> list[TaggedUnit]:
        mean = self._settings.portals.strays_per_crossing
        strays = []
        for _ in range(_poisson(mean, self._rng)):
            units = self._goods.units.get(self._goods.wanted(self._rng).gtin)
            if units:
                unit = self._rng.choice(units)
                if unit not in passing:
                    strays.append(unit)
        return strays

    def _bring_back(self, gtin: Gtin, unit: TaggedUnit | None, quantity: int, now_ms: int) -> None:
        booked = gtin
        if self._rng.random() < self._settings.tills.wrong_return_share:
            booked = self._goods.relative(gtin, self._rng)
            if booked != gtin:
                self._mishap(now_ms, gtin, "returned as another article")
                self._mishap(now_ms, booked, "returned as another article")
        at_till_ms = now_ms + TO_COUNTER_MS
        if unit is None:
            self._goods.put_loose(gtin, quantity)
            self._shelves.changed(self._goods.skus[gtin], at_till_ms)
        else:
            self._goods.put(unit)
            self._cross([unit], now_ms, is_inwards=True)
        line = Line(booked, quantity, self._goods.skus[gtin].measure)
        till = self._rng.randint(1, self._settings.tills.tills)
        self._sales += 1
        self._show(Refund(at_till_ms, till, self._sales, (line,)))

    def _carry_about(self, now_ms: int) -> None:
        """Somebody wears, tag and all, what he bought here, comes in and goes again."""
        if not self._owned:
            return
        unit = self._owned.pop(self._rng.randrange(len(self._owned)))
        self._cross([unit], now_ms, is_inwards=True)
        gone_ms = now_ms + self._rng.randint(VISIT_MIN_MS, VISIT_MAX_MS)
        self._agenda.at(gone_ms, lambda at_ms: self._cross([unit], at_ms, is_inwards=False))

    def _steal(self, now_ms: int) -> None:
        sku = self._goods.wanted(self._rng)
        taken = self._take(sku, self._quantity_of(sku) if sku.measure == "grams" else 1, now_ms)
        if taken is None:
            return
        self.thefts.append(TrueTheft(now_ms, sku.gtin, taken[2]))
        is_unseen = self._rng.random() < self._settings.thefts.unseen_share
        self._mishap(now_ms, sku.gtin, "theft unseen" if is_unseen else "theft")
        if taken[1]:
            if is_unseen:
                crossed = (TrueCrossing(now_ms, "exit", unit.epc, False) for unit in taken[1])
                self.crossings.extend(crossed)
            else:
                self._cross(taken[1], now_ms, is_inwards=False)

    def _linger(self, now_ms: int) -> None:
        units = self._goods.units.get(self._goods.wanted(self._rng).gtin)
        if units:
            self._radio.linger(self._rng.choice(units), now_ms)

    def _mishap(self, at_ms: int, gtin: Gtin, kind: str) -> None:
        self.mishaps.append(TrueMishap(at_ms, gtin, kind))


_OWNED_MAX: Final = 2_000


def _poisson(mean: float, rng: "Random") -> int:
    """Return a Poisson draw, by its exponential gaps."""
    if mean <= 0:
        return 0
    events, at = 0, rng.expovariate(1.0)
    while at < mean:
        events += 1
        at += rng.expovariate(1.0)
    return events
