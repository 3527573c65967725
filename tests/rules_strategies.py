"""Generated expressions, contexts and rules, for the property tests of cloud.rules."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from cloud.rules import Context, Contexts, LocationFacts, Moment, Rule, SkuFacts

START = datetime(2026, 11, 27, tzinfo=UTC)
GTINS = ("04006381333931", "00614141123452")
LOCATIONS = ("S001", "S002", "S003")
CHANNELS = ("web", "app", "market")

WHOLE_NAMES = ("hour", "on_hand", "reserved", "deadline_minutes", "count_age_hours", "month")
FRACTION_NAMES = ("accuracy", "temperature_c")
TEXT_NAMES = ("channel", "location", "weather", "holiday", "gtin")

whole_atoms = st.sampled_from(WHOLE_NAMES) | st.integers(0, 30).map(str)
fraction_atoms = st.sampled_from(FRACTION_NAMES) | st.sampled_from(("0.0", "0.5", "1.0", "4.25"))
text_atoms = st.sampled_from(TEXT_NAMES) | st.sampled_from(('"web"', "'S001'", '""', '"a\\"b\\\\"'))


def joined(operators: tuple[str, ...], operands: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(operands, st.sampled_from(operators), operands).map(" ".join)


def wrapped(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return inner.map(lambda text: f"({text})")


def numbers(atoms: st.SearchStrategy[str], operators: tuple[str, ...]) -> st.SearchStrategy[str]:
    return st.recursive(
        atoms,
        lambda inner: joined(operators, inner) | wrapped(joined(operators, inner)),
        max_leaves=4,
    )


fractions = numbers(fraction_atoms, ("+", "-", "*", "/"))
wholes = numbers(whole_atoms, ("+", "-", "*", "/", "%")) | fractions.map(
    lambda text: f"int(math.ceil({text}))"
)
COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")
comparisons = (
    joined(COMPARISONS, numbers(st.sampled_from(("on_hand", "reserved")) | whole_atoms, ("+", "-")))
    | joined(COMPARISONS, fractions)
    | joined(COMPARISONS, text_atoms)
    | st.tuples(st.sampled_from(TEXT_NAMES), st.sampled_from(("web", "S00", ""))).map(
        lambda pair: f'{pair[0]}.startsWith("{pair[1]}")'
    )
    | st.sampled_from(("is_holiday", "on_promotion", "hour in [8, 9, 10]", '"p1" in promotions'))
    | st.sampled_from(('promotions.exists(p, p == "p1")', "size(promotions) > 0"))
)
conditions = st.recursive(
    comparisons,
    lambda inner: (
        joined(("&&", "||"), inner)
        | wrapped(joined(("&&", "||"), inner))
        | inner.map(lambda text: f"!({text})")
        | st.tuples(inner, inner, inner).map(lambda t: f"({t[0]}) ? ({t[1]}) : ({t[2]})")
    ),
    max_leaves=4,
).filter(lambda text: len(text) <= 400)

locations = st.builds(
    LocationFacts,
    location=st.sampled_from(LOCATIONS),
    time_zone=st.sampled_from(("UTC", "Europe/Berlin", "America/New_York")),
    country=st.sampled_from(("", "DE", "US")),
    latitude=st.sampled_from((None, 52.5, -33.9)),
    weather=st.sampled_from(("", "rain")),
    temperature_c=st.sampled_from((None, -3.5, 0.0, 21.0)),
    accuracy=st.sampled_from((0.0, 0.5, 0.97, 1.0)),
    deadline_at_ms=st.sampled_from((None, int(START.timestamp()) * 1000)),
)
skus = st.builds(
    SkuFacts,
    gtin=st.sampled_from(GTINS),
    on_hand=st.integers(-2, 12),
    reserved=st.integers(0, 3),
    demand_class=st.sampled_from(("", "fast", "medium", "slow")),
    promotions=st.sampled_from(((), ("p1",), ("p2", "p1"))),
    counted_at_ms=st.sampled_from((None, int(START.timestamp()) * 1000 - 10**8)),
)
moments = st.builds(
    Moment,
    at_ms=st.integers(-72, 72).map(
        lambda hours: int((START + timedelta(hours=hours)).timestamp()) * 1000
    ),
    channel=st.sampled_from(CHANNELS),
)


def _context(moment: Moment, location: LocationFacts, sku: SkuFacts) -> Context:
    return Contexts(moment).of(location, sku)


contexts = st.builds(_context, moments, locations, skus)


def subset(values: tuple[str, ...]) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(values), unique=True, max_size=2)


def _rule(window: tuple[int, int] | None, **fields: Any) -> Rule:
    if window is None:
        return Rule(**fields)
    starts_at = START + timedelta(hours=window[0])
    return Rule(**fields, starts_at=starts_at, expires_at=starts_at + timedelta(hours=window[1]))


rules = st.builds(
    _rule,
    window=st.none() | st.tuples(st.integers(-48, 48), st.integers(1, 48)),
    name=st.text("abcdef", min_size=1, max_size=3),
    hide=st.integers(0, 5) | st.just("all") | wholes,
    channels=subset(CHANNELS),
    locations=subset(LOCATIONS),
    gtins=subset(GTINS),
    demand_classes=subset(("fast", "slow", "")),
    when=st.lists(
        conditions | st.sampled_from(("on_hand > 2", "hour < 12")), unique=True, max_size=3
    ),
)
rule_lists = st.lists(rules, max_size=8, unique_by=lambda rule: rule.name)
