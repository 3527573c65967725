"""`stocktruth-sim fault` breaks devices of a running store, over the store's socket."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from simulators.devices.fault_control import FaultControl, FaultRequest, ScriptedFault, ask
from simulators.errors import FaultRefused
from simulators.fault_command import fault_lines
from simulators.scenario import Scenario
from simulators.store import StoreHardware

REFUSED_DEVICE = "'toaster' is no device here: reader-1, scale-1"


class Running:
    def __init__(self, folder: Path, scripted: tuple[ScriptedFault, ...] = ()) -> None:
        self.folder = folder
        self.hardware = StoreHardware(Scenario(), folder, lambda _occasion, _at_ns: None)
        self.control = FaultControl(self.hardware.devices, folder, scripted)

    async def say(
        self, device: str, kind: str, *, heal: bool = False, listing: bool = False
    ) -> str:
        lines = await asyncio.to_thread(
            lambda: list(
                fault_lines(self.folder, device, kind, for_s=0.0, heal=heal, listing=listing)
            )
        )
        return "\n".join(lines)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Running]:
    running = Running(tmp_path)
    await running.hardware.start()
    await running.control.start()
    yield running
    await running.control.stop()
    await running.hardware.stop()


async def test_every_fault_of_every_device_begins_and_heals(store: Running) -> None:
    for name, device in store.hardware.devices.items():
        for kind in device.faults:
            assert kind in await store.say(name, kind)
        assert "healed" in await store.say(name, "", heal=True)


async def test_the_list_names_devices_and_what_their_faults_do(store: Running) -> None:
    listed = await store.say("", "", listing=True)
    assert "reader-1" in listed
    assert "scale-1" in listed
    assert "reboot" in listed


async def test_what_nobody_knows_is_refused_by_name(store: Running) -> None:
    with pytest.raises(FaultRefused, match=re.escape(REFUSED_DEVICE)):
        await store.say("toaster", "burnt")
    with pytest.raises(FaultRefused, match="'burnt' is no fault here"):
        await store.say("reader-1", "burnt")
    with pytest.raises(FaultRefused, match="say DEVICE and KIND"):
        await store.say("", "")


async def test_noise_on_the_socket_is_answered_or_dropped(store: Running) -> None:
    reader, writer = await asyncio.open_unix_connection(str(store.folder / "faults.sock"))
    writer.write(b"\xff nonsense\n")
    assert b"refused" in await reader.readline()
    writer.close()
    await writer.wait_closed()
    assert "healed" in await store.say("reader-1", "", heal=True)


async def test_a_scripted_fault_that_no_device_knows_is_refused_at_the_start(
    tmp_path: Path,
) -> None:
    running = Running(tmp_path, (ScriptedFault(device="reader-1", kind="burnt"),))
    await running.hardware.start()
    try:
        with pytest.raises(FaultRefused, match="burnt"):
            await running.control.start()
    finally:
        await running.control.stop()
        await running.hardware.stop()


def test_without_a_store_one_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(FaultRefused, match="no store answers there"):
        ask(tmp_path, FaultRequest())
