"""The goods of one store as they truly are, and the ledger of how they came and went. Pure.

Every unit is in one place; every change of the ledger is made in the operation that moves the
goods. An operation that would need goods that are not there asserts: that is a bug of the world.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple, get_args

from protocol.ids import Epc, Gtin, sgtin_tag
from simulators.world.goods import COMPANY_PREFIX, Place, Sku, Unit
from simulators.world.happenings import Line, TruthLedger
from simulators.world.settings import DwellSettings, GoodsSettings

if TYPE_CHECKING:
    from random import Random

LONG_AGO_MS: Final = 0


class Goods(NamedTuple):
    """Some of one article in somebody's hands; the tagged ones by name."""

    sku: Sku
    quantity: int
    units: tuple[Unit, ...] = ()

    def split(self, quantity: int) -> tuple["Goods", "Goods"]:
        """Return the first `quantity` of it, and the rest."""
        first = Goods(self.sku, quantity, self.units[:quantity])
        return first, Goods(self.sku, self.quantity - quantity, self.units[quantity:])

    @property
    def line(self) -> Line:
        """The same, as a document would say it."""
        return Line(self.sku.gtin, self.quantity, self.sku.measure)


class Stock:
    """All goods of a store. `first_serial` keeps the tags of several stores apart."""

    def __init__(self, skus: Sequence[Sku], dwell: DwellSettings, first_serial: int) -> None:
        self.skus = {sku.gtin: sku for sku in skus}
        self.truth = {sku.gtin: TruthLedger() for sku in skus}
        self._dwell = dwell
        self._next_serial = first_serial
        self._places: dict[Place, dict[Epc, Unit]] = {place: {} for place in get_args(Place)}
        self._on_floor: dict[Gtin, dict[Epc, Unit]] = {sku.gtin: {} for sku in skus}
        self._in_backroom: dict[Gtin, dict[Epc, Unit]] = {sku.gtin: {} for sku in skus}
        self._shelves = {sku.gtin: 0 for sku in skus if not sku.is_tagged}

    def open_with(self, settings: GoodsSettings, rng: "Random") -> None:
        """Put the opening stock in place."""
        for sku in self.skus.values():
            if sku.measure == "grams":
                low, high = settings.opening_grams_min, settings.opening_grams_max
            else:
                low, high = settings.opening_units_min, settings.opening_units_max
            quantity = rng.randint(low, high)
            self.truth[sku.gtin] = TruthLedger(opening=quantity)
            if not sku.is_tagged:
                self._shelves[sku.gtin] = quantity
                continue
            in_backroom = int(quantity * settings.backroom_share)
            self.new_units(sku, in_backroom, "backroom", LONG_AGO_MS)
            self.new_units(sku, quantity - in_backroom, "sales_floor", LONG_AGO_MS)

    def tags_at(self, *places: Place) -> list[Epc]:
        """Return the tags in these places."""
        return [epc for place in places for epc in self._places[place]]

    def units(self) -> Iterable[Unit]:
        """Return every unit that was ever here or on its way."""
        return (unit for place in self._places.values() for unit in place.values())

    def shelf_quantity(self, gtin: Gtin) -> int:
        """Return how much of an untagged article lies on its shelf."""
        return self._shelves[gtin]

    def new_units(self, sku: Sku, quantity: int, place: Place, now_ms: int) -> list[Unit]:
        """Make tagged units that were never seen before, and return them."""
        made = []
        for _ in range(quantity):
            epc = sgtin_tag(sku.gtin, self._next_serial, len(COMPANY_PREFIX))
            self._next_serial += 1
            unit = Unit(epc, sku.gtin, place, now_ms)
            self._enter(unit, place, now_ms)
            made.append(unit)
        return made

    def move(self, units: Iterable[Unit], place: Place, now_ms: int) -> None:
        """Bring tagged units to another place."""
        for unit in units:
            del self._places[unit.place][unit.epc]
            self._on_floor[unit.gtin].pop(unit.epc, None)
            self._in_backroom[unit.gtin].pop(unit.epc, None)
            self._enter(unit, place, now_ms)

    def receive_units(self, units: Sequence[Unit], now_ms: int) -> None:
        """Bring tagged units that have passed the dock portal to the backroom."""
        assert all(unit.place == "dock_inside" for unit in units)  # noqa: S101 # The world's bug.
        self.move(units, "backroom", now_ms)
        for unit in units:
            self._account(unit.gtin, received=1)

    def receive_untagged(self, line: Line) -> None:
        """Put received goods on their shelf."""
        self._shelves[line.gtin] += line.quantity
        self._account(line.gtin, received=line.quantity)

    def pick(self, sku: Sku, quantity: int, now_ms: int) -> Goods | None:
        """Take goods from the sales floor into a basket; fewer if there are fewer, or `None`."""
        if not sku.is_tagged:
            taken = min(quantity, self._shelves[sku.gtin])
            self._shelves[sku.gtin] -= taken
            return Goods(sku, taken) if taken else None
        settled_ms = now_ms - self._dwell.sales_floor_ms
        units = _settled(self._on_floor[sku.gtin], settled_ms, quantity)
        self.move(units, "basket", now_ms)
        return Goods(sku, len(units), tuple(units)) if units else None

    def put_back(self, goods: Goods, now_ms: int) -> None:
        """Put goods from a basket, or from a customer's bag, on the sales floor."""
        if goods.sku.is_tagged:
            self.move(goods.units, "sales_floor", now_ms)
        else:
            self._shelves[goods.sku.gtin] += goods.quantity

    def pack(self, goods: Goods, now_ms: int) -> None:
        """Put goods from a basket into the box of an order."""
        self.move(goods.units, "packed", now_ms)

    def sell(self, goods: Goods) -> None:
        """Note a paid line; its goods are still at the till."""
        self._account(goods.sku.gtin, sold=goods.quantity)

    def leave(self, goods: Goods, now_ms: int) -> None:
        """Let a customer carry paid goods out."""
        self.move(goods.units, "customer", now_ms)

    def undo_sale(self, goods: Goods, now_ms: int) -> None:
        """Undo a sale whose goods are still at the till: they go back to the sales floor."""
        self._account(goods.sku.gtin, sold=-goods.quantity)
        self.put_back(goods, now_ms)

    def take_back(self, goods: Goods, now_ms: int) -> None:
        """Take goods back from a customer."""
        self._account(goods.sku.gtin, returned=goods.quantity)
        self.put_back(goods, now_ms)

    def on_floor(self, gtin: Gtin) -> int:
        """Return how many tagged units of an article a shopper could pick, now or soon."""
        return len(self._on_floor[gtin])

    def bring_to_floor(self, gtin: Gtin, quantity: int, now_ms: int) -> int:
        """Bring up to `quantity` units from the backroom, and return how many."""
        settled_ms = now_ms - self._dwell.backroom_ms
        units = _settled(self._in_backroom[gtin], settled_ms, quantity)
        self.move(units, "sales_floor", now_ms)
        return len(units)

    def _account(self, gtin: Gtin, *, received: int = 0, returned: int = 0, sold: int = 0) -> None:
        before = self.truth[gtin]
        self.truth[gtin] = replace(
            before,
            received=before.received + received,
            returned=before.returned + returned,
            sold=before.sold + sold,
        )

    def _enter(self, unit: Unit, place: Place, now_ms: int) -> None:
        unit.place = place
        unit.since_ms = now_ms
        self._places[place][unit.epc] = unit
        if place == "sales_floor":
            self._on_floor[unit.gtin][unit.epc] = unit
        elif place == "backroom":
            self._in_backroom[unit.gtin][unit.epc] = unit


def _settled(units: dict[Epc, Unit], since_ms: int, quantity: int) -> list[Unit]:
    """Return units that have been there since then, those that came first before others."""
    found: list[Unit] = []
    for unit in units.values():
        if len(found) == quantity or unit.since_ms > since_ms:
            break
        found.append(unit)
    return found
