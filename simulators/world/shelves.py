"""The weighed shelves of a noisy store: what their scales show when goods are taken or put. Pure.

A scale shows the weight of what lies on it after each change, once at rest: with noise, a zero that
wanders, items that differ, and now and then somebody who leans on it. Part of an article lies
elsewhere, and is carried to the shelf when that runs low.
"""

from typing import TYPE_CHECKING, Final

from protocol.ids import Gtin
from simulators.world.goods import Sku
from simulators.world.happenings import ShelfWeighed
from simulators.world.noisy_goods import Goods
from simulators.world.noisy_settings import ShelfScaleSettings
from simulators.world.radio import Show

if TYPE_CHECKING:
    from random import Random

DAY_MS: Final = 86_400_000
SETTLED_MS: Final = 4_000
LEANING_G: Final = (800, 6_000)


class Shelves:
    """All shelves with scales."""

    def __init__(
        self, goods: Goods, settings: ShelfScaleSettings, started_ms: int, rng: "Random", show: Show
    ) -> None:
        self._goods: Final = goods
        self._settings: Final = settings
        self._rng: Final = rng
        self._show: Final = show
        self._zero_g: Final[dict[int, float]] = {}
        self._weighed_ms: Final[dict[int, int]] = {}
        self._elsewhere: Final[dict[Gtin, int]] = {}
        for sku in goods.skus.values():
            if sku.shelf is not None:
                self._zero_g[sku.shelf] = 0.0
                self._weighed_ms[sku.shelf] = started_ms
                away = int(goods.on_hand(sku.gtin) * settings.off_shelf_share)
                self._elsewhere[sku.gtin] = away

    def show_all(self, now_ms: int) -> None:
        """Show every shelf once, as in the morning."""
        for sku in self._goods.skus.values():
            self.changed(sku, now_ms)

    def changed(self, sku: Sku, now_ms: int) -> None:
        """Show what a shelf bears after goods were taken from it or put there."""
        if sku.shelf is None:
            return
        there = self._goods.on_hand(sku.gtin)
        elsewhere = min(self._elsewhere[sku.gtin], there)
        if there - elsewhere <= 1:  # The shelf is nearly empty, so the rest is brought.
            elsewhere = 0
        elif there > self._goods.full[sku.gtin] * 0.9:  # A delivery did not fit in full.
            elsewhere = int(there * self._settings.off_shelf_share)
        self._elsewhere[sku.gtin] = elsewhere
        self._weigh(sku, there - elsewhere, now_ms + SETTLED_MS)

    def lean(self, sku: Sku, now_ms: int) -> None:
        """Somebody leans on a shelf for a moment."""
        if sku.shelf is not None:
            extra_g = self._rng.randint(*LEANING_G)
            self._show(ShelfWeighed(now_ms, sku.shelf, extra_g, is_stable=False))
            self.changed(sku, now_ms + 8_000)

    def _weigh(self, sku: Sku, units: int, at_ms: int) -> None:
        shelf = sku.shelf
        if shelf is None:
            return
        rng, settings = self._rng, self._settings
        days = max(0, at_ms - self._weighed_ms[shelf]) / DAY_MS
        self._weighed_ms[shelf] = at_ms
        self._zero_g[shelf] += rng.gauss(0.0, settings.drift_g_per_day * days**0.5)
        spread_g = sku.item_weight_g * settings.item_spread_share * units**0.5
        weight_g = units * sku.item_weight_g + rng.gauss(0.0, spread_g) * 0.1
        shown_g = weight_g + self._zero_g[shelf] + rng.gauss(0.0, settings.noise_g)
        self._show(ShelfWeighed(at_ms, shelf, round(shown_g), is_stable=True))
