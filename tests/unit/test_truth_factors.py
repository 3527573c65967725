"""Worse worlds: what goes wrong is multiplied, and nothing else."""

import pytest

from simulators.truth.factors import worsened
from simulators.truth.options import Factors
from simulators.world.noisy_settings import NoisySettings

APPAREL = NoisySettings()


def test_a_factor_of_one_changes_nothing() -> None:
    assert worsened(APPAREL, Factors()) == APPAREL


def test_twice_as_many_reads_fail() -> None:
    worse = worsened(APPAREL, Factors(read=2.0))

    assert worse.sweeps.read_probability == pytest.approx(0.94)
    assert worse.portals.exit_read_probability == pytest.approx(0.88)
    assert worse.tags.dead_share == pytest.approx(0.01)
    assert (worse.tills, worse.thefts, worse.supply) == (
        APPAREL.tills,
        APPAREL.thefts,
        APPAREL.supply,
    )


def test_half_as_much_is_stolen() -> None:
    better = worsened(APPAREL, Factors(theft=0.5))

    assert better.thefts.per_unit_year == pytest.approx(0.0075)
    assert better.thefts.unseen_share == APPAREL.thefts.unseen_share
    assert better.sweeps == APPAREL.sweeps


def test_twice_as_many_mistakes_are_made() -> None:
    worse = worsened(APPAREL, Factors(errors=2.0))

    assert worse.tills.not_scanned_share == pytest.approx(0.006)
    assert worse.supply.wrong_line_share == pytest.approx(0.04)
    assert worse.counts.wrong_share == pytest.approx(0.04)
    assert worse.visitors.return_share == APPAREL.visitors.return_share
    assert worse.counts.recounts_per_day == APPAREL.counts.recounts_per_day


def test_shares_stay_shares() -> None:
    worst = worsened(APPAREL, Factors(read=20.0, theft=20.0, errors=20.0))

    assert worst.portals.exit_read_probability == 0.0
    assert worst.counts.overlooked_share == 1.0
