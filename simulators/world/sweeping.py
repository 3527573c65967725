"""Staff who walk through a noisy store with a handheld reader, once in a while. Pure."""

from typing import Final

from simulators.world.handheld import Handheld
from simulators.world.happenings import SweepEnded, SweepStarted
from simulators.world.outages import Outages
from simulators.world.scene import Scene
from simulators.world.store_time import DAY_MS, HOUR_MS, MINUTE_MS

TRIGGER_MS: Final = 1_000
PUT_AWAY_MS: Final = 10_000
"""From the last read to the end of the sweep."""


class Sweeping:
    """The inventory rounds of one store."""

    def __init__(self, scene: Scene, handheld: Handheld, outages: Outages) -> None:
        self._scene: Final = scene
        self._outages: Final = outages
        self._handheld: Final = handheld

    def plan_day(self, midnight_ms: int, day: int) -> None:
        """Sweep if it is the day."""
        sweeps = self._scene.settings.sweeps
        if sweeps.every_days and day % sweeps.every_days == 0 and self._scene.goods.units:
            self._scene.agenda.at(midnight_ms + int(sweeps.at_hour * HOUR_MS), self._sweep)

    def _sweep(self, now_ms: int) -> None:
        ends_ms = now_ms + int(self._scene.settings.sweeps.minutes * MINUTE_MS)
        name = f"sweep-{now_ms // DAY_MS}"
        self._scene.show(SweepStarted(now_ms, name))
        units = [unit for of_gtin in self._scene.goods.units.values() for unit in of_gtin]
        self._handheld.sweep(units, now_ms + TRIGGER_MS, ends_ms - PUT_AWAY_MS)
        self._scene.show(SweepEnded(ends_ms, name))
        if self._outages.ending(now_ms, ends_ms + 1):
            # The gateway was off on the way, so they walk again the next morning.
            self._scene.agenda.at(now_ms + DAY_MS, self._sweep)
