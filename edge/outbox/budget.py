"""Which facts the disk budget admits: telemetry goes first, a sale never.

Pure. The budget bounds the bytes of pending facts, each counted with what its row costs.
"""

from collections.abc import Sequence
from enum import IntEnum
from typing import Final, NamedTuple

from protocol.facts import (
    AnyFact,
    DeviceHealthChanged,
    FactsShed,
    GoodsReceived,
    ReturnVoided,
    SaleVoided,
    StockCounted,
    TagsAppeared,
    TagsLeft,
    UnitsReturned,
    UnitsSold,
)

ROW_BYTES: Final = 24
"""What a row costs besides its data: number, class, cell and its share of the page."""
TELEMETRY_SHARE: Final = 0.7
"""Telemetry is admitted while the outbox is below this part of the budget."""
RECOVERED_SHARE: Final = 0.5
"""Below this part, what was shed meanwhile is reported as a fact."""


class FactClass(IntEnum):
    """How dear a fact is. An append is as dear as its dearest fact, and is never split."""

    TELEMETRY = 0
    STOCK = 1
    SALE = 2


_TELEMETRY: Final = (TagsAppeared, TagsLeft, DeviceHealthChanged)
_SALE: Final = (UnitsSold, UnitsReturned, SaleVoided, ReturnVoided, FactsShed)


def class_of(fact: AnyFact) -> FactClass:
    """Return the class of one fact. What stands on paper is as dear as a sale: nobody repeats it.

    Other stock facts follow from what is there, and are made again for as long as it is.
    """
    if isinstance(fact, _TELEMETRY):
        return FactClass.TELEMETRY
    on_paper = isinstance(fact, StockCounted | GoodsReceived) and fact.evidence == "document"
    return FactClass.SALE if on_paper or isinstance(fact, _SALE) else FactClass.STOCK


def class_of_append(facts: Sequence[AnyFact]) -> FactClass:
    """Return the class of facts that are recorded together."""
    return max((class_of(fact) for fact in facts), default=FactClass.SALE)


class Verdict(NamedTuple):
    """Whether to admit an append, and how many bytes of stored telemetry to shed for it first."""

    admitted: bool
    shed_bytes: int


def judge(
    fact_class: FactClass, size_bytes: int, pending_bytes: int, telemetry_bytes: int, budget: int
) -> Verdict:
    """Decide about an append of `size_bytes` when `pending_bytes` are stored.

    `telemetry_bytes` of them are telemetry that could be replaced by markers.
    """
    after_bytes = pending_bytes + size_bytes
    if fact_class == FactClass.TELEMETRY:
        return Verdict(admitted=after_bytes <= budget * TELEMETRY_SHARE, shed_bytes=0)
    excess_bytes = max(0, after_bytes - budget)
    if fact_class == FactClass.STOCK and excess_bytes > telemetry_bytes:
        return Verdict(admitted=False, shed_bytes=0)
    return Verdict(admitted=True, shed_bytes=min(excess_bytes, telemetry_bytes))
