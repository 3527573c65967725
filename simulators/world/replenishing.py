"""Staff who bring goods from the backroom of a noisy store to its sales floor. Pure."""

from typing import Final

from simulators.world.scene import Scene
from simulators.world.store_time import HOUR_MS


class Replenishing:
    """The rounds of a day."""

    def __init__(self, scene: Scene) -> None:
        self._scene: Final = scene

    def plan_day(self, midnight_ms: int) -> None:
        """Make rounds until the doors close."""
        settings, hour = self._scene.settings, self._scene.settings.replenishing.first_hour
        while hour <= settings.hours.closes_at:
            self._scene.agenda.at(midnight_ms + int(hour * HOUR_MS), self._round)
            hour += settings.replenishing.every_hours

    def _round(self, now_ms: int) -> None:
        for gtin in list(self._scene.goods.in_backroom):
            self._scene.goods.replenish(gtin, now_ms)
