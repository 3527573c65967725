"""The command `stocktruth-sim powercut`."""

import os
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from simulators.powercut.options import Planted, PowercutOptions

STATUS_USAGE = 2


def powercut(
    cycles: Annotated[int, typer.Option(min=1, max=100_000, help="Power cuts.")] = 100,
    seed: Annotated[
        int, typer.Option(min=0, help="The same seed draws the same disks, moments and data.")
    ] = 1,
    planted: Annotated[
        Planted | None,
        typer.Option(help="A bug to be caught: the campaign then exits with 1, as it should."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Tell everything, as JSON.")] = False,
    folder: Annotated[
        Path | None,
        typer.Option("--dir", help="Where the disk and logs go; must not exist."),
    ] = None,
) -> None:
    """Cut the power of a machine that writes an outbox and a journal, and check what is left.

    The machine is a User-Mode Linux guest with a disk of its own, and needs no root. Between the
    cuts it boots, checks the last one, and writes under load. Exits with 1 when anything that was
    acknowledged is missing, a number has two contents, or a file or a replay is not sound.
    """
    from simulators.powercut.command import missing, run_powercut  # noqa: PLC0415 # Others start faster.

    lack = missing()
    if lack is not None:
        typer.echo(lack, err=True)
        sys.exit(STATUS_USAGE)
    options = PowercutOptions(folder=_new_folder(folder), cycles=cycles, seed=seed, planted=planted)
    sys.exit(run_powercut(options, typer.echo, as_json=as_json))


def _new_folder(folder: Path | None) -> Path:
    name = f"powercut-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
    path = folder or Path(".demo") / name
    try:
        path.mkdir(parents=True)
    except OSError as error:
        typer.echo(f"--dir {path}: {error.strerror}", err=True)
        sys.exit(STATUS_USAGE)
    return path.resolve()
