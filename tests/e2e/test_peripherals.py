"""A till's peripherals under the supervisor, from the agent's own settings file."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import msgspec

from edge.assembly import device_specs, monotonic_ms
from edge.config import load_settings
from edge.devices.status import StatusBoard
from edge.devices.supervisor import RestartPolicy, Supervisor
from edge.mirror.sqlite import SqliteMirror
from edge.recording.tap import NO_TAP
from edge.sensing.readings import TagReading
from protocol.facts import StockCounted
from protocol.updates import MirrorState, MirrorUpdate, TaskSignal
from simulators.devices.peripherals import Peripherals, PeripheralSettings
from tests.device_fakes import MemoryOutbox

DEADLINE_S = 30.0
SHIRT, CHEESE = "00614141999996", "95012345678903"
SCENARIO = """
scanners = [{ name = "hand-1", mode = "count" }]
scales = [{ name = "counter-1", dialect = "toledo_8217", settling_ms = 0 }]
printers = [{ name = "printer-1", prints_tasks = true }]
"""
AGENT = """
store = "S001"
data_dir = "data"
[broker]
url = "mqtt://127.0.0.1"
[[pos_journal]]
name = "till-1"
spool = "spool/till-1"
"""


class NoTags:
    """No reader puts anything here."""

    def observe(self, readings: list[TagReading]) -> None:
        raise AssertionError(readings)


async def until(condition: Callable[[], bool]) -> None:
    ends_s = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < ends_s, "not so before the deadline"
        await asyncio.sleep(0.01)


async def test_scanner_scale_and_printer_work_together_and_come_back_after_their_plugs_were_pulled(
    tmp_path: Path,
) -> None:
    listed = msgspec.toml.decode(SCENARIO, type=PeripheralSettings)
    peripherals = Peripherals(listed, tmp_path / "lines", Random(1))
    await peripherals.start()
    config = tmp_path / "store.toml"
    config.write_text(AGENT + "\n".join(peripherals.edge_config()) + "\n")
    settings = load_settings(config)
    (tmp_path / "data").mkdir()
    mirror = SqliteMirror(settings.mirror_path)
    mirror.apply(update(state(CHEESE)))
    outbox = MemoryOutbox()
    board = StatusBoard(lambda *_: None)
    specs = list(device_specs(settings, NoTags(), outbox, NO_TAP))
    supervisor = Supervisor.start(
        specs, board, RestartPolicy(pause_max_ms=100), Random(1), monotonic_ms
    )

    def are_well() -> bool:
        return {device.health for device in board.snapshot()} == {"healthy"}

    def steps() -> int:
        return len(outbox.checkpoints("scan/"))

    try:
        await until(are_well)
        scanner, printer = peripherals.scanners["hand-1"], peripherals.printers["printer-1"]
        scanner.scan("DOC:counter")
        scanner.scan_item(SHIRT)
        await until(lambda: steps() == 2)
        for device in peripherals.devices.values():
            device.inject("unplugged")
        await until(lambda: {each.health for each in board.snapshot()} == {"healthy", "lost"})
        for device in peripherals.devices.values():
            device.heal()
        await until(are_well)
        scanner.scan_item(CHEESE)
        peripherals.loads_g["counter-1"] = 320.0
        await until(lambda: steps() == 3)
        scanner.scan("END")
        await until(lambda: any(isinstance(fact, StockCounted) for fact in outbox.facts))
        counted = [fact for fact in outbox.facts if isinstance(fact, StockCounted)]
        assert [(each.gtin, each.quantity, each.measure) for each in counted] == [
            (SHIRT, 1, "units"),
            (CHEESE, 320, "grams"),
        ]
        await until(lambda: "printed/printer-1" in outbox.stored)
        mirror.apply_task(task())
        await until(lambda: bool(printer.receipts))
        assert "task 000001" in printer.receipts[0]
    finally:
        await asyncio.to_thread(supervisor.stop)
        mirror.close()
        await peripherals.stop()


def state(gtin: str) -> MirrorState:
    return MirrorState(
        gtin=gtin,
        version=1,
        measure="grams",
        on_hand=0,
        reserved=0,
        unavailable=0,
        incoming=0,
        on_order=0,
        as_of_ms=1,
    )


def update(*states: MirrorState) -> MirrorUpdate:
    return MirrorUpdate(
        store="S001", previous_position=0, position=1, epoch=1, through_seq=0, states=list(states)
    )


def task() -> TaskSignal:
    return TaskSignal(
        store="S001",
        task_id="000001",
        kind="recount",
        gtin=SHIRT,
        measure="units",
        quantity=3,
        created_at_ms=time.time_ns() // 1_000_000,
    )
