"""A tiny store in virtual time, whose mishaps a test chooses."""

from collections.abc import Sequence
from random import Random
from typing import NamedTuple

from edge.sensing.layout import PortalAntenna, PortalSettings, SweepAntenna
from edge.sensing.tags import Layout
from protocol.ids import Epc, Gtin, sgtin_tag
from simulators.truth.causes import Mishap
from simulators.truth.directions import Crossing, Portal
from simulators.truth.options import DAY_MS
from simulators.truth.thefts import Theft
from simulators.world.goods import Sku, gtin_of
from simulators.world.happenings import (
    AdviceSent,
    Line,
    ManualCount,
    Observed,
    OpeningCount,
    Receipt,
    Refund,
    Sale,
    SweepEnded,
    SweepStarted,
    TagRead,
    TagReads,
)

MIDNIGHT_MS = 1_767_225_600_000
OPENS_MS = 9 * 3_600_000
DOCK = PortalSettings(name="dock", outside="transit", inside="backroom")
EXIT = PortalSettings(name="exit", outside="exit", inside="sales_floor")
BESIDE_MS = 750
READS_PER_SIDE = 9
READS_PER_REPORT = 10
LAYOUT: Layout = {
    ("dock", 1): PortalAntenna(DOCK, "outside"),
    ("dock", 2): PortalAntenna(DOCK, "inside"),
    ("exit", 1): PortalAntenna(EXIT, "inside"),
    ("exit", 2): PortalAntenna(EXIT, "outside"),
    ("handheld", 1): SweepAntenna(),
}


class TinySettings(NamedTuple):
    """What happens on each day, and what goes wrong. Everything is read, unless it says so."""

    skus: int = 20
    units: int = 5
    sales_per_day: int = 6
    refunds_per_day: int = 1
    thefts_per_day: int = 0
    delivered_units: int = 4
    short_units: int = 0
    sweep_every_days: int = 2
    read: float = 1.0
    wrong_item: float = 0.0


