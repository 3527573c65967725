"""The agent's parts list: which adapters stand at which seam, how they start and how they stop.

Devices read on threads of their own and append to the outbox; the uplink delivers what the outbox
holds from one event loop. Adapters are picked here and nowhere else.
"""

import asyncio
import gc
import logging
import random
import secrets
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from edge.config import EdgeSettings
from edge.devices.barcode_scanner import BarcodeScannerDriver
from edge.devices.counter_scale import CounterScaleDriver
from edge.devices.driver import Driver, Health
from edge.devices.pos_journal import PosJournalDriver
from edge.devices.receipt_printer import ReceiptPrinterDriver
from edge.devices.shelf_scale import ShelfScaleDriver
from edge.devices.status import StatusBoard
from edge.devices.supervisor import DeviceSpec, RestartPolicy, Supervisor
from edge.devices.tag_tracker import TagTracker
from edge.devices.till_activity import NotedOutbox, TillActivity
from edge.devices.weight_board import WeightBoard
from edge.errors import OutboxFailed, OutboxFull
from edge.mirror.reading import MirrorReader
from edge.mirror.sqlite import SqliteMirror
from edge.outbox.port import Outbox
from edge.outbox.sqlite import SqliteOutbox
from edge.recording.starting import agent_recorder
from edge.recording.tap import NO_TAP, Tap
from edge.sensing.layout import Antenna, Layout, PortalAntenna, SweepAntenna, ZoneAntenna
from edge.sensing.readings import TagSink
from edge.uplink.agent import AgentState
from edge.uplink.mqtt import Uplink
from protocol.facts import DeviceHealthChanged
from protocol.ids import EPOCH_MAX

HEALTH_DETAIL_CHARS_MAX: Final = 256
OBJECTS_PER_COLLECTION: Final = 20_000
"""Python looks for cycles after so many new objects. Readings make thousands, and no cycle."""

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


def collect_seldom() -> None:
    """Let the garbage collector look less often, and never at what was loaded until now."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(OBJECTS_PER_COLLECTION)


async def run(settings: EdgeSettings, stopping: asyncio.Event) -> None:
    """Run the agent until `stopping`, then stop devices, flush, and deliver for a bounded time.

    Raises `OutboxFailed` when nothing more can be promised.
    """
    collect_seldom()
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
        self._recorder: Final = agent_recorder(settings, clock_ms, monotonic_ms)
        self._tap: Final = self._recorder or NO_TAP
        if self._recorder is not None:
            self._recorder.checkpoints(self._outbox.checkpoints(""))
            self._recorder.start()
        self._tags: Final = TagTracker(
            tag_layout(settings), settings.tags, self._outbox, clock_ms, self._fail, self._tap
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
            list(device_specs(self._settings, self._tags, self._outbox, self._tap)),
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
        if self._recorder is not None:
            await asyncio.to_thread(self._recorder.close)
        self._uplink.stop()
        await uplink

    def close(self) -> None:
        """Flush what was appended and release the files."""
        self._outbox.close()
        self._mirror.close()

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


def device_specs(
    settings: EdgeSettings, tags: TagSink, outbox: Outbox, tap: Tap
) -> Iterator[DeviceSpec]:
    """Yield the devices of a store, with drivers that tell `tags`, `outbox` and `tap`."""
    for reader in settings.llrp:
        # Imported here only: a gateway without readers never loads the GPL-licensed client.
        from edge.devices.llrp import LlrpDriver  # noqa: PLC0415

        make_reader: Callable[[], Driver] = partial(
            LlrpDriver, reader, tags, clock_ms, monotonic_ms, tap=tap
        )
        yield DeviceSpec(reader.name, LlrpDriver.kind, make_reader)
    for scale in settings.shelf_scale:
        make_scale = partial(ShelfScaleDriver, scale, outbox, clock_ms, tap=tap)
        yield DeviceSpec(scale.name, ShelfScaleDriver.kind, make_scale)
    activity = TillActivity(monotonic_ms)
    for till in settings.pos_journal:
        noted = NotedOutbox(outbox, activity)
        make_till = partial(PosJournalDriver, till, noted, clock_ms, tap)
        yield DeviceSpec(till.name, PosJournalDriver.kind, make_till)
    yield from _peripheral_specs(settings, outbox, activity, tap)


def _peripheral_specs(
    settings: EdgeSettings, outbox: Outbox, activity: TillActivity, tap: Tap
) -> Iterator[DeviceSpec]:
    """Yield the tills' own peripherals."""
    weights = WeightBoard(monotonic_ms)
    mirror = MirrorReader(settings.mirror_path)
    for scanner in settings.barcode_scanner:
        make_scanner = partial(
            BarcodeScannerDriver,
            scanner,
            outbox,
            weights,
            mirror.measure_of,
            clock_ms,
            monotonic_ms,
            tap=tap,
        )
        yield DeviceSpec(scanner.name, BarcodeScannerDriver.kind, make_scanner)
    for scale in settings.counter_scale:
        make_scale = partial(CounterScaleDriver, scale, weights, clock_ms, monotonic_ms, tap=tap)
        yield DeviceSpec(scale.name, CounterScaleDriver.kind, make_scale)
    for printer in settings.receipt_printer:
        make_printer = partial(
            ReceiptPrinterDriver,
            printer,
            settings.store,
            outbox,
            mirror.tasks,
            activity,
            clock_ms,
            monotonic_ms,
            tap=tap,
        )
        yield DeviceSpec(printer.name, ReceiptPrinterDriver.kind, make_printer)


def tag_layout(settings: EdgeSettings) -> Layout:
    """Return what each antenna of each reader looks at."""
    portals = {portal.name: portal for portal in settings.portals}
    layout: dict[tuple[str, int], Antenna] = {}
    for reader in settings.llrp:
        for antenna in reader.antennas:
            key = (reader.name, antenna.id)
            if antenna.zone is not None:
                layout[key] = ZoneAntenna(antenna.zone)
            elif antenna.portal is not None and antenna.side is not None:
                layout[key] = PortalAntenna(portals[antenna.portal], antenna.side)
            elif antenna.sweep:
                layout[key] = SweepAntenna()
    return layout
