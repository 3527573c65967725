"""Thieves in a noisy store: they take what they like, and half of them no portal sees. Pure."""

from typing import TYPE_CHECKING, Final

from simulators.world.doorway import Doorway
from simulators.world.goods import Sku
from simulators.world.scene import Scene
from simulators.world.store_time import DAYS_PER_YEAR, MINUTE_MS, delay_ms, poisson, some_time

if TYPE_CHECKING:
    from random import Random

ATTEMPTS_MAX: Final = 8
INSIDE_MS: Final = 6 * MINUTE_MS


class Thieves:
    """Everybody who takes without paying, staff among them."""

    def __init__(self, scene: Scene, exit_: Doorway, rng: "Random") -> None:
        self._scene: Final = scene
        self._settings: Final = scene.settings.thefts
        self._exit: Final = exit_
        self._rng: Final = rng
        gtins = list(scene.goods.skus)
        hot = rng.sample(gtins, round(self._settings.hot_share * len(gtins)))
        self._hot: Final = frozenset(hot)

    def plan_day(self, midnight_ms: int) -> None:
        """Draw who steals on this day."""
        units = self._scene.goods.total_units() * self._settings.per_unit_year / DAYS_PER_YEAR
        per_theft = (1 + self._settings.units_per_theft_max) / 2
        for _ in range(poisson(units / per_theft, self._rng)):
            at_ms = some_time(self._scene.settings.hours, midnight_ms, self._rng)
            self._scene.agenda.at(at_ms, self._steal)

    def _steal(self, now_ms: int) -> None:
        rng, sku = self._rng, self._liked()
        visitors = self._scene.settings.visitors
        wanted = rng.randint(1, self._settings.units_per_theft_max)
        if sku.measure == "grams":
            wanted = rng.randint(visitors.grams_min, visitors.grams_max)
        taken = self._scene.goods.take(sku, wanted, now_ms, rng)
        if taken is None:
            return
        is_seen = rng.random() >= self._settings.unseen_share

        def go(at_ms: int) -> None:
            self._scene.truth.stolen(at_ms, sku.gtin, taken.quantity)
            self._scene.truth.mishap(at_ms, "theft" if is_seen else "theft unseen", sku.gtin)
            self._exit.go_out([taken], at_ms, is_seen=is_seen)

        self._scene.agenda.at(now_ms + delay_ms(INSIDE_MS, rng), go)

    def _liked(self) -> Sku:
        """Return an article as thieves like them: hot ones more often by their factor."""
        sku = self._scene.demand.wanted(self._rng)
        for _ in range(ATTEMPTS_MAX):
            if sku.gtin in self._hot or self._rng.random() < 1 / self._settings.hot_factor:
                break
            sku = self._scene.demand.wanted(self._rng)
        return sku
