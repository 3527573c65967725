"""A store's gateway in the simulation: the agent's real parts, on the virtual loop.

Outbox, mirror, uplink and the till's driver are production code, put together as
`edge.assembly` does; only threads are missing. A supervisor outside starts it again when it ends.
"""

import asyncio
import os
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from random import Random
from typing import Final

import apsw

from edge.devices.driver import DeviceReport
from edge.devices.pos_journal import PosJournalDriver
from edge.devices.pos_journal_settings import PosJournalSettings
from edge.devices.status import StatusBoard
from edge.errors import DeviceFault, OutboxFailed
from edge.mirror.sqlite import SqliteMirror
from edge.outbox.port import Outbox
from edge.outbox.sqlite import SqliteOutbox
from edge.uplink.agent import AgentState
from edge.uplink.mqtt import Uplink
from edge.uplink.settings import UplinkSettings
from mqtt5 import Client
from protocol.broker_settings import BrokerSettings
from protocol.ids import EPOCH_MAX, StoreId
from simulators.harness.clocks import Clock
from simulators.harness.stepped import SteppedWriter

TILL: Final = "till-1"
POLL_EVERY_S: Final = 0.5
FAULT_PAUSE_S: Final = 1.0
REMOVED_REMEMBERED_MAX: Final = 16
"""Directory entries whose removal a power cut may take back."""


class SteppedTill(PosJournalDriver):
    """The till's driver, looking whenever it is polled; it remembers what it removed lately."""

    def __init__(self, settings: PosJournalSettings, outbox: Outbox, clock: Clock) -> None:
        super().__init__(settings, outbox, clock.now_ms)
        self.removed: Final[deque[tuple[Path, bytes]]] = deque(maxlen=REMOVED_REMEMBERED_MAX)
        self._folder: Final = Path(settings.spool)

    def open(self, report: DeviceReport) -> None:
        """Make the directories, and watch nothing: a life that is killed would not let go of it."""
        super().open(report)
        if self._watch is not None:
            self._watch.close()

    def _wait(self) -> None:
        """There is nothing to wait for: time passes between polls."""

    def _dispose(self, name: str) -> None:
        path = self._folder / name
        self.removed.append((path, path.read_bytes()))
        super()._dispose(name)


class Gateway:
    """What runs in one life of an agent."""

    def __init__(
        self,
        store: StoreId,
        folder: Path,
        *,
        spool: Path,
        clock: Clock,
        rng: Random,
        client_type: Callable[..., Client],
        disk_budget_bytes: int,
    ) -> None:
        self.store: Final = store
        self.outbox: SqliteOutbox | None = None
        self.mirror: SqliteMirror | None = None
        self.till: SteppedTill | None = None
        self._folder: Final = folder
        self._spool: Final = spool
        self._clock: Final = clock
        self._rng: Final = rng
        self._client_type: Final = client_type
        self._budget_bytes: Final = disk_budget_bytes
        self._stopping: Final = asyncio.Event()
        self._failure: str | None = None
        self._lock: int | None = None

    def stop(self) -> None:
        """SIGTERM."""
        self._stopping.set()

    def release(self) -> None:
        """What the operating system does for a dead process: its file lock is free."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    async def run(self) -> None:
        """Run as the agent does. Raises `EdgeError` when it cannot go on."""
        outbox = self._open_outbox()
        mirror = self.mirror = SqliteMirror(self._folder / "mirror.db")
        board = StatusBoard(lambda *_: None)
        report = board.add(TILL, PosJournalDriver.kind)
        uplink = Uplink(
            self.store,
            BrokerSettings(url="mqtt://broker:1883"),
            UplinkSettings(),
            outbox=outbox,
            mirror=mirror,
            agent=AgentState(self.store, outbox, board.snapshot, self._clock.now_ms),
            clock_ms=self._clock.now_ms,
            jitter=self._rng.random,
            client_type=self._client_type,
        )
        settings = PosJournalSettings(name=TILL, spool=str(self._spool))
        delivering = asyncio.create_task(uplink.run())
        polling = asyncio.create_task(self._poll(partial(SteppedTill, settings, outbox), report))
        stopping = asyncio.create_task(self._stopping.wait())
        await asyncio.wait((delivering, polling, stopping), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        polling.cancel()
        await asyncio.wait((polling,))
        uplink.stop()
        await delivering
        outbox.close()
        self._lock = None
        # SQLite itself keeps quiet about a full disk here; a disk in Python cannot.
        with suppress(apsw.Error):
            mirror.close()
        if self._failure is not None:
            raise OutboxFailed(self._failure)
        if not polling.cancelled():
            polling.result()

    def _open_outbox(self) -> SqliteOutbox:
        self.outbox = SqliteOutbox(
            self._folder / "outbox.db",
            disk_budget_bytes=self._budget_bytes,
            mint_epoch=lambda: self._rng.randrange(EPOCH_MAX) + 1,
            clock_ms=self._clock.now_ms,
            on_failure=self._fail,
            writer_type=SteppedWriter,
        )
        self._lock = self.outbox._lock  # noqa: SLF001 # Only a dead process gives it back unasked.
        return self.outbox

    def _fail(self, reason: str) -> None:
        self._failure = reason
        self._stopping.set()

    async def _poll(self, make_till: Callable[[Clock], SteppedTill], report: DeviceReport) -> None:
        """Poll the till as its device actor does: what fails is opened anew."""
        while True:
            self.till = make_till(self._clock)
            try:
                await asyncio.to_thread(self.till.open, report)
                while True:
                    await asyncio.to_thread(self.till.poll)
                    await asyncio.sleep(POLL_EVERY_S)
            except DeviceFault:
                await asyncio.sleep(FAULT_PAUSE_S)
            except OutboxFailed:
                await self._stopping.wait()
                return
