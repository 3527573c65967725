"""Associates pack what was ordered elsewhere, and a carrier takes it along. Pure.

They pack what lies on the sales floor and know of no promises: what a shopper has in his basket is
not there. When something is missing they look again for a while, since staff may bring it from the
backroom; then the order is picked short.
"""

from collections.abc import Callable, Mapping
from typing import Final

from protocol.ids import Gtin
from simulators.world.agenda import Agenda
from simulators.world.happenings import Happening, Line, OrderPicked, OrderShipped
from simulators.world.stock import Goods, Stock

LOOK_AGAIN_MS: Final = 500
PATIENCE_MS: Final = 6_000


class Associates:
    """All packing of a store. `happened` is told what was packed and what was taken along."""

    def __init__(self, stock: Stock, agenda: Agenda, happened: Callable[[Happening], None]) -> None:
        self._stock = stock
        self._agenda = agenda
        self._happened = happened
        self._packed: dict[str, list[Goods]] = {}

    def pick(self, order: str, wanted: Mapping[Gtin, int], now_ms: int) -> None:
        """Pack goods of an order, sooner or later, as far as they are there."""
        missing = {gtin: units for gtin, units in wanted.items() if gtin in self._stock.skus}
        self._packed.setdefault(order, [])
        self._look(order, missing, now_ms + PATIENCE_MS, now_ms)

    def ship(self, order: str, shipped: Mapping[Gtin, int], now_ms: int) -> None:
        """Let packed goods leave, and put back what else was packed."""
        rest = dict(shipped)
        lines: list[Line] = []
        for goods in self._packed.pop(order, []):
            leaves, stays = goods.split(min(goods.quantity, rest.get(goods.sku.gtin, 0)))
            if leaves.quantity:
                rest[goods.sku.gtin] -= leaves.quantity
                self._stock.sell(leaves)
                self._stock.leave(leaves, now_ms)
                lines.append(leaves.line)
            if stays.quantity:
                self._stock.put_back(stays, now_ms)
        if lines:
            self._happened(OrderShipped(now_ms, order, tuple(lines)))

    def _look(self, order: str, missing: dict[Gtin, int], until_ms: int, now_ms: int) -> None:
        for gtin, units in list(missing.items()):
            goods = self._stock.pick(self._stock.skus[gtin], units, now_ms)
            if goods is None:
                continue
            self._stock.pack(goods, now_ms)
            self._packed[order].append(goods)
            missing[gtin] -= goods.quantity
            if not missing[gtin]:
                del missing[gtin]
        again_ms = now_ms + LOOK_AGAIN_MS
        if missing and again_ms <= until_ms:
            self._agenda.at(again_ms, lambda at_ms: self._look(order, missing, until_ms, at_ms))
            return
        lines = tuple(goods.line for goods in self._packed[order])
        self._happened(OrderPicked(now_ms, order, lines))
