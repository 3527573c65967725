"""The simulated shelf scale as strangers meet it: raw bytes and a stock client, TCP and serial."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from random import Random

import pytest
from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient

from simulators.devices.faults import FaultyDevice
from simulators.devices.shelf_scale import ShelfScale

DEADLINE_S = 5.0
LOADS_G = [1_000.0, 70_000.0, 0.0]


@pytest.fixture
async def scale(tmp_path: Path) -> AsyncIterator[ShelfScale]:
    scale = ShelfScale(
        loads=lambda shelf: LOADS_G[shelf],
        shelves=len(LOADS_G),
        rng=Random(1),
        is_serial=True,
        serial_link=tmp_path / "ttyScale",
    )
    await scale.start()
    yield scale
    await scale.stop()


async def over_tcp(scale: ShelfScale, request: bytes, answer_bytes: int) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", scale.port)
    writer.write(request)
    answer = await asyncio.wait_for(reader.readexactly(answer_bytes), DEADLINE_S)
    writer.close()
    await writer.wait_closed()
    return answer


async def over_serial(path: str, request: bytes, answer_bytes: int) -> bytes:
    line = os.open(path, os.O_RDWR | os.O_NOCTTY)
    os.set_blocking(line, False)
    loop, answer, done = asyncio.get_running_loop(), bytearray(), asyncio.Event()

    def read() -> None:
        answer.extend(os.read(line, 256))
        if len(answer) >= answer_bytes:
            done.set()

    loop.add_reader(line, read)
    try:
        os.write(line, request)
        await asyncio.wait_for(done.wait(), DEADLINE_S)
    finally:
        loop.remove_reader(line)
        os.close(line)
    return bytes(answer)


async def test_raw_bytes_over_tcp_are_those_of_the_register_map(scale: ShelfScale) -> None:
    answer = await over_tcp(scale, bytes.fromhex("BEEF 0000 0006 01 04 0000 0004"), 17)
    assert answer == bytes.fromhex("BEEF 0000 000B 01 04 08 0001 0000 03E8 0000")


async def test_raw_bytes_over_a_serial_line_are_those_of_the_register_map(
    scale: ShelfScale, tmp_path: Path
) -> None:
    request = bytes.fromhex("01 04 0000 0004 F1C9")
    assert (tmp_path / "ttyScale").is_symlink()
    answer = await over_serial(str(tmp_path / "ttyScale"), request, 13)
    body = bytes.fromhex("01 04 08 0001 0000 03E8 0000")
    assert answer[:-2] == body
    # The checksum by the table-free definition of the standard, byte by byte.
    crc = 0xFFFF
    for byte in body:
        crc ^= byte
        for _ in range(8):
            crc, carry = crc >> 1, crc & 1
            crc ^= 0xA001 * carry
    assert answer[-2:] == bytes((crc & 0xFF, crc >> 8))


@pytest.mark.parametrize(
    "make",
    [
        lambda scale: AsyncModbusTcpClient("127.0.0.1", port=scale.port),
        lambda scale: AsyncModbusSerialClient(scale.serial_port, baudrate=115_200),
    ],
    ids=["tcp", "rtu"],
)
async def test_a_stock_client_reads_and_tares(
    scale: ShelfScale, make: Callable[[ShelfScale], AsyncModbusTcpClient]
) -> None:
    client = make(scale)
    assert await client.connect()
    try:
        before = await client.read_input_registers(0, count=8)
        assert before.registers == [1, 0, 1_000, 0, 2, 0, 30_000, 0], "stable, and overloaded"
        await client.write_register(0, 1)
        await client.write_registers(0, [0, 0, 1])
        holding = await client.read_holding_registers(0, count=3)
        assert holding.registers == [0, 0, 0], "taring is done"
        after = await client.read_input_registers(0, count=4)
        assert after.registers == [1, 0, 0, 0]
        assert (await client.read_input_registers(12, count=4)).exception_code == 2
    finally:
        client.close()
        await asyncio.sleep(0)


async def test_every_fault_is_described_and_only_those_can_be_injected(scale: ShelfScale) -> None:
    device: FaultyDevice = scale
    for kind, text in device.faults.items():
        assert text.endswith(".")
        device.inject(kind)
        device.inject(kind)
        device.heal(kind)
    device.heal()
    with pytest.raises(KeyError):
        device.inject("gremlins")
    answer = await over_tcp(scale, bytes.fromhex("0001 0000 0006 01 04 0008 0004"), 17)
    assert answer[-8:] == bytes(1) + bytes((1,)) + bytes(6), "healed: stable, and empty"


async def test_a_stuck_scale_repeats_itself(scale: ShelfScale) -> None:
    request = bytes.fromhex("0001 0000 0006 01 04 0000 0004")
    scale.inject("stuck")
    before = await over_tcp(scale, request, 17)
    LOADS_G[0] = 400.0
    try:
        assert await over_tcp(scale, request, 17) == before
        scale.heal("stuck")
        assert await over_tcp(scale, request, 17) != before
    finally:
        LOADS_G[0] = 1_000.0


async def test_a_silent_scale_drops_its_connections(scale: ShelfScale) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", scale.port)
    writer.write(bytes.fromhex("0001 0000 0006 01 04 0000 0004"))
    await asyncio.wait_for(reader.readexactly(17), DEADLINE_S)
    scale.inject("silent")
    with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
        await asyncio.wait_for(reader.readexactly(1), DEADLINE_S)
    writer.close()
