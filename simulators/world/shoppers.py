"""People who pick, put back, buy, and bring back. Pure and seeded."""

from collections.abc import Callable
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from simulators.world.agenda import Agenda
from simulators.world.checkout import Checkout
from simulators.world.goods import Sku
from simulators.world.settings import ShopperSettings
from simulators.world.stock import Goods, Stock

if TYPE_CHECKING:
    from random import Random

_ATTEMPTS_MAX: Final = 3
_MINUTE_MS: Final = 60_000


class Shoppers:
    """Everybody in the store who does not work there."""

    def __init__(
        self,
        stock: Stock,
        agenda: Agenda,
        checkout: Checkout,
        settings: ShopperSettings,
        rng: "Random",
    ) -> None:
        self._stock = stock
        self._agenda = agenda
        self._checkout = checkout
        self._settings = settings
        self._rng = rng
        self._skus = list(stock.skus.values())
        self._popularity = list(accumulate(sku.popularity for sku in self._skus))
        self._is_open = False

    def open_doors(self, now_ms: int) -> None:
        """Let people in from now on."""
        self._is_open = True
        self._again(self._settings.per_minute, self._come_in, now_ms)
        self._again(self._settings.returns_per_minute, self._come_back, now_ms)

    def close_doors(self) -> None:
        """Let nobody in any more; who is inside finishes."""
        self._is_open = False

    def _again(self, per_minute: float, what: Callable[[int], None], now_ms: int) -> None:
        if per_minute > 0:
            wait_ms = round(self._rng.expovariate(per_minute / _MINUTE_MS))
            self._agenda.at(now_ms + wait_ms, what, routine=True)

    def _come_in(self, now_ms: int) -> None:
        if self._is_open:
            wanted = self._rng.randint(1, self._settings.lines_max)
            self._walk([], wanted, now_ms)
            self._again(self._settings.per_minute, self._come_in, now_ms)

    def _come_back(self, now_ms: int) -> None:
        if self._is_open:
            self._checkout.bring_back(now_ms)
            self._again(self._settings.returns_per_minute, self._come_back, now_ms)

    def _walk(self, basket: list[Goods], wanted: int, now_ms: int) -> None:
        wait_ms = round(self._settings.pick_ms * self._rng.uniform(0.5, 1.5))
        if wanted:
            self._agenda.at(now_ms + wait_ms, lambda at_ms: self._reach(basket, wanted, at_ms))
        else:
            self._agenda.at(now_ms + wait_ms, lambda at_ms: self._finish(basket, at_ms))

    def _reach(self, basket: list[Goods], wanted: int, now_ms: int) -> None:
        goods = self._pick(now_ms)
        if goods is not None:
            basket.append(goods)
        self._walk(basket, wanted - 1, now_ms)

    def _finish(self, basket: list[Goods], now_ms: int) -> None:
        kept: list[Goods] = []
        for goods in basket:
            if self._rng.random() < self._settings.put_back_rate:
                self._stock.put_back(goods, now_ms)
            else:
                kept.append(goods)
        if kept:
            self._checkout.pay(kept, now_ms)

    def _pick(self, now_ms: int) -> Goods | None:
        for _ in range(_ATTEMPTS_MAX):
            sku = self._rng.choices(self._skus, cum_weights=self._popularity)[0]
            goods = self._stock.pick(sku, self._quantity_of(sku), now_ms)
            if goods is not None:
                return goods
        return None

    def _quantity_of(self, sku: Sku) -> int:
        if sku.measure == "grams":
            return self._rng.randint(
                self._settings.weighed_grams_min, self._settings.weighed_grams_max
            )
        return self._rng.randint(1, self._settings.units_per_line_max)
