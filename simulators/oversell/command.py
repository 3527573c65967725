"""From the command line to an oversell run and back: signals, output, exit status. Main thread."""

import asyncio
import signal
import time
from collections.abc import Callable
from typing import Final

import msgspec

from cloud.errors import CloudError
from simulators.errors import SimulatorError
from simulators.oversell.options import OversellOptions
from simulators.oversell.outcome import OversellOutcome
from simulators.oversell.run import OversellRun

STATUS_FAILED: Final = 1
STATUS_INTERRUPTED: Final = 130


def run_oversell(options: OversellOptions, say: Callable[[str], None]) -> int:
    """Run, and return the exit status: 1 on any broken promise or failure."""
    return asyncio.run(_run(options, say))


async def _run(options: OversellOptions, say: Callable[[str], None]) -> int:
    began_s = time.monotonic()
    run = OversellRun(options, lambda text: say(f"{time.monotonic() - began_s:5.1f} s  {text}"))
    work = asyncio.create_task(run.run())
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, work.cancel)
    await asyncio.wait([work])
    try:
        outcome = work.result()
    except asyncio.CancelledError:
        say("interrupted")
        return STATUS_INTERRUPTED
    except (SimulatorError, CloudError, ValueError) as error:
        say(str(error))
        return STATUS_FAILED
    except BaseExceptionGroup as group:
        expected, others = group.split((SimulatorError, CloudError))
        if others is not None or expected is None:
            raise
        say(str(_first_of(expected)))
        return STATUS_FAILED
    return _tell(outcome, options, say)


def _tell(outcome: OversellOutcome, options: OversellOptions, say: Callable[[str], None]) -> int:
    for line in outcome.lines():
        say(line)
    if options.json_file is not None:
        options.json_file.write_bytes(msgspec.json.encode(outcome) + b"\n")
    return 0 if outcome.is_good else STATUS_FAILED


def _first_of(group: BaseExceptionGroup[BaseException]) -> BaseException:
    first: BaseException = group
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    return first
