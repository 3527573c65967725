"""What happens to goods after they were sold: they come back, or are carried about. Pure."""

from functools import partial
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Final

from simulators.world.doorway import Doorway
from simulators.world.goods import Sku
from simulators.world.noisy_goods import Armful
from simulators.world.noisy_till import NoisyTill
from simulators.world.scene import Scene
from simulators.world.store_time import DAY_MS, MINUTE_MS, delay_ms, poisson, some_time
from simulators.world.tagged_units import TaggedUnit, TagPrinter

if TYPE_CHECKING:
    from random import Random

TO_COUNTER_MS: Final = 5 * MINUTE_MS
AWAY_LEAST_DAYS: Final = 0.5
OWNED_MAX: Final = 2_000
"""So many units that were sold are remembered as still having a tag; the oldest are forgotten."""
VISIT_MS: Final = (8 * MINUTE_MS, 50 * MINUTE_MS)


class Returns:
    """Everything that was sold and may be seen again."""

    def __init__(
        self, scene: Scene, till: NoisyTill, exit_: Doorway, printer: TagPrinter, rng: "Random"
    ) -> None:
        self._scene: Final = scene
        self._settings: Final = scene.settings.visitors
        self._till: Final = till
        self._exit: Final = exit_
        self._printer: Final = printer
        self._rng: Final = rng
        self._order = 0
        self._away: list[tuple[int, int, Sku, TaggedUnit | None]] = []
        self._owned: list[TaggedUnit] = []

    def sold(self, armful: Armful, now_ms: int) -> None:
        """Decide what becomes of what a customer takes home."""
        if armful.sku.measure == "grams":  # Nobody takes cut cheese back.
            return
        rng, settings = self._rng, self._settings
        for index in range(armful.quantity):
            unit = armful.units[index] if armful.units else None
            if rng.random() < settings.return_share:
                days = AWAY_LEAST_DAYS + rng.expovariate(1.0) * settings.return_after_days
                self._order += 1
                due_ms = now_ms + int(days * DAY_MS)
                heappush(self._away, (due_ms, self._order, armful.sku, unit))
            elif unit is not None:
                self._keep(unit)

    def plan_day(self, midnight_ms: int, baskets: int) -> None:
        """Draw who brings back or carries about what on this day."""
        rng, agenda, hours = self._rng, self._scene.agenda, self._scene.settings.hours
        while self._away and self._away[0][0] < midnight_ms + DAY_MS:
            _, _, sku, unit = heappop(self._away)
            at_ms = some_time(hours, midnight_ms, rng)
            agenda.at(at_ms, partial(self._come_back, sku, unit))
        for _ in range(poisson(baskets * self._settings.carry_in_share, rng)):
            agenda.at(some_time(hours, midnight_ms, rng), self._carry_about)
        for _ in range(poisson(self._scene.settings.portals.passers_by_per_day, rng)):
            agenda.at(some_time(hours, midnight_ms, rng), self._pass_by)

    def _keep(self, unit: TaggedUnit) -> None:
        if len(self._owned) < OWNED_MAX:
            self._owned.append(unit)
        else:
            self._owned[self._rng.randrange(OWNED_MAX)] = unit

    def _come_back(self, sku: Sku, unit: TaggedUnit | None, now_ms: int) -> None:
        armful = Armful(sku, 1, () if unit is None else (unit,))
        if unit is not None and self._rng.random() < self._settings.returned_without_tag_share:
            self._scene.truth.mishap(now_ms, "returned without a tag", sku.gtin)
            unit.quality = "dead"
            next_day_ms = now_ms + DAY_MS
            self._scene.agenda.at(next_day_ms, lambda _: self._printer.retag(unit))
        self._exit.come_in([armful], now_ms, lambda at_ms: self._to_counter(armful, at_ms))

    def _to_counter(self, armful: Armful, now_ms: int) -> None:
        at_ms = now_ms + delay_ms(TO_COUNTER_MS, self._rng)
        self._scene.agenda.at(at_ms, lambda when_ms: self._refund(armful, when_ms))

    def _refund(self, armful: Armful, now_ms: int) -> None:
        self._till.take_back(armful.sku, armful.quantity, now_ms)
        self._scene.goods.put_back(armful, now_ms)

    def _carry_about(self, now_ms: int) -> None:
        """Somebody wears, tag and all, what he bought here, comes in and goes again."""
        if not self._owned:
            return
        unit = self._owned.pop(self._rng.randrange(len(self._owned)))
        over_ms = self._exit.cross([unit], now_ms, is_inwards=True)
        gone_ms = over_ms + self._rng.randint(*VISIT_MS)

        def go(at_ms: int) -> None:
            self._exit.cross([unit], at_ms, is_inwards=False)
            self._keep(unit)

        self._scene.agenda.at(gone_ms, go)

    def _pass_by(self, now_ms: int) -> None:
        if self._owned:
            self._exit.pass_by(self._rng.choice(self._owned), now_ms)
