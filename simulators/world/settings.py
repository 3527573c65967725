"""How a simulated store lives: every parameter with its meaning, unit, bounds and default.

A scenario file (`simulators/scenarios/*.toml`) gives these by the same names. Times are wall time,
since readers and agents run in it: `at_speed` makes more happen in a second, but never shortens
how long a tag stays where a reader must see it.
"""

from typing import Annotated

from msgspec import Meta, Struct
from msgspec.structs import replace

Share = Annotated[float, Meta(ge=0, le=1)]
DurationMs = Annotated[int, Meta(ge=1, le=3_600_000)]
PerMinute = Annotated[float, Meta(ge=0, le=60_000)]
Units = Annotated[int, Meta(ge=1, le=10_000)]
Grams = Annotated[int, Meta(ge=1, le=10_000_000)]


def _ordered(what: str, low: int, high: int) -> None:
    if low > high:
        raise ValueError(f"{what}: {low} is above {high}")


class GoodsSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the store sells and what is there when it opens."""

    skus: Annotated[int, Meta(ge=1, le=20_000)] = 200
    """Different articles."""
    tagged_share: Share = 0.5
    """Part of them whose units carry RFID tags."""
    weighed_share: Share = 0.1
    """Part of the untagged ones that are sold by weight, in grams."""
    scale_shelves: Annotated[int, Meta(ge=0, le=64)] = 4
    """Untagged articles, sold by the unit, that lie on shelf scales."""
    opening_units_min: Units = 5
    """Fewest units of an article when the store opens."""
    opening_units_max: Units = 10
    """Most units of an article when the store opens."""
    opening_grams_min: Grams = 8_000
    """Least grams of a weighed article when the store opens."""
    opening_grams_max: Grams = 20_000
    """Most grams of a weighed article when the store opens."""
    backroom_share: Share = 0.3
    """Part of the tagged units that is in the backroom when the store opens."""

    def __post_init__(self) -> None:
        """Refuse ranges that are empty."""
        _ordered("opening_units", self.opening_units_min, self.opening_units_max)
        _ordered("opening_grams", self.opening_grams_min, self.opening_grams_max)


class ShopperSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How people shop."""

    per_minute: PerMinute = 300.0
    """Shoppers who come in, on average."""
    lines_max: Annotated[int, Meta(ge=1, le=100)] = 4
    """A shopper wants 1 to this many articles."""
    units_per_line_max: Units = 2
    """And of each article 1 to this many units."""
    weighed_grams_min: Grams = 150
    """Or, of a weighed article, from this many grams …"""
    weighed_grams_max: Grams = 900
    """… to this many."""
    pick_ms: DurationMs = 400
    """Time from one pick to the next, on average."""
    put_back_rate: Share = 0.1
    """Chance that a picked article goes back to its shelf before the till."""
    returns_per_minute: PerMinute = 20.0
    """Articles of earlier sales that customers bring back, on average."""

    def __post_init__(self) -> None:
        """Refuse ranges that are empty."""
        _ordered("weighed_grams", self.weighed_grams_min, self.weighed_grams_max)


class TillSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The checkout. One more till, the back office's, takes counts and receipts of goods."""

    count: Annotated[int, Meta(ge=1, le=16)] = 2
    """Tills that shoppers pay at."""
    transaction_ms: DurationMs = 250
    """How long one transaction keeps a till busy."""
    void_rate: Share = 0.03
    """Chance that a sale is undone at the till right after it; its goods stay in the store."""
    void_after_ms: DurationMs = 700
    """How long after the sale that happens."""


class StaffSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How tagged goods get from the backroom to the sales floor."""

    round_ms: DurationMs = 1_000
    """Time between two looks at the shelves."""
    floor_low_units: Units = 3
    """An article with fewer units on the sales floor is brought from the backroom …"""
    floor_full_units: Units = 6
    """… until it has this many."""

    def __post_init__(self) -> None:
        """Refuse ranges that are empty."""
        _ordered("floor_low_units to floor_full_units", self.floor_low_units, self.floor_full_units)


class DeliverySettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the warehouse sends."""

    interval_ms: DurationMs = 15_000
    """Time between two deliveries that nobody asked for."""
    skus_max: Annotated[int, Meta(ge=1, le=1_000)] = 4
    """Different articles in such a delivery, 1 to this many."""
    lead_time_ms: DurationMs = 3_000
    """Time from an open reorder to the arrival of its goods at the dock."""
    pallet_units_max: Units = 40
    """Tagged units that pass the dock at once; more wait for the next pallet."""


class ReorderSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The reorder policies that the demo gives to the cloud: at `point` or below, up to `up_to`."""

    point_units: Units = 4
    """Of articles sold by the unit."""
    up_to_units: Units = 10
    """Of articles sold by the unit."""
    point_grams: Grams = 7_000
    """Of articles sold by weight."""
    up_to_grams: Grams = 20_000
    """Of articles sold by weight."""

    def __post_init__(self) -> None:
        """Refuse policies that would never order."""
        _ordered("point_units to up_to_units", self.point_units + 1, self.up_to_units)
        _ordered("point_grams to up_to_grams", self.point_grams + 1, self.up_to_grams)


class DwellSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long a tagged unit stays, at least, where a reader must see it."""

    portal_ms: DurationMs = 1_500
    """In the field of each of the two antennas of the dock portal."""
    backroom_ms: DurationMs = 3_000
    """In the backroom, before it is brought to the sales floor."""
    sales_floor_ms: DurationMs = 3_000
    """On the sales floor, before somebody picks it."""


class WorldSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One store's life."""

    goods: GoodsSettings = GoodsSettings()
    shoppers: ShopperSettings = ShopperSettings()
    tills: TillSettings = TillSettings()
    staff: StaffSettings = StaffSettings()
    deliveries: DeliverySettings = DeliverySettings()
    reorders: ReorderSettings = ReorderSettings()
    dwell: DwellSettings = DwellSettings()

    def at_speed(self, factor: float) -> "WorldSettings":
        """Return the same life with `factor` times as many events in a second."""
        shoppers = replace(
            self.shoppers,
            per_minute=self.shoppers.per_minute * factor,
            returns_per_minute=self.shoppers.returns_per_minute * factor,
        )
        tills = replace(self.tills, transaction_ms=_faster(self.tills.transaction_ms, factor))
        deliveries = replace(
            self.deliveries,
            interval_ms=_faster(self.deliveries.interval_ms, factor),
            lead_time_ms=_faster(self.deliveries.lead_time_ms, factor),
            # The portal's dwell stays, so each pallet has to carry more.
            pallet_units_max=max(1, round(self.deliveries.pallet_units_max * factor)),
        )
        return replace(self, shoppers=shoppers, tills=tills, deliveries=deliveries)


def _faster(duration_ms: int, factor: float) -> int:
    return max(1, round(duration_ms / factor))
