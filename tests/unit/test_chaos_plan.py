"""Chaos is planned from a seed, strikes everybody in turn, and ends in time."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from simulators.demo.chaos import ChaosPlan, Kill, LineChange, plan

STORES = ["S001", "S002", "S003"]
TARGETS = [["broker"], ["cloud"], ["agent-S001", "agent-S002", "agent-S003"]]


def planned(seed: int, duration_s: float = 90.0) -> ChaosPlan:
    return plan(Random(seed), duration_s, STORES, TARGETS)


@given(st.integers())
def test_the_same_seed_breaks_the_same_things(seed: int) -> None:
    assert planned(seed) == planned(seed)


@given(st.integers(), st.floats(10, 300))
def test_everything_is_back_before_the_end(seed: int, duration_s: float) -> None:
    steps = planned(seed, duration_s).steps
    assert [step.at_s for step in steps] == sorted(step.at_s for step in steps)
    for step in steps:
        back_s = step.at_s + step.pause_s if isinstance(step, Kill) else step.at_s
        assert 0 < back_s <= duration_s


@given(st.integers())
def test_agent_cloud_and_broker_are_struck_in_turn(seed: int) -> None:
    kills = [step.name for step in planned(seed).steps if isinstance(step, Kill)]
    assert len(kills) >= 9
    for turn in range(len(kills) // 3):
        struck = kills[3 * turn : 3 * turn + 3]
        assert all(len(set(struck) & set(target)) == 1 for target in TARGETS)


@given(st.integers(), st.floats(10, 300))
def test_one_line_is_away_for_a_third_of_the_run(seed: int, duration_s: float) -> None:
    changes = [s for s in planned(seed, duration_s).steps if isinstance(s, LineChange)]
    assert changes[-1].line == "open"
    assert all(change.line != "open" for change in changes[:-1])
    assert abs(changes[-1].at_s - changes[0].at_s - duration_s / 3) < 1e-6
