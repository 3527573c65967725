"""Weights as units."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.sensing.shelf import Shelf, WeightReading, sense_shelf, trouble, units_by_weight
from protocol.facts import ShelfCounted
from protocol.ids import Gtin

SHELF = Shelf("A1", Gtin("00614141999996"), 250.0, 0.25)


def reading(
    weight_g: int, *, stable: bool = True, overload: bool = False, fault: bool = False
) -> WeightReading:
    return WeightReading(stable, overload, fault, weight_g)


def sensed(told: int | None, seen: WeightReading) -> ShelfCounted | None:
    return sense_shelf(told, SHELF, seen, at_ms=9, source="scale-1")


def test_the_first_stable_weight_is_told() -> None:
    assert sensed(None, reading(1003)) == ShelfCounted(
        occurred_at_ms=9,
        source="scale-1",
        gtin="00614141999996",
        shelf="A1",
        quantity=4,
        weight_g=1003,
    )


def test_a_count_is_told_only_when_it_changes() -> None:
    assert sensed(4, reading(1003)) is None
    changed = sensed(4, reading(748))
    assert changed is not None
    assert changed.quantity == 3


@pytest.mark.parametrize(
    "seen",
    [
        reading(750, stable=False),
        reading(750, overload=True),
        reading(750, fault=True),
        reading(875),  # Three and a half items: something else lies there.
        reading(-300),  # The tare is wrong.
    ],
)
def test_a_weight_that_is_no_count_tells_nothing(seen: WeightReading) -> None:
    assert sensed(4, seen) is None


def test_an_empty_shelf_that_drifts_below_zero_holds_nothing() -> None:
    assert units_by_weight(-40, SHELF) == 0


@given(units=st.integers(0, 1000), drift_g=st.integers(-62, 62))
def test_any_number_of_items_is_recognised_within_the_tolerance(units: int, drift_g: int) -> None:
    assert units_by_weight(units * 250 + drift_g, SHELF) == units


@given(units=st.integers(0, 1000), drift_g=st.integers(63, 187))
def test_what_is_between_two_numbers_of_items_is_none(units: int, drift_g: int) -> None:
    assert units_by_weight(units * 250 + drift_g, SHELF) is None


def test_trouble_names_the_shelf() -> None:
    assert trouble(SHELF, reading(0)) is None
    assert trouble(SHELF, reading(0, overload=True)) == "shelf A1: overload"
    assert trouble(SHELF, reading(0, fault=True)) == "shelf A1: the scale reports a fault"
