"""Plain sales of one SKU-location that have made no state yet, and where they came from. Pure."""

from typing import Final

from cloud.shards.desk import Stamp
from cloud.sku_location.decide import cause_of
from cloud.sku_location.movements import happened_at_ms
from cloud.sku_location.selling import SaleRun, may_run
from cloud.sku_location.state import SkuLocation, ledger_closes
from protocol.facts import UnitsSold


class RunningSales:
    """A run of sales; `position` is that of the newest."""

    __slots__ = ("_epoch", "_now_ms", "_run", "_sale", "_seq", "position")

    def __init__(self, state: SkuLocation) -> None:
        self._run: Final = SaleRun(state)
        self._sale: UnitsSold
        self._epoch = self._seq = self._now_ms = self.position = 0

    def hear(self, stamp: Stamp, position: int, seq: int, sale: UnitsSold) -> bool:
        """Take in one more sale; `False` when it is not plain, and then nothing has changed."""
        now_ms = stamp.now_ms
        if not self._run.hear(sale, happened_at_ms(sale.occurred_at_ms, now_ms)):
            return False
        self._sale, self._seq, self._epoch = sale, seq, stamp.epoch
        self._now_ms, self.position = now_ms, position
        return True

    def state(self) -> SkuLocation:
        """Return the state after all of them."""
        state = self._run.state(cause_of(self._sale, self._epoch, self._seq), self._now_ms)
        if not ledger_closes(state):
            raise AssertionError(f"the ledger does not close (P5): {state}")
        return state


def first_sale(
    state: SkuLocation, stamp: Stamp, position: int, seq: int, sale: UnitsSold
) -> RunningSales | None:
    """Begin a run with a sale, if it is plain."""
    if not may_run(state):
        return None
    running = RunningSales(state)
    return running if running.hear(stamp, position, seq, sale) else None
