"""How a noisy store lives: every parameter with its meaning, unit, bounds and default.

A scenario file (`simulators/scenarios/*.toml`) gives these by the same names. Times are store time;
shares and rates are 0 to 1. Defaults are those of `apparel`.
"""

from typing import Annotated

from msgspec import Meta, Struct

Share = Annotated[float, Meta(ge=0, le=1)]
Units = Annotated[int, Meta(ge=0, le=100_000)]
Hour = Annotated[float, Meta(ge=0, le=24)]
PerYear = Annotated[float, Meta(ge=0, le=400)]
PerDay = Annotated[float, Meta(ge=0, le=100_000)]
Minutes = Annotated[float, Meta(ge=0, le=1_440)]
Grams = Annotated[int, Meta(ge=1, le=100_000)]
Decibels = Annotated[float, Meta(ge=-120, le=60)]


class AssortmentSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the store sells, and how much of it lies there."""

    skus: Annotated[int, Meta(ge=1, le=50_000)] = 3_000
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
    scale_shelves: Annotated[int, Meta(ge=0, le=5_000)] = 0
    """Untagged articles, sold by the unit, that lie on a shelf scale each."""
    item_weight_g_min: Grams = 150
    """Lightest unit."""
    item_weight_g_max: Grams = 900
    """Heaviest unit."""
    family_size: Annotated[int, Meta(ge=1, le=100)] = 6
    """Articles that are easily taken for each other: sizes, colours, flavours."""
    turns: PerYear = 7.0
    """How often a year the stock is sold."""
    popularity_flatness: Annotated[float, Meta(ge=0.1, le=10_000)] = 600.0
    """Articles that sell alike; the larger, the more evenly sales are spread over articles."""


class OpeningSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the book says on the first day."""

    wrong_share: Share = 0.02
    """Part of the articles whose opening count is wrong by a unit or two."""


class HoursSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When people come."""

    opens_at: Hour = 9.0
    """The doors open, in hours of the day (UTC)."""
    closes_at: Hour = 20.0
    """The doors close, in hours of the day (UTC)."""
    weekdays: tuple[float, float, float, float, float, float, float] = (
        *(0.8, 0.8, 0.9, 1.0, 1.2, 1.6, 0.7),
    )
    """How busy Monday to Sunday are, beside an average day."""
    evening_share: Share = 0.6
    """Part of the visitors who come in the second half of the day."""


class VisitorSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What customers do."""

    lines_max: Annotated[int, Meta(ge=1, le=60)] = 3
    """A customer buys 1 to this many articles."""
    second_unit_share: Share = 0.08
    """Part of the lines with two or three units of an article."""
    units_per_line_max: Annotated[int, Meta(ge=1, le=100)] = 3
    """Most units of an article that one customer buys."""
    grams_min: Grams = 150
    """Least grams of a weighed article in a line."""
    grams_max: Grams = 900
    """Most grams of a weighed article in a line."""
    return_share: Share = 0.12
    """Part of the units sold that comes back."""
    return_after_days: Annotated[float, Meta(ge=0, le=365)] = 8.0
    """How long they are away, on average, in days."""
    carry_in_share: Share = 0.01
    """Visitors who carry goods in and out that they bought here before, tag and all, per buyer."""
    to_exit_s: Annotated[float, Meta(ge=1, le=3_600)] = 90.0
    """From the till to the door, on average, in seconds."""
    misplaced_share: Share = 0.01
    """Part of the units that lies in the wrong place at any time: tried on, changed one's mind."""
    tidied_after_days: Annotated[float, Meta(gt=0, le=365)] = 2.0
    """How long a misplaced unit lies there, on average, in days."""


class TillMistakeSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What goes wrong at the till, per line."""

    tills: Annotated[int, Meta(ge=1, le=100)] = 3
    """Tills of the store."""
    wrong_item_share: Share = 0.005
    """Another article of the family is scanned or keyed."""
    wrong_quantity_share: Share = 0.005
    """The quantity key is pressed wrongly: a unit more, or one of several less."""
    not_scanned_share: Share = 0.003
    """The line is not scanned at all."""
    wrong_return_share: Share = 0.05
    """A refund is booked on another article of the family."""


class TheftSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What leaves unpaid."""

    per_unit_year: Annotated[float, Meta(ge=0, le=10)] = 0.015
    """Part of the units that is stolen, or spoilt and thrown away untold, in a year."""
    unseen_share: Share = 0.5
    """Part of it that no reader at the exit sees: shielded, or not through the door."""


class SupplySettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the warehouse sends."""

    every_days: Annotated[int, Meta(ge=1, le=60)] = 1
    """Days between deliveries."""
    at_hour: Hour = 6.5
    """When the lorry comes, in hours of the day (UTC)."""
    refill_below: Share = 0.6
    """An article is refilled when it has this part of its full stock or less."""
    wrong_line_share: Share = 0.02
    """Lines that are short, over, or another article of the family."""
    crate_units_max: Annotated[int, Meta(ge=1, le=500)] = 24
    """Tagged units that pass the dock's portal at once."""


class TagQualitySettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How well tags answer."""

    weak_share: Share = 0.02
    """Tags that are bent, shadowed or detuned."""
    dead_share: Share = 0.005
    """Tags that never answer, and units without one."""
    foreign_share: Share = 0.002
    """Units that carry a second tag, of another company or another scheme."""


class SweepSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Inventories with a handheld reader."""

    every_days: Annotated[int, Meta(ge=0, le=365)] = 7
    """Days between sweeps of the whole store; 0: never."""
    at_hour: Hour = 7.5
    """When one begins, in hours of the day (UTC)."""
    minutes: Annotated[float, Meta(ge=1, le=300)] = 60.0
    """How long one takes."""
    read_probability: Share = 0.97
    """A tag is read in a sweep, on average over all tags, weak and dead ones included."""
    weak_read_probability: Share = 0.6
    """A weak one is."""
    misplaced_factor: Share = 0.9
    """A misplaced unit is read less often by this factor: it lies under or behind others."""


class CountSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Counts by hand."""

    recounts_per_day: Annotated[int, Meta(ge=0, le=10_000)] = 20
    """Recounts that staff find time for where they are asked."""
    cycle_counts_per_day: Annotated[int, Meta(ge=0, le=50_000)] = 0
    """Further articles that are counted each day, all in turn."""
    wrong_share: Share = 0.02
    """Counts that are wrong by a unit."""
    overlooked_share: Share = 0.2
    """Misplaced units that a count overlooks."""


class PortalReaderSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the readers of dock and exit see of goods that pass."""

    exit_read_probability: Share = 0.94
    """A healthy tag is read while it passes the exit, in a bag among others."""
    dock_read_probability: Share = 0.985
    """A healthy tag is read while its crate passes the dock."""
    weak_factor: Share = 0.7
    """A weak one less often by this factor."""
    reads_per_side: Annotated[float, Meta(ge=1, le=100)] = 7.0
    """Reads of a passing tag on each side, on average."""
    peak_dbm: Decibels = -52.0
    """Level of a tag right in the portal; it falls by some 12 dB to where reading ends."""
    strays_per_crossing: Annotated[float, Meta(ge=0, le=50)] = 1.5
    """Tags of the sales floor that are read by the inner antennas while somebody passes."""
    lingering_per_day: PerDay = 12.0
    """Goods that are carried up to the exit and back, per day."""


class ReaderFaultSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What readers, their clocks and the gateway do wrong."""

    clock_skew_ms: Annotated[float, Meta(ge=0, le=86_400_000)] = 400.0
    """How far a reader's clock is off when it starts, as a standard deviation in milliseconds."""
    clock_drift_ppm: Annotated[float, Meta(ge=0, le=1_000)] = 20.0
    """And how far it drifts, as a standard deviation in parts per million."""
    lost_report_share: Share = 0.001
    """Reports that never arrive."""
    late_report_share: Share = 0.01
    """Reports that were buffered and arrive a second later."""
    gateway_reboots_per_month: Annotated[float, Meta(ge=0, le=1_000)] = 2.0
    """Reboots of the gateway."""
    reboot_minutes: Minutes = 3.0
    """How long one takes; what readers report meanwhile is lost, tills keep their journal."""


class ShelfScaleSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What shelf scales do wrong."""

    noise_g: Annotated[float, Meta(ge=0, le=10_000)] = 3.0
    """Standard deviation of a weight at rest, in grams."""
    drift_g_per_day: Annotated[float, Meta(ge=0, le=10_000)] = 6.0
    """How far the zero wanders in a day, as a standard deviation in grams."""
    item_spread_share: Share = 0.01
    """By how much single units differ in weight."""
    leaning_per_day: PerDay = 1.0
    """How often somebody leans on a shelf."""
    off_shelf_share: Share = 0.15
    """Part of an article's units that lies elsewhere: on a second shelf, in the backroom."""


class NoisySettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One noisy store."""

    title: Annotated[str, Meta(max_length=200)] = "a fashion store"
    """What the scenario is, in a few words."""
    assortment: AssortmentSettings = AssortmentSettings()
    opening: OpeningSettings = OpeningSettings()
    hours: HoursSettings = HoursSettings()
    visitors: VisitorSettings = VisitorSettings()
    tills: TillMistakeSettings = TillMistakeSettings()
    thefts: TheftSettings = TheftSettings()
    supply: SupplySettings = SupplySettings()
    tags: TagQualitySettings = TagQualitySettings()
    sweeps: SweepSettings = SweepSettings()
    counts: CountSettings = CountSettings()
    portals: PortalReaderSettings = PortalReaderSettings()
    readers: ReaderFaultSettings = ReaderFaultSettings()
    scales: ShelfScaleSettings = ShelfScaleSettings()

    def __post_init__(self) -> None:
        """Refuse what contradicts itself."""
        if self.assortment.units_min > self.assortment.units_max:
            raise ValueError("assortment.units_min is above assortment.units_max")
        if self.hours.opens_at >= self.hours.closes_at:
            raise ValueError("hours.opens_at is not before hours.closes_at")
        shelf_room = round(self.assortment.skus * (1 - self.assortment.tagged_share))
        if self.assortment.scale_shelves > shelf_room:
            raise ValueError("assortment.scale_shelves: more than there are untagged articles")
