"""From the command line to a fencing campaign and back: progress, output, exit status."""

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from cloud.errors import CloudError
from simulators.errors import SimulatorError
from simulators.fencing.campaign import Campaign
from simulators.fencing.options import FencingOptions
from simulators.fencing.outcome import FencingOutcome, OwnersOutcome, ProgramsOutcome
from simulators.fencing.private_postgres import private_postgres
from simulators.fencing.programs import Programs

STATUS_FAILED: Final = 1
STATUS_INTERRUPTED: Final = 130


def run_fencing(options: FencingOptions, tell: Callable[[str], None], *, as_json: bool) -> int:
    """Run, and return the exit status: 1 on any violation or failure."""
    errors = Console(stderr=True)
    say = partial(errors.print, markup=False, highlight=False, soft_wrap=True)
    try:
        outcome = asyncio.run(_campaign(options, errors))
    except asyncio.CancelledError:
        errors.print("interrupted")
        return STATUS_INTERRUPTED
    except (SimulatorError, CloudError) as error:
        say(f"fencing: {error}")
        say(f"again: {options.command()}")
        return STATUS_FAILED
    if as_json:
        tell(msgspec.json.encode(outcome).decode())
    else:
        tell("\n".join(outcome.lines()))
    if outcome.violations:
        say(f"logs: {options.folder}")
        say(f"again: {options.command()}")
    return STATUS_FAILED if outcome.violations else 0


async def _campaign(options: FencingOptions, errors: Console) -> FencingOutcome:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with (
        _places(options) as (owners, programs),
        Progress(*columns, console=errors, transient=True) as progress,
    ):
        work = asyncio.create_task(_run(options, owners, programs, progress))
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, work.cancel)
        return await work


async def _run(
    options: FencingOptions, owners_place: str, programs_place: str, progress: Progress
) -> FencingOutcome:
    owners: OwnersOutcome | None = None
    programs: ProgramsOutcome | None = None
    if options.handovers:
        task = progress.add_task(f"owners, {options.kind}", total=options.handovers)
        advance = partial(progress.advance, task)
        owners = await Campaign(options, owners_place, advance).run()
    if options.program_handovers:
        task = progress.add_task(f"programs, {options.kind}", total=options.program_handovers)
        advance = partial(progress.advance, task)
        programs = await Programs(options, programs_place, advance).run()
    return FencingOutcome(kind=options.kind, seed=options.seed, owners=owners, programs=programs)


@contextmanager
def _places(options: FencingOptions) -> Iterator[tuple[str, str]]:
    """Yield where the owners' journal is and where the programs'. Raises `DemoFailed`."""
    if options.kind == "sqlite":
        folder = options.folder
        yield str(folder / "owners.db"), str(folder / "programs.db")
    elif options.url is not None:
        yield options.url, options.url
    else:
        with private_postgres() as server:
            yield server.database("owners"), server.database("programs")
