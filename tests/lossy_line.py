"""A bad WAN as a TCP proxy: delay, stalls and resets. Runs in the test's event loop.

A proxy cannot lose a packet: TCP below it would know nothing of it, and TCP above never sees a
loss but only what it does to a stream. So loss is modelled by its effects. Each chunk is cut into
segments, each of which is lost with the given probability; a loss holds the whole stream up for a
round trip (fast retransmit), or for a retransmission time-out when the repetition is lost as well,
which doubles each time (RFC 6298). A connection whose segment is lost too often is reset.
"""

import asyncio
from contextlib import suppress
from random import Random
from typing import Final

SEGMENT_BYTES: Final = 1_460
CHUNK_BYTES: Final = 16_384
RTO_S: Final = 1.0
LOSSES_MAX: Final = 4
"""A segment that is lost so often ends the connection; real stacks are more patient."""


class LossyLine:
    """One line, from a port of its own to a broker."""

    def __init__(self, host: str, port: int, *, rtt_ms: float, loss: float, rng: Random) -> None:
        self.stalls = 0
        self.resets = 0
        self._target: Final = (host, port)
        self._one_way_s: Final = rtt_ms / 2_000
        self._loss: Final = loss
        self._rng: Final = rng
        self._server: asyncio.Server | None = None
        self._serving: Final[set[asyncio.Task[None]]] = set()

    async def start(self) -> int:
        """Listen, and return the port."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def stop(self) -> None:
        """Close everything."""
        assert self._server is not None
        self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)
        await self._server.wait_closed()

    def reset_all(self) -> None:
        """Reset all connections, as a modem that dials in again does."""
        self.resets += 1
        for task in self._serving:
            task.cancel()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_writer: asyncio.StreamWriter | None = None
        try:
            await asyncio.sleep(2 * self._one_way_s)
            with suppress(OSError):
                far_reader, far_writer = await asyncio.open_connection(*self._target)
                await self._both_ways(reader, writer, far_reader, far_writer)
        finally:
            for each in (writer, far_writer):
                if each is not None:
                    each.transport.abort()

    async def _both_ways(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        far_reader: asyncio.StreamReader,
        far_writer: asyncio.StreamWriter,
    ) -> None:
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

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass on what comes, each chunk a way's time after it came and behind all stalls."""
        loop = asyncio.get_running_loop()
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(64)
        delivering = asyncio.create_task(_deliver(under_way, writer))
        free_at_s = 0.0
        try:
            while data := await reader.read(CHUNK_BYTES):
                arrives_s = loop.time() + self._one_way_s
                free_at_s = max(free_at_s, arrives_s) + self._stall_s(len(data))
                await under_way.put((free_at_s, data))
        finally:
            delivering.cancel()
            await asyncio.gather(delivering, return_exceptions=True)

    def _stall_s(self, size_bytes: int) -> float:
        """Return how long losses hold up a chunk. Raises `ConnectionResetError`."""
        longest_s = 0.0
        for _ in range(-(-size_bytes // SEGMENT_BYTES)):
            losses = 0
            while self._rng.random() < self._loss:
                losses += 1
                if losses > LOSSES_MAX:
                    self.resets += 1
                    raise ConnectionResetError("a segment was lost too often")
            self.stalls += losses > 0
            fast_s = 2 * self._one_way_s if losses else 0.0
            longest_s = max(longest_s, fast_s + RTO_S * (2 ** max(0, losses - 1) - 1))
        return longest_s


async def _deliver(
    under_way: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter
) -> None:
    loop = asyncio.get_running_loop()
    while True:
        at_s, data = await under_way.get()
        await asyncio.sleep(max(0.0, at_s - loop.time()))
        writer.write(data)
        await writer.drain()
