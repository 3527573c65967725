"""From the command line to a crash campaign and back: progress, output, exit status."""

import asyncio
import signal
from collections.abc import Callable
from typing import Final

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from simulators.crash.campaign import Campaign, CrashOptions
from simulators.crash.outcome import CrashOutcome
from simulators.errors import SimulatorError

STATUS_FAILED: Final = 1
STATUS_INTERRUPTED: Final = 130


def run_crash(options: CrashOptions, tell: Callable[[str], None], *, as_json: bool) -> int:
    """Run, and return the exit status: 1 on any violation or failure."""
    errors = Console(stderr=True)
    try:
        outcome = asyncio.run(_crash(options, errors))
    except asyncio.CancelledError:
        errors.print("interrupted")
        return STATUS_INTERRUPTED
    except SimulatorError as error:
        errors.print(f"crash: {error}; logs: {options.folder}", markup=False, soft_wrap=True)
        errors.print(f"again: {options.command()}")
        return STATUS_FAILED
    tell(msgspec.json.encode(outcome).decode() if as_json else "\n".join(outcome.lines()))
    if outcome.violations:
        errors.print(f"logs: {options.folder}\nagain: {options.command()}")
    return STATUS_FAILED if outcome.violations else 0


async def _crash(options: CrashOptions, errors: Console) -> CrashOutcome:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=errors, transient=True) as progress:
        task = progress.add_task("kills", total=options.cycles)
        campaign = Campaign(options, lambda cycles: progress.update(task, completed=cycles))
        work = asyncio.create_task(campaign.run())
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, work.cancel)
        return await work
