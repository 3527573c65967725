"""The agent's parts list: which adapters stand at which seam, how they start and how they stop.

Devices read on threads of their own and append to the outbox; the uplink delivers what the outbox
holds from one event loop. Adapters are picked here and nowhere else.
"""

import asyncio
import logging
import random
import secrets
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from edge.config import EdgeSettings
from edge.devices.driver import Driver, Health
from edge.devices.pos_journal import PosJournalDriver
from edge.devices.shelf_scale import ShelfScaleDriver
from edge.devices.status import StatusBoard
from edge.devices.supervisor import DeviceSpec, RestartPolicy, Supervisor
from edge.devices.tag_tracker import TagTracker
from edge.errors import OutboxFailed, OutboxFull
from edge.mirror.sqlite import SqliteMirror
from edge.outbox.sqlite import SqliteOutbox
from edge.sensing.tags import Layout, PortalAntenna, ZoneAntenna
from edge.uplink.agent import AgentState
from edge.uplink.mqtt import Uplink
from protocol.facts import DeviceHealthChanged
from protocol.ids import EPOCH_MAX

HEALTH_DETAIL_CHARS_MAX: Final = 256

_log = logging.getLogger(__name__)


def clock_ms() -> int:
    """Return milliseconds since the Unix epoch, by this gateway's clock."""
    return time.time_ns() // 1_000_000


def monotonic_ms() -> int:
    """Return milliseconds on a clock that only goes forward."""
    return time.monotonic_ns() // 1_000_000


def mint_epoch() -> int:
    """Return a number for a new life of the outbox, by chance, so that no two lives share one."""
    return secrets.randbelow(EPOCH_MAX) + 1


async def run(settings: EdgeSettings, stopping: asyncio.Event) -> None:
    """Run the agent until `stopping`, then stop devices, flush, and deliver for a bounded time.

    Raises `OutboxFailed` when nothing more can be promised.
    """
    agent = _Agent(settings, stopping)
    try:
        await agent.run()
    finally:
        agent.close()
    if agent.failure is not None:
        raise OutboxFailed(agent.failure)


class _Agent:
    """The running parts."""

    def __init__(self, settings: EdgeSettings, stopping: asyncio.Event) -> None:
        self.failure: str | None = None
        self._settings: Final = settings
        self._stopping: Final = stopping
        self._loop: Final = asyncio.get_running_loop()
        self._outbox: Final = SqliteOutbox(
            settings.outbox_path,
            disk_budget_bytes=settings.outbox.disk_budget_bytes,
            mint_epoch=mint_epoch,
            clock_ms=clock_ms,
            on_failure=self._fail,
        )
        self._mirror: Final = SqliteMirror(settings.mirror_path)
        self._board: Final = StatusBoard(self._health_changed)
        self._tags: Final = TagTracker(
            tag_layout(settings), settings.tags, self._outbox, clock_ms, self._fail
        )
        state = AgentState(settings.store_id, self._outbox, self._board.snapshot, clock_ms)
        self._uplink: Final = Uplink(
            settings.store_id,
            settings.broker,
            settings.uplink,
            outbox=self._outbox,
            mirror=self._mirror,
            agent=state,
            clock_ms=clock_ms,
            jitter=random.random,
        )

    async def run(self) -> None:
        """Run until told to stop, or until the outbox fails."""
        status = self._outbox.status()
        _log.info(
            "outbox: epoch %d, next number %d, %d pending; %d tags known",
            status.epoch,
            status.next_seq,
            status.pending,
            self._tags.known_tags,
        )
        if self._settings.llrp:
            # Without a reader there is no baseline to sweep; it must wait for the first one.
            self._tags.start()
        supervisor = Supervisor.start(
            list(self._devices()),
            self._board,
            RestartPolicy(),
            random.Random(),  # noqa: S311 # It only spreads restarts.
            monotonic_ms,
        )
        uplink = asyncio.create_task(self._uplink.run())
        waiting = asyncio.create_task(self._stopping.wait())
        await asyncio.wait((uplink, waiting), return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        # Bounded by the supervisor, which waits for each device a limited time.
        await asyncio.to_thread(supervisor.stop)
        await asyncio.to_thread(self._tags.stop)
        self._uplink.stop()
        await uplink

    def close(self) -> None:
        """Flush what was appended and release the files."""
        self._outbox.close()
        self._mirror.close()

    def _devices(self) -> Iterator[DeviceSpec]:
        for reader in self._settings.llrp:
            # Imported here only: a gateway without readers never loads the GPL-licensed client.
            from edge.devices.llrp import LlrpDriver  # noqa: PLC0415

            make_reader: Callable[[], Driver] = partial(
                LlrpDriver, reader, self._tags, clock_ms, monotonic_ms
            )
            yield DeviceSpec(reader.name, LlrpDriver.kind, make_reader)
        for scale in self._settings.shelf_scale:
            make_scale = partial(ShelfScaleDriver, scale, self._outbox, clock_ms)
            yield DeviceSpec(scale.name, ShelfScaleDriver.kind, make_scale)
        for till in self._settings.pos_journal:
            make_till = partial(PosJournalDriver, till, self._outbox, clock_ms)
            yield DeviceSpec(till.name, PosJournalDriver.kind, make_till)

    def _health_changed(self, name: str, health: Health, detail: str) -> None:
        """Tell the cloud as a fact and everybody by the agent's document. Any thread."""
        if health == "stopped":
            return  # The agent itself says that it goes.
        fact = DeviceHealthChanged(
            occurred_at_ms=clock_ms(),
            source=name,
            health=health,
            detail=detail[:HEALTH_DETAIL_CHARS_MAX],
        )
        try:
            self._outbox.append([fact])
        except OutboxFull:
            _log.debug("no room to tell the health of %s; the outbox counts it", name)
        except OutboxFailed:
            return  # It has told `_fail` already.
        self._uplink.agent_changed()

    def _fail(self, detail: str) -> None:
        """Stop the agent, since nothing more can be promised. Any thread."""
        self.failure = detail
        self._loop.call_soon_threadsafe(self._stopping.set)


def tag_layout(settings: EdgeSettings) -> Layout:
    """Return what each antenna of each reader looks at."""
    portals = {portal.name: portal for portal in settings.portals}
    layout: dict[tuple[str, int], ZoneAntenna | PortalAntenna] = {}
    for reader in settings.llrp:
        for antenna in reader.antennas:
            key = (reader.name, antenna.id)
            if antenna.zone is not None:
                layout[key] = ZoneAntenna(antenna.zone)
            elif antenna.portal is not None and antenna.side is not None:
                layout[key] = PortalAntenna(portals[antenna.portal], antenna.side)
    return layout
