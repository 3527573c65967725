"""The gateway's part of a run that has to do with weighed shelves: weights in, counts out.

A weight comes once it is at rest, since reading every half second for weeks would take weeks; so
one reading is rest here.
"""

from collections.abc import Mapping
from typing import Final

from edge.sensing.shelf import ShelfSensing
from edge.sensing.shelf_traits import (
    PRODUCTS_PER_SHELF_MAX,
    Product,
    ScaleTraits,
    Shelf,
    WeightReading,
)
from protocol.facts import AnyFact
from protocol.ids import Gtin
from simulators.world.goods import Sku
from simulators.world.happenings import ShelfWeighed

SOURCE: Final = "scales"
TRAITS: Final = ScaleTraits(rest_readings=1)
ITEM_SPREAD: Final = 0.01
"""Single items differ by so much of their weight, and so far may the given weight be off."""
ZERO_SD_G: Final = 5.0


class ShelfSide:
    """Shelf sensing of one store."""

    def __init__(self, skus: Mapping[Gtin, Sku]) -> None:
        self._shelves: Final = _shelves(skus)
        self._sensing: Final = ShelfSensing(SOURCE, list(self._shelves.values()), {})

    def weighed(self, weighed: ShelfWeighed) -> list[AnyFact]:
        """Take in what a scale shows; return what follows."""
        shelf = self._shelves.get(weighed.shelf)
        if shelf is None:
            return []
        reading = WeightReading(
            stable=weighed.is_stable, overload=False, fault=False, weight_g=weighed.weight_g
        )
        facts, checkpoints = self._sensing.observe({shelf.name: reading}, weighed.at_ms)
        del checkpoints  # What was learnt stays in memory: this gateway's scales never restart.
        self._sensing.confirm(weighed.at_ms)
        return facts


def _shelves(skus: Mapping[Gtin, Sku]) -> dict[int, Shelf]:
    """Return the shelves by number. More products than can be told apart make no shelf of ours."""
    products: dict[int, list[Product]] = {}
    for gtin, sku in skus.items():
        if sku.shelf is not None:
            spread_g = ITEM_SPREAD * sku.item_weight_g
            product = Product(gtin, float(sku.item_weight_g), spread_g, spread_g)
            products.setdefault(sku.shelf, []).append(product)
    return {
        number: Shelf(f"shelf-{number}", tuple(lying), ZERO_SD_G, TRAITS)
        for number, lying in sorted(products.items())
        if len(lying) <= PRODUCTS_PER_SHELF_MAX
    }
