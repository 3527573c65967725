"""The weighed shelves of a noisy store, and what their scales show. Pure.

A scale shows its weight when something on it has changed and is at rest again, and some times a day
anyway. Items differ in weight, and from their master data; what customers put on the wrong shelf
weighs too. Everything else that a load cell does wrong is `load_cells`.
"""

from typing import TYPE_CHECKING, Final

from simulators.world.agenda import Agenda
from simulators.world.goods import Sku
from simulators.world.happenings import ShelfWeighed
from simulators.world.load_cells import Bin, LoadCell
from simulators.world.noisy_goods import Armful, Goods
from simulators.world.reader_reports import Show
from simulators.world.reader_settings import ShelfScaleSettings
from simulators.world.store_time import DAY_MS

if TYPE_CHECKING:
    from random import Random

AFTER_LEANING_MS: Final = 10_000
READING_MS: Final = 500


class _Shelf:
    """One shelf: what lies there of each article that belongs there, and of others."""

    def __init__(self, number: int, cell: LoadCell) -> None:
        self.number = number
        self.cell = cell
        self.bins: list[Bin] = []
        self.strangers_g = 0.0
        self.is_awaited = False

    @property
    def load_g(self) -> float:
        """What it bears."""
        return sum(items.load_g for items in self.bins) + self.strangers_g


class Shelves:
    """All shelves with scales."""

    def __init__(
        self,
        goods: Goods,
        agenda: Agenda,
        settings: ShelfScaleSettings,
        started_ms: int,
        rng: "Random",
        show: Show,
    ) -> None:
        self._agenda: Final = agenda
        self._settings: Final = settings
        self._rng: Final = rng
        self._show: Final = show
        self._shelves: Final[dict[int, _Shelf]] = {}
        self._bins: Final[dict[str, Bin]] = {}
        self._chance_of_scale: Final = sum(
            sku.shelf is not None for sku in goods.skus.values()
        ) / len(goods.skus)
        for sku in goods.skus.values():
            if sku.shelf is not None:
                shelf = self._shelves.get(sku.shelf)
                if shelf is None:
                    cell = LoadCell(settings.cell, rng, started_ms)
                    shelf = self._shelves[sku.shelf] = _Shelf(sku.shelf, cell)
                true_g = sku.item_weight_g * rng.gauss(1.0, settings.nominal_error_share)
                items = Bin(true_g, true_g * settings.item_spread_share, rng)
                items.put(goods.loose[sku.gtin].floor)
                shelf.bins.append(items)
                self._bins[sku.gtin] = items

    def plan_day(self, midnight_ms: int) -> None:
        """Let every scale report now and then, though nothing changes."""
        reports = self._settings.reports_per_day if self._shelves else 0
        for index in range(reports):
            at_ms = midnight_ms + (2 * index + 1) * DAY_MS // (2 * reports)
            self._agenda.at(at_ms, self._report_all)

    def floor_changed(self, sku: Sku, change: int, now_ms: int) -> None:
        """Take in that units came to the sales floor or left it."""
        if sku.shelf is None:
            return
        items = self._bins[sku.gtin]
        if change > 0:
            items.put(change)
        else:
            items.take(-change)
        self._await_rest(self._shelves[sku.shelf], now_ms)

    def bear_stranger(self, armful: Armful, now_ms: int) -> int | None:
        """Let somebody put goods where they do not belong; return the shelf if it has a scale."""
        if self._rng.random() >= self._chance_of_scale:
            return None
        number = self._rng.choice(list(self._shelves))
        if number == armful.sku.shelf:
            return None
        self._add_stranger(number, armful.quantity * armful.sku.item_weight_g, now_ms)
        return number

    def lose_stranger(self, number: int, armful: Armful, now_ms: int) -> None:
        """Let somebody take it away again."""
        self._add_stranger(number, -armful.quantity * armful.sku.item_weight_g, now_ms)

    def _add_stranger(self, number: int, weight_g: int, now_ms: int) -> None:
        shelf = self._shelves[number]
        shelf.strangers_g += weight_g
        self._await_rest(shelf, now_ms)

    def _await_rest(self, shelf: _Shelf, now_ms: int) -> None:
        if not shelf.is_awaited:
            shelf.is_awaited = True
            rest_ms = now_ms + int(self._settings.settled_s * 1_000)
            self._agenda.at(rest_ms, lambda at_ms: self._weigh(shelf, at_ms))

    def _report_all(self, now_ms: int) -> None:
        for shelf in self._shelves.values():
            self._weigh(shelf, now_ms)

    def _weigh(self, shelf: _Shelf, now_ms: int) -> None:
        """Show a weight: that of the second of two readings, since motion shows in a change."""
        shelf.is_awaited = False
        shelf.cell.weigh(shelf.load_g, now_ms - READING_MS)
        weighing = shelf.cell.weigh(shelf.load_g, now_ms)
        weight_g = round(weighing.weight_g)
        self._show(ShelfWeighed(now_ms, shelf.number, weight_g, is_stable=weighing.is_stable))
        if shelf.cell.is_leaned_on and not shelf.is_awaited:
            shelf.is_awaited = True
            self._agenda.at(now_ms + AFTER_LEANING_MS, lambda at_ms: self._weigh(shelf, at_ms))
