"""`make properties EXAMPLES=n` runs these long, and this says how long they were."""

import time

import pytest

from tests.properties.counting import TALLIES

STARTED_S = time.monotonic()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not TALLIES:
        return
    terminalreporter.section("state machines")
    for name, tally in sorted(TALLIES.items()):
        terminalreporter.write_line(f"{name}: {tally.examples} examples, {tally.steps} steps")
    examples = sum(tally.examples for tally in TALLIES.values())
    steps = sum(tally.steps for tally in TALLIES.values())
    wall_s = time.monotonic() - STARTED_S
    terminalreporter.write_line(
        f"in all: {examples} examples, {steps} steps, {wall_s:.0f} s of wall time"
    )
