"""How the benches talk: a bar while they work, then one report."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec
import typer
from rich.console import Console
from rich.progress import Progress

from protocol.bench_report import BenchReport, report_lines

Advance = Callable[[float], None]
"""Tells how much of the work is done, from 0 to 1."""


@contextmanager
def progress_bar(title: str) -> Iterator[Advance]:
    """Show a bar on the terminal, if stderr is one."""
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=1.0)
        yield lambda done: bar.update(task, completed=done)


def show(report: BenchReport, *, as_json: bool) -> None:
    """Print a report and exit: with 1 when a ratio is not what it must be."""
    if as_json:
        sys.stdout.write(msgspec.json.encode(report).decode() + "\n")
    else:
        typer.echo("\n".join(report_lines(report)))
    raise typer.Exit(0 if report.holds else 1)
