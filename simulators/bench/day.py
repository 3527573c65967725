"""A store on a normal day: 4 doorways, 20 shelf scales, 2 tills, on real sockets and spools.

A normal day has 20,000 facts in 12 hours, 28 a minute; things happen at even distances, so that
each minute is like the other. Runs in its caller's event loop.
"""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from json import dumps
from pathlib import Path
from random import Random
from typing import Final

from simulators.bench.doorways import DOORWAYS, Traffic
from simulators.demo.broker import BrokerAddress
from simulators.devices.llrp_reader import LlrpReader
from simulators.devices.shelf_scale import ShelfScale
from simulators.devices.till import Till, TillItem
from simulators.world.goods import gtin_of
from simulators.world.load_cells import LoadCellSettings

STORE: Final = "S001"
ROOT: Final = "st/1"
SCALES: Final = 20
TILLS: Final = ("till-1", "till-2")
ITEM_WEIGHT_G: Final = 250.0
ITEMS_PER_SHELF: Final = 40
FIRST_SHELF_ARTICLE: Final = 70_000
ARTICLES: Final = 300
LINES_PER_RECEIPT: Final = 3
BOX: Final = 8
RECEIPT_EVERY_S: Final = 10.0
PICK_EVERY_S: Final = 12.0
LEAVE_EVERY_S: Final = 15.0
DELIVERY_EVERY_S: Final = 120.0
"""With one box each time, which is carried to the floor a minute later: what leaves, comes."""


class Day:
    """The store's hardware, and what happens to it."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._folder: Final = folder
        self._rng: Final = Random(f"{seed}/day")
        self._traffic: Final = Traffic(self._rng, BOX)
        self._items: Final = [ITEMS_PER_SHELF] * SCALES
        self._readers: Final = {door.name: self._reader(door.name) for door in DOORWAYS}
        self._scales: Final = [self._scale(number) for number in range(SCALES)]
        self._tills: Final = [self._till(name) for name in TILLS]
        self._gtins: Final = [gtin_of(number) for number in range(ARTICLES)]

    async def start(self) -> None:
        """Listen."""
        for reader in self._readers.values():
            await reader.start()
        for scale in self._scales:
            await scale.start()

    async def stop(self) -> None:
        """Stop listening."""
        for reader in self._readers.values():
            await reader.stop()
        for scale in self._scales:
            await scale.stop()

    async def live(self) -> None:
        """Let the day go on, until cancelled."""
        self._tills[0].count([TillItem(gtin, 1_000) for gtin in self._gtins], _now_ms())
        async with asyncio.TaskGroup() as group:
            group.create_task(_each(RECEIPT_EVERY_S, self._sell))
            group.create_task(_each(PICK_EVERY_S, self._pick))
            group.create_task(_each(LEAVE_EVERY_S, lambda: self._traffic.leave(_now_s())))
            group.create_task(_each(DELIVERY_EVERY_S, lambda: self._traffic.deliver(_now_s())))
            await asyncio.sleep(DELIVERY_EVERY_S / 12)
            group.create_task(_each(DELIVERY_EVERY_S, lambda: self._traffic.restock(_now_s())))

    def config(self, broker: BrokerAddress) -> str:
        """Return the agent's `store.toml`."""
        lines = [
            f"store = {dumps(STORE)}",
            'data_dir = "./data"',
            f"[broker]\nurl = {dumps(broker.url)}\nroot = {dumps(ROOT)}",
        ]
        for door in DOORWAYS:
            name = dumps(door.name)
            lines += [
                f"[[portals]]\nname = {name}\noutside = {dumps(door.outside)}",
                f"inside = {dumps(door.inside)}\n[[llrp]]\nname = {dumps(f'reader-{door.name}')}",
                f'host = "127.0.0.1"\nport = {self._readers[door.name].port}',
                (
                    f'antennas = [{{ id = 1, portal = {name}, side = "outside" }},'
                    f' {{ id = 2, portal = {name}, side = "inside" }}]'
                ),
            ]
        for number, scale in enumerate(self._scales):
            gtin = dumps(gtin_of(FIRST_SHELF_ARTICLE + number))
            lines += [
                f'[[shelf_scale]]\nname = "scale-{number + 1}"\nhost = "127.0.0.1"',
                (
                    f'port = {scale.port}\nshelves = [{{ shelf = "A{number + 1}", index = 0,'
                    f" gtin = {gtin}, item_weight_g = {ITEM_WEIGHT_G} }}]"
                ),
            ]
        lines += [
            f"[[pos_journal]]\nname = {dumps(name)}\nspool = {dumps(str(self._folder / name))}"
            for name in TILLS
        ]
        return "\n".join(lines) + "\n"

    def _sell(self) -> None:
        gtins = self._rng.sample(self._gtins, LINES_PER_RECEIPT)
        self._rng.choice(self._tills).sell([TillItem(gtin, 1) for gtin in gtins], _now_ms())

    def _pick(self) -> None:
        """Take something from a shelf, or fill it up."""
        shelf = self._rng.randrange(SCALES)
        left = self._items[shelf]
        self._items[shelf] = ITEMS_PER_SHELF if left < ITEMS_PER_SHELF // 4 else left - 1

    def _reader(self, doorway: str) -> LlrpReader:
        return LlrpReader(
            antennas=2,
            field=lambda antenna: self._traffic.heard(doorway, antenna, _now_s()),
            clock_us=lambda: time.time_ns() // 1_000,
            name=doorway,
        )

    def _scale(self, number: int) -> ShelfScale:
        return ShelfScale(
            loads=lambda _: self._items[number] * ITEM_WEIGHT_G,
            shelves=1,
            rng=self._rng,
            name=f"scale-{number + 1}",
            settings=LoadCellSettings(noise_g=1.0),
        )

    def _till(self, name: str) -> Till:
        today = datetime.now(UTC).date()
        return Till(spool=self._folder / name, workstation=name, business_day=today, store=STORE)


async def _each(seconds: float, happen: Callable[[], None]) -> None:
    while True:
        happen()
        await asyncio.sleep(seconds)


def _now_s() -> float:
    return time.monotonic()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
