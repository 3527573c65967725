"""Calibration of counts: intervals that say 90 % are asked whether they hold it."""

from random import Random

import pytest

from simulators.truth.calibration import Calibration, Forecast, pit


def drawn(distribution: dict[int, float], rng: Random) -> int:
    counts = list(distribution)
    return rng.choices(counts, [distribution[count] for count in counts])[0]


def forecast(distribution: dict[int, float]) -> Forecast:
    best = max(distribution, key=lambda count: distribution[count])
    return Forecast(best, min(distribution), max(distribution), distribution)


def test_pit_lies_within_the_step_of_the_truth() -> None:
    distribution = {2: 0.1, 3: 0.7, 4: 0.2}

    assert pit(distribution, 3, 0.0) == pytest.approx(0.1)
    assert pit(distribution, 3, 1.0) == pytest.approx(0.8)
    assert pit(distribution, 4, 0.5) == pytest.approx(0.9)


def test_pit_of_what_was_held_impossible_is_at_an_end() -> None:
    assert pit({2: 1.0}, 1, 0.3) == 0.0
    assert pit({2: 1.0}, 3, 0.3) == 1.0


@pytest.mark.parametrize(
    "distribution", [{5: 1.0}, {4: 0.02, 5: 0.97, 6: 0.01}, dict.fromkeys(range(10), 0.1)]
)
def test_a_right_distribution_covers_as_it_says(distribution: dict[int, float]) -> None:
    rng = Random(5)
    score = Calibration()
    for _ in range(20_000):
        score.add(forecast(distribution), drawn(distribution, rng), rng.random())

    assert score.coverage_50 == pytest.approx(0.5, abs=0.015)
    assert score.coverage_90 == pytest.approx(0.9, abs=0.01)
    assert score.plain_coverage == pytest.approx(score.plain_nominal, abs=0.005)
    assert max(score.histogram) - min(score.histogram) < 300


def test_who_is_too_sure_covers_too_little() -> None:
    rng = Random(5)
    score = Calibration()
    for _ in range(20_000):
        truth = drawn({4: 0.2, 5: 0.6, 6: 0.2}, rng)
        score.add(forecast({4: 0.01, 5: 0.98, 6: 0.01}), truth, rng.random())

    assert score.coverage_90 < 0.7


def test_who_is_too_unsure_covers_too_much() -> None:
    rng = Random(5)
    score = Calibration()
    for _ in range(20_000):
        score.add(forecast({4: 0.25, 5: 0.5, 6: 0.25}), 5, rng.random())

    assert score.coverage_90 == 1.0


def test_reliability_puts_counts_by_how_sure_they_were() -> None:
    score = Calibration()
    for truth in (5, 5, 4):
        score.add(forecast({4: 0.08, 5: 0.92}), truth, 0.5)
    score.add(forecast({5: 1.0}), 5, 0.5)

    by_bound = {bucket.said: bucket for bucket in score.buckets}
    assert by_bound[3].exact == 2
    assert by_bound[3].sure == pytest.approx(3 * 0.92)
    assert score.buckets[-1].said == score.buckets[-1].exact == 1


def test_the_log_score_is_better_for_who_knows_better() -> None:
    known, guessed = Calibration(), Calibration()
    known.add(forecast({5: 0.9, 4: 0.1}), 5, 0.5)
    guessed.add(forecast({5: 0.5, 4: 0.5}), 5, 0.5)

    assert known.mean_log_score_nats < guessed.mean_log_score_nats


def test_scores_of_two_stores_add_up() -> None:
    one, other, both = Calibration(), Calibration(), Calibration()
    for truth in (4, 5):
        one.add(forecast({4: 0.1, 5: 0.9}), truth, 0.4)
        both.add(forecast({4: 0.1, 5: 0.9}), truth, 0.4)
    other.add(forecast({0: 0.6, 1: 0.4}), 0, 0.2)
    both.add(forecast({0: 0.6, 1: 0.4}), 0, 0.2)
    one.merge(other)

    assert one.histogram == both.histogram
    assert one.coverage_90 == both.coverage_90
    assert one.mean_log_score_nats == pytest.approx(both.mean_log_score_nats)
    assert [bucket.said for bucket in one.buckets] == [bucket.said for bucket in both.buckets]


def test_nothing_said_is_scored_without_dividing_by_it() -> None:
    assert Calibration().coverage_90 == 0.0
    assert Calibration().mean_log_score_nats == 0.0
