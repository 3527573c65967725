"""What truly happens in a store, and the till documents that tell of it.

The till writes real POSLog files into a spool of its own, outside the gateway's disk. The ledger
here is the truth that the cloud must agree with: it never looks at anything the system says, but
for what left with a carrier on the web shop's word.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

from simulators.devices.till import Till, TillItem
from simulators.harness.clocks import BEGINS_AT_MS

OPENING_MAX: Final = 30
DELIVERY_MAX: Final = 10
ITEMS_MAX: Final = 3
SALES_REMEMBERED: Final = 20


class Document(NamedTuple):
    """One till document: how it changed what is there, by GTIN."""

    key: str
    lines: tuple[tuple[int, str, int], ...]
    """Line number, GTIN and change; no till lines for a receipt or a count."""
    changes: tuple[tuple[str, int], ...]
    file: str
    number: str
    """What a receipt is about: its delivery note. Empty for everything else."""


def gtins(count: int) -> list[str]:
    """Return valid GTINs (GS1 General Specifications 7.9: the check digit)."""
    return [_with_check_digit(f"0400638{number:06d}") for number in range(1, count + 1)]


def _with_check_digit(digits: str) -> str:
    total = sum(int(digit) * (3, 1)[n % 2] for n, digit in enumerate(digits))
    return f"{digits}{-total % 10}"


class Shop:
    """A store's goods and its one till."""

    def __init__(
        self, store: str, spool: Path, goods: Sequence[str], rng: Random, till: str = "1"
    ) -> None:
        self.store: Final = store
        self.goods: Final = list(goods)
        self.on_hand: Final[Counter[str]] = Counter()
        self.shipped: Final[Counter[str]] = Counter()
        self.documents: Final[list[Document]] = []
        self.spool: Final = spool
        self._name: Final = till
        self._rng: Final = rng
        self._sold: Final[list[tuple[str, tuple[TillItem, ...]]]] = []
        self._till: Final = Till(
            spool=spool,
            workstation=till,
            business_day=datetime.fromtimestamp(BEGINS_AT_MS / 1000, UTC).date(),
            store=store,
        )

    def open(self, at_ms: int) -> None:
        """Receive what there is at the beginning."""
        items = [TillItem(gtin, self._rng.randint(5, OPENING_MAX)) for gtin in self.goods]
        self._receive(items, at_ms)

    def act(self, at_ms: int, *, counts: bool, deliveries: bool) -> None:
        """Let one thing happen."""
        kind = self._rng.choices(
            ("sale", "refund", "void", "delivery", "count"),
            (60, 10, 8, 12 if deliveries else 0, 10 if counts else 0),
        )[0]
        if kind == "delivery":
            self._receive([self._some(DELIVERY_MAX)], at_ms)
        elif kind == "count":
            counted = self._rng.choice(self.goods)
            if self.on_hand[counted] > 0:
                key = self._till.count([TillItem(counted, self.on_hand[counted])], at_ms)
                self._note(key, (), {})
        elif kind != "sale" and self._sold:
            self._take_back(kind, at_ms)
        else:
            self._sell(at_ms)

    def left(self, gtin: str, quantity: int) -> None:
        """Goods left with a carrier."""
        self.on_hand[gtin] -= quantity
        self.shipped[gtin] += quantity

    def _sell(self, at_ms: int) -> None:
        wanted: Counter[str] = Counter()
        for _ in range(self._rng.randint(1, ITEMS_MAX)):
            item = self._some(2)
            if wanted[item.gtin] + item.quantity <= self.on_hand[item.gtin]:
                wanted[item.gtin] += item.quantity
        items = tuple(TillItem(gtin, quantity) for gtin, quantity in wanted.items())
        if not items:
            return
        key = self._till.sell(items, at_ms)
        self._sold.append((key, items))
        del self._sold[:-SALES_REMEMBERED]
        self._note(key, items, {item.gtin: -item.quantity for item in items})

    def _take_back(self, kind: str, at_ms: int) -> None:
        sale, items = self._sold.pop(self._rng.randrange(len(self._sold)))
        back = {item.gtin: item.quantity for item in items}
        if kind == "void":
            key = self._till.void(sale, at_ms)
        else:
            key = self._till.refund(items, at_ms, sale)
        self._note(key, items, back)

    def _receive(self, items: Sequence[TillItem], at_ms: int) -> None:
        number = f"{self.store}-{self._name}-{len(self.documents)}"
        key = self._till.receive(items, at_ms, number)
        self._note(key, (), {item.gtin: item.quantity for item in items}, number)

    def _some(self, most: int) -> TillItem:
        return TillItem(self._rng.choice(self.goods), self._rng.randint(1, most))

    def _note(
        self, key: str, lines: Sequence[TillItem], changes: dict[str, int], number: str = ""
    ) -> None:
        for gtin, change in changes.items():
            self.on_hand[gtin] += change
        numbered = tuple(
            (number, item.gtin, changes[item.gtin]) for number, item in enumerate(lines, start=1)
        )
        sequence = int(key.rsplit("/", 1)[1])
        file = f"{self._till.business_day:%Y%m%d}-{sequence:08d}.xml"
        self.documents.append(Document(key, numbered, tuple(changes.items()), file, number))
