"""Signals inside a store that follow from what happened to a SKU-location. Pure.

    replenish   the sales floor has become low, and the backroom has goods
    recount     the book fell below 0; goods sold were promised to somebody; a picker found less;
                a count came too late to be applied; a reorder waits for a surer count
    pick        an order is confirmed: its goods are to be fetched

Each is a notice, told when it becomes true and not again while it stays so.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

from cloud.records.notice import NoticeKind
from cloud.sku_location.events import (
    AnyEvent,
    CountEvent,
    HoldConfirmed,
    HoldReleased,
    HoldsShorted,
    Withheld,
    WrittenOff,
)
from cloud.sku_location.reorders import is_held
from cloud.sku_location.state import Hold, SkuLocation
from protocol.facts import (
    ReturnVoided,
    StockCounted,
    StockFact,
    TagsMoved,
    UnitsSold,
)

if TYPE_CHECKING:
    from cloud.shards.desk import Desk

_TAKEN: Final = (UnitsSold, ReturnVoided)
_EXPLAINS_SHORTAGE: Final = (CountEvent, Withheld, WrittenOff)
"""After these, what is there is known; nobody needs to count."""


class _Signal(NamedTuple):
    kind: NoticeKind
    quantity: int
    detail: str
    hold: Hold | None = None


def may_signal(state: SkuLocation, fact: StockFact) -> bool:
    """Rule out cheaply what is most common: goods that nobody needs to look after."""
    policy = state.policy
    if policy is not None and (policy.replenish_at is not None or policy.confidence_min):
        return True
    if isinstance(fact, _TAKEN):
        return 0 <= state.on_hand < fact.quantity
    if isinstance(fact, TagsMoved):
        return 0 <= state.on_hand < len(fact.epcs)
    return isinstance(fact, StockCounted) and bool(state.recent)


def signals(desk: "Desk", before: SkuLocation, state: SkuLocation, events: list[AnyEvent]) -> None:
    """Notify the store of what somebody should do about a SKU-location."""
    for signal in _signals(before, state, events):
        hold = signal.hold
        desk.notify(
            signal.kind,
            state.store,
            state.gtin if hold is None else hold.reservation_id,
            gtin=state.gtin,
            quantity=signal.quantity,
            measure=state.measure,
            order_id="" if hold is None else hold.order_id,
            channel="" if hold is None else hold.channel,
            detail=signal.detail,
        )


def signal_refused(desk: "Desk", fact: StockFact) -> None:
    """Notify the store of a count that came too late to be applied."""
    if isinstance(fact, StockCounted):
        desk.notify(
            "recount",
            desk.stamp.store,
            fact.gtin,
            gtin=fact.gtin,
            quantity=fact.quantity,
            measure=fact.measure,
            detail="too much has moved since the last count to apply it",
        )


def _signals(before: SkuLocation, state: SkuLocation, events: list[AnyEvent]) -> Iterator[_Signal]:
    if _needs_replenishing(state) and not _needs_replenishing(before):
        detail = f"{state.sales_floor} on the sales floor, {state.backroom} in the backroom"
        yield _Signal("replenish", state.backroom, detail)
    doubt = _doubt(before, state, events)
    if doubt is not None:
        yield _Signal("recount", state.on_hand, doubt)
    for event in events:
        if isinstance(event, HoldConfirmed) and (hold := state.hold(event.reservation_id)):
            yield _Signal("pick", hold.quantity - hold.picked, f"for {hold.channel}", hold)


def _needs_replenishing(state: SkuLocation) -> bool:
    policy = state.policy
    if policy is None or policy.replenish_at is None:
        return False
    return state.sales_floor <= policy.replenish_at and state.backroom > 0


def _doubt(before: SkuLocation, state: SkuLocation, events: list[AnyEvent]) -> str | None:
    """Return why the count looks wrong, if it does."""
    is_known = before.counted or before.received > 0
    if is_known and before.on_hand >= 0 > state.on_hand:
        return f"the book says {state.on_hand}"
    for event in events:
        if isinstance(event, HoldReleased) and (doubt := _found_less(before, event)):
            return doubt
    is_short = any(isinstance(event, HoldsShorted) for event in events)
    if is_short and not any(isinstance(event, _EXPLAINS_SHORTAGE) for event in events):
        return "goods left that were promised to orders"
    if is_held(state, state.as_of_ms) and not is_held(before, before.as_of_ms):
        return "a reorder waits until the count is surer"
    return None


def _found_less(before: SkuLocation, event: HoldReleased) -> str | None:
    """Somebody who has a part in hand and gives back exactly the rest, did not find the rest."""
    hold = before.hold(event.reservation_id)
    if hold is None or not hold.picked or event.quantity != hold.quantity - hold.picked:
        return None
    return f"{hold.picked} of {hold.quantity} were found for {hold.order_id}"
