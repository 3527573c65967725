"""What a store would say without us: three ways that are in use, on the same observations.

- *Ledger only*: the opening, what papers say came, and what tills say was sold and refunded.
- *RFID sweep only*: the tags that the last sweep read; before the first one, the opening. A sweep
  says nothing of goods without tags, so for those the ledger stands.
- *Last count plus ledger*: the last sweep or manual count, and papers and tills since.

None says less than nothing. Pure.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from protocol.ids import Epc, Gtin, gtin_of_tag
from simulators.world.goods import Sku
from simulators.world.happenings import (
    AdviceSent,
    Line,
    ManualCount,
    OpeningCount,
    PostVoid,
    Receipt,
    Refund,
    Sale,
    SweepEnded,
    SweepStarted,
    TagReads,
)

HANDHELD: Final = "handheld"


class Baselines:
    """The three of one store."""

    def __init__(self, skus: Mapping[Gtin, Sku], opening: OpeningCount) -> None:
        self._skus: Final = skus
        opened = {line.gtin: line.quantity for line in opening.lines}
        self._ledger: Final = {gtin: opened.get(gtin, 0) for gtin in skus}
        self._counted: Final = dict(self._ledger)
        self._swept: Final = dict(self._ledger)
        self._advised: Final[dict[str, tuple[Line, ...]]] = {}
        self._sweep: set[Epc] | None = None
        self._take: Final[dict[type, Callable[[Any], None]]] = {
            AdviceSent: self._advise,
            Receipt: self._receive,
            Sale: lambda sale: self._book(sale.lines, -1),
            Refund: lambda refund: self._book(refund.lines, 1),
            PostVoid: lambda void: self._book(void.lines, 1),
            ManualCount: self._count,
            SweepStarted: self._start_sweep,
            SweepEnded: lambda _: self._end_sweep(),
            TagReads: self._read,
        }

    def observe(self, item: object) -> None:
        """Take in something observable."""
        take = self._take.get(type(item))
        if take is not None:
            take(item)

    def ledger_only(self, gtin: Gtin) -> int:
        """Return what the ledger says of an article."""
        return max(0, self._ledger[gtin])

    def sweep_only(self, gtin: Gtin) -> int:
        """Return how many tags the last sweep read of it."""
        return self._swept[gtin] if self._skus[gtin].is_tagged else self.ledger_only(gtin)

    def last_count_and_ledger(self, gtin: Gtin) -> int:
        """Return the last count, corrected by what papers and tills said since."""
        return max(0, self._counted[gtin])

    def _advise(self, advice: AdviceSent) -> None:
        self._advised[advice.document] = advice.lines

    def _receive(self, receipt: Receipt) -> None:
        """Believe the paper: all that was advised has come."""
        self._book(self._advised.pop(receipt.document, receipt.lines), 1)

    def _book(self, lines: Iterable[Line], sign: int) -> None:
        for gtin, quantity, _ in lines:
            if gtin in self._ledger:
                self._ledger[gtin] += sign * quantity
                self._counted[gtin] += sign * quantity

    def _count(self, count: ManualCount) -> None:
        self._counted[count.gtin] = count.quantity

    def _start_sweep(self, _: SweepStarted) -> None:
        self._sweep = set()

    def _read(self, report: TagReads) -> None:
        if self._sweep is not None and report.reader == HANDHELD:
            self._sweep.update(read.epc for read in report.reads)

    def _end_sweep(self) -> None:
        read: dict[Gtin, int] = {}
        for epc in self._sweep or ():
            gtin = gtin_of_tag(epc)
            if gtin is not None:
                read[gtin] = read.get(gtin, 0) + 1
        for gtin, sku in self._skus.items():
            if sku.is_tagged:
                self._swept[gtin] = self._counted[gtin] = read.get(gtin, 0)
        self._sweep = None
