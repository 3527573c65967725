"""The load cell's habits, one by one."""

import statistics
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.world.load_cells import DAY_MS, HOUR_MS, Bin, LoadCell, LoadCellSettings


def a_cell(**settings: float) -> LoadCell:
    return LoadCell(LoadCellSettings(**settings), Random(1), 0)  # type: ignore[arg-type] # Floats suffice here.


def test_a_perfect_cell_shows_the_load_to_the_gram() -> None:
    cell = a_cell()
    assert cell.weigh(1_234.4, 0).weight_g == 1_234


def test_a_load_that_changed_is_not_stable_until_it_is_read_again() -> None:
    cell = a_cell()
    assert not cell.weigh(500.0, 500).is_stable
    assert cell.weigh(500.0, 1_000).is_stable


def test_creep_shows_the_last_part_of_a_load_after_minutes() -> None:
    cell = a_cell(creep_share=0.01, creep_ms=600_000)
    assert cell.weigh(10_000.0, 1).weight_g == 9_900
    assert cell.weigh(10_000.0, 600_000).weight_g == pytest.approx(9_963, abs=1)
    assert cell.weigh(10_000.0, 6_000_000).weight_g == 10_000


def test_hysteresis_shows_more_on_the_way_down_than_on_the_way_up() -> None:
    cell = a_cell(hysteresis_g=4.0)
    up_g = cell.weigh(5_000.0, 1).weight_g
    cell.weigh(10_000.0, 2)
    down_g = cell.weigh(5_000.0, 3).weight_g
    assert (up_g, down_g) == (4_996, 5_004)


def test_the_zero_swings_with_the_temperature_of_a_day() -> None:
    cell = a_cell(temperature_g=10.0)
    assert cell.weigh(0.0, 3 * HOUR_MS).weight_g == -10
    assert cell.weigh(0.0, 15 * HOUR_MS).weight_g == 10
    assert cell.weigh(0.0, DAY_MS + 3 * HOUR_MS).weight_g == -10


def test_the_zero_walks_as_far_as_said_however_often_it_is_read() -> None:
    for reads in (1, 24):
        ends_g = []
        for seed in range(300):
            settings = LoadCellSettings(drift_g_per_hour=10.0)
            cell = LoadCell(settings, Random(seed), 0)
            for read in range(1, reads + 1):
                seen = cell.weigh(0.0, 24 * HOUR_MS * read // reads)
            ends_g.append(seen.weight_g)
        assert statistics.pstdev(ends_g) == pytest.approx(10 * 24**0.5, rel=0.15)


def test_noise_and_the_steps_of_the_display_are_as_said() -> None:
    cell = a_cell(noise_g=6.0, resolution_g=5.0)
    seen_g = [cell.weigh(1_000.0, at).weight_g for at in range(2_000)]
    assert all(weight_g % 5 == 0 for weight_g in seen_g)
    assert statistics.pstdev(seen_g) == pytest.approx((36 + 25 / 12) ** 0.5, rel=0.1)


def test_too_much_is_an_overload_and_the_end_of_the_range() -> None:
    seen = a_cell(overload_g=15_000.0).weigh(15_001.0, 1)
    assert (seen.is_overload, seen.is_stable, seen.weight_g) == (True, False, 15_000)


def test_a_tare_makes_the_present_load_nothing_and_less_is_below() -> None:
    cell = a_cell()
    cell.tare(750.0)
    cell.weigh(750.0, 1)
    assert cell.weigh(750.0, 2).weight_g == 0
    assert cell.weigh(500.0, 3).weight_g == -250


def test_somebody_who_leans_is_heavy_restless_and_goes() -> None:
    cell = a_cell()
    cell.lean(2_000.0, 5_000)
    seen = [cell.weigh(100.0, at) for at in range(500, 5_000, 500)]
    assert all(1_500 < each.weight_g < 2_700 for each in seen)
    assert sum(each.is_stable for each in seen) <= 2
    cell.weigh(100.0, 5_000)
    assert cell.weigh(100.0, 5_500) == (100, True, False, False)


def test_leaning_and_tare_mistakes_happen_as_often_as_said() -> None:
    cell = a_cell(leans_per_day=50.0, tare_mistakes_per_day=10.0)
    for at in range(0, 10 * DAY_MS, 10_000):
        cell.weigh(1_000.0, at)
    assert cell.leans == pytest.approx(500, rel=0.15)
    assert cell.tare_mistakes == pytest.approx(100, rel=0.3)


def test_a_reading_in_the_past_is_one_of_the_present() -> None:
    cell = a_cell(drift_g_per_hour=10.0, creep_share=0.01)
    cell.weigh(1_000.0, HOUR_MS)
    assert cell.weigh(1_000.0, 0).weight_g == cell.weigh(1_000.0, HOUR_MS).weight_g


def test_the_same_seed_gives_the_same_day() -> None:
    settings = LoadCellSettings(noise_g=2.0, drift_g_per_hour=2.0, leans_per_day=500.0)
    first, second = (LoadCell(settings, Random(7), 0) for _ in range(2))
    times = range(0, DAY_MS // 10, 5_000)
    assert [first.weigh(9.0, at) for at in times] == [second.weigh(9.0, at) for at in times]


@given(steps=st.lists(st.integers(-5, 5), max_size=30))
def test_a_bin_weighs_what_its_items_weigh(steps: list[int]) -> None:
    content = Bin(100.0, 1.0, Random(1))
    for step in steps:
        if step >= 0:
            content.put(step)
        else:
            content.take(-step)
        assert content.load_g == pytest.approx(100.0 * len(content), abs=5 * len(content) ** 0.5)
    content.take(len(content))
    assert (len(content), content.load_g) == (0, 0.0)
