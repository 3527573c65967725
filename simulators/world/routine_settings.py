"""What warehouse and staff of a noisy store do: parameters. Pure data."""

from typing import Annotated

from msgspec import Meta, Struct

from simulators.world.setting_types import Days, Hour, Hours, Number, Seconds, Share


class SupplySettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the warehouse sends."""

    every_days: Annotated[int, Meta(ge=1, le=60, extra={"unit": "days"})] = 1
    """Days between deliveries."""
    at_hour: Hour = 6.5
    """When the lorry comes."""
    advised_hours: Hours = 2.0
    """How long before that the warehouse advises what it has sent."""
    refill_below: Share = 0.6
    """An article is refilled when the book has this part of its full stock or less."""
    wrong_line_share: Share = 0.02
    """Lines that are short, over, or another article of the family."""
    crate_units_max: Annotated[int, Meta(ge=1, le=500, extra={"unit": "units"})] = 24
    """Tagged units that pass the dock's portal at once."""
    gap_noticed_after_days: Days = 5.0
    """How long an empty or overfull shelf stays unnoticed by who orders, when the book is wrong."""


class ReplenishingSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When goods come from the backroom to the sales floor."""

    first_hour: Hour = 8.0
    """First round of a day."""
    every_hours: Hours = 4.0
    """From one round to the next, until the doors close."""


class CountSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Counts by hand, in the morning before anything moves."""

    recounts_per_day: Annotated[int, Meta(ge=0, le=10_000, extra={"unit": "counts a day"})] = 20
    """Recounts that staff find time for where they are asked."""
    cycle_counts_per_day: Number = 0
    """Further articles that are counted each day, all in turn."""
    wrong_share: Share = 0.02
    """Counts that are wrong, by a unit or a twentieth."""
    overlooked_share: Share = 0.2
    """Misplaced units that a count overlooks."""
    at_hour: Hour = 5.0
    """When counting begins."""
    count_s: Seconds = 20.0
    """How long one count takes."""


class WasteSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is thrown away: expired, spoilt, broken."""

    per_unit_year: Annotated[float, Meta(ge=0, le=100, extra={"unit": "share per year"})] = 0.0
    """Part of the untagged goods on hand that is thrown away in a year."""
    told_share: Share = 0.8
    """Part of it that is written down, at the back office's till; the rest vanishes untold."""
    at_hour: Hour = 19.0
    """When somebody looks through the shelves."""
