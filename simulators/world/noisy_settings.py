"""One noisy store: every parameter with its meaning, unit, bounds and default.

A scenario file (`simulators/scenarios/*.toml`) gives these by the same names, section by section.
Times are store time, hours of the day are UTC. Defaults are those of `apparel`.
"""

from typing import Annotated

from msgspec import Meta, Struct

from simulators.world.people_settings import (
    FixtureSettings,
    HoursSettings,
    MarkdownSettings,
    TheftSettings,
    TillMistakeSettings,
    VisitorSettings,
)
from simulators.world.reader_settings import (
    PortalReaderSettings,
    ReaderFaultSettings,
    ShelfScaleSettings,
    SweepSettings,
    TagQualitySettings,
)
from simulators.world.routine_settings import (
    CountSettings,
    ReplenishingSettings,
    SupplySettings,
    WasteSettings,
)
from simulators.world.setting_types import AtLeastOne, Grams, Number, PerYear, Share, Units


class AssortmentSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the store sells, and how much of it lies there."""

    skus: Annotated[int, Meta(ge=1, le=50_000, extra={"unit": "articles"})] = 3_000
    """Different articles."""
    units_min: Units = 1
    """Fewest units of an article that a delivery fills up to."""
    units_max: Units = 12
    """Most units of an article that a delivery fills up to."""
    tagged_share: Share = 1.0
    """Part of the articles whose units carry RFID tags."""
    weighed_share: Share = 0.0
    """Part of the untagged articles that is sold by weight, in grams."""
    grams_max: Grams = 20_000
    """Most grams of a weighed article that a delivery fills up to; at least a third of it."""
    scale_shelves: Number = 0
    """Untagged articles, sold by the unit, that lie on shelf scales."""
    item_weight_g_min: Grams = 150
    """Lightest unit."""
    item_weight_g_max: Grams = 900
    """Heaviest unit."""
    family_size: AtLeastOne = 6
    """Articles that are easily taken for each other: sizes, colours, flavours."""
    turns: PerYear = 7.0
    """How often the stock is sold in a year."""
    popularity_flatness: Annotated[float, Meta(ge=0.1, le=10_000, extra={"unit": "rank"})] = 600.0
    """Demand falls as 1 / (this + rank): the larger, the more evenly articles sell."""


class OpeningSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the book says on the first day."""

    wrong_share: Share = 0.02
    """Part of the articles whose opening count is wrong, by a unit or two or a tenth."""


class NoisySettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One noisy store."""

    title: Annotated[str, Meta(max_length=200, extra={"unit": "text"})] = "a fashion store"
    """What the scenario is, in a few words."""
    assortment: AssortmentSettings = AssortmentSettings()
    """What the store sells, and how much of it lies there."""
    fixtures: FixtureSettings = FixtureSettings()
    """Where things lie."""
    opening: OpeningSettings = OpeningSettings()
    """What the book says on the first day."""
    hours: HoursSettings = HoursSettings()
    """When people come."""
    visitors: VisitorSettings = VisitorSettings()
    """What customers do."""
    tills: TillMistakeSettings = TillMistakeSettings()
    """What goes wrong at the till."""
    thefts: TheftSettings = TheftSettings()
    """What leaves unpaid."""
    markdowns: MarkdownSettings = MarkdownSettings()
    """What is made cheaper."""
    waste: WasteSettings = WasteSettings()
    """What is thrown away."""
    supply: SupplySettings = SupplySettings()
    """What the warehouse sends."""
    replenishing: ReplenishingSettings = ReplenishingSettings()
    """When goods come from the backroom to the sales floor."""
    counts: CountSettings = CountSettings()
    """Counts by hand."""
    tags: TagQualitySettings = TagQualitySettings()
    """How well tags answer."""
    sweeps: SweepSettings = SweepSettings()
    """Inventories with a handheld reader."""
    portals: PortalReaderSettings = PortalReaderSettings()
    """What the readers of dock and exit see."""
    readers: ReaderFaultSettings = ReaderFaultSettings()
    """What readers, their clocks and the gateway do wrong."""
    scales: ShelfScaleSettings = ShelfScaleSettings()
    """What shelf scales do wrong."""

    def __post_init__(self) -> None:
        """Refuse what contradicts itself. Raises `ValueError`."""
        assortment, visitors = self.assortment, self.visitors
        _ordered("assortment.units", assortment.units_min, assortment.units_max)
        _ordered("assortment.item_weight_g", *_weights_g(assortment))
        _ordered("visitors.grams", visitors.grams_min, visitors.grams_max)
        if self.hours.opens_at >= self.hours.closes_at:
            raise ValueError("hours.opens_at is not before hours.closes_at")
        shelf_room = assortment.skus - round(assortment.skus * assortment.tagged_share)
        shelf_room -= round(shelf_room * assortment.weighed_share)
        if assortment.scale_shelves > shelf_room:
            raise ValueError(
                f"assortment.scale_shelves: {assortment.scale_shelves} is more than there are"
                f" untagged articles sold by the unit, {shelf_room}"
            )


def _weights_g(assortment: AssortmentSettings) -> tuple[int, int]:
    return assortment.item_weight_g_min, assortment.item_weight_g_max


def _ordered(what: str, low: int, high: int) -> None:
    if low > high:
        raise ValueError(f"{what}_min: {low} is above {what}_max, {high}")
