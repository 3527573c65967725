"""The gateway's part of a run: what devices observe becomes facts, and facts become frames.

Each kind of observation takes the way that it takes in a store: readers' reports through tag
sensing, tills through the facts of their transactions, scales through shelf sensing. The outbox is
a list, since nothing fails here.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from edge.sensing.poslog import GoodsLine, LineKind, StockDocument, TillTransaction
from edge.sensing.poslog_xml import Goods
from edge.sensing.tags import Layout
from edge.sensing.till import facts_of
from protocol.codec import encode_batch, encode_fact
from protocol.envelope import FACTS_PER_BATCH_MAX
from protocol.facts import AnyFact
from protocol.ids import Gtin, StoreId
from simulators.truth.shelf_side import ShelfSide
from simulators.truth.tag_side import TagSide
from simulators.world.goods import Sku
from simulators.world.happenings import (
    GatewayRebooted,
    Line,
    ManualCount,
    OpeningCount,
    PostVoid,
    Receipt,
    Refund,
    Sale,
    ShelfWeighed,
    SweepEnded,
    SweepStarted,
    TagReads,
)

TILLS: Final = "tills"
EPOCH: Final = 1
FACTS_PER_FRAME: Final = FACTS_PER_BATCH_MAX // 4
"""A frame has at most 1 MB, and facts about sweeps list tags."""


class EdgeSide:
    """One store's gateway. What it does not know, it ignores: that is for others."""

    def __init__(
        self, store: StoreId, skus: Mapping[Gtin, Sku], layout: Layout, now_ms: int
    ) -> None:
        self._store: Final = store
        self._skus: Final = skus
        self._tags: Final = TagSide(layout, now_ms)
        self._shelves: Final = ShelfSide(skus)
        self._facts: list[AnyFact] = []
        self._next_seq = 1
        self._documents = 0
        self._refunds = 0
        self._take: Final[dict[type, Callable[[Any], list[AnyFact]]]] = {
            Sale: self._sale,
            Refund: self._refund,
            PostVoid: self._post_void,
            Receipt: self._receipt,
            ManualCount: self._manual_count,
            TagReads: self._tags.read,
            SweepStarted: self._sweep_started,
            SweepEnded: lambda ended: self._tags.sweep_ended(ended.at_ms),
            ShelfWeighed: self._shelves.weighed,
            GatewayRebooted: self._rebooted,
        }

    def open_with(self, opening: OpeningCount) -> list[AnyFact]:
        """Count what the book of the head office says, before anything else; return the facts."""
        facts = self._counted(opening.at_ms, opening.lines)
        self._facts += facts
        return facts

    def observe(self, item: object, at_ms: int) -> list[AnyFact]:
        """Take in something observable that happened at `at_ms`; return the facts it led to."""
        facts = self._tags.let_time_pass(at_ms)
        take = self._take.get(type(item))
        if take is not None:
            facts += take(item)
        self._facts += facts
        return facts

    def let_time_pass(self, until_ms: int) -> list[AnyFact]:
        """Return the facts that follow from nothing more being observed until then."""
        facts = self._tags.let_time_pass(until_ms)
        self._facts += facts
        return facts

    def frames(self, now_ms: int) -> Iterator[bytes]:
        """Yield what the uplink would send now, numbered without gaps."""
        facts, self._facts = self._facts, []
        for start in range(0, len(facts), FACTS_PER_FRAME):
            encoded = [encode_fact(fact) for fact in facts[start : start + FACTS_PER_FRAME]]
            yield encode_batch(self._store, EPOCH, self._next_seq, now_ms, encoded)
            self._next_seq += len(encoded)

    def _sweep_started(self, started: SweepStarted) -> list[AnyFact]:
        self._tags.sweep_started(started.sweep, started.at_ms)
        return []

    def _rebooted(self, rebooted: GatewayRebooted) -> list[AnyFact]:
        self._tags.restart(rebooted.at_ms)
        return []

    def _sale(self, sale: Sale) -> list[AnyFact]:
        key = f"{sale.till}/{sale.number}"
        return self._till(key, sale.at_ms, "sale", sale.lines)

    def _refund(self, refund: Refund) -> list[AnyFact]:
        self._refunds += 1
        key = f"{refund.till}/refund-{self._refunds}"
        return self._till(key, refund.at_ms, "return", refund.lines)

    def _post_void(self, void: PostVoid) -> list[AnyFact]:
        voided = f"{void.till}/{void.sale}"
        return self._till(f"{voided}/void", void.at_ms, "sale", void.lines, voided)

    def _till(
        self,
        key: str,
        at_ms: int,
        kind: LineKind,
        lines: tuple[Line, ...],
        voids: str | None = None,
    ) -> list[AnyFact]:
        goods = [GoodsLine(number, kind, Goods(*line)) for number, line in enumerate(lines, 1)]
        transaction = TillTransaction(key, at_ms, tuple(goods), voids)
        return facts_of(transaction, source=TILLS, receiving_zone="backroom")

    def _receipt(self, receipt: Receipt) -> list[AnyFact]:
        """Believe the paper where no tag tells better."""
        lines = [Goods(*line) for line in receipt.lines if not self._skus[line.gtin].is_tagged]
        if not lines:
            return []
        document = StockDocument(
            receipt.document, receipt.at_ms, "receipt", receipt.document, tuple(lines)
        )
        return facts_of(document, source=TILLS, receiving_zone="backroom")

    def _manual_count(self, count: ManualCount) -> list[AnyFact]:
        line = Line(count.gtin, count.quantity, count.measure)
        return self._counted(count.at_ms, (line,))

    def _counted(self, at_ms: int, lines: tuple[Line, ...]) -> list[AnyFact]:
        self._documents += 1
        number = f"count-{self._documents}"
        goods = tuple(Goods(*line) for line in lines)
        document = StockDocument(number, at_ms, "count", number, goods)
        return facts_of(document, source=TILLS, receiving_zone="backroom")
