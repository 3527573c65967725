"""A store of the bench, as a process: the real outbox and uplink, and tills that append facts.

    python -m simulators.bench.till CONFIG

Each till is a thread and sells articles of its own, so that an article's facts are in one order.
With a rate, facts are due at seeded moments whatever the store can do, and what is late counts as
waiting; without one, the outbox is kept filled. Nothing here is simulated but the customers.
"""

import asyncio
import bisect
import random
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from cloud.bench.traffic import gtin_of
from edge.assembly import clock_ms, mint_epoch
from edge.mirror.sqlite import SqliteMirror
from edge.outbox.sqlite import SqliteOutbox
from edge.uplink.agent import AgentState
from edge.uplink.mqtt import Uplink
from edge.uplink.settings import UplinkSettings
from protocol.broker_settings import BrokerSettings
from protocol.facts import AnyFact, StockCounted, UnitsReturned, UnitsSold
from protocol.ids import StoreId
from simulators.bench.messages import READY, Phase, PhaseDone, Sale

TILLS: Final = 8
FILL_FACTS: Final = 500
"""What an append has when the outbox is to be kept filled: a report of a busy sensor."""

PENDING_FACTS_MAX: Final = 40_000
FULL_PAUSE_S: Final = 0.002
RETURNED_EVERY: Final = 25
OPENING_UNITS: Final = 100_000_000
DISK_BUDGET_BYTES: Final = 1_000_000_000


class StoreConfig(Struct, frozen=True, kw_only=True):
    """What one store of the bench is."""

    store: str
    folder: str
    broker_url: str
    root: str
    articles: int
    seed: int


class Till:
    """One till and its share of the articles, by Zipf's popularity."""

    def __init__(self, config: StoreConfig, number: int) -> None:
        self.facts = 0
        self._number: Final = number
        self._rng: Final = random.Random(f"{config.seed}/{config.store}/{number}")
        places = range(number, max(config.articles, TILLS), TILLS)
        self._gtins: Final = [gtin_of(place) for place in places]
        self._weights: Final = list(accumulate(1 / (1 + place) for place in places))
        self._ordinals: Final = [0] * len(self._gtins)
        self._transactions = 0

    def basket(self, lines: int, due_ns: int, log: list[Sale] | None) -> list[AnyFact]:
        """Return the facts of one append."""
        self._transactions += 1
        now_ms = clock_ms()
        transaction = f"{self._number}/{self._transactions}"
        facts: list[AnyFact] = []
        total = self._weights[-1]
        for line in range(1, lines + 1):
            at = bisect.bisect(self._weights, self._rng.random() * total)
            self._ordinals[at] += 1
            gtin = self._gtins[at]
            kind = UnitsReturned if self._ordinals[at] % RETURNED_EVERY == 0 else UnitsSold
            facts.append(
                kind(
                    occurred_at_ms=now_ms,
                    source=f"till-{self._number}",
                    gtin=gtin,
                    quantity=1,
                    measure="units",
                    transaction=transaction,
                    line=line,
                )
            )
            if log is not None:
                log.append(Sale(gtin, self._ordinals[at], due_ns))
        self.facts += lines
        return facts

    def dues(self, phase: Phase, begin_ns: int) -> Iterator[tuple[int, int]]:
        """Yield when each basket is due and how many lines it has."""
        baskets_per_s = phase.rate_per_s / TILLS / phase.lines
        due_s = 0.0
        while (due_s := due_s + self._rng.expovariate(baskets_per_s)) < phase.seconds:
            lines = self._rng.randint(1, max(1, round(2 * phase.lines) - 1))
            yield begin_ns + int(due_s * 1e9), lines


