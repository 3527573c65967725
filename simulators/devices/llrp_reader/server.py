"""A simulated LLRP 1.0.1 reader on a TCP port: sockets, timers and faults around `ReaderEngine`.

Everything runs in its caller's event loop; `field`, `reads` and `clock_us` are called there too,
and have to return at once.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from typing import Final

from simulators.devices.fault_switch import FaultSwitch
from simulators.devices.llrp_reader.connection import Connection, now_ms
from simulators.devices.llrp_reader.drive import AntennaDrive, ReadModel
from simulators.devices.llrp_reader.engine import Kept, ReaderEngine
from simulators.devices.llrp_reader.settings import ReaderSettings, ReaderStats, TagInField
from simulators.devices.llrp_reader.tag_memory import TagMemories
from simulators.errors import AddressUnavailable

FAULTS: Final = {
    "reboot": "it loses power for some seconds, and everything that was not sent",
    "drop_connection": "every connection is reset",
    "half_open": "nothing gets through in either direction, and nobody is told",
    "duplicate_reports": "each report is sent twice",
    "late_reports": "every second report comes some seconds late, after younger ones",
    "lose_reports": "every second report is lost",
    "clock_jump": "its clock is an hour ahead",
    "antenna_dead": "antenna 1 reads nothing, and the reader does not notice",
    "antenna_unplugged": "antenna 1 is not connected, and the reader says so",
    "buffer_overflow": "there is room for some tags only; others are lost, and the client is told",
    "no_keepalives": "it sends no keepalives",
}
CLOCK_JUMP_US: Final = 3_600_000_000
FAULTY_ANTENNA: Final = 1

_AT_ONCE: Final = ("reboot", "drop_connection")
_logger: Final = logging.getLogger(__name__)


class LlrpReader(FaultSwitch):
    """One reader with `antennas` antennas, numbered from 1. It is a `FaultyDevice`.

    `field(antenna)` tells which tags an antenna can read now, however it is driven; `reads(drive)`
    tells that of an antenna driven so: one of them is given. `clock_us()` is UTC.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        antennas: int,
        field: Callable[[int], Sequence[TagInField]] | None = None,
        reads: ReadModel | None = None,
        clock_us: Callable[[], int],
        settings: ReaderSettings | None = None,
        name: str = "reader",
    ) -> None:
        super().__init__(name, FAULTS)
        self._address = (host, port)
        self._antennas = antennas
        self._reads = _read_model(field, reads)
        self._clock_us = clock_us
        self._settings = settings or ReaderSettings()
        self._memories = TagMemories(self._settings.tag_memories_max)
        self.stats = ReaderStats()
        self._connections: set[Connection] = set()
        self._half_open: list[Connection] = []
        self._server: asyncio.Server | None = None
        self._timer: asyncio.Task[None] | None = None
        self._rebooting: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self._engine = self._power_on(None)

    @property
    def port(self) -> int:
        """The port that the reader listens on: the one asked for, until it was started."""
        return self._address[1]

    @property
    def gpo_levels(self) -> dict[int, bool]:
        """The output ports' levels, as clients have set them: lamps, gates, sirens."""
        return self._engine.gpo_levels

    @property
    def is_listening(self) -> bool:
        """Whether it is switched on."""
        return self._server is not None

    @property
    def is_connected(self) -> bool:
        """Whether a client is connected."""
        return self._engine.is_connected

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

        Raises whatever the world or `clock_us` raised, if that had ended the reader's work.
        """
        if self._rebooting is not None:
            self._rebooting.cancel()
            await asyncio.wait([self._rebooting])
            self._rebooting = None
        self._end_half_open()
        self._engine.close("the reader stops")
        await self._stop_serving()

    async def drop_connections(self) -> None:
        """Reset every connection, as a broken network would; the reader itself goes on."""
        self._reset_all()
        await self._all_closed()

    async def reboot(self, down_ms: int) -> None:
        """Lose power for a while: connections and reports are gone, and as its settings say, more.

        Raises `AddressUnavailable` if somebody else has taken the port meanwhile.
        """
        self.stats.reboots += 1
        self._end_half_open()
        self._reset_all()
        await self._stop_serving()
        kept = self._engine.power_off()
        await asyncio.sleep(down_ms / 1_000)
        self._engine = self._power_on(kept)
        await self.start()

    def set_gpi(self, port: int, high: bool) -> None:
        """Drive an input port, for instance of a light barrier."""
        self._engine.set_gpi(port, high, now_ms())
        self._changed.set()

    def set_antenna_connected(self, antenna: int, connected: bool) -> None:
        """Plug an antenna in or out."""
        self._engine.set_antenna_connected(antenna, connected)

    def inject(self, kind: str) -> None:
        """See `FaultyDevice.inject`; what is over at once happens each time."""
        if kind not in _AT_ONCE:
            super().inject(kind)
        elif kind == "drop_connection":
            self._reset_all()
        elif self._rebooting is None:
            loop = asyncio.get_running_loop()
            self._rebooting = loop.create_task(self.reboot(self._settings.reboot_ms))
            self._rebooting.add_done_callback(self._on_rebooted)

    def began(self, kind: str) -> None:
        """See `FaultSwitch.began`."""
        if kind == "half_open":
            self._half_open = list(self._connections)
            for connection in self._half_open:
                connection.mute()
        elif kind == "antenna_unplugged":
            self.set_antenna_connected(FAULTY_ANTENNA, False)
        self._changed.set()

    def ended(self, kind: str) -> None:
        """See `FaultSwitch.ended`."""
        if kind == "half_open":
            self._end_half_open()
        elif kind == "antenna_unplugged":
            self.set_antenna_connected(FAULTY_ANTENNA, True)
        self._changed.set()

    def _power_on(self, before: Kept | None) -> ReaderEngine:
        clock_us = self._utc_us
        if not self._settings.has_utc_clock:
            on_us = self._clock_us()

            def clock_us() -> int:
                return self._clock_us() - on_us

        return ReaderEngine(
            antennas=self._antennas,
            reads=self._antenna_reads,
            clock_us=clock_us,
            settings=self._settings,
            stats=self.stats,
            memories=self._memories,
            faults=self.active,
            before=before,
            now_ms=now_ms(),
        )

    def _utc_us(self) -> int:
        ahead_us = CLOCK_JUMP_US if "clock_jump" in self.active else 0
        return self._clock_us() + ahead_us

    def _antenna_reads(self, drive: AntennaDrive) -> Sequence[TagInField]:
        if drive.antenna == FAULTY_ANTENNA and "antenna_dead" in self.active:
            return ()
        return self._reads(drive)

    def _accept(self) -> Connection:
        connection = Connection(
            self._engine,
            self._settings,
            self._connections,
            self._changed.set,
            muted="half_open" in self.active,
        )
        if "half_open" in self.active:
            self._half_open.append(connection)
        return connection

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
        """A reader whose world or clock failed is dead to its clients, not silent."""
        if not timer.cancelled():
            _logger.error("LLRP reader at port %d failed: %r", self.port, timer.exception())
            self._cut_all()

    def _on_rebooted(self, task: asyncio.Task[None]) -> None:
        self._rebooting = None
        if not task.cancelled() and task.exception() is not None:
            _logger.error("LLRP reader stays down: %s", task.exception())

    def _end_half_open(self) -> None:
        for connection in self._half_open:
            connection.unmute()
        self._half_open.clear()

    def _reset_all(self) -> None:
        for connection in list(self._connections):
            connection.reset()

    def _cut_all(self) -> None:
        if self._server is not None:
            self._server.close()
        self._reset_all()

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


def _read_model(
    field: Callable[[int], Sequence[TagInField]] | None, reads: ReadModel | None
) -> ReadModel:
    if reads is not None:
        return reads
    if field is None:
        raise TypeError("a reader needs a field or a read model")
    return lambda drive: field(drive.antenna)
