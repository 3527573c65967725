"""What was kept of fuzzing holds, and a few thousand fresh inputs do."""

import pytest

from tests.fuzz.run import Run, corpus_of, fuzz
from tests.fuzz.targets import TARGETS, Broken, Target

FRESH_INPUTS = 2_000
SEED = 20_261_125


@pytest.mark.parametrize("name", TARGETS)
def test_every_kept_input_is_answered(name: str) -> None:
    kept = corpus_of(name)
    assert kept
    for data in kept:
        TARGETS[name].check(data)


@pytest.mark.parametrize("name", TARGETS)
def test_fresh_inputs_find_nothing(name: str) -> None:
    *_, run = fuzz(TARGETS[name], FRESH_INPUTS, SEED)
    assert run.findings == []
    assert run.inputs == FRESH_INPUTS


def test_what_escapes_is_a_finding() -> None:
    def fragile(data: bytes) -> None:
        if data[:1] > b"\x80":
            raise Broken("as planted")

    *_, run = fuzz(Target("frames", fragile), FRESH_INPUTS, SEED)
    assert run.findings
    assert not run.is_clean
    assert isinstance(run, Run)
