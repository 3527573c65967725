"""How many examples and steps the state machines of this folder went through."""

import os
from dataclasses import dataclass

from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant

EXAMPLES = int(os.environ.get("STOCKTRUTH_EXAMPLES", "40"))

LONG = settings(
    max_examples=EXAMPLES,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
"""For everything in this folder: `make properties EXAMPLES=n` makes it long."""


@dataclass
class Tally:
    examples: int = 0
    steps: int = 0


TALLIES: dict[str, Tally] = {}


class CountedMachine(RuleBasedStateMachine):
    """A state machine that is counted: an example is one life of it, a step one rule."""

    def __init__(self) -> None:
        super().__init__()
        self.tally = TALLIES.setdefault(type(self).__name__, Tally())
        self.tally.examples += 1

    @invariant()
    def count_the_step(self) -> None:
        self.tally.steps += 1
