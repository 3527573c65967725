"""Goods in the wrong place: left in fitting rooms, put on other fixtures, and tidied. Pure.

By Little's law the part that is misplaced at any time is the rate at which goods are misplaced
times how long they lie there, over all there is; so the rate follows from the settings.
"""

from typing import TYPE_CHECKING, Final

from simulators.world.noisy_goods import Armful
from simulators.world.planogram import FITTING_ROOM
from simulators.world.scene import Scene
from simulators.world.shelves import Shelves
from simulators.world.store_time import DAY_MS, delay_ms, poisson, some_time

if TYPE_CHECKING:
    from random import Random

ATTEMPTS_MAX: Final = 5


class Misplacing:
    """Who puts things where they do not belong, and staff who find them."""

    def __init__(self, scene: Scene, shelves: Shelves, rng: "Random") -> None:
        self._scene: Final = scene
        self._settings: Final = scene.settings.visitors
        self._shelves: Final = shelves
        self._rng: Final = rng

    def plan_day(self, midnight_ms: int) -> None:
        """Draw what is misplaced on this day."""
        settings = self._settings
        a_day = self._scene.goods.total_units() / settings.tidied_after_days
        for _ in range(poisson(settings.misplaced_share * a_day, self._rng)):
            at_ms = some_time(self._scene.settings.hours, midnight_ms, self._rng)
            self._scene.agenda.at(at_ms, self._misplace)

    def _misplace(self, now_ms: int) -> None:
        taken = self._take(now_ms)
        if taken is None:
            return
        self._scene.goods.misplace(taken, self._wrong_place(taken))
        shelf = None if taken.sku.is_tagged else self._shelves.bear_stranger(taken, now_ms)
        tidied_ms = now_ms + delay_ms(self._settings.tidied_after_days * DAY_MS, self._rng)
        self._scene.agenda.at(tidied_ms, lambda at_ms: self._tidy(taken, shelf, at_ms))

    def _take(self, now_ms: int) -> Armful | None:
        for _ in range(ATTEMPTS_MAX):
            sku = self._scene.demand.wanted(self._rng)
            if sku.measure == "units":
                taken = self._scene.goods.take(sku, 1, now_ms, self._rng)
                if taken is not None:
                    return taken
        return None

    def _wrong_place(self, armful: Armful) -> int:
        if self._rng.random() < self._settings.fitting_room_share:
            return FITTING_ROOM
        fixtures, home = self._scene.planogram.fixtures, self._scene.planogram.home
        number = self._rng.choice(fixtures).number
        is_home = number == home[armful.sku.gtin]
        return FITTING_ROOM if is_home else number

    def _tidy(self, armful: Armful, shelf: int | None, now_ms: int) -> None:
        self._scene.goods.tidy(armful, now_ms)
        if shelf is not None:
            self._shelves.lose_stranger(shelf, armful, now_ms)
