"""What shelf sensing makes of single happenings at a shelf."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.sensing.shelf_checkpoint import ShelfMemory
from edge.sensing.shelf_tracker import HYPOTHESES_MAX
from edge.sensing.shelf_traits import WeightReading
from tests.shelf_days import GTIN, HOUR_MS, OTHER_GTIN, Bench, product

ITEM_G = 250.0


def a_bench(units: int = 4, **cell: Any) -> Bench:
    bench = Bench(**cell)
    told = bench.put(units * ITEM_G)
    assert [fact.quantity for fact in told] == [units]
    return bench


def test_the_first_weight_at_rest_is_told_with_its_error_and_its_evidence() -> None:
    bench = a_bench(4)
    (fact,) = bench.facts
    assert (fact.gtin, fact.shelf, fact.source) == (GTIN, "A1", "scale-1")
    assert abs(fact.weight_g - 1_000) <= 4
    assert 0 < fact.error_units < 0.2
    assert "g at rest (5 readings in" in fact.basis
    assert " = 4 x 25" in fact.basis or " = 4 x 24" in fact.basis
    assert len(fact.basis) <= 200


def test_a_count_is_told_only_when_it_changes() -> None:
    bench = a_bench(4)
    assert bench.wait(60_000) == []
    assert [fact.quantity for fact in bench.put(-ITEM_G)] == [3]
    assert [fact.quantity for fact in bench.put(5 * ITEM_G)] == [8]


def test_no_count_is_told_before_the_scale_has_come_to_rest() -> None:
    bench = a_bench(4)
    bench.load_g -= ITEM_G
    assert bench.wait(2_000) == []
    assert [fact.quantity for fact in bench.wait(2_000)] == [3]


@pytest.mark.parametrize(
    ("seen", "trouble"),
    [
        (WeightReading(False, False, False, 750), None),
        (WeightReading(False, True, False, 30_000), "shelf A1: overload"),
        (WeightReading(False, False, True, 0), "shelf A1: the scale reports a fault"),
        (
            WeightReading(True, False, False, 2.0**25),
            "shelf A1: 33554432 g is no weight: is the word order right?",
        ),
    ],
)
def test_a_reading_that_is_no_weight_tells_nothing(
    seen: WeightReading, trouble: str | None
) -> None:
    bench = a_bench(4)
    for _ in range(20):
        bench.now_ms += 500
        assert bench.take(seen) == []
    assert bench.trouble == trouble
    bench.wait()
    assert bench.trouble is None


@pytest.mark.parametrize(
    ("weight_g", "trouble"),
    [
        (875, "875 g is no whole number of units; not counted"),
        (-300, "-300 g is below its zero; tare it empty"),
    ],
)
def test_a_first_weight_that_is_no_whole_number_of_units_is_no_count(
    weight_g: float, trouble: str
) -> None:
    bench = Bench(noise_g=0.0)
    assert bench.put(weight_g) == []
    assert bench.trouble == f"shelf A1: {trouble}"
    assert [fact.quantity for fact in bench.put(3 * ITEM_G - weight_g)] == [3]
    assert bench.trouble is None


def test_somebody_who_leans_on_the_shelf_changes_nothing() -> None:
    bench = a_bench(4, lean_flutter=0.03)
    for weight_g in (300.0, 1_000.0, 2_000.0, 2_500.0):
        bench.cell.lean(weight_g, bench.now_ms + 8_000)
        assert bench.wait(20_000) == []
        assert bench.trouble is None


def test_a_still_hand_that_weighs_no_whole_units_changes_nothing() -> None:
    bench = a_bench(4)
    assert bench.put(1_130, for_ms=8_000) == []
    assert bench.trouble is None, "it may go away by itself"
    assert bench.put(-1_130) == []
    assert [fact.quantity for fact in bench.put(-ITEM_G)] == [3]


def test_something_foreign_stops_the_count_and_is_told_until_it_is_gone() -> None:
    bench = a_bench(4)
    assert bench.put(610, for_ms=20_000) == []
    assert "g that are no whole units lie there; not counted" in (bench.trouble or "")
    assert bench.put(-ITEM_G) == [], "what is taken meanwhile waits"
    assert [fact.quantity for fact in bench.put(-610)] == [3]
    assert bench.trouble is None


def test_a_tare_with_goods_on_the_shelf_is_no_sale() -> None:
    bench = a_bench(5)
    bench.cell.tare(bench.load_g)
    told = bench.wait(180_000)
    assert all(fact.quantity == 5 for fact in told)
    assert all(fact.error_units > 0.2 for fact in told), "they may have been taken after all"
    assert [fact.quantity for fact in bench.put(-ITEM_G)] == [4], "less than nothing: it was a tare"
    assert bench.facts[-1].weight_g < -200
    assert bench.facts[-1].error_units < 0.2
    assert [fact.quantity for fact in bench.put(-4 * ITEM_G)] == [0]


def test_a_shelf_that_is_emptied_by_hand_is_empty() -> None:
    bench = a_bench(3)
    assert [fact.quantity for fact in bench.put(-3 * ITEM_G)] == [0]
    assert bench.facts[-1].error_units < 0.5


def test_a_zero_that_fell_with_a_hand_on_the_shelf_is_found_out() -> None:
    bench = a_bench(5)
    bench.cell.lean(620.0, bench.now_ms + 2_000)
    bench.cell.weigh(bench.load_g, bench.now_ms)
    bench.cell.tare(bench.load_g)
    assert bench.wait(30_000) == []
    told = bench.wait(180_000)
    assert all(fact.quantity == 5 for fact in told)
    assert [fact.quantity for fact in bench.put(-ITEM_G)] == [4]
    assert bench.trouble is None


def test_the_zero_of_an_empty_shelf_is_followed_wherever_it_goes() -> None:
    bench = Bench(drift_g=20.0)
    bench.wait()
    for _ in range(60):
        bench.load_g += 5.0
        assert bench.wait(600_000, every_ms=5_000) == []
    estimate = bench.sensing.estimate("A1")
    assert estimate is not None
    assert estimate.best.zero_g == pytest.approx(300, abs=6), "more than one item's weight"
    assert [fact.quantity for fact in bench.put(2 * ITEM_G)][-1:] == [2]


def test_the_zero_under_goods_is_followed_apart_from_them() -> None:
    bench = a_bench(4, drift_g=20.0)
    for _ in range(60):
        bench.load_g += 4.0
        assert bench.wait(600_000, every_ms=5_000) == []
    assert [fact.quantity for fact in bench.put(-ITEM_G)][-1:] == [3]


def test_the_item_weight_is_learnt_from_units_that_come_and_go() -> None:
    bench = Bench(product(ITEM_G))
    light_g = 243.0
    bench.put(6 * light_g)
    for _ in range(6):
        bench.put(-light_g)
        bench.put(light_g)
    estimate = bench.sensing.estimate("A1")
    assert estimate is not None
    assert estimate.units == (6,)
    assert estimate.best.item_weight_g(0) == pytest.approx(light_g, abs=2)
    assert "learnt" in bench.facts[-1].basis
    assert [fact.quantity for fact in bench.put(20 * light_g)] == [26]


def test_a_broken_item_does_not_spoil_what_was_learnt() -> None:
    bench = a_bench(4)
    for change in (-1, 1, -1, 1, -1, 1):
        bench.put(change * ITEM_G)
    spread_g = bench.sensing._watches["A1"]._tracker.item_spreads_g[0]
    bench.put(-ITEM_G + 20)
    after_g = bench.sensing._watches["A1"]._tracker.item_spreads_g[0]
    assert after_g < 2 * max(spread_g, 2.5)


def test_a_count_whose_error_becomes_clearly_smaller_is_told_again_once() -> None:
    bench = Bench(product(100.0, spread_g=0.5))
    bench.put(20 * 100.0)
    first = bench.facts[-1]
    assert first.error_units > 0.2
    for change in (-1, 1) * 12:
        bench.put(change * 100.0, for_ms=30_000)
    assert bench.facts[-1].error_units < first.error_units / 2
    assert bench.wait(600_000, every_ms=5_000) == []


def test_what_the_outbox_refused_is_told_again_from_the_next_reading() -> None:
    bench = a_bench(4)
    bench.outbox_is_full = True
    assert bench.put(-ITEM_G) == []
    bench.outbox_is_full = False
    assert [fact.quantity for fact in bench.wait(500)] == [3]
    assert bench.wait(5_000) == []


def test_after_a_restart_nothing_is_told_twice_and_what_was_learnt_is_known() -> None:
    bench = a_bench(4)
    for change in (-1, 1, -1):
        bench.put(change * ITEM_G)
    before = bench.sensing.estimate("A1")
    bench.restart()
    after = bench.sensing.estimate("A1")
    assert before is not None
    assert after is not None
    assert after.units == before.units == (3,)
    assert after.best.mean == pytest.approx(before.best.mean)
    assert bench.wait(10_000) == []
    bench.restart()
    bench.now_ms += 6 * HOUR_MS
    assert [fact.quantity for fact in bench.put(-2 * ITEM_G)] == [1], "taken while it was off"


def test_what_was_learnt_outlives_a_crash_even_when_no_count_changes() -> None:
    bench = Bench()
    bench.wait()
    for _ in range(30):
        bench.load_g += 5.0
        bench.wait(600_000, every_ms=5_000)
    bench.restart()
    estimate = bench.sensing.estimate("A1")
    assert estimate is not None
    assert estimate.best.zero_g > 100


@pytest.mark.parametrize("stored", [b"", b"\xc1", b"\x90", b"\x9a" + b"\x01" * 10])
def test_a_checkpoint_that_makes_no_sense_is_as_none(stored: bytes) -> None:
    bench = Bench()
    bench.stored["shelf/scale-1/A1"] = stored
    bench.restart()
    assert [fact.quantity for fact in bench.put(2 * ITEM_G)] == [2]


def test_a_checkpoint_of_other_goods_is_as_none() -> None:
    bench = a_bench(4)
    bench.shelf = bench.shelf._replace(products=(product(ITEM_G, OTHER_GTIN),))
    bench.restart()
    assert bench.sensing.estimate("A1") is None


def test_what_is_stored_of_a_shelf_is_bounded() -> None:
    bench = Bench(product(12.0), product(17.0, OTHER_GTIN))
    bench.put(400.0)
    for change_g in (12.0, -17.0, 100.0, -12.0, 55.0, -120.0):
        bench.put(change_g)
    stored = bench.stored["shelf/scale-1/A1"]
    assert len(stored) < 16_384
    memory = msgspec.msgpack.decode(stored, type=ShelfMemory)
    assert 1 <= len(memory.hypotheses) <= HYPOTHESES_MAX


def test_a_scale_that_no_longer_flutters_is_stuck() -> None:
    bench = a_bench(4, noise_g=4.0)
    bench.wait(120_000)
    for _ in range(300):
        bench.now_ms += 500
        bench.take(WeightReading(True, False, False, 1_000))
    assert bench.trouble == "shelf A1: its weight does not even flutter any more: is it stuck?"


def test_a_clock_that_is_set_back_or_leaps_changes_no_count() -> None:
    bench = a_bench(4)
    bench.now_ms = 10
    assert bench.wait(20_000) == []
    bench.now_ms += 10**12
    assert bench.wait(20_000) == []
    assert [fact.quantity for fact in bench.put(-ITEM_G)] == [3]


# Mixed shelves.


def a_mixed_bench() -> Bench:
    """A shelf of jars of 250 g and boxes of 410 g."""
    return Bench(product(ITEM_G), product(410.0, OTHER_GTIN))


def counts(bench: Bench) -> dict[str, int]:
    return {fact.gtin: fact.quantity for fact in bench.facts}


def test_two_products_that_weigh_unlike_are_counted_apart() -> None:
    bench = a_mixed_bench()
    bench.wait()
    bench.put(3 * ITEM_G)
    bench.put(2 * 410.0)
    assert counts(bench) == {GTIN: 3, OTHER_GTIN: 2}
    bench.put(-410.0)
    assert counts(bench) == {GTIN: 3, OTHER_GTIN: 1}
    bench.put(-ITEM_G)
    assert counts(bench) == {GTIN: 2, OTHER_GTIN: 1}
    assert " = 2 x 2" in bench.facts[-1].basis
    assert " + 1 x 4" in bench.facts[-1].basis


def test_two_products_that_weigh_the_same_are_not_counted_and_it_is_said() -> None:
    bench = Bench(product(ITEM_G), product(251.0, OTHER_GTIN))
    bench.wait()
    told_empty = len(bench.facts)
    bench.put(3 * ITEM_G)
    assert len(bench.facts) == told_empty
    assert "several mixtures of its products weigh the same" in (bench.trouble or "")
    bench.put(-3 * ITEM_G)
    assert bench.trouble is None, "empty is empty"
    assert counts(bench) == {GTIN: 0, OTHER_GTIN: 0}


@settings(max_examples=30, deadline=None)
@given(
    units=st.integers(0, 30),
    item_g=st.sampled_from([60.0, 250.0, 1_200.0]),
    zero_g=st.floats(-0.15, 0.15),
)
def test_any_number_of_items_is_recognised(units: int, item_g: float, zero_g: float) -> None:
    bench = Bench(product(item_g), overload_g=1e6)
    bench.put(zero_g * item_g)
    for _ in range(units):
        bench.load_g += item_g
        bench.wait(1_000)
    bench.wait()
    assert bench.facts[-1].quantity == units


@settings(max_examples=40, deadline=None)
@given(
    seen=st.lists(
        st.builds(
            WeightReading,
            st.sampled_from([True, True, True, False]),
            st.sampled_from([False] * 9 + [True]),
            st.sampled_from([False] * 9 + [True]),
            st.one_of(
                st.integers(-(2**31), 2**31 - 1),
                st.sampled_from([0, 250, 500, 750, 1_000, -250, 123, 149_999]),
            ),
        ),
        max_size=40,
    ),
    repeats=st.integers(1, 8),
)
def test_whatever_a_scale_says_counts_are_sound_and_state_is_bounded(
    seen: list[WeightReading], repeats: int
) -> None:
    bench = Bench()
    for reading in seen:
        for _ in range(repeats):
            bench.now_ms += 500
            for fact in bench.take(reading):
                assert fact.quantity >= 0
                assert 0 < fact.error_units <= 1_000_000
                assert len(fact.basis) <= 200
    tracker = bench.sensing._watches["A1"]._tracker
    assert len(tracker.hypotheses) <= HYPOTHESES_MAX
    bench.restart()
