"""What a noisy store throws away, and what part of it somebody writes down. Pure."""

from typing import TYPE_CHECKING, Final

from simulators.world.noisy_till import NoisyTill
from simulators.world.scene import Scene
from simulators.world.store_time import DAYS_PER_YEAR, HOUR_MS, poisson

if TYPE_CHECKING:
    from random import Random

GRAMS_AT_ONCE: Final = 500


class Waste:
    """Looks through untagged goods in the evening."""

    def __init__(self, scene: Scene, till: NoisyTill, rng: "Random") -> None:
        self._scene: Final = scene
        self._settings: Final = scene.settings.waste
        self._till: Final = till
        self._rng: Final = rng

    def plan_day(self, midnight_ms: int) -> None:
        """Look through the shelves this evening."""
        if self._settings.per_unit_year:
            at_ms = midnight_ms + int(self._settings.at_hour * HOUR_MS)
            self._scene.agenda.at(at_ms, self._look_through)

    def _look_through(self, now_ms: int) -> None:
        share_a_day = self._settings.per_unit_year / DAYS_PER_YEAR
        for gtin, loose in self._scene.goods.loose.items():
            sku = self._scene.goods.skus[gtin]
            at_once = GRAMS_AT_ONCE if sku.measure == "grams" else 1
            spoilt = at_once * poisson(loose.total * share_a_day / at_once, self._rng)
            taken = self._scene.goods.take(sku, spoilt, now_ms, self._rng) if spoilt else None
            if taken is None:
                continue
            if self._rng.random() < self._settings.told_share:
                self._till.write_off(taken, now_ms)
            else:
                self._scene.truth.mishap(now_ms, "thrown away untold", gtin)
            self._scene.goods.leave(taken)
