"""One store as it truly is, from its opening stock to its last shopper. Pure and seeded.

Time goes in with `advance`, what the hardware has to show comes out; readers and scales look
whenever they measure. The same seed and the same reorders at the same times give the same day,
however finely time is cut.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from protocol.ids import Epc, Gtin
from simulators.world.agenda import Agenda
from simulators.world.associates import Associates
from simulators.world.checkout import Checkout
from simulators.world.deliveries import Deliveries
from simulators.world.goods import Place, Sku
from simulators.world.happenings import Happening, Line, Occasion, OpeningCount, TruthLedger
from simulators.world.settings import WorldSettings
from simulators.world.shoppers import Shoppers
from simulators.world.staff import Staff
from simulators.world.stock import Stock

if TYPE_CHECKING:
    from random import Random

SERIALS_PER_STORE: Final = 10_000_000
STORES_MAX: Final = 1_000


class StoreWorld:
    """One store. `number` tells its tags from other stores', from 0 to `STORES_MAX` - 1.

    `skus` are its articles; `rng` decides everything else.
    """

    def __init__(
        self, settings: WorldSettings, number: int, skus: Sequence[Sku], rng: "Random"
    ) -> None:
        if not 0 <= number < STORES_MAX:
            raise ValueError(f"store number {number}: expected 0 to {STORES_MAX - 1}")
        self._occasions: list[Occasion] = []
        self._agenda = Agenda()
        self._shelves = {sku.shelf: sku for sku in skus if sku.shelf is not None}
        self._stock = Stock(skus, settings.dwell, number * SERIALS_PER_STORE + 1)
        self._stock.open_with(settings.goods, rng)
        checkout = Checkout(self._stock, self._agenda, settings.tills, rng, self._happened)
        self._shoppers = Shoppers(self._stock, self._agenda, checkout, settings.shoppers, rng)
        self._staff = Staff(self._stock, self._agenda, settings.staff)
        self._associates = Associates(self._stock, self._agenda, self._happened)
        self._deliveries = Deliveries(
            self._stock, self._agenda, settings.deliveries, settings.dwell, rng, self._happened
        )

    @property
    def stock(self) -> Stock:
        """The goods, for who wants to look."""
        return self._stock

    @property
    def truth(self) -> dict[Gtin, TruthLedger]:
        """The true ledger of each article."""
        return self._stock.truth

    @property
    def shelves(self) -> dict[int, Sku]:
        """The articles that lie on shelf scales, by shelf."""
        return self._shelves

    def opening_count(self, now_ms: int) -> OpeningCount | None:
        """Return the count of the untagged goods, which no reader can count; `None` if none."""
        lines = tuple(
            Line(sku.gtin, self.truth[sku.gtin].opening, sku.measure)
            for sku in self._stock.skus.values()
            if not sku.is_tagged
        )
        return OpeningCount(now_ms, lines) if lines else None

    def open_doors(self, now_ms: int) -> None:
        """Let shoppers, staff and deliveries begin."""
        self._shoppers.open_doors(now_ms)
        self._staff.begin(now_ms)
        self._deliveries.begin(now_ms)

    def close_doors(self) -> None:
        """Begin nothing new: shoppers inside finish, goods on their way arrive."""
        self._shoppers.close_doors()
        self._staff.end()
        self._deliveries.end()

    def reorder(self, reorder_id: str, gtin: Gtin, quantity: int, now_ms: int) -> bool:
        """Ask the warehouse for goods; return whether they will come."""
        return self._deliveries.reorder(reorder_id, gtin, quantity, now_ms)

    def pick_order(self, order: str, wanted: Mapping[Gtin, int], now_ms: int) -> None:
        """Let an associate pack goods of an order; an `OrderPicked` says what was there."""
        self._associates.pick(order, wanted, now_ms)

    def ship_order(self, order: str, shipped: Mapping[Gtin, int], now_ms: int) -> None:
        """Let a carrier take packed goods along; what else is packed for the order is put back."""
        self._associates.ship(order, shipped, now_ms)

    def advance(self, now_ms: int) -> list[Occasion]:
        """Let everything happen that is due, and return what the hardware has to show, in order."""
        self._agenda.run(now_ms)
        occasions = self._occasions[:]
        self._occasions.clear()
        return occasions

    @property
    def next_due_ms(self) -> int | None:
        """When something happens next."""
        return self._agenda.next_due_ms

    @property
    def is_still(self) -> bool:
        """Whether nothing is under way any more. Only lasting once the doors are closed."""
        return self._agenda.is_finished

    def tags_at(self, *places: Place) -> list[Epc]:
        """Return the tags in these places."""
        return self._stock.tags_at(*places)

    def shelf_load_g(self, shelf: int) -> float:
        """Return what lies on a shelf scale, in grams."""
        sku = self._shelves[shelf]
        return float(self._stock.shelf_quantity(sku.gtin) * sku.item_weight_g)

    def _happened(self, happening: Happening) -> None:
        truth = {line.gtin: self.truth[line.gtin] for line in happening.lines}
        self._occasions.append(Occasion(happening, truth))