class TinyStore:
    """A world of tagged goods; the same seed gives the same days."""

    layout = LAYOUT

    def __init__(self, settings: TinySettings, seed: int = 1) -> None:
        self._settings = settings
        self._rng = Random(seed)
        self._serial = 0
        self._now_ms = MIDNIGHT_MS
        self._waiting: list[Observed] = []
        self._days = 0
        self._sales = 0
        self.skus = {
            gtin_of(number): Sku(
                gtin=gtin_of(number), measure="units", is_tagged=True, popularity=1.0
            )
            for number in range(settings.skus)
        }
        self.there: dict[Gtin, list[Epc]] = {gtin: [] for gtin in self.skus}
        self.sold: list[tuple[Gtin, Epc]] = []
        self.thefts: list[Theft] = []
        self.crossings: list[Crossing] = []
        self.mishaps: list[Mishap] = []
        for gtin in self.skus:
            self._add(gtin, settings.units)

    def opening(self) -> OpeningCount:
        lines = tuple(Line(gtin, len(tags), "units") for gtin, tags in self.there.items())
        return OpeningCount(MIDNIGHT_MS, lines)

    def on_hand(self, gtin: Gtin) -> int:
        return len(self.there[gtin])

    def recount(self, gtins: Sequence[Gtin], now_ms: int) -> None:
        for number, gtin in enumerate(gtins):
            at_ms = now_ms + OPENS_MS - 1_800_000 + number * 1_000
            self._waiting.append(ManualCount(at_ms, gtin, self.on_hand(gtin), "units"))

    def advance(self, until_ms: int) -> list[Observed]:
        while self._now_ms <= until_ms - DAY_MS or (
            self._now_ms < until_ms and self._now_ms == MIDNIGHT_MS + self._days * DAY_MS
        ):
            self._live_a_day(self._now_ms)
            self._days += 1
            self._now_ms += DAY_MS
        due = [item for item in self._waiting if item.at_ms <= until_ms]
        self._waiting = [item for item in self._waiting if item.at_ms > until_ms]
        return sorted(due, key=lambda item: item.at_ms)

    def _live_a_day(self, midnight_ms: int) -> None:
        settings = self._settings
        if self._days % settings.sweep_every_days == 0:
            self._sweep(midnight_ms + OPENS_MS - 3_600_000)
        at_ms = midnight_ms + OPENS_MS
        self._deliver(at_ms)
        for _ in range(settings.thefts_per_day):
            at_ms += 600_000
            self._steal(at_ms)
        for _ in range(settings.sales_per_day):
            at_ms += 600_000
            self._sell(at_ms)
        for _ in range(settings.refunds_per_day):
            at_ms += 600_000
            self._refund(at_ms)

    def _add(self, gtin: Gtin, quantity: int) -> list[Epc]:
        made = []
        for _ in range(quantity):
            self._serial += 1
            made.append(sgtin_tag(gtin, self._serial))
        self.there[gtin] += made
        return made

    def _some_gtin(self) -> Gtin | None:
        stocked = [gtin for gtin, tags in self.there.items() if tags]
        return self._rng.choice(stocked) if stocked else None

    def _sweep(self, at_ms: int) -> None:
        name = f"sweep-{self._days}"
        self._waiting.append(SweepStarted(at_ms, name))
        tags = [epc for tags in self.there.values() for epc in tags]
        read = [epc for epc in tags if self._rng.random() < self._settings.read]
        reads = tuple(TagRead(1, epc, -60.0, at_ms + 60_000) for epc in read)
        self._waiting.append(TagReads(at_ms + 60_100, "handheld", reads))
        self._waiting.append(SweepEnded(at_ms + 120_000, name))

    def _deliver(self, at_ms: int) -> None:
        gtin = self._rng.choice(list(self.skus))
        settings = self._settings
        if not settings.delivered_units:
            return
        document = f"DN-{self._days}"
        lines = (Line(gtin, settings.delivered_units, "units"),)
        self._waiting.append(AdviceSent(at_ms - 7_200_000, document, lines))
        self._waiting.append(Receipt(at_ms, document, lines))
        for epc in self._add(gtin, settings.delivered_units - settings.short_units):
            self._cross("dock", epc, at_ms, is_inwards=True)
        if settings.short_units:
            self.mishaps.append(Mishap(at_ms, gtin, "delivery short"))

    def _steal(self, at_ms: int) -> None:
        gtin = self._some_gtin()
        if gtin is not None:
            self.there[gtin].pop()
            self.thefts.append(Theft(at_ms, gtin))
            self.mishaps.append(Mishap(at_ms, gtin, "theft"))

    def _sell(self, at_ms: int) -> None:
        gtin = self._some_gtin()
        if gtin is None:
            return
        epc = self.there[gtin].pop()
        self.sold.append((gtin, epc))
        scanned = gtin
        if self._rng.random() < self._settings.wrong_item:
            scanned = self._rng.choice(list(self.skus))
            self.mishaps.append(Mishap(at_ms, gtin, "wrong item at the till"))
        self._sales += 1
        self._waiting.append(Sale(at_ms, 1, self._sales, (Line(scanned, 1, "units"),)))
        self._cross("exit", epc, at_ms + 60_000, is_inwards=False)

    def _refund(self, at_ms: int) -> None:
        if self.sold:
            gtin, epc = self.sold.pop(0)
            self.there[gtin].append(epc)
            self._cross("exit", epc, at_ms, is_inwards=True)
            line = Line(gtin, 1, "units")
            self._waiting.append(Refund(at_ms + 120_000, 1, self._sales, (line,)))

    def _cross(self, portal: Portal, epc: Epc, at_ms: int, *, is_inwards: bool) -> None:
        self.crossings.append(Crossing(at_ms, portal, epc, is_inwards))
        if self._rng.random() >= self._settings.read:
            return
        outside = 1 if portal == "dock" else 2
        inside = 3 - outside
        first, last = (outside, inside) if is_inwards else (inside, outside)
        reads = [
            *self._beside(first, epc, at_ms - BESIDE_MS),
            *self._beside(last, epc, at_ms + BESIDE_MS),
        ]
        reads.sort(key=lambda read: read.read_at_ms)
        for start in range(0, len(reads), READS_PER_REPORT):
            report = tuple(reads[start : start + READS_PER_REPORT])
            self._waiting.append(TagReads(report[-1].read_at_ms + 50, portal, report))

    def _beside(self, antenna: int, epc: Epc, middle_ms: int) -> list[TagRead]:
        """One side reads a passing tag, loudest and most often in the middle."""
        reads = []
        for _ in range(READS_PER_SIDE):
            away = self._rng.gauss(0.0, 1.0)
            level_dbm = -52.0 - min(18.0, 4.0 * away * away)
            reads.append(TagRead(antenna, epc, level_dbm, middle_ms + int(400 * away)))
        return reads
