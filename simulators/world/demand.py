"""What customers of a noisy store want: popular articles more, marked-down ones more for a while.

Pure; markdowns are a routine of the staff.
"""

from bisect import bisect
from collections.abc import Mapping
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from protocol.ids import Gtin
from simulators.world.goods import Sku
from simulators.world.people_settings import MarkdownSettings

if TYPE_CHECKING:
    from random import Random


class Demand:
    """Draws what customers want."""

    def __init__(self, skus: Mapping[Gtin, Sku], settings: MarkdownSettings, rng: "Random") -> None:
        self._skus: Final = list(skus.values())
        self._settings: Final = settings
        self._rng: Final = rng
        self._ends_day: Final[dict[int, int]] = {}
        self._weights: Final = [sku.popularity for sku in self._skus]
        self._heap: list[float] = []
        self._accumulate()

    def wanted(self, rng: "Random") -> Sku:
        """Return an article as customers want them."""
        heap = self._heap
        return self._skus[min(bisect(heap, rng.random() * heap[-1]), len(heap) - 1)]

    def plan_day(self, day: int) -> None:
        """End markdowns that are over, and begin a round if it is the day."""
        settings = self._settings
        over = [index for index, ends_day in self._ends_day.items() if ends_day <= day]
        for index in over:
            del self._ends_day[index]
            self._weights[index] = self._skus[index].popularity
        begins = bool(settings.every_days) and day and day % settings.every_days == 0
        if begins:
            count = round(settings.articles_share * len(self._skus))
            for index in self._rng.sample(range(len(self._skus)), count):
                self._ends_day[index] = day + settings.lasts_days
                self._weights[index] = self._skus[index].popularity * settings.demand_factor
        if over or begins:
            self._accumulate()

    @property
    def marked_down(self) -> int:
        """How many articles are marked down now."""
        return len(self._ends_day)

    def _accumulate(self) -> None:
        self._heap = list(accumulate(self._weights))
