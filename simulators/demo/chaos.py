"""What is broken when: a plan from a seed. Pure.

Edge agents, cloud and broker are killed in turn, in a shuffled order, at random moments, and stay
away for a random pause. The WAN of one store is away for a third of the run: cut, silent
half-open, or first one and then the other.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

from simulators.demo.wan import Line

if TYPE_CHECKING:
    from random import Random

GAP_MIN_S: Final = 2.0
GAP_MAX_S: Final = 6.0
PAUSE_MIN_S: Final = 0.2
PAUSE_MAX_S: Final = 3.0

_OUTAGES: Final[tuple[tuple[Line, ...], ...]] = (
    ("cut",),
    ("silent",),
    ("cut", "silent"),
    ("silent", "cut"),
)


class Kill(NamedTuple):
    """Kill a process at a time, in seconds from the beginning, and start it again later."""

    at_s: float
    name: str
    pause_s: float


class LineChange(NamedTuple):
    """The WAN of the chosen store changes."""

    at_s: float
    line: Line


class ChaosPlan(NamedTuple):
    """Everything that will go wrong, in order of time."""

    store: str
    steps: tuple[Kill | LineChange, ...]


def plan(
    rng: "Random", duration_s: float, stores: Sequence[str], targets: Sequence[Sequence[str]]
) -> ChaosPlan:
    """Return what goes wrong within `duration_s`. Each turn strikes one process of each target."""
    store = rng.choice(stores)
    steps: list[Kill | LineChange] = [*_kills(rng, duration_s, targets), *_line(rng, duration_s)]
    return ChaosPlan(store, tuple(sorted(steps, key=lambda step: step.at_s)))


def _kills(rng: "Random", duration_s: float, targets: Sequence[Sequence[str]]) -> Iterator[Kill]:
    turn: list[Sequence[str]] = []
    at_s = rng.uniform(GAP_MIN_S, GAP_MAX_S)
    while True:
        pause_s = rng.uniform(PAUSE_MIN_S, PAUSE_MAX_S)
        if at_s + pause_s > duration_s:
            return
        turn = turn or rng.sample(targets, len(targets))
        yield Kill(at_s, rng.choice(turn.pop()), pause_s)
        at_s += pause_s + rng.uniform(GAP_MIN_S, GAP_MAX_S)


def _line(rng: "Random", duration_s: float) -> Iterator[LineChange]:
    outage_s = duration_s / 3
    begin_s = rng.uniform(0.1, 0.55) * duration_s
    kinds = rng.choice(_OUTAGES)
    cuts = sorted(rng.uniform(0, outage_s) for _ in kinds[1:])
    bounds = [begin_s, *(begin_s + cut for cut in cuts), begin_s + outage_s]
    for kind, (start_s, _) in zip(kinds, pairwise(bounds), strict=True):
        yield LineChange(start_s, kind)
    yield LineChange(bounds[-1], "open")
