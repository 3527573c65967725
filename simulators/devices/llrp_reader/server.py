"""A simulated LLRP 1.0.1 reader on a TCP port: sockets and timers around `ReaderEngine`.

Everything runs in its caller's event loop; `field` and `clock_us` are called there too, and have
to return at once.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from typing import Final

from simulators.devices.llrp_reader.connection import Connection, now_ms
from simulators.devices.llrp_reader.engine import ReaderEngine
from simulators.devices.llrp_reader.settings import ReaderSettings, ReaderStats, TagInField
from simulators.errors import AddressUnavailable

_logger: Final = logging.getLogger(__name__)


class LlrpReader:
    """One reader with `antennas` antennas, numbered from 1.

    `field(antenna)` tells which tags an antenna can read now, `clock_us()` the reader's UTC clock.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        antennas: int,
        field: Callable[[int], Sequence[TagInField]],
        clock_us: Callable[[], int],
        settings: ReaderSettings | None = None,
    ) -> None:
        self._address = (host, port)
        self._antennas = antennas
        self._field = field
        self._clock_us = clock_us
        self._settings = settings or ReaderSettings()
        self.stats = ReaderStats()
        self._engine = self._power_on()
        self._connections: set[Connection] = set()
        self._server: asyncio.Server | None = None
        self._timer: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()

    @property
    def port(self) -> int:
        """The port that the reader listens on: the one asked for, until it was started."""
        return self._address[1]

    async def start(self) -> None:
        """Listen and work. Raises `AddressUnavailable`."""
        host, port = self._address
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(self._accept, host, port)
        except OSError as error:
            raise AddressUnavailable(f"LLRP reader at {host}:{port}: {error.strerror}") from error
        self._address = (host, self._server.sockets[0].getsockname()[1])
        self._timer = loop.create_task(self._work(), name=f"llrp-reader-{self.port}")
        self._timer.add_done_callback(self._on_work_ended)

    async def stop(self) -> None:
        """Say goodbye to the client and stop listening; ROSpecs and unread reports are kept.

        Raises whatever `field` or `clock_us` raised, if that had ended the reader's work.
        """
        self._engine.close("the reader stops")
        await self._stop_serving()

    async def drop_connections(self) -> None:
        """Reset every connection, as a broken network would; the reader itself goes on."""
        for connection in list(self._connections):
            connection.reset()
        await self._all_closed()

    async def reboot(self, down_ms: int) -> None:
        """Lose power for a while: connections, specifications, configuration and reports are gone.

        Raises `AddressUnavailable` if somebody else has taken the port meanwhile.
        """
        for connection in list(self._connections):
            connection.reset()
        await self._stop_serving()
        await asyncio.sleep(down_ms / 1_000)
        self._engine = self._power_on()
        await self.start()

    def set_gpi(self, port: int, high: bool) -> None:
        """Drive an input port, for instance of a light barrier."""
        self._engine.set_gpi(port, high, now_ms())
        self._changed.set()

    def set_antenna_connected(self, antenna: int, connected: bool) -> None:
        """Plug an antenna in or out."""
        self._engine.set_antenna_connected(antenna, connected)

    def _power_on(self) -> ReaderEngine:
        return ReaderEngine(
            antennas=self._antennas,
            field=self._field,
            clock_us=self._clock_us,
            settings=self._settings,
            stats=self.stats,
        )

    def _accept(self) -> Connection:
        return Connection(self._engine, self._settings, self._connections, self._changed.set)

    async def _work(self) -> None:
        """Give the engine its time whenever it is due or something happened."""
        while True:
            self._changed.clear()
            due_ms = self._engine.advance(now_ms())
            delay_s = None if due_ms is None else max(0, due_ms - now_ms()) / 1_000
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(delay_s):
                    await self._changed.wait()

    def _on_work_ended(self, timer: asyncio.Task[None]) -> None:
        """A reader whose field or clock failed is dead to its clients, not silent."""
        if not timer.cancelled():
            _logger.error("LLRP reader at port %d failed: %r", self.port, timer.exception())
            self._cut_all()

    def _cut_all(self) -> None:
        if self._server is not None:
            self._server.close()
        for connection in list(self._connections):
            connection.reset()

    async def _stop_serving(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._all_closed()
            await self._server.wait_closed()
            self._server = None
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await timer

    async def _all_closed(self) -> None:
        for connection in list(self._connections):
            await connection.closed.wait()
