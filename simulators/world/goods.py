"""What a store sells: articles with valid GTINs, and tagged units with SGTIN-96 tags. Pure."""

from typing import TYPE_CHECKING, Final, Literal

from epcpy.utils.common import calculate_checksum
from msgspec import Struct

from protocol.facts import Measure
from protocol.ids import Epc, Gtin, parse_gtin
from simulators.world.settings import GoodsSettings

if TYPE_CHECKING:
    from random import Random  # The world is given randomness; it may not make any.

Place = Literal[
    "dock_outside", "dock_inside", "backroom", "sales_floor", "basket", "packed", "customer"
]
"""Where a tagged unit is: before the dock, in its portal, in the store, or gone with a customer.

What is packed for an order lies in a box that no antenna reads, and is still in the store.
"""

COMPANY_PREFIX: Final = "0614141"
"""The prefix that GS1 uses in its own examples."""

ITEM_WEIGHT_G_MIN: Final = 150
ITEM_WEIGHT_G_MAX: Final = 900
_POPULARITY_FLATNESS: Final = 20


class Sku(Struct, frozen=True, kw_only=True):
    """One article. `shelf` is the index of the shelf scale it lies on, if any.

    `popularity` is how often shoppers want it, compared with others.
    """

    gtin: Gtin
    measure: Measure
    is_tagged: bool
    popularity: float
    shelf: int | None = None
    item_weight_g: int = 0


class Unit:
    """One tagged unit, in one place since a time in milliseconds."""

    __slots__ = ("epc", "gtin", "place", "since_ms")

    def __init__(self, epc: Epc, gtin: Gtin, place: Place, since_ms: int) -> None:
        self.epc = epc
        self.gtin = gtin
        self.place: Place = place
        self.since_ms = since_ms


def gtin_of(item_reference: int) -> Gtin:
    """Return the GTIN of one of our articles, from 0 to 99,999."""
    digits = f"0{COMPANY_PREFIX}{item_reference:05d}"
    return parse_gtin(f"{digits}{calculate_checksum(digits)}")


def catalogue(settings: GoodsSettings, rng: "Random") -> list[Sku]:
    """Return the articles of a store: tagged, weighed, on scales, and plain ones."""
    tagged = round(settings.skus * settings.tagged_share)
    weighed = round((settings.skus - tagged) * settings.weighed_share)
    on_scales = min(settings.scale_shelves, settings.skus - tagged - weighed)
    ranks = list(range(settings.skus))
    rng.shuffle(ranks)
    skus: list[Sku] = []
    for index, rank in enumerate(ranks):
        after_tagged = index - tagged
        shelf = after_tagged - weighed
        lies_on_scale = 0 <= shelf < on_scales
        skus.append(
            Sku(
                gtin=gtin_of(10_000 + index),
                measure="grams" if 0 <= after_tagged < weighed else "units",
                is_tagged=index < tagged,
                popularity=1 / (_POPULARITY_FLATNESS + rank),
                shelf=shelf if lies_on_scale else None,
                item_weight_g=rng.randint(ITEM_WEIGHT_G_MIN, ITEM_WEIGHT_G_MAX),
            )
        )
    return skus
