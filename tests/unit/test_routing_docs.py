"""docs/routing.md says what the code does."""

import re
from pathlib import Path

import msgspec
import pytest

from cloud.orders.routing import (
    Candidate,
    LocationRates,
    OrderLine,
    Plan,
    Reason,
    RoutingCosts,
    RoutingProblem,
    UnroutableReason,
    WarehouseRates,
    route,
)

TEXT = (Path(__file__).parents[2] / "docs" / "routing.md").read_text(encoding="utf-8")
HOUR_MS = 3_600_000
SCALARS = [
    field.name
    for field in msgspec.structs.fields(RoutingCosts)
    if field.name not in ("store", "warehouse", "locations")
]


@pytest.mark.parametrize("name", msgspec.structs.fields(RoutingCosts), ids=lambda each: each.name)
def test_every_field_of_the_costs_is_documented(name: msgspec.structs.FieldInfo) -> None:
    assert re.search(rf"^\| `{name.name}` \|", TEXT, re.MULTILINE)


@pytest.mark.parametrize("name", SCALARS)
def test_documented_defaults_are_the_defaults(name: str) -> None:
    default = str(getattr(RoutingCosts(), name)).lower()
    assert re.search(rf"^\| `{name}` \| {default} \|", TEXT, re.MULTILINE)


@pytest.mark.parametrize("field", msgspec.structs.fields(LocationRates), ids=lambda each: each.name)
def test_documented_rates_are_the_defaults(field: msgspec.structs.FieldInfo) -> None:
    name = field.name
    ours, theirs = getattr(LocationRates(), name), getattr(WarehouseRates(), name)
    assert re.search(rf"^\| `{name}` \| {ours} \| {theirs} \|", TEXT, re.MULTILINE)


@pytest.mark.parametrize("word", [*Reason, *UnroutableReason])
def test_every_reason_is_documented(word: str) -> None:
    assert f"`{word}`" in TEXT


def test_the_example_settings_decode() -> None:
    block = re.search(r"```toml\n\[routing\]\n(.*?)```", TEXT, re.DOTALL)
    assert block is not None
    body = block.group(1).replace("[routing.", "[")
    costs = msgspec.toml.decode(body, type=RoutingCosts)
    assert costs.rates_of("S012", "store").parcels_per_day == 10
    assert costs.rates_of("S012", "store").parcel_cents == costs.store.parcel_cents


@pytest.mark.parametrize(
    "wrong", ["need_cents = -1", "extra_parcel_cents = 100_001", "nonsense = 1", "[store]\nx = 1"]
)
def test_settings_out_of_range_are_refused(wrong: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.toml.decode(wrong, type=RoutingCosts)


def test_the_example_explains_itself_as_documented() -> None:
    problem = RoutingProblem(
        lines=(
            OrderLine(gtin="04012345678901", quantity=2),
            OrderLine(gtin="04012345678918", quantity=1),
            OrderLine(gtin="04012345678925", quantity=750, measure="grams"),
        ),
        candidates=(
            Candidate(
                location="S001",
                kind="store",
                available={"04012345678901": 2, "04012345678918": 1},
                need={"04012345678901": 1},
                distance_km=4.0,
                transit_ms=24 * HOUR_MS,
            ),
            Candidate(
                location="S002",
                kind="store",
                available={"04012345678901": 5, "04012345678925": 4_000},
                distance_km=31.0,
                transit_ms=24 * HOUR_MS,
            ),
            Candidate(
                location="S003",
                kind="store",
                available={"04012345678918": 3, "04012345678925": 900},
                distance_km=88.0,
                transit_ms=72 * HOUR_MS,
            ),
            Candidate(
                location="W1",
                kind="warehouse",
                available={"04012345678918": 400},
                transit_ms=36 * HOUR_MS,
            ),
        ),
        promise_by_ms=48 * HOUR_MS,
    )
    plan = route(problem, RoutingCosts(), now_ms=0)
    assert isinstance(plan, Plan)
    assert "\n".join(plan.explanation) in TEXT
