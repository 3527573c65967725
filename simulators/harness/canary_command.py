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


def chosen(names: Sequence[str]) -> list[str]:
    """Return the bugs of these names, or all. Raises `ValueError` for one that nobody knows."""
    unknown = [name for name in names if name not in CANARIES]
    if unknown:
        known = ", ".join(CANARIES)
        raise ValueError(f"there is no canary {', '.join(unknown)}; there are {known}")
    return list(names) or list(CANARIES)


def run_canaries(names: list[str], seeds: range, processes: int, *, as_json: bool) -> int:
    """Hunt each bug, and return the exit status."""
    errors = Console(stderr=True)
    catches: list[Catch] = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=errors) as progress:
        clean = progress.add_task("no bug planted", total=len(seeds))
        failing: list[int] = []
        for outcome in run_seeds(seeds, processes):
            if outcome.violations:
                failing.append(outcome.seed)
            progress.advance(clean)
        hunting = progress.add_task("bugs", total=len(names))
        for catch in hunt(names, seeds, processes):
            catches.append(catch)
            progress.advance(hunting)
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


def _show(catches: list[Catch], console: Console) -> None:
    table = Table("planted bug", "what", "breaks", "caught in", "first seed", "by")
    for catch in catches:
        by = ", ".join(f"{kind} {count}" for kind, count in catch.by.most_common())
        caught = f"{catch.caught}/{catch.seeds}"
        table.add_row(catch.name, catch.what, catch.breaks, caught, str(catch.first_seed), by)
    console.print(table)
