"""The command `stocktruth-sim fencing`."""

import os
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from simulators.fencing.options import FencingOptions, JournalKind

STATUS_USAGE = 2


def fencing(
    handovers: Annotated[
        int, typer.Option(min=0, max=100_000, help="Hand-overs between bare owners of the journal.")
    ] = 200,
    programs: Annotated[
        int, typer.Option(min=0, max=10_000, help="Hand-overs between whole clouds.")
    ] = 6,
    journal: Annotated[JournalKind, typer.Option(help="Which journal is fought over.")] = "sqlite",
    url: Annotated[
        str | None,
        typer.Option(help="A PostgreSQL database to use; without it, a server is started."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed draws the same hand-overs.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Tell everything, as JSON.")] = False,
    folder: Annotated[
        Path | None,
        typer.Option("--dir", help="Where journals, testimony and logs go; must not exist."),
    ] = None,
) -> None:
    """Suspend owners of a journal under load, let others take over, and look for stale commits.

    Owners are processes; SIGSTOP hits them anywhere, also inside a transaction. Exits with 1 when
    a stale owner got anything into the journal, anything acknowledged is missing or there twice,
    or a stale process did not end as it should.
    """
    from simulators.fencing.command import run_fencing  # noqa: PLC0415 # Others start faster.

    if url is not None and journal != "postgres":
        typer.echo("--url belongs to --journal postgres", err=True)
        sys.exit(STATUS_USAGE)
    options = FencingOptions(
        folder=_new_folder(folder),
        kind=journal,
        url=url,
        handovers=handovers,
        program_handovers=programs,
        seed=seed,
    )
    sys.exit(run_fencing(options, typer.echo, as_json=as_json))


def _new_folder(folder: Path | None) -> Path:
    name = f"fencing-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
    path = folder or Path(".demo") / name
    try:
        path.mkdir(parents=True)
    except OSError as error:
        typer.echo(f"--dir {path}: {error.strerror}", err=True)
        sys.exit(STATUS_USAGE)
    return path.resolve()
