"""How right shelves are, and whether their error bars say so: a study over simulated days.

Item weights are off by 2 % from master data, load cells are noisy, drift, creep, lag and warm up,
shoppers lean on shelves. The figures in docs/devices.md come from here.
"""

from collections.abc import Callable, Iterator
from functools import cache

import pytest

from simulators.world.load_cells import LoadCellSettings
from tests.shelf_days import BinOfGoods, Day, Moment, a_day

CELL = LoadCellSettings(
    noise_g=2.0,
    drift_g_per_hour=2.0,
    temperature_g=5.0,
    creep_share=0.0003,
    hysteresis_g=1.0,
    bump_rate=0.002,
    leans_per_day=40.0,
)
TARED = LoadCellSettings(
    noise_g=2.0,
    drift_g_per_hour=2.0,
    temperature_g=5.0,
    leans_per_day=40.0,
    tare_mistakes_per_day=2.0,
)
JARS = BinOfGoods(item_g=250.0, spread_g=2.5, full=16)
BARS = BinOfGoods(item_g=40.0, spread_g=0.8, full=40)
LIGHT = tuple(BinOfGoods(item_g, 0.03 * item_g, full=50) for item_g in (8.0, 11.0, 15.0, 20.0))
SEEDS = range(200, 204)


@cache
def days(goods: BinOfGoods) -> tuple[Day, ...]:
    return tuple(a_day(goods, CELL, seed) for seed in SEEDS)


@cache
def tared_days(goods: BinOfGoods) -> tuple[Day, ...]:
    return tuple(a_day(goods, TARED, seed, hours=6, is_watched=True) for seed in SEEDS)


@cache
def light_days() -> tuple[Day, ...]:
    return tuple(a_day(goods, CELL, seed, hours=2) for goods in LIGHT for seed in range(500, 512))


def moments(*of: tuple[Day, ...]) -> list[Moment]:
    return [moment for each in of for day in each for moment in day.moments]


def share(of: Iterator[bool] | list[bool]) -> float:
    answers = list(of)
    return sum(answers) / len(answers)


def variance_of_residuals(of: list[Moment]) -> float:
    return sum((moment.off / moment.error_units) ** 2 for moment in of) / len(of)


@pytest.mark.parametrize(("goods", "right", "sure"), [(JARS, 0.99, 0.9), (BARS, 0.95, 0.7)])
def test_items_well_above_the_noise_are_counted_right(
    goods: BinOfGoods, right: float, sure: float
) -> None:
    seen = moments(days(goods))
    assert share([moment.off == 0 for moment in seen]) >= right
    assert share([moment.error_units < 0.2 for moment in seen]) >= sure


@pytest.mark.parametrize("of", [days, tared_days])
def test_a_count_that_says_it_is_sure_is_right(
    of: Callable[[BinOfGoods], tuple[Day, ...]],
) -> None:
    seen = moments(*map(of, (JARS, BARS)), light_days())
    sure = [moment for moment in seen if moment.error_units < 0.2]
    assert len(sure) > 1_000
    assert share([moment.off == 0 for moment in sure]) >= 0.99


def test_a_count_that_is_not_sure_is_off_by_as_much_as_it_says() -> None:
    seen = moments(light_days())
    assert 0.5 <= variance_of_residuals(seen) <= 2.0
    assert share([abs(moment.off) <= 1.645 * moment.error_units for moment in seen]) >= 0.8


def test_learnt_item_weights_are_off_by_as_much_as_they_say() -> None:
    off = [day.weight_off_sds for goods in (JARS, BARS) for day in days(goods)]
    assert 0.3 <= sum(each * each for each in off) / len(off) <= 2.5


def test_counts_are_told_no_more_often_than_goods_are_touched() -> None:
    for goods in (JARS, BARS):
        told = sum(len(day.facts) for day in days(goods))
        touched = len(SEEDS) * 12 * goods.touches_per_hour
        assert told <= 1.3 * touched
