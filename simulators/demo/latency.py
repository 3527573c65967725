"""How long a sale takes from the till to a subscriber, exactly, per sale. Pure.

The sale that brings a SKU-location's cumulative `sold` to k is heard when the subscriber first
sees `sold` reach k. A post-void lowers `sold`, after which k names no sale any more: sales are not
measured between a post-void and the moment at which everything before it has been heard.
"""

from collections import defaultdict, deque
from dataclasses import dataclass, field
from math import ceil
from typing import Final

from simulators.demo.truth import SkuLocationKey

STEPS_REMEMBERED_MAX: Final = 32
"""What was heard may precede the news of what was written, which takes another way."""
LATENCIES_KEPT_MAX: Final = 100_000
"""A demo that runs for days tells the percentiles of its newest sales."""

_NS_PER_MS: Final = 1_000_000


@dataclass(slots=True)
class _SoldOf:
    """What is written and heard of one SKU-location."""

    written: int = 0
    heard: int = 0
    is_ambiguous: bool = False
    shipments: int = 0
    pending: deque[tuple[int, int]] = field(default_factory=deque)
    steps: deque[tuple[int, int]] = field(
        default_factory=lambda: deque(maxlen=STEPS_REMEMBERED_MAX)
    )


class SaleLatency:
    """Latencies of all sales so far. Times are nanoseconds of one monotonic clock."""

    def __init__(self) -> None:
        self._sold: defaultdict[SkuLocationKey, _SoldOf] = defaultdict(_SoldOf)
        self._latencies_ms: deque[float] = deque(maxlen=LATENCIES_KEPT_MAX)
        self.skipped = 0
        """Sales not measured, because a post-void was on its way."""

    def wrote(self, key: SkuLocationKey, sold: int, at_ns: int) -> None:
        """Note that a till has written a sale or a post-void, and what `sold` is with it."""
        record = self._sold[key]
        is_sale = sold > record.written
        record.written = sold
        if not is_sale:
            self._voided(record)
        elif record.is_ambiguous or record.shipments:
            self.skipped += 1
        elif record.heard < sold:
            record.pending.append((sold, at_ns))
        else:
            first_ns = next((ns for heard, ns in record.steps if heard >= sold), at_ns)
            self._latencies_ms.append(max(0, first_ns - at_ns) / _NS_PER_MS)

    def heard(self, key: SkuLocationKey, sold: int, at_ns: int) -> None:
        """Note what the subscriber has just heard."""
        record = self._sold[key]
        if sold == record.heard:
            return
        record.heard = sold
        record.steps.append((sold, at_ns))
        while record.pending and record.pending[0][0] <= sold:
            _, written_ns = record.pending.popleft()
            self._latencies_ms.append((at_ns - written_ns) / _NS_PER_MS)
        if record.is_ambiguous and not record.shipments and sold == record.written:
            record.is_ambiguous = False

    def shipping(self, key: SkuLocationKey) -> None:
        """Note that goods are about to be shipped, which raises `sold` as a sale does."""
        record = self._sold[key]
        record.shipments += 1
        self._voided(record)

    def shipped(self, key: SkuLocationKey, sold: int) -> None:
        """Note that they were, or not after all, and what `sold` is now in truth."""
        record = self._sold[key]
        record.shipments -= 1
        record.written = sold
        record.is_ambiguous = record.heard != sold

    def percentile_ms(self, percent: float) -> float | None:
        """Return the nearest-rank percentile of what was measured, or `None` before that."""
        if not self._latencies_ms:
            return None
        ordered = sorted(self._latencies_ms)
        return ordered[max(0, ceil(percent / 100 * len(ordered)) - 1)]

    @property
    def count(self) -> int:
        """Sales measured."""
        return len(self._latencies_ms)

    @property
    def waiting(self) -> int:
        """Sales written and not heard yet."""
        return sum(len(record.pending) for record in self._sold.values())

    def _voided(self, record: _SoldOf) -> None:
        self.skipped += len(record.pending)
        record.is_ambiguous = bool(record.pending) or record.heard != record.written
        record.pending.clear()
        record.steps.clear()
