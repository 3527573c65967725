"""The stores of a crash campaign: tills that write documents at a steady rate, and the truth of it.

Goods are scarce, so that tills and customers of the web shop fight for them. One article is for
probes alone: it is sold once after each kill, and when that sale was heard, the store is served
again. Runs in the campaign's event loop; a document takes less than a millisecond to write.
"""

import asyncio
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

from protocol.ids import Gtin, StoreId
from simulators.crash.gate import Gate
from simulators.crash.truth import LineKey, Moved, Truth
from simulators.demo.truth import SkuLocationKey
from simulators.devices.till import Till, TillItem
from simulators.world.goods import gtin_of

FIRST_ITEM: Final = 81_000
ARTICLES: Final = 24
PROBE: Final = gtin_of(FIRST_ITEM + ARTICLES)
GTINS: Final = tuple(gtin_of(FIRST_ITEM + item) for item in range(ARTICLES))
TILLS: Final = ("till-1", "till-2")
OFFICE: Final = "office"
"""Counts and receipts are entered here."""

OPENING_UNITS: Final = 40
PROBE_OPENING_UNITS: Final = 1_000_000
LOW_UNITS: Final = 8
DELIVERY_UNITS: Final = 30
LINES_MAX: Final = 4
UNITS_MAX: Final = 2
REFUND_SHARE: Final = 0.06
VOID_SHARE: Final = 0.06
TAKEN_BACK_SHARE: Final = 0.05
VOIDABLE_MAX: Final = 50
HURRIED_FACTS_PER_S: Final = 400.0
BEHIND_MAX_S: Final = 0.5
"""When the machine has no time to write, the stores do not make up for more than this."""


class _Sale(NamedTuple):
    till: Till
    transaction: str
    items: tuple[TillItem, ...]


class Shop:
    """One store. Each spool is a folder of `folder`."""

    def __init__(
        self, store: StoreId, folder: Path, truth: Truth, rng: Random, business_day: date
    ) -> None:
        self.store: Final = store
        self.facts = 0
        self._truth: Final = truth
        self._rng: Final = rng
        self._voidable: Final[deque[_Sale]] = deque(maxlen=VOIDABLE_MAX)
        self._deliveries = 0
        self._tills: Final = [
            Till(
                spool=folder / name,
                workstation=name[-1],
                business_day=business_day,
                store=store,
                taken_back_rate=TAKEN_BACK_SHARE,
                rng=rng,
            )
            for name in TILLS
        ]
        self._office: Final = Till(
            spool=folder / OFFICE, workstation="0", business_day=business_day, store=store
        )

    def open(self) -> None:
        """Count everything."""
        items = [TillItem(gtin, OPENING_UNITS) for gtin in GTINS]
        items.append(TillItem(PROBE, PROBE_OPENING_UNITS))
        self._office.count(items, _now_ms())
        for item in items:
            self._truth.add(self._key(item.gtin), "opening", item.quantity)
        self.facts += len(items)

    def sell_probe(self) -> int:
        """Sell one probe, and return how many were sold so far."""
        self._sell(self._tills[0], [TillItem(PROBE, 1)])
        return self._truth.sold(self._key(PROBE))

    def act(self) -> int:
        """Write one document, and return how many facts are in it."""
        before = self.facts
        low = [gtin for gtin in GTINS if self._truth.on_shelf(self._key(gtin)) < LOW_UNITS]
        chance = self._rng.random()
        if low:
            self._receive(low[:LINES_MAX])
        elif chance < REFUND_SHARE:
            self._refund(self._basket())
        elif chance < REFUND_SHARE + VOID_SHARE and self._voidable:
            self._void()
        else:
            till, items = self._rng.choice(self._tills), self._basket()
            sale = self._sell(till, items)
            self._voidable.append(_Sale(till, sale, tuple(items)))
        return self.facts - before

    def _basket(self) -> list[TillItem]:
        gtins = self._rng.sample(GTINS, self._rng.randint(1, LINES_MAX))
        return [TillItem(gtin, self._rng.randint(1, UNITS_MAX)) for gtin in gtins]

    def _sell(self, till: Till, items: Sequence[TillItem]) -> str:
        transaction = till.sell(items, _now_ms())
        for line, item in enumerate(items, start=1):
            moved = Moved(item.gtin, -item.quantity)
            self._truth.line(LineKey(self.store, transaction, line), "sold", moved)
        self.facts += len(items)
        return transaction

    def _refund(self, items: Sequence[TillItem]) -> None:
        transaction = self._rng.choice(self._tills).refund(items, _now_ms())
        for line, item in enumerate(items, start=1):
            moved = Moved(item.gtin, item.quantity)
            self._truth.line(LineKey(self.store, transaction, line), "returned", moved)
        self.facts += len(items)

    def _void(self) -> None:
        sale = self._voidable.pop()
        transaction = sale.till.void(sale.transaction, _now_ms())
        for line, item in enumerate(sale.items, start=1):
            moved = Moved(item.gtin, item.quantity)
            self._truth.line(LineKey(self.store, transaction, line), "sold", moved)
        self.facts += len(sale.items)

    def _receive(self, gtins: Sequence[Gtin]) -> None:
        self._deliveries += 1
        items = [TillItem(gtin, DELIVERY_UNITS) for gtin in gtins]
        self._office.receive(items, _now_ms(), f"delivery-{self._deliveries}")
        for item in items:
            self._truth.add(self._key(item.gtin), "received", item.quantity)
        self.facts += len(items)

    def _key(self, gtin: str) -> SkuLocationKey:
        return SkuLocationKey(self.store, gtin)


class Trade:
    """Lets the stores make facts at a steady rate in total, faster while that is asked for."""

    def __init__(self, shops: Sequence[Shop], facts_per_s: float, rng: Random) -> None:
        self._shops: Final = shops
        self._rng: Final = rng
        self._steady_per_s: Final = facts_per_s
        self._hurried: Sequence[Shop] = ()

    @contextmanager
    def hurry(self, shops: Sequence[Shop]) -> Iterator[None]:
        """Let these stores sell as if there was a queue at each till."""
        self._hurried = shops
        try:
            yield
        finally:
            self._hurried = ()

    async def run(self, gate: Gate) -> None:
        """Trade while the gate is open, until cancelled."""
        due_s = time.monotonic()
        while True:
            async with gate.turn():
                facts = self._rng.choice(self._hurried or self._shops).act()
            per_s = HURRIED_FACTS_PER_S if self._hurried else self._steady_per_s
            due_s = max(due_s + facts / per_s, time.monotonic() - BEHIND_MAX_S)
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
