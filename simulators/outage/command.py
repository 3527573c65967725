"""From the command line to an outage run and back: progress, output, exit status."""

import asyncio
import signal
from collections.abc import Callable
from functools import partial
from typing import Final

import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from simulators.errors import SimulatorError
from simulators.outage.options import OutageOptions
from simulators.outage.outcome import OutageOutcome
from simulators.outage.run import SECONDS_PER_MINUTE, OutageRun

STATUS_FAILED: Final = 1
STATUS_INTERRUPTED: Final = 130


def run_outage(options: OutageOptions, tell: Callable[[str], None], *, as_json: bool) -> int:
    """Run, and return the exit status: 1 on any violation or failure."""
    errors = Console(stderr=True)
    say = partial(errors.print, markup=False, highlight=False, soft_wrap=True)
    try:
        outcome = asyncio.run(_outage(options, errors))
    except asyncio.CancelledError:
        say("interrupted")
        return STATUS_INTERRUPTED
    except SimulatorError as error:
        say(f"outage: {error}")
        say(f"again: {options.command()}")
        return STATUS_FAILED
    tell(msgspec.json.encode(outcome).decode() if as_json else "\n".join(outcome.lines()))
    if outcome.violations:
        say(f"logs: {options.folder}")
        say(f"again: {options.command()}")
    return STATUS_FAILED if outcome.violations else 0


async def _outage(options: OutageOptions, errors: Console) -> OutageOutcome:
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    total_s = 2 * options.steady_s + options.minutes * SECONDS_PER_MINUTE
    with Progress(*columns, console=errors, transient=True) as progress:
        task = progress.add_task("outage", total=total_s)
        run = OutageRun(
            options,
            lambda phase, at_s: progress.update(task, description=phase, completed=at_s),
        )
        work = asyncio.create_task(run.run())
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, work.cancel)
        return await work
