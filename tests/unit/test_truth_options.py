"""Factors as a command line gives them."""

import pytest

from simulators.truth.options import Factors, parse_factors


def test_factors_multiply_what_they_name_and_nothing_else() -> None:
    assert parse_factors(["read=2", "errors=0.5"]) == Factors(read=2.0, theft=1.0, errors=0.5)


def test_without_factors_the_world_is_as_its_scenario_says() -> None:
    assert parse_factors([]) == Factors()


@pytest.mark.parametrize("text", ["read", "read=", "read=-1", "reads=2", "read=nan", "read=1e3"])
def test_what_is_no_factor_is_refused_by_name(text: str) -> None:
    with pytest.raises(ValueError, match="--factor"):
        parse_factors([text])


def test_a_factor_has_a_bound() -> None:
    with pytest.raises(ValueError, match="at most 20"):
        parse_factors(["theft=21"])
