"""How the benches talk: a bar while they work, then one report. The cloud has its own like it."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from statistics import quantiles
from typing import Final

import msgspec
import typer
from rich.console import Console
from rich.progress import Progress

from protocol.bench_report import BenchReport, Figure, report_lines

PERCENTS: Final = (50, 95, 99)

Advance = Callable[[float], None]
"""Tells how much of the work is done, from 0 to 1."""


@contextmanager
def progress_bar(title: str) -> Iterator[Advance]:
    """Show a bar on the terminal, if stderr is one."""
    console = Console(stderr=True)
    # A bar that nobody sees would be drawn all the same, at the cost of what is measured.
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(title, total=1.0)
        yield lambda done: bar.update(task, completed=done)


def show(report: BenchReport, *, as_json: bool) -> None:
    """Print a report and exit: with 1 when a ratio is not what it must be."""
    if as_json:
        sys.stdout.write(msgspec.json.encode(report).decode() + "\n")
    else:
        typer.echo("\n".join(report_lines(report)))
    raise typer.Exit(0 if report.holds else 1)


def percentiles(name: str, times_s: Sequence[float]) -> list[Figure]:
    """Return what so many per cent of some times do not exceed, and the longest."""
    # One alone has none, twice the same has all.
    cuts = quantiles([*times_s, *times_s[: len(times_s) == 1]], n=100, method="inclusive")
    figures = [
        Figure(name=f"{name}, p{percent}", value=cuts[percent - 1] * 1_000, unit="ms")
        for percent in PERCENTS
    ]
    return [*figures, Figure(name=f"{name}, longest", value=max(times_s) * 1_000, unit="ms")]
