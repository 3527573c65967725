"""What tags, readers and scales of a noisy store show, and do wrong: parameters. Pure data."""

from typing import Annotated, Final

from msgspec import Meta, Struct

from simulators.world.load_cells import LoadCellSettings
from simulators.world.setting_types import (
    Decibels,
    Hour,
    Metres,
    Milliseconds,
    Minutes,
    Number,
    PerDay,
    PerMonth,
    PowerDbm,
    Ppm,
    Seconds,
    Share,
    Spread,
    WholeDays,
)

PerCrossing = Annotated[float, Meta(ge=0, le=50, extra={"unit": "tags per crossing"})]
POWER_NOMINAL_DBM: Final = 30.0
"""At this power tags are read as often as the portals' settings say."""
CELL: Final = LoadCellSettings(
    noise_g=2.0,
    drift_g_per_hour=1.0,
    temperature_g=2.0,
    creep_share=0.0003,
    hysteresis_g=1.0,
    leans_per_day=1.0,
    tare_mistakes_per_day=0.01,
)


class TagQualitySettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How well tags answer, and what they say."""

    weak_share: Share = 0.02
    """Tags that are bent, shadowed or detuned."""
    dead_share: Share = 0.005
    """Tags that never answer, and units without one."""
    article_spread: Spread = 0.4
    """How much articles differ in how well their tags are read: metal, liquid, dense folding."""
    tag_spread: Spread = 0.4
    """How much tags of one article differ, for as long as they live."""
    duplicate_share: Share = 0.0002
    """Tags that were encoded like another one of the same article."""
    not_gs1_share: Share = 0.0005
    """Tags that say nothing that GS1 knows, so that nobody can tell whose they are."""
    foreign_share: Share = 0.002
    """Units that carry a second tag, of another company or another scheme."""


class SweepSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Inventories with a handheld reader."""

    every_days: WholeDays = 7
    """Days between sweeps of the whole store; 0: never."""
    at_hour: Hour = 7.5
    """When one begins."""
    minutes: Annotated[float, Meta(ge=1, le=300, extra={"unit": "minutes"})] = 60.0
    """How long one takes."""
    read_probability: Share = 0.97
    """A tag is read in a sweep, on average over all tags, weak and dead ones included."""
    weak_read_probability: Share = 0.6
    """A weak one is, on average."""
    misplaced_factor: Share = 0.9
    """A misplaced unit is read less often by this factor: it lies under or behind others."""
    haste_spread: Spread = 0.2
    """How much a sweep's care differs from fixture to fixture, so that neighbours are missed."""


class PortalReaderSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the readers of dock and exit see of goods that pass, and of goods that do not."""

    exit_read_probability: Share = 0.94
    """A healthy tag is read while it passes the exit, in a bag among others."""
    dock_read_probability: Share = 0.985
    """A healthy tag is read while its crate passes the dock."""
    weak_factor: Share = 0.7
    """A weak one less often by this factor."""
    one_side_share: Share = 0.02
    """Tags that are read on one side of a portal only, of those that are read."""
    power_dbm: Annotated[float, Meta(ge=10, le=33, extra={"unit": "dBm"})] = POWER_NOMINAL_DBM
    """Power of the portals' antennas; the probabilities above are those at 30 dBm."""
    antennas_per_side: Annotated[int, Meta(ge=1, le=4, extra={"unit": "antennas"})] = 1
    """Antennas on each side: exit 1, 3, … inside and 2, 4, … outside; dock the other way round."""
    reads_per_side: Annotated[float, Meta(ge=1, le=100, extra={"unit": "reads"})] = 9.0
    """Reads of a passing tag on each side, on average."""
    peak_dbm: PowerDbm = -52.0
    """Level of an average tag right in the portal; it falls by some 12 dB to where reading ends."""
    orientation_db: Decibels = 4.0
    """How much the angle and place of a tag change its link, as a standard deviation."""
    crowding_db: Decibels = 0.7
    """What each doubling of a bag's or crate's contents costs its tags, beside the usual."""
    stop_share: Share = 0.08
    """Groups that stop in the doorway for some seconds."""
    strays_per_crossing: PerCrossing = 1.5
    """Tags on fixtures near the exit that its inner antennas read while somebody passes."""
    stray_range_m: Metres = 6.0
    """How near a fixture must be to a portal for that."""
    wall_strays_per_crossing: PerCrossing = 0.5
    """Tags of the sales floor that the dock's inner antennas read through the wall, per crate."""
    lingering_per_day: PerDay = 12.0
    """Goods that are carried up to the exit and back."""
    parked_carts_per_day: PerDay = 0.5
    """Carts with goods that are parked beside the exit."""
    parked_minutes: Minutes = 20.0
    """How long they stand there, on average."""
    cart_units_max: Annotated[int, Meta(ge=1, le=200, extra={"unit": "units"})] = 12
    """Most tagged units on a cart."""
    passers_by_per_day: PerDay = 4.0
    """People outside with goods that they bought here, read by the exit's outer antennas."""


class ReaderFaultSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What readers, their clocks and the gateway do wrong."""

    clock_skew_ms: Milliseconds = 400.0
    """How far a reader's clock is off when it is set, as a standard deviation."""
    clock_drift_ppm: Ppm = 20.0
    """And how far it drifts, as a standard deviation."""
    clock_steps_per_month: PerMonth = 0.5
    """How often a reader's clock is set anew, so that it jumps."""
    lost_report_share: Share = 0.001
    """Reports that never arrive."""
    late_report_share: Share = 0.01
    """Reports that were buffered and arrive a second later."""
    duplicate_report_share: Share = 0.001
    """Reports that arrive twice."""
    disconnections_per_month: PerMonth = 1.0
    """How often a reader loses its line; what it reads meanwhile comes afterwards."""
    disconnected_minutes: Minutes = 2.0
    """For how long, on average."""
    gateway_reboots_per_month: PerMonth = 2.0
    """Reboots of the gateway."""
    reboot_minutes: Minutes = 3.0
    """How long one takes; what readers and scales tell meanwhile is lost, tills keep a journal."""


class ShelfScaleSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What shelf scales do wrong. `cell` is the load cell of each."""

    cell: LoadCellSettings = CELL
    """How true a load cell is, and what people do to it."""
    item_spread_share: Share = 0.01
    """By how much single units differ in weight, as a standard deviation."""
    nominal_error_share: Share = 0.005
    """By how much an article's weight is off in its master data, as a standard deviation."""
    mixed_share: Share = 0.0
    """Part of the shelves that bears two articles."""
    settled_s: Seconds = 4.0
    """From a change on the shelf to a weight at rest."""
    reports_per_day: Number = 2
    """How often a day a scale shows its weight though nothing has changed."""
