"""From the command line to a crash campaign and back: progress, output, exit status."""

import asyncio
import logging
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from cloud.errors import CloudError
from simulators.crash.campaign import Campaign
from simulators.crash.options import CrashOptions
from simulators.crash.outcome import CrashOutcome
from simulators.errors import SimulatorError
from simulators.fencing.private_postgres import PrivatePostgres, private_postgres

STATUS_FAILED: Final = 1
STATUS_INTERRUPTED: Final = 130


def run_crash(options: CrashOptions, tell: Callable[[str], None], *, as_json: bool) -> int:
    """Run, and return the exit status: 1 on any violation or failure."""
    errors = Console(stderr=True)
    # The MQTT client complains of every lost connection, and here they are lost all the time.
    logging.getLogger("mqtt").setLevel(logging.CRITICAL)
    say = partial(errors.print, markup=False, highlight=False, soft_wrap=True)
    try:
        outcome = asyncio.run(_crash(options, errors))
    except asyncio.CancelledError:
        say("interrupted")
        return STATUS_INTERRUPTED
    except (SimulatorError, CloudError) as error:
        say(f"crash: {error}\nlogs: {options.folder}\nagain: {options.command()}")
        return STATUS_FAILED
    tell(msgspec.json.encode(outcome).decode() if as_json else "\n".join(outcome.lines_told()))
    if outcome.violations:
        say(f"logs: {options.folder}\nagain: {options.command()}")
    return STATUS_FAILED if outcome.violations else 0


async def _crash(options: CrashOptions, errors: Console) -> CrashOutcome:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with (
        _postgres(options) as postgres,
        Progress(*columns, console=errors, transient=True) as progress,
    ):
        task = progress.add_task(f"crash, {options.journal}", total=options.cycles)
        campaign = Campaign(
            options, lambda cycles: progress.update(task, completed=cycles), postgres
        )
        work = asyncio.create_task(campaign.run())
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, work.cancel)
        return await work


@contextmanager
def _postgres(options: CrashOptions) -> Iterator[PrivatePostgres | None]:
    if options.journal == "sqlite":
        yield None
    else:
        with private_postgres() as server:
            yield server
