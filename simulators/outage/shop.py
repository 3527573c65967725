"""A store that sells on, whatever its line does: tills that write documents, and the truth of it.

Each line of a document becomes one fact. Sales make most of them; receipts bring the goods back.
Runs in the run's event loop; a document takes less than a millisecond to write.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from random import Random
from typing import Final

from protocol.ids import Gtin, StoreId
from simulators.demo.truth import Columns, SkuLocationKey
from simulators.devices.till import Till, TillItem
from simulators.world.goods import gtin_of

STORE: Final = StoreId("S001")
TILLS: Final = ("till-1", "till-2")
BUSINESS_DAY: Final = date(2026, 3, 14)
FIRST_ITEM: Final = 80_000
ARTICLES: Final = 400
OPENING_UNITS: Final = 500
LINES_MAX: Final = 5
RECEIPT_SHARE: Final = 0.05
RECEIPT_UNITS: Final = 20
BEHIND_MAX_S: Final = 1.0
"""When the machine has no time to write, the store does not make up for more than this."""


class Shop:
    """The store. `on_sold` is told GTIN, how many were sold so far, and when (monotonic, ns)."""

    def __init__(
        self,
        folder: Path,
        facts_per_s: float,
        rng: Random,
        on_sold: Callable[[str, int, int], None],
    ) -> None:
        self.facts = 0
        self._facts_per_s: Final = facts_per_s
        self._rng: Final = rng
        self._on_sold: Final = on_sold
        self._gtins: Final = [gtin_of(FIRST_ITEM + item) for item in range(ARTICLES)]
        self._sold: Final = dict.fromkeys(self._gtins, 0)
        self._received: Final = dict.fromkeys(self._gtins, 0)
        self._deliveries = 0
        self._tills: Final = [
            Till(spool=folder / name, workstation=name[-1], business_day=BUSINESS_DAY)
            for name in TILLS
        ]

    @property
    def truth(self) -> dict[SkuLocationKey, Columns]:
        """What there truly is, by SKU-location."""
        return {
            SkuLocationKey(STORE, gtin): Columns(
                opening=OPENING_UNITS, received=self._received[gtin], sold=sold
            )
            for gtin, sold in self._sold.items()
        }

    def open(self) -> None:
        """Count everything."""
        items = [TillItem(gtin, OPENING_UNITS) for gtin in self._gtins]
        self._tills[0].count(items, _now_ms())
        self.facts += len(items)

    async def trade(self, closing: asyncio.Event) -> None:
        """Make facts at the rate that was asked for, until `closing`."""
        due_s = time.monotonic()
        while not closing.is_set():
            due_s += self._document() / self._facts_per_s
            due_s = max(due_s, time.monotonic() - BEHIND_MAX_S)
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))

    def _document(self) -> int:
        """Write one document, and return how many facts are in it."""
        gtins = self._rng.sample(self._gtins, self._rng.randint(1, LINES_MAX))
        if self._rng.random() < RECEIPT_SHARE:
            self._receive(gtins)
        else:
            self._sell(gtins)
        self.facts += len(gtins)
        return len(gtins)

    def _sell(self, gtins: Sequence[Gtin]) -> None:
        till = self._rng.choice(self._tills)
        till.sell([TillItem(gtin, 1) for gtin in gtins], _now_ms())
        now_ns = time.monotonic_ns()
        for gtin in gtins:
            self._sold[gtin] += 1
            self._on_sold(gtin, self._sold[gtin], now_ns)

    def _receive(self, gtins: Sequence[Gtin]) -> None:
        self._deliveries += 1
        items = [TillItem(gtin, RECEIPT_UNITS) for gtin in gtins]
        self._tills[0].receive(items, _now_ms(), f"delivery-{self._deliveries}")
        for gtin in gtins:
            self._received[gtin] += RECEIPT_UNITS


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
