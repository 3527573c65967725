"""One store's hardware for somebody else's agent: `stocktruth-sim store`.

It prints where the devices listen and writes a `store.toml` that an agent can run with. The doors
open some time after an agent has taken the opening count from the back office's spool, so that it
can count the tagged goods while nothing moves. Runs until interrupted.
"""

import asyncio
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from simulators.devices.fault_control import FaultControl
from simulators.edge_config import edge_config
from simulators.scenario import Scenario
from simulators.store import BACK_OFFICE, StoreHardware
from simulators.world.happenings import Occasion

POLL_S: Final = 0.2
REPORT_INTERVAL_S: Final = 10.0


class StandaloneStore:
    """The hardware, and a tally of what happened to it. `say` prints one line."""

    def __init__(self, scenario: Scenario, folder: Path, say: Callable[[str], None]) -> None:
        self._say = say
        self._hardware = StoreHardware(scenario, folder, self._count)
        self._faults = FaultControl(self._hardware.devices, folder, scenario.faults)
        self._happened: dict[str, int] = {}

    async def run(self, broker_url: str, root: str, open_after_s: float) -> None:
        """Run until SIGINT or SIGTERM, then leave the truth in `truth.json`."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        await self._hardware.start()
        try:
            await self._faults.start()
            self._introduce(broker_url, root)
            day = asyncio.create_task(self._day(open_after_s))
            stopped = asyncio.create_task(stop.wait())
            await asyncio.wait((day, stopped), return_when=asyncio.FIRST_COMPLETED)
            for task in (day, stopped):
                task.cancel()
            await asyncio.wait((day, stopped))
            if not day.cancelled():
                day.result()  # It only ends by itself when it fails.
        finally:
            await self._faults.stop()
            await self._hardware.stop()
            self._leave_truth()

    def _introduce(self, broker_url: str, root: str) -> None:
        hardware = self._hardware
        config = hardware.folder / "store.toml"
        config.write_text(edge_config(hardware, broker_url, root, hardware.folder / "data"))
        host = hardware.scenario.hardware.host
        self._say(f"LLRP reader   {host}:{hardware.reader_port}")
        if hardware.scale_port is not None:
            self._say(f"shelf scale   {host}:{hardware.scale_port} (Modbus TCP)")
        for till in (*hardware.till_names, BACK_OFFICE):
            self._say(f"{till:<13} {hardware.spool(till)}")
        self._say(f"run an agent  stocktruth-edge run --config {config}")

    async def _day(self, open_after_s: float) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._hardware.live())
            await self._until_counted()
            self._say(f"an agent has taken the opening count; doors open in {open_after_s:g} s")
            await asyncio.sleep(open_after_s)
            self._hardware.open_doors()
            self._say("the doors are open")
            while True:
                await asyncio.sleep(REPORT_INTERVAL_S)
                tally = ", ".join(f"{count} {name}" for name, count in self._happened.items())
                self._say(f"{time.strftime('%H:%M:%S')}  {tally or 'nothing yet'}")

    async def _until_counted(self) -> None:
        spool = self._hardware.spool(BACK_OFFICE)
        while any(spool.glob("*.xml")):  # noqa: ASYNC110 # Files have no event to wait for.
            await asyncio.sleep(POLL_S)

    def _count(self, occasion: Occasion, _at_ns: int) -> None:
        name = type(occasion.happening).__name__
        self._happened[name] = self._happened.get(name, 0) + 1

    def _leave_truth(self) -> None:
        ledgers = self._hardware.world.truth
        truth = {
            gtin: {"on_hand": each.on_hand, **msgspec.to_builtins(each)}
            for gtin, each in ledgers.items()
        }
        path = self._hardware.folder / "truth.json"
        path.write_bytes(msgspec.json.format(msgspec.json.encode(truth)) + b"\n")
        self._say(f"the truth is in {path}")
