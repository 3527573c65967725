"""From the command line to a demo and back: signals, display, exit status. Main thread."""

import asyncio
import signal
from typing import Final

import msgspec
from rich.console import Console

from simulators.demo.demo import Demo
from simulators.demo.display import Display
from simulators.demo.options import DemoOptions
from simulators.demo.outcome import Outcome
from simulators.errors import SimulatorError

STATUS_FAILED: Final = 1
STATUS_INTERRUPTED: Final = 130


def run_demo(options: DemoOptions) -> int:
    """Run a demo and return its exit status: 1 on any disagreement or failure."""
    return asyncio.run(_Command(options).run())


class _Command:
    def __init__(self, options: DemoOptions) -> None:
        self._options = options
        self._display = Display(Console())
        self._is_cancelled = False

    async def run(self) -> int:
        demo = Demo(self._options, self._display.told)
        work = asyncio.create_task(demo.run())
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._interrupted, demo, work)
        showing = asyncio.create_task(self._display.show(demo))
        await asyncio.wait((work, showing), return_when=asyncio.FIRST_COMPLETED)
        for task in (work, showing):
            if not task.done():
                task.cancel()
        await asyncio.wait((work, showing))
        if not showing.cancelled():
            showing.result()  # It only ends by itself when it fails.
        return self._status(work)

    def _status(self, work: "asyncio.Task[Outcome]") -> int:
        try:
            outcome = work.result()
        except asyncio.CancelledError:
            self._display.say("interrupted")
            return STATUS_INTERRUPTED
        except SimulatorError as error:
            self._display.say(str(error))
            return STATUS_FAILED
        for line in outcome.lines():
            self._display.say(line)
        if self._options.json_file is not None:
            self._options.json_file.write_bytes(msgspec.json.encode(outcome) + b"\n")
        return STATUS_FAILED if self._options.check and not outcome.is_good else 0

    def _interrupted(self, demo: Demo, work: "asyncio.Task[Outcome]") -> None:
        """End the day of an endless demo, or stop; asked again while stopping, kill."""
        endless = self._options.duration_s is None
        if endless and demo.phase == "open" and not demo.ended.is_set():
            demo.ended.set()
        elif not self._is_cancelled:
            self._is_cancelled = True
            work.cancel()
        else:
            demo.site.crew.kill_now()
