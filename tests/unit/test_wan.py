"""The simulated line forwards, breaks, and goes silent, as lines do."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from simulators.demo.wan import Wan

DEADLINE_S = 5.0


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionResetError):
        while data := await reader.read(1024):
            writer.write(data)
            await writer.drain()
    writer.close()


@pytest.fixture
async def line() -> AsyncIterator[tuple[Wan, int]]:
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    wan = Wan("127.0.0.1", server.sockets[0].getsockname()[1])
    yield wan, await wan.start()
    await wan.stop()
    server.close()
    await server.wait_closed()


async def says(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, data: bytes) -> bytes:
    writer.write(data)
    return await asyncio.wait_for(reader.readexactly(len(data)), DEADLINE_S)


async def test_an_open_line_forwards_both_ways(line: tuple[Wan, int]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", line[1])
    assert await says(reader, writer, b"hello") == b"hello"
    writer.close()


async def test_a_cut_line_resets_what_is_connected_and_what_connects(line: tuple[Wan, int]) -> None:
    wan, port = line
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    assert await says(reader, writer, b"hello") == b"hello"
    wan.become("cut")
    late_reader, late_writer = await asyncio.open_connection("127.0.0.1", port)
    for each in (reader, late_reader):
        with suppress(ConnectionResetError):  # Or an end; which of the two is up to the moment.
            assert await asyncio.wait_for(each.read(), DEADLINE_S) == b""
    writer.close()
    late_writer.close()
    wan.become("open")
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    assert await says(reader, writer, b"again") == b"again"
    assert wan.outages == 1
    writer.close()


async def test_a_silent_line_delivers_late_and_tells_nobody(line: tuple[Wan, int]) -> None:
    wan, port = line
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    assert await says(reader, writer, b"hello") == b"hello"
    wan.become("silent")
    writer.write(b"late")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.readexactly(4), 0.1)
    wan.become("open")
    assert await asyncio.wait_for(reader.readexactly(4), DEADLINE_S) == b"late"
    assert wan.outage_s >= 0.1
    writer.close()


async def test_a_line_to_nobody_ends_its_connections() -> None:
    nobody = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = nobody.sockets[0].getsockname()[1]
    nobody.close()
    await nobody.wait_closed()
    wan = Wan("127.0.0.1", port)
    reader, writer = await asyncio.open_connection("127.0.0.1", await wan.start())
    with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
        await asyncio.wait_for(reader.readexactly(1), DEADLINE_S)
    writer.close()
    await wan.stop()
