"""The articles of a noisy store: tagged ones first, then weighed, on scales, and plain. Pure."""

from typing import TYPE_CHECKING, Final

from protocol.ids import Gtin
from simulators.world.goods import Sku, gtin_of
from simulators.world.noisy_settings import AssortmentSettings

if TYPE_CHECKING:
    from random import Random

FIRST_REFERENCE: Final = 10_000


def assortment(settings: AssortmentSettings, mixed_share: float, rng: "Random") -> list[Sku]:
    """Return the articles; `mixed_share` of the shelves with scales bear two of them."""
    tagged = round(settings.skus * settings.tagged_share)
    untagged = settings.skus - tagged
    weighed = round(untagged * settings.weighed_share)
    ranks = list(range(settings.skus))
    rng.shuffle(ranks)
    shelves = _shelves(min(settings.scale_shelves, untagged - weighed), mixed_share, rng)
    skus: list[Sku] = []
    for index, rank in enumerate(ranks):
        place = index - tagged
        on_scale = place - weighed
        sku = Sku(
            gtin=gtin_of(FIRST_REFERENCE + index),
            measure="grams" if 0 <= place < weighed else "units",
            is_tagged=place < 0,
            popularity=1 / (settings.popularity_flatness + rank),
            shelf=shelves[on_scale] if 0 <= on_scale < len(shelves) else None,
            item_weight_g=rng.randint(settings.item_weight_g_min, settings.item_weight_g_max),
        )
        skus.append(sku)
    return skus


def _shelves(articles: int, mixed_share: float, rng: "Random") -> list[int]:
    """Return the number of the shelf of each article that lies on a scale."""
    shelves: list[int] = []
    number = 0
    while len(shelves) < articles:
        # Of n shelves m bear two articles: each shelf decides for itself.
        bears = 2 if rng.random() < mixed_share and articles - len(shelves) > 1 else 1
        shelves += [number] * bears
        number += 1
    return shelves


class Families:
    """Which articles are easily taken for each other."""

    def __init__(self, skus: list[Sku], family_size: int) -> None:
        self._order: Final = [sku.gtin for sku in skus]
        self._rank: Final = {sku.gtin: rank for rank, sku in enumerate(skus)}
        self._measure: Final = {sku.gtin: sku.measure for sku in skus}
        self._size: Final = family_size

    def relatives(self, gtin: Gtin) -> list[Gtin]:
        """Return the others of an article's family that are measured alike."""
        first = self._rank[gtin] // self._size * self._size
        family = self._order[first : first + self._size]
        measure = self._measure[gtin]
        return [other for other in family if other != gtin and self._measure[other] == measure]

    def is_family(self, one: Gtin, other: Gtin) -> bool:
        """Whether two articles are of one family."""
        return (
            self._rank[one] // self._size == self._rank[other] // self._size
            and self._measure[one] == self._measure[other]
        )

    def relative(self, gtin: Gtin, rng: "Random") -> Gtin:
        """Return another article of the family; itself if there is none."""
        others = self.relatives(gtin)
        return rng.choice(others) if others else gtin
