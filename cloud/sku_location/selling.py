"""Plain sales, many at a time: what `decide` and `evolve` make of them, without the steps between.

A sale is plain when nothing follows from it but a smaller count: nothing is reserved, reordered or
watched, no count has taken it in before, and the book has the goods. Most facts are plain sales,
and most SKU-locations that sell, sell more than once in a group. A `SaleRun` gives the very state
that telling the sales one by one would; a property test holds the two against each other. Pure.
"""

from typing import Final

from msgspec.structs import replace

from cloud.sku_location.belief import after_sale
from cloud.sku_location.movements import MOVEMENTS_MAX
from cloud.sku_location.state import Cause, Movement, SkuLocation
from protocol.facts import UnitsSold


def may_run(state: SkuLocation) -> bool:
    """Say whether sales of a SKU-location can be plain at all."""
    return not (state.holds or state.policy or state.reorder)


class SaleRun:
    """Plain sales of one SKU-location since a state, as yet without a state of their own."""

    __slots__ = ("_before", "_belief", "_measure", "_movements", "_on_hand", "_since_ms", "_sold")

    def __init__(self, state: SkuLocation) -> None:
        self._before: Final = state
        self._measure = state.measure
        self._on_hand = state.on_hand
        self._sold = 0
        self._belief = state.belief
        self._movements: Final[list[Movement]] = []
        self._since_ms = state.counted_at_ms if state.counted else 0
        if state.recent:
            self._since_ms = max(self._since_ms, state.recent[-1].happened_at_ms)

    def hear(self, sale: UnitsSold, sold_at_ms: int) -> bool:
        """Take in one more sale; `False` when it is not plain, and then nothing has changed.

        `sold_at_ms` is when it happened, as far as its clock can be believed.
        """
        quantity = sale.quantity
        if self._measure != sale.measure and self._measure is not None:
            return False
        if sold_at_ms < self._since_ms or 0 <= self._on_hand < quantity:
            return False
        if self._belief:
            self._belief = after_sale(self._belief, quantity, sold_at_ms)
        elif self._before.counted or self._before.received:
            return False
        self._measure = sale.measure
        self._on_hand -= quantity
        self._sold += quantity
        self._since_ms = sold_at_ms
        self._movements.append(Movement(sold_at_ms, -quantity))
        return True

    def state(self, cause: Cause, now_ms: int) -> SkuLocation:
        """Return the state after the sales; `cause` names the last, `now_ms` is when it came."""
        before = self._before
        recent = (*before.recent, *self._movements)
        forgotten_ms = before.forgotten_through_ms
        if len(recent) > MOVEMENTS_MAX:
            forgotten_ms = max(forgotten_ms, recent[-MOVEMENTS_MAX - 1].happened_at_ms)
            recent = recent[-MOVEMENTS_MAX:]
        return replace(
            before,
            version=before.version + len(self._movements),
            measure=self._measure,
            on_hand=self._on_hand,
            sold=before.sold + self._sold,
            recent=recent,
            forgotten_through_ms=forgotten_ms,
            as_of_ms=now_ms,
            cause=cause,
            belief=self._belief,
        )
