"""A noisy store as it truly is, and what its devices and papers show of it. Pure and seeded.

Time goes in with `advance`, what is observable comes out in order. The same streams of chance give
the same days, however finely time is cut; asking for recounts adds their counts and changes nothing
else. `_plan_day` is the store's day: who comes, what is brought, swept and counted.
"""

from collections.abc import Callable, Mapping, Sequence
from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING, Final

from protocol.ids import Gtin
from simulators.world.agenda import Agenda
from simulators.world.assortment import Families, assortment
from simulators.world.cycle_counts import CycleCounts
from simulators.world.demand import Demand
from simulators.world.doorway import Doorway
from simulators.world.goods import Sku
from simulators.world.handheld import Handheld
from simulators.world.happenings import (
    GatewayRebooted,
    Line,
    Observed,
    OpeningCount,
    ShelfWeighed,
    TagReads,
)
from simulators.world.head_office import HeadOffice
from simulators.world.misplacing import Misplacing
from simulators.world.noisy_goods import Goods
from simulators.world.noisy_settings import NoisySettings
from simulators.world.noisy_till import NoisyTill
from simulators.world.outages import Outages
from simulators.world.planogram import Planogram
from simulators.world.radio import PortalRadio
from simulators.world.reader_reports import ReaderReports
from simulators.world.replenishing import Replenishing
from simulators.world.returns import Returns
from simulators.world.scene import Scene
from simulators.world.shelves import Shelves
from simulators.world.store_time import DAY_MS, STARTED_MS
from simulators.world.supply import Supply
from simulators.world.sweeping import Sweeping
from simulators.world.tagged_units import TagPrinter
from simulators.world.thieves import Thieves
from simulators.world.truth_events import (
    Portal,
    TrueCrossing,
    TrueMishap,
    TrueTheft,
    TruthEvents,
)
from simulators.world.visitors import Visitors
from simulators.world.waste import Waste

if TYPE_CHECKING:
    from random import Random

Streams = Callable[[str], "Random"]
"""Gives each concern a stream of chance of its own: the same one for the same name."""
OPENING_ERRORS: Final = (-2, -1, -1, 1)
GRAMS_ERROR_PART: Final = 10


