"""The goods of a noisy store as they truly are: tagged units one by one, others by quantity. Pure.

`on_hand` counts what is physically in the store. Every change goes through here, so that nothing
appears or vanishes unaccounted; `arrived`, `left` and the opening stock always add up to it.
"""

from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from protocol.ids import Epc, Gtin, sgtin_tag
from simulators.world.goods import COMPANY_PREFIX, Sku, gtin_of
from simulators.world.noisy_settings import AssortmentSettings, TagQualitySettings

if TYPE_CHECKING:
    from random import Random

FOREIGN_TAGS: Final = (b"\x2f\x00\x00\x00", b"\xe2\x80\x11\x60")
"""What other tags begin with: a GRAI of nobody here, and a tag with its maker's number only."""
SERIALS_PER_STORE: Final = 10_000_000


class TaggedUnit:
    """One unit with its tag. `quality` is healthy, weak or dead; the goods are the same."""

    __slots__ = ("epc", "foreign_epc", "gtin", "is_misplaced", "quality")

    def __init__(self, gtin: Gtin, epc: Epc, quality: str, foreign_epc: Epc | None) -> None:
        self.gtin = gtin
        self.epc = epc
        self.quality = quality
        self.foreign_epc = foreign_epc
        self.is_misplaced = False


def assortment(settings: AssortmentSettings, rng: "Random") -> list[Sku]:
    """Return the articles of a store: tagged ones first, then weighed, on scales, and plain."""
    tagged = round(settings.skus * settings.tagged_share)
    untagged = settings.skus - tagged
    weighed = round(untagged * settings.weighed_share)
    on_scales = min(settings.scale_shelves, untagged - weighed)
    ranks = list(range(settings.skus))
    rng.shuffle(ranks)
    skus: list[Sku] = []
    for index, rank in enumerate(ranks):
        place = index - tagged
        shelf = place - weighed if weighed <= place < weighed + on_scales else None
        sku = Sku(
            gtin=gtin_of(10_000 + index),
            measure="grams" if 0 <= place < weighed else "units",
            is_tagged=place < 0,
            popularity=1 / (settings.popularity_flatness + rank),
            shelf=shelf,
            item_weight_g=rng.randint(settings.item_weight_g_min, settings.item_weight_g_max),
        )
        skus.append(sku)
    return skus


class Goods:
    """What is in the store."""

    def __init__(
        self,
        skus: Sequence[Sku],
        settings: AssortmentSettings,
        quality: TagQualitySettings,
        number: int,
        rng: "Random",
    ) -> None:
        self.skus: Final = {sku.gtin: sku for sku in skus}
        self.full: Final[dict[Gtin, int]] = {}
        """What a delivery fills up to."""
        self.units: Final[dict[Gtin, list[TaggedUnit]]] = {}
        self.misplaced: Final[dict[TaggedUnit, None]] = {}
        self.opened: Final[dict[Gtin, int]] = {}
        self.arrived: Final[dict[Gtin, int]] = dict.fromkeys(self.skus, 0)
        self.left: Final[dict[Gtin, int]] = dict.fromkeys(self.skus, 0)
        self._loose: Final[dict[Gtin, int]] = {}
        self._quality: Final = quality
        self._rng: Final = rng
        self._serial = number * SERIALS_PER_STORE
        self._family_size: Final = settings.family_size
        self._order: Final = [sku.gtin for sku in skus]
        self._rank: Final = {gtin: rank for rank, gtin in enumerate(self._order)}
        self._popularity: Final = list(accumulate(sku.popularity for sku in skus))
        for sku in skus:
            self._open(sku, settings)

    def _open(self, sku: Sku, settings: AssortmentSettings) -> None:
        if sku.measure == "grams":
            full = self._rng.randint(max(1, settings.grams_max // 3), settings.grams_max)
        else:
            full = self._rng.randint(settings.units_min, settings.units_max)
        self.full[sku.gtin] = full
        there = full if full < 2 else self._rng.randint(full // 2, full)
        self.opened[sku.gtin] = there
        if sku.is_tagged:
            self.units[sku.gtin] = [self.make_unit(sku.gtin) for _ in range(there)]
        else:
            self._loose[sku.gtin] = there

    def make_unit(self, gtin: Gtin) -> TaggedUnit:
        """Return a tagged unit that was never here; it is not put anywhere."""
        self._serial += 1
        draw = self._rng.random()
        quality = "healthy"
        if draw < self._quality.dead_share:
            quality = "dead"
        elif draw < self._quality.dead_share + self._quality.weak_share:
            quality = "weak"
        foreign = None
        if self._rng.random() < self._quality.foreign_share:
            head = FOREIGN_TAGS[self._serial % len(FOREIGN_TAGS)]
            foreign = Epc(head + self._serial.to_bytes(8))
        return TaggedUnit(
            gtin, sgtin_tag(gtin, self._serial, len(COMPANY_PREFIX)), quality, foreign
        )

    def on_hand(self, gtin: Gtin) -> int:
        """Return what is there, in units or grams."""
        units = self.units.get(gtin)
        return self._loose[gtin] if units is None else len(units)

    def put(self, unit: TaggedUnit) -> None:
        """A tagged unit comes into the store."""
        self.units[unit.gtin].append(unit)
        self.arrived[unit.gtin] += 1

    def take(self, unit: TaggedUnit) -> None:
        """A tagged unit leaves the store."""
        self.units[unit.gtin].remove(unit)
        self.misplaced.pop(unit, None)
        unit.is_misplaced = False
        self.left[unit.gtin] += 1

    def put_loose(self, gtin: Gtin, quantity: int) -> None:
        """Goods without tags come into the store."""
        self._loose[gtin] += quantity
        self.arrived[gtin] += quantity

    def take_loose(self, gtin: Gtin, quantity: int) -> int:
        """Let untagged goods leave, as far as they are there; return how many did."""
        taken = min(quantity, self._loose[gtin])
        self._loose[gtin] -= taken
        self.left[gtin] += taken
        return taken

    def misplace(self, unit: TaggedUnit) -> None:
        """Somebody puts a unit where it does not belong."""
        unit.is_misplaced = True
        self.misplaced[unit] = None

    def tidy(self, unit: TaggedUnit) -> None:
        """Somebody puts it back."""
        unit.is_misplaced = False
        del self.misplaced[unit]

    def wanted(self, rng: "Random") -> Sku:
        """Return an article as customers want them, popular ones more often."""
        return self.skus[rng.choices(self._order, cum_weights=self._popularity)[0]]

    def relative(self, gtin: Gtin, rng: "Random") -> Gtin:
        """Return another article that this one is easily taken for; itself if there is none."""
        first = self._rank[gtin] // self._family_size * self._family_size
        family = self._order[first : first + self._family_size]
        others = [
            other
            for other in family
            if other != gtin and self.skus[other].measure == self.skus[gtin].measure
        ]
        return rng.choice(others) if others else gtin

    def total_units(self) -> int:
        """Return how many pieces are in the store, tagged or not."""
        tagged = sum(map(len, self.units.values()))
        return tagged + sum(
            quantity for gtin, quantity in self._loose.items() if self.skus[gtin].measure == "units"
        )
