"""The command `stocktruth-sim crash`."""

import os
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from simulators.crash.options import CrashOptions, JournalKind

STATUS_USAGE = 2


def crash(
    cycles: Annotated[int, typer.Option(min=1, max=1_000_000, help="Kills and restarts.")] = 500,
    seed: Annotated[int, typer.Option(min=0, help="The same seed draws the same kills.")] = 1,
    journal: Annotated[
        JournalKind, typer.Option(help="What the cloud writes to; a PostgreSQL is killed as well.")
    ] = "sqlite",
    point: Annotated[
        list[str] | None, typer.Option(help="Kill only at this named point; again for more.")
    ] = None,
    listing: Annotated[
        bool, typer.Option("--list-points", help="Show the named crash points.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Tell everything, as JSON.")] = False,
    folder: Annotated[
        Path | None,
        typer.Option("--dir", help="Where configurations, data and logs go; must not exist."),
    ] = None,
) -> None:
    """Kill agents, broker, cloud and database under load, at named points and at random.

    After each kill the journal and everything published are held against the truth. Exits with 1
    when anything is lost, doubled or oversold, a replay differs, or recovery takes too long.
    """
    from simulators.crash.command import run_crash  # noqa: PLC0415 # Others start faster.
    from simulators.crash.points import points_of  # noqa: PLC0415 # As above.

    known = points_of(journal)
    if listing:
        for each in known:
            typer.echo(f"{each.name:32} {each.moment:9} {each.when:7} {each.target}")
        return
    names = [each.name for each in known if each.moment != "birth"]
    for name in point or ():
        if name not in names:
            typer.echo(f"--point {name}: no such point; see --list-points", err=True)
            sys.exit(STATUS_USAGE)
    options = CrashOptions(
        folder=_new_folder(folder),
        cycles=cycles,
        seed=seed,
        journal=journal,
        points=tuple(point or ()),
    )
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
