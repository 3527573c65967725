"""The command `stocktruth-sim crash`."""

import os
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

STATUS_USAGE = 2


def crash(
    cycles: Annotated[int, typer.Option(min=1, max=1_000_000, help="Kills and restarts.")] = 500,
    seed: Annotated[int, typer.Option(min=0, help="The same seed draws the same kills.")] = 1,
    listing: Annotated[
        bool, typer.Option("--list-points", help="Show the named crash points.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Tell everything, as JSON.")] = False,
    folder: Annotated[
        Path | None,
        typer.Option("--dir", help="Where configurations, data and logs go; must not exist."),
    ] = None,
) -> None:
    """Kill agent, broker and cloud with SIGKILL under load, at named points and at random.

    Exits with 1 when anything is lost or doubled, a replay differs, or recovery takes too long.
    """
    from simulators.crash.campaign import CrashOptions  # noqa: PLC0415 # Others start faster.
    from simulators.crash.command import run_crash  # noqa: PLC0415 # As above.
    from simulators.crash.points import points_of  # noqa: PLC0415 # As above.

    if listing:
        for point in points_of("sqlite"):
            typer.echo(f"{point.name:32} {point.when} {point.target}")
        return
    options = CrashOptions(_new_folder(folder), cycles, seed)
    sys.exit(run_crash(options, typer.echo, as_json=as_json))


def _new_folder(folder: Path | None) -> Path:
    name = f"crash-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
    path = folder or Path(".demo") / name
    try:
        path.mkdir(parents=True)
    except OSError as error:
        typer.echo(f"--dir {path}: {error.strerror}", err=True)
        sys.exit(STATUS_USAGE)
    return path.resolve()
