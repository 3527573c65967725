"""A noisy store as it truly is, and what its devices and papers show of it. Pure and seeded.

Time goes in with `advance`, what is observable comes out in order. The same streams of chance give
the same days, however finely time is cut; asking for recounts changes the counts and nothing else.
"""

from collections.abc import Callable, Mapping, Sequence
from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING, Final

from protocol.ids import Gtin
from simulators.world.agenda import Agenda
from simulators.world.goods import Sku
from simulators.world.happenings import (
    GatewayRebooted,
    Line,
    Observed,
    OpeningCount,
    TagReads,
)
from simulators.world.noisy_customers import Customers
from simulators.world.noisy_goods import Goods, assortment
from simulators.world.noisy_settings import NoisySettings
from simulators.world.noisy_staff import NoisyStaff
from simulators.world.noisy_supply import Supply
from simulators.world.radio import Radio, RadioSettings
from simulators.world.shelves import Shelves
from simulators.world.truth_events import TrueCrossing, TrueMishap, TrueTheft

if TYPE_CHECKING:
    from random import Random

DAY_MS: Final = 86_400_000
STARTED_MS: Final = 1_767_571_200_000
"""2026-01-05T00:00:00Z, a Monday."""
DAYS_PER_MONTH: Final = 30.4

Streams = Callable[[str], "Random"]
"""Gives each concern a stream of chance of its own."""


class NoisyStore:
    """One store. `number` keeps the serial numbers of its tags apart from other stores'."""

    def __init__(self, settings: NoisySettings, chance: Streams, number: int = 0) -> None:
        self.settings: Final = settings
        self._agenda: Final = Agenda()
        self._chance: Final = chance
        self._waiting: list[tuple[int, int, Observed]] = []
        self._order: Final = count()
        self._now_ms = STARTED_MS
        self._day = 0
        self._off: list[tuple[int, int]] = []
        skus = assortment(settings.assortment, chance("assortment"))
        self._goods: Final = Goods(
            skus, settings.assortment, settings.tags, number, chance("goods")
        )
        parts = RadioSettings(settings.portals, settings.sweeps, settings.tags, settings.readers)
        radio = Radio(parts, STARTED_MS, chance("radio"), self._show)
        shelves = Shelves(self._goods, settings.scales, STARTED_MS, chance("scales"), self._show)
        self._shelves: Final = shelves
        self._customers: Final = Customers(
            settings, self._goods, shelves, radio, self._agenda, chance("customers"), self._show
        )
        self._supply: Final = Supply(
            settings, self._goods, shelves, radio, self._agenda, chance("supply"), self._show
        )
        self._staff: Final = NoisyStaff(
            settings,
            self._goods,
            radio,
            self._agenda,
            chance("staff"),
            chance("counts"),
            self._show,
        )
        self._plan_day()

    @property
    def skus(self) -> Mapping[Gtin, Sku]:
        """What it sells."""
        return self._goods.skus

    @property
    def goods(self) -> Goods:
        """What is there, for who wants to look."""
        return self._goods

    @property
    def thefts(self) -> Sequence[TrueTheft]:
        """Every theft so far."""
        return self._customers.thefts

    @property
    def crossings(self) -> tuple[Sequence[TrueCrossing], Sequence[TrueCrossing]]:
        """Every crossing so far, of the exit and of the dock."""
        return self._customers.crossings, self._supply.crossings

    @property
    def mishaps(self) -> tuple[Sequence[TrueMishap], ...]:
        """Everything that went wrong so far: with customers, deliveries and counts."""
        return self._customers.mishaps, self._supply.mishaps, self._staff.mishaps

    def opening(self) -> OpeningCount:
        """Return what the book says on the first day."""
        rng = self._chance("opening")
        lines = []
        for gtin, sku in self._goods.skus.items():
            quantity = self._goods.opened[gtin]
            if rng.random() < self.settings.opening.wrong_share:
                step = 1 if sku.measure == "units" else max(1, quantity // 10)
                quantity = max(0, quantity + rng.choice((-2, -1, -1, 1)) * step)
            lines.append(Line(gtin, quantity, sku.measure))
        return OpeningCount(STARTED_MS, tuple(lines))

    def on_hand(self, gtin: Gtin) -> int:
        """Return what is truly there now."""
        return self._goods.on_hand(gtin)

    def recount(self, gtins: Sequence[Gtin], now_ms: int) -> None:
        """Ask staff to count these in the morning of the day that has begun."""
        midnight_ms = now_ms - (now_ms - STARTED_MS) % DAY_MS
        self._staff.count(gtins[: self.settings.counts.recounts_per_day], midnight_ms)

    def advance(self, until_ms: int) -> list[Observed]:
        """Live on until then, and return everything observable, in time order."""
        while self._now_ms < until_ms:
            midnight_ms = STARTED_MS + (self._day + 1) * DAY_MS
            self._now_ms = min(until_ms, midnight_ms)
            self._agenda.run(self._now_ms)
            if self._now_ms == midnight_ms:
                self._day += 1
                self._plan_day()
        observed: list[Observed] = []
        while self._waiting and self._waiting[0][0] <= until_ms:
            observed.append(heappop(self._waiting)[2])
        return observed

    def _plan_day(self) -> None:
        midnight_ms = STARTED_MS + self._day * DAY_MS
        self._plan_reboots(midnight_ms)
        self._staff.plan_day(midnight_ms, self._day)
        self._supply.plan_day(midnight_ms, self._day)
        self._customers.plan_day(midnight_ms, self._day % 7)
        self._agenda.at(midnight_ms + DAY_MS // 4, self._shelves.show_all)

    def _plan_reboots(self, midnight_ms: int) -> None:
        readers, rng = self.settings.readers, self._chance("reboots")
        if rng.random() < readers.gateway_reboots_per_month / DAYS_PER_MONTH:
            begins_ms = midnight_ms + rng.randrange(DAY_MS)
            ends_ms = begins_ms + int(readers.reboot_minutes * 60_000)
            self._off = [(begins_ms, ends_ms)]
            self._show(GatewayRebooted(ends_ms))

    def _show(self, observed: Observed) -> None:
        """Put something observable in its place in time, unless nobody was there to hear it."""
        if isinstance(observed, TagReads) and self._is_off(observed.at_ms):
            return
        heappush(self._waiting, (observed.at_ms, next(self._order), observed))

    def _is_off(self, at_ms: int) -> bool:
        return any(begins_ms <= at_ms < ends_ms for begins_ms, ends_ms in self._off)
