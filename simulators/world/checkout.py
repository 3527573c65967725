"""The tills of a store: sales, post-voids and refunds. Pure.

A sale that will be undone keeps its till busy until it is, so a post-void is always of the till's
latest sale, and its goods never left.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from simulators.world.agenda import Agenda
from simulators.world.happenings import Happening, PostVoid, Refund, Sale
from simulators.world.settings import TillSettings
from simulators.world.stock import Goods, Stock

if TYPE_CHECKING:
    from random import Random

RECEIPTS_REMEMBERED_MAX: Final = 500
"""Customers bring back goods of this many recent lines at most."""
WAIT_MS: Final = 100
"""A shopper who finds all tills busy looks again after this."""
AT_HOME_MS: Final = 2_000
"""No goods are brought back sooner than this after they were sold."""

_ATTEMPTS_MAX: Final = 5


class _Receipt(NamedTuple):
    sale: int
    sold_at_ms: int
    goods: Goods


class Checkout:
    """All tills of a store. `happened` is told what the tills have to write."""

    def __init__(
        self,
        stock: Stock,
        agenda: Agenda,
        settings: TillSettings,
        rng: "Random",
        happened: Callable[[Happening], None],
    ) -> None:
        self._stock = stock
        self._agenda = agenda
        self._settings = settings
        self._rng = rng
        self._happened = happened
        self._free_at_ms = [0] * settings.count
        self._sales = 0
        self._receipts: deque[_Receipt] = deque(maxlen=RECEIPTS_REMEMBERED_MAX)

    def pay(self, basket: Sequence[Goods], now_ms: int) -> None:
        """Sell a basket at a till that is free, as soon as one is."""
        till = self._free_till(now_ms)
        if till is None:
            self._agenda.at(now_ms + WAIT_MS, lambda later_ms: self.pay(basket, later_ms))
            return
        self._sales += 1
        sale = self._sales
        for goods in basket:
            self._stock.sell(goods)
        lines = tuple(goods.line for goods in basket)
        self._happened(Sale(now_ms, till, sale, lines))
        if self._rng.random() < self._settings.void_rate:
            void_at_ms = now_ms + self._settings.void_after_ms
            self._agenda.at(void_at_ms, lambda at_ms: self._void(till, sale, basket, at_ms))
            self._busy(till, void_at_ms)
            return
        for goods in basket:
            self._stock.leave(goods, now_ms)
            if goods.sku.measure == "units":  # Nobody takes cut cheese back.
                self._receipts.append(_Receipt(sale, now_ms, goods))
        self._busy(till, now_ms)

    def bring_back(self, now_ms: int) -> None:
        """Take one line of an earlier sale back, if there is one and a till is free."""
        till = self._free_till(now_ms)
        receipt = self._some_receipt(now_ms)
        if till is None or receipt is None:
            return
        self._receipts.remove(receipt)
        self._stock.take_back(receipt.goods, now_ms)
        self._happened(Refund(now_ms, till, receipt.sale, (receipt.goods.line,)))
        self._busy(till, now_ms)

    def _some_receipt(self, now_ms: int) -> _Receipt | None:
        for _ in range(_ATTEMPTS_MAX if self._receipts else 0):
            receipt = self._rng.choice(self._receipts)
            if receipt.sold_at_ms + AT_HOME_MS <= now_ms:
                return receipt
        return None

    def _void(self, till: int, sale: int, basket: Sequence[Goods], now_ms: int) -> None:
        for goods in basket:
            self._stock.undo_sale(goods, now_ms)
        lines = tuple(goods.line for goods in basket)
        self._happened(PostVoid(now_ms, till, sale, lines))
        self._busy(till, now_ms)

    def _free_till(self, now_ms: int) -> int | None:
        till = min(range(len(self._free_at_ms)), key=self._free_at_ms.__getitem__)
        return till if self._free_at_ms[till] <= now_ms else None

    def _busy(self, till: int, now_ms: int) -> None:
        self._free_at_ms[till] = now_ms + self._settings.transaction_ms