class NoisyStore:
    """One store. `number` keeps the serial numbers of its tags apart from other stores'."""

    def __init__(self, settings: NoisySettings, chance: Streams, number: int = 0) -> None:
        self.settings: Final = settings
        self.truth_events: Final = TruthEvents()
        self._agenda: Final = Agenda()
        self._waiting: list[tuple[int, int, Observed]] = []
        self._order: Final = count()
        self._now_ms = STARTED_MS
        self._day = 0
        readers = settings.readers
        self._off: Final = Outages(
            readers.gateway_reboots_per_month,
            readers.reboot_minutes,
            STARTED_MS,
            chance("reboots"),
        )
        skus = assortment(settings.assortment, settings.scales.mixed_share, chance("assortment"))
        printer = TagPrinter(settings.tags, number, chance("tags"))
        self._scene: Final = self._set_up(skus, printer, chance)
        self._opening: Final = self._opening_count(chance("opening"))
        self._head_office: Final = HeadOffice(
            self._opening, self._scene.goods, settings.supply, chance("orders")
        )
        self._people(printer, chance)
        self._plan_day()

    def _set_up(self, skus: list[Sku], printer: TagPrinter, chance: Streams) -> Scene:
        settings = self.settings
        by_gtin = {sku.gtin: sku for sku in skus}
        planogram = Planogram(list(by_gtin), settings.fixtures)
        goods = Goods(
            by_gtin,
            settings.assortment,
            planogram,
            printer,
            settings.fixtures.backroom_share,
            chance("goods"),
        )
        return Scene(
            settings,
            goods,
            Demand(by_gtin, settings.markdowns, chance("markdowns")),
            Families(skus, settings.assortment.family_size),
            planogram,
            self._agenda,
            self.truth_events,
            self._show,
        )

    def _people(self, printer: TagPrinter, chance: Streams) -> None:
        """Let everybody who lives or works in the store begin, and their devices."""
        scene, settings = self._scene, self.settings

        def reports(reader: str) -> ReaderReports:
            rng = chance(f"{reader} reports")
            return ReaderReports(reader, settings.readers, STARTED_MS, rng, self._show)

        def doorway(portal: Portal) -> Doorway:
            rng = chance(f"{portal} radio")
            radio = PortalRadio(portal, settings.portals, settings.tags, rng, reports(portal))
            return Doorway(portal, scene, radio, chance(portal))

        self._exit, self._dock = doorway("exit"), doorway("dock")
        self._shelves = Shelves(
            scene.goods, self._agenda, settings.scales, STARTED_MS, chance("scales"), self._show
        )
        scene.goods.watch_floor(self._shelves.floor_changed)
        till = NoisyTill(scene, chance("tills"))
        self._returns = Returns(scene, till, self._exit, printer, chance("returns"))
        self._visitors = Visitors(scene, till, self._returns, self._exit, chance("visitors"))
        self._thieves = Thieves(scene, self._exit, chance("thieves"))
        self._misplacing = Misplacing(scene, self._shelves, chance("misplacing"))
        self._waste = Waste(scene, till, chance("waste"))
        self._supply = Supply(scene, self._head_office, self._dock, printer, chance("supply"))
        self._replenishing = Replenishing(scene)
        handheld = Handheld(settings.sweeps, settings.tags, chance("handheld"), reports("handheld"))
        self._sweeping = Sweeping(scene, handheld, self._off)
        self._counts = CycleCounts(
            scene, self._head_office.counted, chance("counts"), chance("recounts")
        )

    @property
    def skus(self) -> Mapping[Gtin, Sku]:
        """What it sells."""
        return self._scene.goods.skus

    @property
    def goods(self) -> Goods:
        """What is there, for who wants to look."""
        return self._scene.goods

    @property
    def thefts(self) -> Sequence[TrueTheft]:
        """Every theft so far."""
        return self.truth_events.thefts

    @property
    def crossings(self) -> tuple[Sequence[TrueCrossing], ...]:
        """Every crossing so far."""
        return (self.truth_events.crossings,)

    @property
    def mishaps(self) -> tuple[Sequence[TrueMishap], ...]:
        """Everything that went wrong so far."""
        return (self.truth_events.mishaps,)

    def opening(self) -> OpeningCount:
        """Return what the book says on the first day."""
        return self._opening

    def on_hand(self, gtin: Gtin) -> int:
        """Return what is truly there now, in units or grams."""
        return self._scene.goods.on_hand(gtin)

    def recount(self, gtins: Sequence[Gtin], now_ms: int) -> None:
        """Ask staff to count these today; more than they find time for are not counted."""
        self._counts.ask(gtins, now_ms)

    @property
    def next_due_ms(self) -> int:
        """When something happens or is shown next, at the latest."""
        midnight_ms = STARTED_MS + (self._day + 1) * DAY_MS
        due_ms = self._agenda.next_due_ms
        shown_ms = self._waiting[0][0] if self._waiting else midnight_ms
        return min(midnight_ms, shown_ms, midnight_ms if due_ms is None else due_ms)

    def advance(self, now_ms: int) -> list[Observed]:
        """Live on until then, and return everything observable, in time order."""
        while self._now_ms < now_ms:
            midnight_ms = STARTED_MS + (self._day + 1) * DAY_MS
            self._now_ms = min(now_ms, midnight_ms)
            self._agenda.run(self._now_ms)
            if self._now_ms == midnight_ms:
                self._day += 1
                self._plan_day()
        observed: list[Observed] = []
        while self._waiting and self._waiting[0][0] <= now_ms:
            shown = heappop(self._waiting)[2]
            if not self._is_unheard(shown):
                observed.append(shown)
        return observed

    def _plan_day(self) -> None:
        midnight_ms, day = STARTED_MS + self._day * DAY_MS, self._day
        for at_ms in self._off.ending(midnight_ms, midnight_ms + DAY_MS):
            self._show(GatewayRebooted(at_ms))
        self._scene.demand.plan_day(day)
        self._sweeping.plan_day(midnight_ms, day)
        self._counts.plan_day(midnight_ms)
        self._supply.plan_day(midnight_ms, day)
        self._replenishing.plan_day(midnight_ms)
        self._shelves.plan_day(midnight_ms)
        busyness = self.settings.hours.weekdays[day % 7]
        if busyness > 0:
            baskets = self._visitors.plan_day(midnight_ms, busyness)
            self._returns.plan_day(midnight_ms, baskets)
            self._thieves.plan_day(midnight_ms)
            self._misplacing.plan_day(midnight_ms)
            self._waste.plan_day(midnight_ms)
            self._exit.plan_day(midnight_ms)

    def _opening_count(self, rng: "Random") -> OpeningCount:
        lines = []
        for gtin, sku in self.skus.items():
            quantity = self.goods.opened[gtin]
            if rng.random() < self.settings.opening.wrong_share:
                step = 1 if sku.measure == "units" else max(1, quantity // GRAMS_ERROR_PART)
                quantity = max(0, quantity + rng.choice(OPENING_ERRORS) * step)
            lines.append(Line(gtin, quantity, sku.measure))
        return OpeningCount(STARTED_MS, tuple(lines))

    def _show(self, observed: Observed) -> None:
        """Put something observable in its place in time."""
        self._head_office.hear(observed)
        heappush(self._waiting, (observed.at_ms, next(self._order), observed))

    def _is_unheard(self, observed: Observed) -> bool:
        """Whether the gateway was off when a reader or a scale told this."""
        if not isinstance(observed, TagReads | ShelfWeighed):
            return False
        return self._off.ends_ms(observed.at_ms) is not None
