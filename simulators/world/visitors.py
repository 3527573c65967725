"""Customers of a noisy store: they pick, put back, walk away from baskets, and buy. Pure.

Each day their times are drawn at its beginning; what they do follows when their time has come, by
what is on the shelves then.
"""

from typing import TYPE_CHECKING, Final

from simulators.world.doorway import Doorway
from simulators.world.goods import Sku
from simulators.world.noisy_goods import Armful
from simulators.world.noisy_till import NoisyTill
from simulators.world.returns import Returns
from simulators.world.scene import Scene
from simulators.world.store_time import (
    DAYS_PER_YEAR,
    HOUR_MS,
    MINUTE_MS,
    delay_ms,
    poisson,
    some_time,
)

if TYPE_CHECKING:
    from random import Random

ATTEMPTS_MAX: Final = 3
"""Who does not find what he wants, looks for something else so often."""
MIND_CHANGED_MS: Final = 5 * MINUTE_MS
PUT_BACK_BY_STAFF_MS: Final = 2 * HOUR_MS
TO_EXIT_LEAST_S: Final = 20.0


class Visitors:
    """Everybody who comes to buy."""

    def __init__(
        self, scene: Scene, till: NoisyTill, returns: Returns, exit_: Doorway, rng: "Random"
    ) -> None:
        self._scene: Final = scene
        self._settings: Final = scene.settings.visitors
        self._till: Final = till
        self._returns: Final = returns
        self._exit: Final = exit_
        self._rng: Final = rng

    def plan_day(self, midnight_ms: int, busyness: float) -> int:
        """Draw who comes on this day; return how many baskets are bought."""
        settings = self._scene.settings
        units_a_day = self._scene.goods.total_units() * settings.assortment.turns / DAYS_PER_YEAR
        baskets = poisson(busyness * units_a_day / self._units_per_basket(), self._rng)
        for _ in range(baskets):
            self._scene.agenda.at(some_time(settings.hours, midnight_ms, self._rng), self._visit)
        return baskets

    def _units_per_basket(self) -> float:
        settings = self._settings
        lines = (1 + settings.lines_max) / 2
        further = max(0.0, settings.units_per_line_max / 2)
        return lines * (1 + settings.second_unit_share * further) * (1 - settings.abandoned_share)

    def _visit(self, now_ms: int) -> None:
        """Pick, and decide what becomes of it."""
        rng, settings, agenda = self._rng, self._settings, self._scene.agenda
        if rng.random() < settings.put_back_share:
            self._change_mind(now_ms)
        basket = self._pick(rng.randint(1, settings.lines_max), now_ms)
        if not basket:
            return
        paid_ms = now_ms + delay_ms(settings.visit_minutes * MINUTE_MS, rng)
        if rng.random() < settings.abandoned_share:
            back_ms = paid_ms + delay_ms(PUT_BACK_BY_STAFF_MS, rng)
            agenda.at(back_ms, lambda at_ms: self._put_back(basket, at_ms))
        else:
            agenda.at(paid_ms, lambda at_ms: self._pay(basket, at_ms))

    def _pick(self, articles: int, now_ms: int) -> list[Armful]:
        basket: list[Armful] = []
        for _ in range(articles):
            if basket and self._rng.random() < self._settings.family_share:
                families = self._scene.families
                other = families.relative(basket[-1].sku.gtin, self._rng)
                taken = self._take(self._scene.goods.skus[other], now_ms)
            else:
                taken = self._take_something(now_ms)
            if taken is not None:
                basket.append(taken)
        return basket

    def _take_something(self, now_ms: int) -> Armful | None:
        for _ in range(ATTEMPTS_MAX):
            taken = self._take(self._scene.demand.wanted(self._rng), now_ms)
            if taken is not None:
                return taken
        return None

    def _take(self, sku: Sku, now_ms: int) -> Armful | None:
        return self._scene.goods.take(sku, self._quantity_of(sku), now_ms, self._rng)

    def _quantity_of(self, sku: Sku) -> int:
        settings, rng = self._settings, self._rng
        if sku.measure == "grams":
            return rng.randint(settings.grams_min, settings.grams_max)
        if settings.units_per_line_max > 1 and rng.random() < settings.second_unit_share:
            return rng.randint(2, settings.units_per_line_max)
        return 1

    def _change_mind(self, now_ms: int) -> None:
        """Try something and put it back where it was."""
        tried = self._take_something(now_ms)
        if tried is not None:
            back_ms = now_ms + delay_ms(MIND_CHANGED_MS, self._rng)
            self._scene.agenda.at(back_ms, lambda at_ms: self._put_back([tried], at_ms))

    def _put_back(self, basket: list[Armful], now_ms: int) -> None:
        for armful in basket:
            self._scene.goods.put_back(armful, now_ms)

    def _pay(self, basket: list[Armful], now_ms: int) -> None:
        self._till.sell(basket, now_ms)
        for armful in basket:
            self._returns.sold(armful, now_ms)
        to_exit_s = TO_EXIT_LEAST_S + self._rng.expovariate(1.0) * self._settings.to_exit_s
        gone_ms = now_ms + int(to_exit_s * 1_000)
        self._scene.agenda.at(gone_ms, lambda at_ms: self._exit.go_out(basket, at_ms))
