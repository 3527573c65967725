"""Finds a shortest schedule that still fails, by delta debugging.

Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", IEEE TSE 28(2), 2002:
`ddmin` over the faults of a plan, weather and strikes alike.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from simulators.harness.plan import Plan

RUNS_MAX: Final = 150


class Fault(NamedTuple):
    """One thing that can be left out of a plan: a kind of weather, or a strike."""

    weather: str = ""
    strike: int = -1


def shrink(plan: Plan, fails: Callable[[Plan], bool], runs_max: int = RUNS_MAX) -> Plan:
    """Return the plan with as few faults as still fail; at most `runs_max` runs are tried."""
    everything = [Fault(weather=kind) for kind in plan.weather]
    everything += [Fault(strike=strike.number) for strike in plan.strikes]
    kept = everything
    pieces = 2
    runs = 0
    while kept and runs < runs_max:
        for fewer in _candidates(kept, pieces):
            runs += 1
            if fails(_only(plan, everything, fewer)):
                kept, pieces = fewer, max(2, pieces - 1)
                break
            if runs >= runs_max:
                break
        else:
            if pieces >= len(kept):
                break
            pieces = min(len(kept), pieces * 2)
    return _only(plan, everything, kept)


def _candidates(kept: list[Fault], pieces: int) -> Iterator[list[Fault]]:
    """Yield what is left when each piece is left out."""
    size = max(1, len(kept) // pieces)
    for start in range(0, len(kept), size):
        yield kept[:start] + kept[start + size :]


def _only(plan: Plan, everything: Sequence[Fault], kept: Sequence[Fault]) -> Plan:
    gone = set(everything) - set(kept)
    return plan.without(
        {fault.weather for fault in gone if fault.weather},
        {fault.strike for fault in gone if fault.strike >= 0},
    )
