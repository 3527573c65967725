"""The command `stocktruth-sim outage`."""

import os
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from simulators.outage.options import OutageOptions

STATUS_USAGE = 2


def outage(
    minutes: Annotated[
        float, typer.Option(min=0.05, max=10_000, help="Minutes without a line, of wall time.")
    ] = 10.0,
    speed: Annotated[
        float,
        typer.Option(min=0.1, max=1_000, help="How many times a normal day's rate of facts."),
    ] = 100.0,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same sales.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Tell everything, as JSON.")] = False,
    folder: Annotated[
        Path | None,
        typer.Option("--dir", help="Where configurations, data and logs go; must not exist."),
    ] = None,
) -> None:
    """Cut a busy store's line while it goes on selling, heal it, and watch the drain.

    Agent, broker and cloud are real processes. A normal day has 20,000 facts, 12 % of them in its
    busiest hour; the run is that hour. Exits with 1 when anything is lost or doubled, the drain is
    less than 10 times as fast as facts arrive, or memory grows beyond its bounds.
    """
    from simulators.outage.command import run_outage  # noqa: PLC0415 # Others start faster.

    name = f"outage-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
    path = folder or Path(".demo") / name
    try:
        path.mkdir(parents=True)
    except OSError as error:
        typer.echo(f"--dir {path}: {error.strerror}", err=True)
        sys.exit(STATUS_USAGE)
    options = OutageOptions(folder=path.resolve(), minutes=minutes, speed=speed, seed=seed)
    sys.exit(run_outage(options, typer.echo, as_json=as_json))
