"""What customers and thieves of a noisy store do, and where: parameters. Pure data."""

from typing import Annotated, Final

from msgspec import Meta, Struct

from simulators.world.setting_types import (
    AtLeastOne,
    Days,
    Factor,
    Grams,
    Hour,
    Metres,
    Minutes,
    Seconds,
    Share,
    WholeDays,
)

Busyness = Annotated[
    tuple[float, float, float, float, float, float, float],
    Meta(extra={"unit": "factors, Monday to Sunday"}),
]


BUSYNESS_MAX: Final = 10.0


class FixtureSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where things lie: fixtures in rows from the exit, at the front, to the dock, at the back."""

    articles_per_fixture: AtLeastOne = 24
    """Articles on one rack, table or shelf."""
    floor_width_m: Metres = 18.0
    """How wide the sales floor is."""
    aisle_m: Metres = 2.0
    """From one fixture to the next, to the side and to the back."""
    backroom_share: Share = 0.2
    """Part of an article's full stock that does not fit on the sales floor."""


class HoursSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When people come."""

    opens_at: Hour = 9.0
    """The doors open."""
    closes_at: Hour = 20.0
    """The doors close."""
    weekdays: Busyness = (0.8, 0.8, 0.9, 1.0, 1.2, 1.6, 0.7)
    """How busy each weekday is, beside an average day; 0: closed."""
    evening_share: Share = 0.6
    """Part of the visitors who come in the second half of the day."""

    def __post_init__(self) -> None:
        """Refuse days that are less than empty, or absurdly full. Raises `ValueError`."""
        if not all(0 <= busyness <= BUSYNESS_MAX for busyness in self.weekdays):
            raise ValueError(f"hours.weekdays: expected factors from 0 to {BUSYNESS_MAX:g}")


class VisitorSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What customers do."""

    lines_max: Annotated[int, Meta(ge=1, le=60, extra={"unit": "articles"})] = 3
    """A customer wants 1 to this many articles."""
    second_unit_share: Share = 0.08
    """Part of the articles of which a customer takes two or more units."""
    units_per_line_max: Annotated[int, Meta(ge=1, le=500, extra={"unit": "units"})] = 3
    """Most units of an article that one customer takes."""
    grams_min: Grams = 150
    """Least grams of a weighed article that one customer takes."""
    grams_max: Grams = 900
    """Most grams of a weighed article that one customer takes."""
    family_share: Share = 0.05
    """Part of the further articles that are of the same family as the one before."""
    visit_minutes: Minutes = 14.0
    """From the first pick to the till, on average."""
    put_back_share: Share = 0.25
    """Customers who take one article more and put it back where it was."""
    abandoned_share: Share = 0.01
    """Baskets left in the shop; staff put their goods back within hours."""
    return_share: Share = 0.12
    """Part of the units sold that comes back."""
    return_after_days: Days = 8.0
    """How long they are away, on average."""
    returned_without_tag_share: Share = 0.02
    """Part of the tagged units that comes back without a tag; staff print a new one next day."""
    carry_in_share: Share = 0.01
    """Visitors who carry in and out what they bought here before, tag and all, per buyer."""
    to_exit_s: Seconds = 90.0
    """From the till to the door, on average."""
    misplaced_share: Share = 0.01
    """Part of the units that lies in the wrong place at any time."""
    fitting_room_share: Share = 0.5
    """Part of what is misplaced that was left in a fitting room; the rest is on wrong fixtures."""
    tidied_after_days: Annotated[float, Meta(gt=0, le=365, extra={"unit": "days"})] = 2.0
    """How long a misplaced unit lies there, on average."""


class TillMistakeSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What goes wrong at the till. Shares are of its lines."""

    tills: Annotated[int, Meta(ge=1, le=100, extra={"unit": "tills"})] = 3
    """Tills of the store; one more, the back office's, writes down what was thrown away."""
    wrong_item_share: Share = 0.005
    """Another article of the family is scanned or keyed."""
    wrong_quantity_share: Share = 0.005
    """The quantity is keyed wrongly."""
    miskeyed_units_max: Annotated[int, Meta(ge=1, le=1_000, extra={"unit": "units"})] = 1
    """Then it is wrong by 1 to this many units."""
    not_scanned_share: Share = 0.003
    """The line is not scanned at all."""
    flavours_as_one_share: Share = 0.05
    """A second article of a family in a basket is scanned as the first one again."""
    void_share: Share = 0.004
    """Sales that are undone at once and entered again."""
    wrong_return_share: Share = 0.05
    """Refunds that are booked on another article of the family."""


class TheftSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What leaves unpaid."""

    per_unit_year: Annotated[float, Meta(ge=0, le=10, extra={"unit": "share per year"})] = 0.015
    """Part of the units on hand that is stolen in a year."""
    unseen_share: Share = 0.5
    """Part of it that no reader at the exit sees: shielded, or not through the door."""
    units_per_theft_max: Annotated[int, Meta(ge=1, le=1_000, extra={"unit": "units"})] = 2
    """A thief takes 1 to this many units of one article."""
    hot_share: Share = 0.1
    """Part of the articles that thieves like most."""
    hot_factor: Annotated[float, Meta(ge=1, le=1_000, extra={"unit": "factor"})] = 3.0
    """How much more of these is stolen than of others that sell alike."""


class MarkdownSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is made cheaper, and sells faster for a while."""

    every_days: WholeDays = 14
    """Days between rounds of markdowns; 0: never."""
    articles_share: Share = 0.04
    """Part of the articles marked down in a round."""
    lasts_days: WholeDays = 14
    """Days until they sell as before."""
    demand_factor: Factor = 2.5
    """How much better they sell meanwhile."""
