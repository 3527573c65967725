"""A store with simulated hardware on real sockets, for tests that record it and replay it."""

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path
from random import Random

from edge.errors import OutboxFailed
from edge.outbox.view import OutboxView
from protocol.codec import encode_fact
from protocol.facts import AnyFact, DeviceHealthChanged, FactsShed
from protocol.ids import Epc, parse_gtin, sgtin_tag
from simulators.devices.llrp_reader import LlrpReader, ReaderSettings, TagInField
from simulators.devices.shelf_scale import ShelfScale
from simulators.devices.till import Till, TillItem
from tests.brokers import wait_for

DEADLINE_S = 20.0
COAT = parse_gtin("00614141999996")
ITEM_G = 250
SOLD_AT_MS = 1_773_500_000_000

CONFIG = """
store = "S001"
[broker]
url = "mqtt://127.0.0.1:9"
[tags]
baseline_min_ms = 300
baseline_quiet_ms = 200
presence_grace_ms = 300
portal_settle_ms = 100
portal_window_ms = 500
portal_confidence_min = 0.0
{extra}
[[portals]]
name = "dock"
outside = "transit"
inside = "backroom"
[[llrp]]
name = "dock-reader"
host = "127.0.0.1"
port = {reader_port}
report_interval_ms = 50
antennas = [
  {{ id = 1, portal = "dock", side = "outside" }},
  {{ id = 2, portal = "dock", side = "inside" }},
  {{ id = 3, zone = "backroom" }},
]
[[shelf_scale]]
name = "scale-1"
host = "127.0.0.1"
port = {scale_port}
poll_ms = 50
shelves = [
  {{ shelf = "A1", index = 0, gtin = "{gtin}", item_weight_g = {item_g} }},
  {{ shelf = "A2", index = 1, gtin = "{gtin}", item_weight_g = {item_g} }},
]
[[pos_journal]]
name = "till-1"
spool = "./till-1"
"""


def tag(serial: int) -> Epc:
    return sgtin_tag(COAT, serial)


class RecordedStore:
    """The hardware, `store.toml`, and a `stocktruth-edge` of one's own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "store.toml"
        self.field: dict[int, list[TagInField]] = {1: [], 2: [], 3: []}
        self.loads_g = [0.0, 0.0]
        self.reader = LlrpReader(
            antennas=3,
            field=lambda antenna: self.field[antenna],
            clock_us=lambda: time.time_ns() // 1_000,
            settings=ReaderSettings(round_ms=10),
        )
        self.scale = ShelfScale(loads=lambda index: self.loads_g[index], shelves=2, rng=Random(1))
        self.till = Till(spool=folder / "till-1", workstation="1", business_day=date(2026, 3, 14))
        self.process: subprocess.Popen[bytes] | None = None
        self.log = folder / "edge.log"

    def write_config(self, extra: str = "") -> None:
        text = CONFIG.format(
            reader_port=self.reader.port,
            scale_port=self.scale.port,
            gtin=COAT,
            item_g=ITEM_G,
            extra=extra,
        )
        self.config.write_text(text)

    def stock(self, serials: range) -> None:
        self.field[3] = [TagInField(tag(serial), -50.0) for serial in serials]

    async def carry_in(
        self, *serials: int, past: Sequence[int] = (1, 2, 3), reads: int = 60
    ) -> None:
        """Bring tags past antennas together, and leave them at the last if it reads a zone."""
        for antenna in past:
            before = list(self.field[antenna])
            self.field[antenna] = [*before, *(TagInField(tag(each), -48.0) for each in serials)]
            await self.until_read(more=reads * len(serials))
            if antenna < 3:
                self.field[antenna] = before

    def sell(self, quantity: int) -> None:
        self.till.sell([TillItem(COAT, quantity)], at_ms=SOLD_AT_MS)

    def start(self, *words: str) -> None:
        command = [sys.executable, "-m", "edge", *words, "--config", str(self.config)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)

    async def stop(self) -> int:
        assert self.process is not None
        self.process.terminate()
        return await asyncio.to_thread(self.process.wait, DEADLINE_S)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(DEADLINE_S)

    def ask(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "edge", *words]
        return subprocess.run(
            command, capture_output=True, text=True, timeout=60, check=False, cwd=self.folder
        )

    def facts(self) -> list[AnyFact]:
        """What the agent's outbox holds, in order, without what is about devices themselves."""
        outbox = self.folder / "data" / "outbox.db"
        if not outbox.exists():
            return []
        view = OutboxView(outbox)
        try:
            facts = [pending.fact for pending in view.pending()]
        finally:
            view.close()
        return [each for each in facts if not isinstance(each, DeviceHealthChanged | FactsShed)]

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        await asyncio.to_thread(wait_for, condition, DEADLINE_S, what)

    async def until_read(self, more: int) -> None:
        """Wait until the reader has read so many tags more: its own measure of time."""
        goal = self.reader.stats.tag_reads + more
        await self.until(lambda: self.reader.stats.tag_reads >= goal, f"{more} more tags read")

    async def until_told(self, condition: Callable[[list[AnyFact]], bool], what: str) -> None:
        def is_told() -> bool:
            try:
                return condition(self.facts())
            except OutboxFailed:
                return False  # The agent is only making its file.

        await self.until(is_told, what)


def by_source(facts: list[AnyFact]) -> dict[str, list[bytes]]:
    """The bytes of facts, in order, for each device that they come from."""
    found: dict[str, list[bytes]] = {}
    for fact in facts:
        found.setdefault(fact.source, []).append(encode_fact(fact))
    return found


@asynccontextmanager
async def recorded_store(folder: Path) -> AsyncIterator[RecordedStore]:
    store = RecordedStore(folder)
    await store.reader.start()
    await store.scale.start()
    store.write_config()
    try:
        yield store
    finally:
        store.kill()
        await store.reader.stop()
        await store.scale.stop()
