"""A store's line to the world: a TCP proxy that can be cut, or go silent half-open.

Cut: connections are reset and new ones are refused as soon as they come. Silent: everything stays
connected, nothing gets through, nobody is told; when the line heals, what was under way arrives
late. Runs in the demo's event loop.
"""

import asyncio
import time
from contextlib import suppress
from typing import Final, Literal

CHUNK_BYTES: Final = 65_536

Line = Literal["open", "cut", "silent"]


class Wan:
    """One line, from a port of its own to a broker."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.StreamWriter] = set()
        self._serving: set[asyncio.Task[None]] = set()
        self._flows = asyncio.Event()
        self._flows.set()
        self._line: Line = "open"
        self._down_since: float | None = None
        self.outage_s = 0.0
        self.outages = 0

    @property
    def line(self) -> Line:
        """How the line is."""
        return self._line

    async def start(self) -> int:
        """Listen, and return the port."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def become(self, line: Line) -> None:
        """Cut the line, silence it or heal it."""
        was_open, self._line = self._line == "open", line
        if line == "silent":
            self._flows.clear()
        else:
            self._flows.set()
        if line == "cut":
            self._reset_all()
        self._account(was_open, line == "open")

    async def stop(self) -> None:
        """Close everything."""
        if self._server is not None:
            self._server.close()
        self._flows.set()
        self._reset_all()
        await asyncio.gather(*self._serving)
        if self._server is not None:
            await self._server.wait_closed()

    def _account(self, was_open: bool, is_open: bool) -> None:
        if was_open and not is_open:
            self.outages += 1
            self._down_since = time.monotonic()
        elif is_open and self._down_since is not None:
            self.outage_s += time.monotonic() - self._down_since
            self._down_since = None

    def _reset_all(self) -> None:
        for writer in self._connections:
            # Not `close`, which would first wait for a peer that takes nothing in.
            writer.transport.abort()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.add(writer)
        try:
            await self._flows.wait()
            if self._line == "cut":
                return
            with suppress(OSError):
                await self._forward(reader, writer)
        finally:
            self._connections.discard(writer)
            writer.transport.abort()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(*self._target)
        self._connections.add(far_writer)
        ways = [
            asyncio.create_task(self._pump(reader, far_writer)),
            asyncio.create_task(self._pump(far_reader, writer)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            self._connections.discard(far_writer)
            far_writer.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(CHUNK_BYTES):
            await self._flows.wait()
            writer.write(data)
            await writer.drain()
