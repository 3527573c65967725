"""The names that a condition may read, and where their values come from.

`VARIABLES` is the one table: the type check, the evaluation and docs/rules.md all follow it.
`Contexts` serves one request, so that what many locations share is worked out once.
"""

from typing import Final, get_args

from msgspec import Struct

from cloud.rules.documents import DemandClass
from cloud.rules.facts import LocationFacts, Moment, SkuFacts
from cloud.rules.local_time import SEASONS, WEEKDAYS, LocalTime, local_time
from cloud.rules.value_types import BOOL, DOUBLE, INT, STRING, STRINGS
from protocol.facts import Measure

NO_DEADLINE_MINUTES: Final = 1_000_000
"""`deadline_minutes` where nothing has to be shipped: about two years."""
NEVER_COUNTED_HOURS: Final = 1_000_000
"""`count_age_hours` where nobody has counted: more than a century."""
MS_PER_MINUTE: Final = 60_000
MS_PER_HOUR: Final = 3_600_000

Value = bool | int | float | str | tuple[str, ...] | None


class Context(Struct, frozen=True, gc=False):
    """Everything that the conditions of one SKU at one location may read."""

    moment: Moment
    local: LocalTime
    location: LocationFacts
    sku: SkuFacts
    deadline_minutes: int
    count_age_hours: int


class Variable(Struct, frozen=True, kw_only=True):
    """A name that conditions may read. `path` leads to its value from a `Context`.

    `values` lists all the values there can be, where that is a closed set. A variable that
    `may_be_unknown` is `None` while nobody has told its value: conditions that read it do not hold.
    """

    name: str
    type: str
    path: str
    doc: str
    example: Value
    values: tuple[str | int, ...] = ()
    may_be_unknown: bool = False

    @property
    def is_shared(self) -> bool:
        """Return whether all locations of a request that share a calendar share the value."""
        return self.path.startswith(("moment.", "local."))


