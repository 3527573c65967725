"""`stocktruth-sim canaries`: the table of planted bugs, and by which checker each was caught."""

import sys
from collections.abc import Sequence
from typing import Final

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from simulators.harness.campaign import run_seeds
from simulators.harness.canaries import CANARIES, Catch, hunt

STATUS_FAILED: Final = 1
ROUNDS_MAX: Final = 10
"""Of as many seeds; what no round notices, nobody does."""


def chosen(names: Sequence[str]) -> list[str]:
    """Return the bugs of these names, or all. Raises `ValueError` for one that nobody knows."""
    unknown = [name for name in names if name not in CANARIES]
    if unknown:
        known = ", ".join(CANARIES)
        raise ValueError(f"there is no canary {', '.join(unknown)}; there are {known}")
    return list(names) or list(CANARIES)


def run_canaries(names: list[str], seeds: range, processes: int, *, as_json: bool) -> int:
    """Hunt each bug, and return the exit status.

    What nothing notices in these seeds is hunted in as many more, and again: some bugs take a rare
    coincidence. The seeds are run without any bug too, and must be clean.
    """
    errors = Console(stderr=True)
    catches: dict[str, Catch] = {}
    failing: list[int] = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=errors) as progress:
        for number in range(ROUNDS_MAX):
            hunted = [name for name in names if name not in catches or not catches[name].caught]
            if not hunted:
                break
            first = seeds.start + number * len(seeds)
            further = range(first, first + len(seeds))
            failing += _failing_without(further, processes, progress)
            hunting = progress.add_task(f"bugs, seeds from {first}", total=len(hunted))
            for catch in hunt(hunted, further, processes):
                if catch.name in catches:
                    catches[catch.name].go_on(catch)
                else:
                    catches[catch.name] = catch
                progress.advance(hunting)
    return _told(list(catches.values()), failing, errors, as_json=as_json)


def _failing_without(seeds: range, processes: int, progress: Progress) -> list[int]:
    clean = progress.add_task(f"no bug planted, seeds from {seeds.start}", total=len(seeds))
    failing: list[int] = []
    for outcome in run_seeds(seeds, processes):
        if outcome.violations:
            failing.append(outcome.seed)
        progress.advance(clean)
    return failing


def _told(catches: list[Catch], failing: list[int], errors: Console, *, as_json: bool) -> int:
    missed = [catch.name for catch in catches if not catch.caught]
    if as_json:
        told = {"catches": catches, "missed": missed, "failing_without": failing}
        sys.stdout.write(msgspec.json.encode(told).decode() + "\n")
    else:
        _show(catches, errors)
        errors.print(f"{len(catches) - len(missed)} of {len(catches)} caught", style="bold")
        for name in missed:
            errors.print(f"not caught: {name}: {CANARIES[name].what}")
        for seed in failing:
            errors.print(f"seed {seed} fails although no bug is planted")
    return STATUS_FAILED if missed or failing else 0


def _show(catches: Sequence[Catch], console: Console) -> None:
    table = Table("planted bug", "what", "breaks", "caught in", "first seed", "by")
    for catch in catches:
        by = ", ".join(f"{kind} {count}" for kind, count in catch.by.most_common())
        caught = f"{catch.caught}/{catch.seeds}"
        table.add_row(catch.name, catch.what, catch.breaks, caught, str(catch.first_seed), by)
    console.print(table)
