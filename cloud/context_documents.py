"""What rules and routing read, as documents: locations, products, weather, promotions.

The API takes them, the journal keeps them as JSON, and `rule_book` and routing read them.
"""

from datetime import datetime
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from cloud.rules.documents import DemandClass, GtinName, LocationName

Costs = Annotated[int, Meta(ge=0, le=100_000)]
Capacity = Annotated[int, Meta(ge=0, le=1_000_000_000)]
Latitude = Annotated[float, Meta(ge=-90, le=90, description="degrees north")]
Longitude = Annotated[float, Meta(ge=-180, le=180, description="degrees east")]
ZonedTime = Annotated[
    datetime, Meta(tz=True, description="a time with its zone, as 2026-11-27T00:00:00+01:00")
]
SCOPE_MAX: Final = 10_000


class RatesBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What differs at this location from the rates of its kind; amounts are whole cents."""

    handling_cents: Costs | None = None
    parcel_cents: Costs | None = None
    km_cents: Costs | None = None
    parcels_per_day: Capacity | None = None
    units_per_day: Capacity | None = None
    grams_per_day: Capacity | None = None


class LocationBody(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """A place where stock is.

    `ready_minutes` is how long it takes until goods can leave; `transit_hours` how long they then
    travel to a customer. `collects`: customers may fetch orders here.
    """

    kind: Literal["store", "warehouse"] = "store"
    name: Annotated[str, Meta(max_length=100)] = ""
    latitude: Latitude | None = None
    longitude: Longitude | None = None
    time_zone: Annotated[str, Meta(min_length=1, max_length=64, description="IANA name")] = "UTC"
    country: Annotated[str, Meta(max_length=2, description="ISO 3166-1 alpha-2 code")] = ""
    subdivision: Annotated[str, Meta(max_length=6, description="of the country, as BY")] = ""
    accuracy: Annotated[
        float, Meta(ge=0, le=1, description="measured share of right counts; 0: never measured")
    ] = 0.0
    ships: bool = True
    collects: bool = True
    ready_minutes: Annotated[int, Meta(ge=0, le=100_000)] = 60
    transit_hours: Annotated[int, Meta(ge=0, le=10_000)] = 24
    rates: RatesBody = RatesBody()


class ProductBody(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """What is known of a product."""

    name: Annotated[str, Meta(max_length=200)] = ""
    demand_class: DemandClass = ""


class WeatherBody(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """The weather at a location, as the feed says it."""

    weather: Annotated[str, Meta(max_length=64, description="a word, as rain")] = ""
    temperature_c: Annotated[float, Meta(ge=-100, le=100)] | None = None


class PromotionBody(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """A promotion of products; an empty list of locations means everywhere."""

    gtins: Annotated[list[GtinName], Meta(min_length=1, max_length=SCOPE_MAX)]
    locations: Annotated[list[LocationName], Meta(max_length=SCOPE_MAX)] = []
    starts_at: ZonedTime | None = None
    expires_at: ZonedTime | None = None
