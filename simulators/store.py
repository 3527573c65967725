"""One simulated store's hardware on real sockets, driven by its world.

An LLRP reader with a dock portal, backroom and sales-floor antennas, a shelf scale, tills and the
back office's till, which counts and receives. Readers and scales look at the world when they
measure; tills write when somebody pays. Runs in its caller's event loop.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Final

from protocol.ids import Gtin
from simulators.devices.faults import FaultyDevice
from simulators.devices.llrp_reader import LlrpReader, ReaderSettings, TagInField
from simulators.devices.peripherals import Peripherals
from simulators.devices.shelf_scale import ShelfScale
from simulators.devices.till import TRANSACTIONS_REMEMBERED_MAX, Till, TillItem
from simulators.scenario import Scenario, new_world
from simulators.world.goods import Place
from simulators.world.happenings import (
    Happening,
    Line,
    Occasion,
    OpeningCount,
    PostVoid,
    Receipt,
    Refund,
    Sale,
)
from simulators.world.load_cells import LoadCellSettings

TICK_MS_MAX: Final = 100
"""The world is looked after at least this often."""
TAKEN_BACK_RATE: Final = 0.05
"""Part of the transactions in which a line is rung up and taken back before payment."""
BACK_OFFICE: Final = "back-office"
READER: Final = "reader-1"
SCALE: Final = "scale-1"

ANTENNAS: Final[dict[int, tuple[Place, ...]]] = {
    1: ("dock_outside",),
    2: ("dock_inside",),
    3: ("backroom",),
    4: ("sales_floor", "basket"),
}
"""What each antenna of the reader covers."""

_RSSI_DBM: Final = -52.0
_RSSI_SPREAD_DB: Final = 3.0


class WallClock:
    """Time since the Unix epoch that never goes back: wall time at the start, then monotonic."""

    def __init__(self) -> None:
        self._offset_ns = time.time_ns() - time.monotonic_ns()

    def milliseconds(self) -> int:
        """Return milliseconds since the Unix epoch."""
        return self.microseconds() // 1_000

    def microseconds(self) -> int:
        """Return microseconds since the Unix epoch."""
        return (time.monotonic_ns() + self._offset_ns) // 1_000


class StoreHardware:
    """Everything of one store that an agent can connect to.

    `shown` is told each occasion when the hardware has shown it, and when that was on the
    machine's monotonic clock, in nanoseconds. Spools are made in `folder`.
    """

    def __init__(
        self, scenario: Scenario, folder: Path, shown: Callable[[Occasion, int], None]
    ) -> None:
        self.scenario: Final = scenario
        self.folder: Final = folder
        self._shown = shown
        self._clock = WallClock()
        self._rng = Random(f"{scenario.seed}/{scenario.store}/hardware")
        self.world: Final = new_world(scenario)
        self.still: Final = asyncio.Event()
        """Set when the doors are closed and nothing is under way any more."""
        self._doors_are_closing = False
        self._sales: dict[int, tuple[int, str]] = {}
        self._tills = [self._new_till(name) for name in self.till_names]
        self._back_office = self._new_till(BACK_OFFICE)
        self._reader = LlrpReader(
            host=scenario.hardware.host,
            port=scenario.hardware.reader_port,
            antennas=len(ANTENNAS),
            field=self._field,
            clock_us=self._clock.microseconds,
            settings=ReaderSettings(round_ms=scenario.hardware.reader_round_ms),
        )
        self._scale = self._new_scale() if self.world.shelves else None
        self.peripherals: Final = Peripherals(scenario.peripherals, folder / "lines", self._rng)

    @property
    def devices(self) -> dict[str, FaultyDevice]:
        """Everything that can be broken, by the name that the agent knows it by."""
        devices: dict[str, FaultyDevice] = {READER: self._reader, **self.peripherals.devices}
        if self._scale is not None:
            devices[SCALE] = self._scale
        return devices

    @property
    def till_names(self) -> list[str]:
        """The tills that shoppers pay at."""
        return [f"till-{number + 1}" for number in range(self.scenario.world.tills.count)]

    @property
    def reader_port(self) -> int:
        """Where the reader listens."""
        return self._reader.port

    @property
    def scale_port(self) -> int | None:
        """Where the shelf scale listens, if there is one."""
        return None if self._scale is None else self._scale.port

    def spool(self, till: str) -> Path:
        """Return the directory that a till writes to."""
        return self.folder / "spool" / till

    async def start(self) -> None:
        """Listen, and leave the opening count of the untagged goods in the back office."""
        await self._reader.start()
        if self._scale is not None:
            await self._scale.start()
        await self.peripherals.start()
        count = self.world.opening_count(self._clock.milliseconds())
        if count is not None:
            self._write(count)

    async def stop(self) -> None:
        """Stop listening."""
        await self.peripherals.stop()
        if self._scale is not None:
            await self._scale.stop()
        await self._reader.stop()

    async def live(self) -> None:
        """Let time pass in the store, until cancelled."""
        while True:
            now_ms = self._clock.milliseconds()
            for occasion in self.world.advance(now_ms):
                self._write(occasion.happening)
                self._shown(occasion, time.monotonic_ns())
            if self._doors_are_closing and self.world.is_still:
                self.still.set()
            due_ms = self.world.next_due_ms
            wait_ms = TICK_MS_MAX if due_ms is None else min(TICK_MS_MAX, due_ms - now_ms)
            await asyncio.sleep(max(1, wait_ms) / 1_000)

    def open_doors(self) -> None:
        """Let shoppers, staff and deliveries begin."""
        self.world.open_doors(self._clock.milliseconds())

    def close_doors(self) -> None:
        """Begin nothing new: shoppers inside finish, goods on their way arrive."""
        self.world.close_doors()
        self._doors_are_closing = True

    def reorder(self, reorder_id: str, gtin: Gtin, quantity: int) -> bool:
        """Ask the warehouse for goods; return whether they will come."""
        return self.world.reorder(reorder_id, gtin, quantity, self._clock.milliseconds())

    def pick_order(self, order: str, wanted: Mapping[Gtin, int]) -> None:
        """Let an associate pack goods of an order; an `OrderPicked` is shown when that is done."""
        self.world.pick_order(order, wanted, self._clock.milliseconds())

    def ship_order(self, order: str, shipped: Mapping[Gtin, int]) -> None:
        """Let a carrier take packed goods along; what else is packed for it is put back."""
        self.world.ship_order(order, shipped, self._clock.milliseconds())

    def _new_scale(self) -> ShelfScale:
        return ShelfScale(
            host=self.scenario.hardware.host,
            port=self.scenario.hardware.scale_port,
            loads=self.world.shelf_load_g,
            shelves=len(self.world.shelves),
            rng=self._rng,
            settings=LoadCellSettings(noise_g=self.scenario.hardware.scale_noise_g),
        )

    def _new_till(self, name: str) -> Till:
        return Till(
            spool=self.spool(name),
            workstation=name,
            business_day=datetime.now(UTC).date(),
            store=self.scenario.store,
            taken_back_rate=TAKEN_BACK_RATE,
            rng=self._rng,
        )

    def _field(self, antenna: int) -> Sequence[TagInField]:
        uniform = self._rng.uniform
        return [
            TagInField(epc, _RSSI_DBM + uniform(-_RSSI_SPREAD_DB, _RSSI_SPREAD_DB))
            for epc in self.world.tags_at(*ANTENNAS[antenna])
        ]

    def _write(self, happening: Happening | OpeningCount) -> None:
        items = _items(happening.lines)
        at_ms = happening.at_ms
        if isinstance(happening, Sale):
            key = self._tills[happening.till].sell(items, at_ms)
            self._remember(happening.number, happening.till, key)
            self.peripherals.sold(self.till_names[happening.till], items)
        elif isinstance(happening, PostVoid):
            till, key = self._sales.pop(happening.sale)
            self._tills[till].void(key, at_ms)
        elif isinstance(happening, Refund):
            _, key = self._sales[happening.sale]
            self._tills[happening.till].refund(items, at_ms, original=key)
        elif isinstance(happening, OpeningCount):
            self._back_office.count(items, at_ms)
        elif isinstance(happening, Receipt):
            self._back_office.receive(items, at_ms, happening.document)

    def _remember(self, sale: int, till: int, key: str) -> None:
        self._sales[sale] = (till, key)
        if len(self._sales) > TRANSACTIONS_REMEMBERED_MAX:
            del self._sales[next(iter(self._sales))]


def _items(lines: Sequence[Line]) -> list[TillItem]:
    return [TillItem(line.gtin, line.quantity, line.measure) for line in lines]
