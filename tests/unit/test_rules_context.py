"""Contexts tell each location's own time, season, holidays and deadline."""

from datetime import UTC, datetime

import msgspec
import pytest

from cloud.rules import VARIABLES, Context, Contexts, LocationFacts, Moment, SkuFacts
from cloud.rules.context import NEVER_COUNTED_HOURS, NO_DEADLINE_MINUTES
from cloud.rules.expressions import value_getter
from cloud.rules.facts import PROMOTIONS_MAX
from cloud.rules.local_time import season_of

GTIN = "04006381333931"


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def context_at(text: str, location: LocationFacts, sku: SkuFacts | None = None) -> Context:
    moment = Moment(at_ms=ms(text), channel="web")
    return Contexts(moment).of(location, sku or SkuFacts(gtin=GTIN, on_hand=1))


def read(context: Context, *names: str) -> object:
    return value_getter(names)(context)


def test_time_is_the_location_s_own() -> None:
    at = "2026-11-27T23:30:00+00:00"
    berlin = context_at(at, LocationFacts(location="S1", time_zone="Europe/Berlin"))
    auckland = context_at(at, LocationFacts(location="S2", time_zone="Pacific/Auckland"))
    names = ("year", "month", "day", "weekday", "hour", "minute")
    assert read(berlin, *names) == (2026, 11, 28, "saturday", 0, 30)
    assert read(auckland, *names) == (2026, 11, 28, "saturday", 12, 30)


def test_daylight_saving_moves_the_hour() -> None:
    berlin = LocationFacts(location="S1", time_zone="Europe/Berlin")
    assert read(context_at("2026-03-29T00:59:00+00:00", berlin), "hour") == 1
    assert read(context_at("2026-03-29T01:00:00+00:00", berlin), "hour") == 3


@pytest.mark.parametrize(
    ("month", "north", "south"),
    [
        (12, "winter", "summer"),
        (2, "winter", "summer"),
        (3, "spring", "autumn"),
        (8, "summer", "winter"),
        (9, "autumn", "spring"),
        (11, "autumn", "spring"),
    ],
)
def test_seasons_turn_with_the_hemisphere(month: int, north: str, south: str) -> None:
    assert season_of(month, southern=False) == north
    assert season_of(month, southern=True) == south


def test_the_hemisphere_is_told_or_follows_the_latitude() -> None:
    at = "2026-07-01T12:00:00+00:00"
    assert read(context_at(at, LocationFacts(location="S")), "season") == "summer"
    assert read(context_at(at, LocationFacts(location="S", latitude=-33.9)), "season") == "winter"
    told = LocationFacts(location="S", latitude=-0.1, hemisphere="northern")
    assert read(context_at(at, told), "season") == "summer"


def test_holidays_follow_country_subdivision_and_local_date() -> None:
    bavaria = LocationFacts(location="S", time_zone="Europe/Berlin", country="DE", subdivision="BY")
    berlin = msgspec.structs.replace(bavaria, subdivision="BE")
    eve = "2025-12-24T23:30:00+00:00"
    assert read(context_at(eve, bavaria), "is_holiday", "holiday") == (True, "Christmas Day")
    epiphany = "2026-01-06T12:00:00+00:00"
    assert read(context_at(epiphany, bavaria), "holiday") == "Epiphany"
    assert read(context_at(epiphany, berlin), "is_holiday", "holiday") == (False, "")
    nowhere = LocationFacts(location="S")
    assert read(context_at(eve, nowhere), "is_holiday") is False


def test_the_location_s_deadline_goes_before_the_request_s() -> None:
    moment = Moment(at_ms=1_000_000, channel="web", deadline_at_ms=1_000_000 + 90 * 60_000)
    contexts = Contexts(moment)
    sku = SkuFacts(gtin=GTIN, on_hand=1)
    own = LocationFacts(location="S", deadline_at_ms=1_000_000 - 1)
    assert contexts.of(LocationFacts(location="S"), sku).deadline_minutes == 90
    assert contexts.of(own, sku).deadline_minutes == -1
    none = Contexts(Moment(at_ms=0, channel="web")).of(LocationFacts(location="S"), sku)
    assert none.deadline_minutes == NO_DEADLINE_MINUTES


def test_the_age_of_a_count_is_never_negative() -> None:
    contexts = Contexts(Moment(at_ms=10 * 3_600_000, channel="web"))
    location = LocationFacts(location="S")

    def age(counted_at_ms: int | None) -> int:
        sku = SkuFacts(gtin=GTIN, on_hand=1, counted_at_ms=counted_at_ms)
        return contexts.of(location, sku).count_age_hours

    assert age(7 * 3_600_000 + 1) == 2
    assert age(11 * 3_600_000) == 0
    assert age(None) == NEVER_COUNTED_HOURS


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("time_zone", "Europe/Nowhere"),
        ("time_zone", "Europe"),
        ("time_zone", "../etc/passwd"),
        ("time_zone", ""),
        ("country", "XX"),
        ("accuracy", 1.1),
        ("accuracy", float("nan")),
        ("temperature_c", float("nan")),
        ("temperature_c", 300.0),
    ],
)
def test_impossible_locations_are_refused(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=field):
        LocationFacts(**{"location": "S", field: value})  # type: ignore[arg-type] # By design.


def test_an_unknown_subdivision_is_refused() -> None:
    with pytest.raises(ValueError, match="subdivision"):
        LocationFacts(location="S", country="DE", subdivision="ZZ")


def test_more_promotions_than_a_condition_may_search_are_refused() -> None:
    with pytest.raises(ValueError, match="promotions"):
        SkuFacts(gtin=GTIN, on_hand=1, promotions=("p",) * (PROMOTIONS_MAX + 1))


@pytest.mark.parametrize("at_ms", [-1, 10**18])
def test_times_beyond_the_calendar_are_refused(at_ms: int) -> None:
    with pytest.raises(ValueError, match="at_ms"):
        Moment(at_ms=at_ms, channel="web")


def test_whole_numbers_become_fractions_where_fractions_are_declared() -> None:
    location = LocationFacts(location="S", accuracy=1, temperature_c=-0.0)
    assert isinstance(location.accuracy, float)
    assert str(location.temperature_c) == "0.0"


CEL_TYPES = {"bool": bool, "int": int, "double": float, "string": str, "list(string)": tuple}


@pytest.mark.parametrize("name", VARIABLES)
def test_every_variable_has_a_value_of_its_type(name: str) -> None:
    variable = VARIABLES[name]
    location = LocationFacts(location="S", temperature_c=1.0)
    sku = SkuFacts(gtin=GTIN, on_hand=1, believed=1, believed_low=1, confidence=0.9, p_out=0.0)
    value = read(context_at("2026-11-27T12:00:00+00:00", location, sku), name)
    assert type(value) is CEL_TYPES[variable.type]
    assert type(variable.example) is CEL_TYPES[variable.type]
    if variable.values:
        assert value in variable.values
        assert variable.example in variable.values


def test_last_instant_still_has_a_local_time() -> None:
    for zone in ("Pacific/Kiritimati", "Pacific/Pago_Pago"):
        location = LocationFacts(location="S", time_zone=zone)
        moment = Moment(at_ms=253_000_000_000_000, channel="web")
        sku = SkuFacts(gtin=GTIN, on_hand=1)
        assert (
            Contexts(moment).of(location, sku).local.year == datetime(9987, 1, 1, tzinfo=UTC).year
        )
