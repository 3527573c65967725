"""From the command line to a campaign of power cuts and back: progress, output, exit status."""

import signal
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Final, NoReturn

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from simulators.powercut.campaign import Campaign
from simulators.powercut.errors import PowercutFailed
from simulators.powercut.machine import machine, missing_packages
from simulators.powercut.options import PowercutOptions
from simulators.powercut.outcome import PowercutOutcome

STATUS_FAILED: Final = 1
STATUS_INTERRUPTED: Final = 130


def missing() -> str | None:
    """Return what is missing on this machine, and the command that installs it; `None`: nothing."""
    packages = missing_packages()
    if not packages:
        return None
    names = " ".join(packages)
    return f"powercut needs Debian's {names}: apt-get install --no-install-recommends {names}"


def run_powercut(options: PowercutOptions, tell: Callable[[str], None], *, as_json: bool) -> int:
    """Run, and return the exit status: 1 on any violation or failure."""
    errors = Console(stderr=True)
    say = partial(errors.print, markup=False, highlight=False, soft_wrap=True)
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        outcome = _campaign(options, errors)
    except KeyboardInterrupt:
        say("interrupted")
        return STATUS_INTERRUPTED
    except PowercutFailed as error:
        say(f"powercut: {error}")
        say(f"logs: {options.folder}")
        say(f"again: {options.command()}")
        return STATUS_FAILED
    finally:
        signal.signal(signal.SIGTERM, before)
    tell(msgspec.json.encode(outcome).decode() if as_json else "\n".join(outcome.lines()))
    if outcome.violations:
        say(f"logs: {options.folder}")
        say(f"again: {options.command()}")
    return STATUS_FAILED if outcome.violations else 0


def _campaign(options: PowercutOptions, errors: Console) -> PowercutOutcome:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with (
        machine(options.folder) as cut_machine,
        Progress(*columns, console=errors, transient=True) as progress,
    ):
        task = progress.add_task("power cuts", total=options.cycles)
        return Campaign(options, cut_machine, partial(progress.advance, task)).run()


def _interrupt(_: int, __: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
