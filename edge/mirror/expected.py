"""What a store may expect to have: the authoritative count plus what the cloud has not heard yet.

Pure. The effects on on_hand are those of the SKU-location actor; a count is absolute, so it
replaces what came before it.
"""

from collections.abc import Iterable
from typing import NamedTuple

from protocol.facts import (
    AnyFact,
    GoodsReceived,
    ReturnVoided,
    SaleVoided,
    StockCounted,
    TagsMoved,
    UnitsReturned,
    UnitsSold,
)


class Pending(NamedTuple):
    """The effect of pending facts on one GTIN: `counted` (if any) plus `change`."""

    facts: int
    counted: int | None
    change: int

    def expected(self, on_hand: int) -> int:
        """Return what on_hand will be once the cloud has heard of these facts."""
        return (on_hand if self.counted is None else self.counted) + self.change


NOTHING_PENDING = Pending(0, None, 0)


def pending_effects(facts: Iterable[AnyFact]) -> dict[str, Pending]:
    """Return the effect of facts, taken in order, per GTIN."""
    effects: dict[str, Pending] = {}
    for fact in facts:
        gtin = getattr(fact, "gtin", None)
        if gtin is None:
            continue
        before = effects.get(gtin, NOTHING_PENDING)
        if isinstance(fact, StockCounted):
            effects[gtin] = Pending(before.facts + 1, fact.quantity, 0)
        elif change := _change(fact):
            effects[gtin] = before._replace(facts=before.facts + 1, change=before.change + change)
    return effects


def _change(fact: AnyFact) -> int:
    match fact:
        case UnitsSold() | ReturnVoided():
            return -fact.quantity
        case UnitsReturned() | SaleVoided() | GoodsReceived():
            return fact.quantity
        case TagsMoved(to_zone="transit"):
            return -len(fact.epcs)
        case TagsMoved(from_zone="transit"):
            return len(fact.epcs)
        case _:
            return 0
