"""The warehouse and the dock: what it sends, and how that gets in. Pure and seeded.

Goods come for two reasons: now and then unasked, and because a reorder asked for them a lead time
ago. Tagged units pass the dock portal, a pallet at a time: outside antenna, inside antenna,
backroom. Untagged goods come on the same pallets and are received by a document.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from protocol.ids import Gtin
from simulators.world.agenda import Agenda
from simulators.world.goods import Unit
from simulators.world.happenings import DockPassed, Happening, Line, Receipt
from simulators.world.settings import DeliverySettings, DwellSettings
from simulators.world.stock import Stock

if TYPE_CHECKING:
    from random import Random

UNASKED_UNITS_MAX: Final = 3
UNASKED_GRAMS: Final = 2_500
REORDERS_REMEMBERED_MAX: Final = 100_000
"""The oldest answers are forgotten above this: their reorders were closed long ago."""


class Deliveries:
    """Everything on its way to one store. `happened` is told what the back office writes."""

    def __init__(
        self,
        stock: Stock,
        agenda: Agenda,
        settings: DeliverySettings,
        dwell: DwellSettings,
        rng: "Random",
        happened: Callable[[Happening], None],
    ) -> None:
        self._stock = stock
        self._agenda = agenda
        self._settings = settings
        self._dwell = dwell
        self._rng = rng
        self._happened = happened
        self._answered: dict[str, int] = {}
        self._waiting: list[Line] = []
        self._dock_is_free = True
        self._pallets = 0
        self._is_open = False

    def begin(self, now_ms: int) -> None:
        """Send goods from now on."""
        self._is_open = True
        self._agenda.at(now_ms + self._settings.interval_ms, self._send_unasked, routine=True)

    def end(self) -> None:
        """Send nothing new; what is on its way arrives."""
        self._is_open = False

    def reorder(self, reorder_id: str, gtin: Gtin, quantity: int, now_ms: int) -> bool:
        """Answer a reorder of so much in all, once however often it is heard.

        A revision that asks for more gets the difference. Return whether goods will come.
        """
        missing = quantity - self._answered.get(reorder_id, 0)
        if not self._is_open or missing < 1 or gtin not in self._stock.skus:
            return False
        self._answered[reorder_id] = quantity
        if len(self._answered) > REORDERS_REMEMBERED_MAX:
            del self._answered[next(iter(self._answered))]
        line = Line(gtin, missing, self._stock.skus[gtin].measure)
        arrival_ms = now_ms + self._settings.lead_time_ms
        self._agenda.at(arrival_ms, lambda at_ms: self._arrive([line], at_ms))
        return True

    def _send_unasked(self, now_ms: int) -> None:
        if not self._is_open:
            return
        count = min(self._rng.randint(1, self._settings.skus_max), len(self._stock.skus))
        skus = self._rng.sample(list(self._stock.skus.values()), count)
        lines = [
            Line(
                sku.gtin,
                UNASKED_GRAMS
                if sku.measure == "grams"
                else self._rng.randint(1, UNASKED_UNITS_MAX),
                sku.measure,
            )
            for sku in skus
        ]
        self._arrive(lines, now_ms)
        self._agenda.at(now_ms + self._settings.interval_ms, self._send_unasked, routine=True)

    def _arrive(self, lines: list[Line], now_ms: int) -> None:
        self._waiting += lines
        if self._dock_is_free:
            self._unload(now_ms)

    def _unload(self, now_ms: int) -> None:
        """Bring the next pallet before the portal."""
        untagged, units = self._next_pallet(now_ms)
        self._dock_is_free = False
        self._pallets += 1
        document = f"DN-{self._pallets}"
        inside_ms = now_ms + self._dwell.portal_ms
        through_ms = inside_ms + self._dwell.portal_ms
        self._agenda.at(inside_ms, lambda at_ms: self._stock.move(units, "dock_inside", at_ms))
        self._agenda.at(through_ms, lambda at_ms: self._through(document, untagged, units, at_ms))

    def _next_pallet(self, now_ms: int) -> tuple[list[Line], list[Unit]]:
        room = self._settings.pallet_units_max
        untagged: list[Line] = []
        units: list[Unit] = []
        rest: list[Line] = []
        for line in self._waiting:
            sku = self._stock.skus[line.gtin]
            if not sku.is_tagged:
                untagged.append(line)
                continue
            fits = min(room, line.quantity)
            room -= fits
            units += self._stock.new_units(sku, fits, "dock_outside", now_ms)
            if fits < line.quantity:
                rest.append(line._replace(quantity=line.quantity - fits))
        self._waiting = rest
        return untagged, units

    def _through(self, document: str, untagged: list[Line], units: list[Unit], now_ms: int) -> None:
        self._stock.receive_units(units, now_ms)
        if units:
            self._happened(DockPassed(now_ms, _lines_of(units)))
        for line in untagged:
            self._stock.receive_untagged(line)
        if untagged:
            self._happened(Receipt(now_ms, document, tuple(untagged)))
        self._dock_is_free = True
        if self._waiting:
            self._unload(now_ms)


def _lines_of(units: list[Unit]) -> tuple[Line, ...]:
    counts: dict[Gtin, int] = {}
    for unit in units:
        counts[unit.gtin] = counts.get(unit.gtin, 0) + 1
    return tuple(Line(gtin, count, "units") for gtin, count in counts.items())