class Store:
    """The store's tills over its outbox."""

    def __init__(self, config: StoreConfig, outbox: SqliteOutbox) -> None:
        self._outbox: Final = outbox
        self._tills: Final = [Till(config, number) for number in range(TILLS)]

    def open(self, articles: int) -> None:
        """Count the stock, more of it than will be sold."""
        counts = [
            StockCounted(
                occurred_at_ms=clock_ms(),
                source="staff",
                gtin=gtin_of(place),
                quantity=OPENING_UNITS,
                measure="units",
                evidence="document",
            )
            for place in range(max(articles, TILLS))
        ]
        for start in range(0, len(counts), FILL_FACTS):
            self._outbox.append(counts[start : start + FILL_FACTS])

    def serve(self, phase: Phase) -> PhaseDone:
        """Make the facts of a phase."""
        before = sum(till.facts for till in self._tills)
        logs: list[list[Sale]] = [[] for _ in self._tills]
        if phase.rate_per_s:
            begin_ns = time.monotonic_ns()
            with ThreadPoolExecutor(TILLS) as pool:
                list(pool.map(lambda at: self._keep_pace(at, phase, begin_ns, logs), range(TILLS)))
        else:
            self._keep_filled(phase)
        if phase.log is not None:
            sales = [sale for log in logs for sale in log]
            Path(phase.log).write_bytes(msgspec.msgpack.encode(sales))
        return PhaseDone(facts=sum(till.facts for till in self._tills) - before)

    def _keep_pace(self, at: int, phase: Phase, begin_ns: int, logs: list[list[Sale]]) -> None:
        till, log = self._tills[at], logs[at]
        for due_ns, lines in till.dues(phase, begin_ns):
            if (early_ns := due_ns - time.monotonic_ns()) > 0:
                time.sleep(early_ns / 1e9)
            self._outbox.append(till.basket(lines, due_ns, log))

    def _keep_filled(self, phase: Phase) -> None:
        end_s = time.monotonic() + phase.seconds
        turn = 0
        while time.monotonic() < end_s:
            if self._outbox.status().pending > PENDING_FACTS_MAX:
                time.sleep(FULL_PAUSE_S)
                continue
            self._outbox.append(self._tills[turn % TILLS].basket(FILL_FACTS, 0, None))
            turn += 1


async def run(config: StoreConfig) -> None:
    """Serve phases until standard input ends."""
    folder = Path(config.folder)
    outbox = SqliteOutbox(
        folder / "outbox.db",
        disk_budget_bytes=DISK_BUDGET_BYTES,
        mint_epoch=mint_epoch,
        clock_ms=clock_ms,
    )
    mirror = SqliteMirror(folder / "mirror.db")
    store = StoreId(config.store)
    uplink = Uplink(
        store,
        BrokerSettings(url=config.broker_url, root=config.root),
        UplinkSettings(),
        outbox=outbox,
        mirror=mirror,
        agent=AgentState(store, outbox, list, clock_ms),
        clock_ms=clock_ms,
        jitter=random.random,
    )
    delivering = asyncio.create_task(uplink.run())
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    selling = threading.Thread(
        target=_sell,
        args=(Store(config, outbox), config.articles, loop, stopped),
        name="tills",
        daemon=True,
    )
    selling.start()
    await asyncio.wait(
        (delivering, asyncio.create_task(stopped.wait())), return_when=asyncio.FIRST_COMPLETED
    )
    uplink.stop()
    await delivering
    outbox.close()
    mirror.close()


def _sell(
    store: Store, articles: int, loop: asyncio.AbstractEventLoop, stopped: asyncio.Event
) -> None:
    decoder = msgspec.json.Decoder(Phase)
    store.open(articles)
    sys.stdout.buffer.write(READY)
    sys.stdout.buffer.flush()
    for line in sys.stdin.buffer:
        done = store.serve(decoder.decode(line))
        sys.stdout.buffer.write(msgspec.json.encode(done) + b"\n")
        sys.stdout.buffer.flush()
    loop.call_soon_threadsafe(stopped.set)


def main() -> None:
    """Run the store that the file describes."""
    config = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=StoreConfig)
    asyncio.run(run(config))


if __name__ == "__main__":
    main()