VARIABLES: Final[dict[str, Variable]] = {
    variable.name: variable
    for variable in (
        Variable(
            name="channel",
            type=STRING,
            path="moment.channel",
            doc="the channel that asks",
            example="web",
        ),
        Variable(
            name="location",
            type=STRING,
            path="location.location",
            doc="the id of the location",
            example="S001",
        ),
        Variable(
            name="gtin",
            type=STRING,
            path="sku.gtin",
            doc="the GTIN, always 14 digits",
            example="04006381333931",
        ),
        Variable(
            name="year", type=INT, path="local.year", doc="the year at the location", example=2026
        ),
        Variable(
            name="month",
            type=INT,
            path="local.month",
            doc="1 (January) to 12",
            example=11,
            values=tuple(range(1, 13)),
        ),
        Variable(
            name="day",
            type=INT,
            path="local.day",
            doc="day of the month, 1 to 31",
            example=27,
            values=tuple(range(1, 32)),
        ),
        Variable(
            name="weekday",
            type=STRING,
            path="local.weekday",
            doc='`"monday"` to `"sunday"`',
            example="friday",
            values=WEEKDAYS,
        ),
        Variable(
            name="hour",
            type=INT,
            path="local.hour",
            doc="0 to 23, on the location's own clock",
            example=17,
            values=tuple(range(24)),
        ),
        Variable(
            name="minute",
            type=INT,
            path="local.minute",
            doc="0 to 59",
            example=30,
            values=tuple(range(60)),
        ),
        Variable(
            name="season",
            type=STRING,
            path="local.season",
            doc='`"winter"`, `"spring"`, `"summer"`, `"autumn"`, by month and hemisphere',
            example="autumn",
            values=SEASONS,
        ),
        Variable(
            name="is_holiday",
            type=BOOL,
            path="local.is_holiday",
            doc="a public holiday at the location",
            example=False,
        ),
        Variable(
            name="holiday",
            type=STRING,
            path="local.holiday",
            doc='its English name, as `"Christmas Day"`; empty on other days',
            example="",
        ),
        Variable(
            name="country",
            type=STRING,
            path="location.country",
            doc='the location\'s country, as `"DE"`; empty if not told',
            example="DE",
        ),
        Variable(
            name="subdivision",
            type=STRING,
            path="location.subdivision",
            doc='its state or province, as `"BY"`; empty if not told',
            example="BY",
        ),
        Variable(
            name="weather",
            type=STRING,
            path="location.weather",
            doc='a word for the weather, as the weather feed says it: `"rain"`; empty if not known',
            example="rain",
        ),
        Variable(
            name="temperature_c",
            type=DOUBLE,
            path="location.temperature_c",
            doc="degrees Celsius outside; may be unknown",
            example=4.5,
            may_be_unknown=True,
        ),
        Variable(
            name="accuracy",
            type=DOUBLE,
            path="location.accuracy",
            doc="the location's measured share of right counts, 0.0 to 1.0; 0.0 if never measured",
            example=0.95,
        ),
        Variable(
            name="count_age_hours",
            type=INT,
            path="count_age_hours",
            doc=f"whole hours since the SKU was counted here; {NEVER_COUNTED_HOURS} if never",
            example=36,
        ),
        Variable(
            name="demand_class",
            type=STRING,
            path="sku.demand_class",
            doc='`"fast"`, `"medium"`, `"slow"`; empty if not classified',
            example="fast",
            values=get_args(DemandClass),
        ),
        Variable(
            name="on_promotion",
            type=BOOL,
            path="sku.on_promotion",
            doc="the SKU is on promotion here",
            example=True,
        ),
        Variable(
            name="promotions",
            type=STRINGS,
            path="sku.promotions",
            doc="the names of its promotions, at most 16",
            example=("black-friday",),
        ),
        Variable(
            name="deadline_minutes",
            type=INT,
            path="deadline_minutes",
            doc=(
                "whole minutes until the shipping deadline, negative after it;"
                f" {NO_DEADLINE_MINUTES} if there is none"
            ),
            example=95,
        ),
        Variable(
            name="measure",
            type=STRING,
            path="sku.measure",
            doc='what a quantity counts: `"units"` or `"grams"`',
            example="units",
            values=get_args(Measure),
        ),
        Variable(
            name="on_hand",
            type=INT,
            path="sku.on_hand",
            doc="physically at the location; may be negative",
            example=7,
        ),
        Variable(
            name="reserved",
            type=INT,
            path="sku.reserved",
            doc="promised to orders, not yet gone",
            example=1,
        ),
        Variable(
            name="unavailable",
            type=INT,
            path="sku.unavailable",
            doc="on hand but not sellable, for any reason",
            example=0,
        ),
        Variable(
            name="believed",
            type=INT,
            path="sku.believed",
            doc="what is most likely truly on hand, by all evidence; may be unknown",
            example=6,
            may_be_unknown=True,
        ),
        Variable(
            name="believed_low",
            type=INT,
            path="sku.believed_low",
            doc=(
                "the lower end of the interval that holds the true on hand with 90 %;"
                " may be unknown"
            ),
            example=5,
            may_be_unknown=True,
        ),
        Variable(
            name="confidence",
            type=DOUBLE,
            path="sku.confidence",
            doc=(
                "how probable it is that exactly `believed` are on hand, 0.0 to 1.0 in hundredths;"
                " may be unknown"
            ),
            example=0.93,
            may_be_unknown=True,
        ),
        Variable(
            name="p_out",
            type=DOUBLE,
            path="sku.p_out",
            doc=(
                "how probable it is that nothing is on hand, 0.0 to 1.0 in hundredths;"
                " may be unknown"
            ),
            example=0.02,
            may_be_unknown=True,
        ),
    )
}


class Contexts:
    """Builds the contexts of one request; keep it no longer than the request."""

    def __init__(self, moment: Moment) -> None:
        self._moment = moment
        self._local_times: dict[tuple[str, str, str, bool], LocalTime] = {}
        self._deadline_minutes = self._minutes_until(moment.deadline_at_ms)

    def of(self, location: LocationFacts, sku: SkuFacts) -> Context:
        """Return the context of one SKU at one location."""
        own_deadline_ms = location.deadline_at_ms
        return Context(
            self._moment,
            self._local_time(location),
            location,
            sku,
            self._deadline_minutes
            if own_deadline_ms is None
            else self._minutes_until(own_deadline_ms),
            self._hours_since(sku.counted_at_ms),
        )

    def _local_time(self, at: LocationFacts) -> LocalTime:
        place = (at.time_zone, at.country, at.subdivision, at.southern)
        known = self._local_times.get(place)
        if known is None:
            zone, country, subdivision, southern = place
            known = local_time(self._moment.at_ms, zone, country, subdivision, southern=southern)
            self._local_times[place] = known
        return known

    def _minutes_until(self, deadline_at_ms: int | None) -> int:
        if deadline_at_ms is None:
            return NO_DEADLINE_MINUTES
        return min((deadline_at_ms - self._moment.at_ms) // MS_PER_MINUTE, NO_DEADLINE_MINUTES)

    def _hours_since(self, counted_at_ms: int | None) -> int:
        if counted_at_ms is None:
            return NEVER_COUNTED_HOURS
        # A count stamped by a clock that runs ahead is new, not from the future.
        return max(0, (self._moment.at_ms - counted_at_ms) // MS_PER_HOUR)
