"""`decide`: which events follow from a fact or a command. Pure and total.

What it decides must never depend on anything but its arguments, since the journal keeps inputs
and rebuilds states by deciding again (decision 1). A change here, in `evolve` or in how a shard
applies a batch that could change any state must raise `LOGIC_ERA`.
"""

from enum import StrEnum
from typing import Final, NamedTuple

from cloud.sku_location.commands import SetPolicy
from cloud.sku_location.events import (
    AnyEvent,
    BackroomChanged,
    CountConfirmed,
    Found,
    Lost,
    MovedAway,
    MovedHere,
    OpeningCounted,
    PolicySet,
    Received,
    ReorderFilled,
    ReorderOpened,
    ReorderReceived,
    Returned,
    ReturnUndone,
    SaleUndone,
    Sold,
)
from cloud.sku_location.evolve import evolve
from cloud.sku_location.state import Cause, SkuLocation
from protocol.facts import (
    GoodsReceived,
    Measure,
    ReturnVoided,
    SaleVoided,
    ShelfCounted,
    StockCounted,
    StockFact,
    TagsAppeared,
    TagsLeft,
    TagsMoved,
    TillLine,
    UnitsReturned,
    UnitsSold,
    Zone,
)

LOGIC_ERA: Final = 1
"""Names this logic in the journal. Another number opens a new era with a snapshot of all states."""

TAG_MEASURE: Final[Measure] = "units"

EvidenceOnly = TagsAppeared | TagsLeft | ShelfCounted
"""Facts that say something about where goods are, and nothing about how many."""


class Refusal(StrEnum):
    """Why a SKU-location refuses a fact. Stored with quarantined facts, so never renamed."""

    MEASURE_CONFLICT = "measure_conflict"
    REPEATED_TAG = "repeated_tag"


class Refused(NamedTuple):
    """A refusal is an answer: the fact changes nothing, and somebody should look at it."""

    reason: Refusal
    detail: str


def cause_of(message: StockFact | SetPolicy, epoch: int, seq: int, now_ms: int) -> Cause:
    """Return how events name the message; `epoch` and `seq` are 0 for a command."""
    occurred_at_ms = now_ms if isinstance(message, SetPolicy) else message.occurred_at_ms
    kind = type(message).__name__
    return Cause(kind=kind, epoch=epoch, seq=seq, occurred_at_ms=occurred_at_ms)


def decide(
    state: SkuLocation, message: StockFact | SetPolicy, cause: Cause, now_ms: int
) -> list[AnyEvent] | Refused:
    """Return what happens to `state`, in order; often nothing.

    `cause` names the message in every event, `now_ms` is the time stamped on the input.
    """
    event = _effect_of(state, message, cause, now_ms)
    if event is None:
        return []
    if isinstance(event, Refused):
        return event
    if not _may_concern_reorders(state, event):
        return [event]
    return [event, *_reorder_events(evolve(state, event), event, now_ms)]


def _effect_of(
    state: SkuLocation, message: StockFact | SetPolicy, cause: Cause, now_ms: int
) -> AnyEvent | Refused | None:
    if isinstance(message, EvidenceOnly):
        return None
    if isinstance(message, SetPolicy):
        if message.policy == state.policy:
            return None
        return PolicySet(cause=cause, at_ms=now_ms, policy=message.policy)
    measure = TAG_MEASURE if isinstance(message, TagsMoved) else message.measure
    if state.measure is not None and state.measure != measure:
        detail = f"{state.gtin} is counted in {state.measure} at {state.store}, not in {measure}"
        return Refused(Refusal.MEASURE_CONFLICT, detail)
    if isinstance(message, TillLine):
        return _till_line(message, cause, now_ms)
    if isinstance(message, GoodsReceived):
        return Received(
            cause=cause,
            at_ms=now_ms,
            measure=measure,
            quantity=message.quantity,
            to_backroom=message.quantity if message.zone == "backroom" else 0,
        )
    if isinstance(message, TagsMoved):
        return _tags_moved(message, cause, now_ms)
    return _counted(state, message, cause, now_ms)


_TILL_EVENTS: Final[dict[type[TillLine], type[Sold | SaleUndone | Returned | ReturnUndone]]] = {
    UnitsSold: Sold,
    SaleVoided: SaleUndone,
    UnitsReturned: Returned,
    ReturnVoided: ReturnUndone,
}


def _till_line(line: TillLine, cause: Cause, now_ms: int) -> AnyEvent:
    event = _TILL_EVENTS[type(line)]
    return event(cause=cause, at_ms=now_ms, measure=line.measure, quantity=line.quantity)


def _tags_moved(moved: TagsMoved, cause: Cause, now_ms: int) -> AnyEvent | Refused | None:
    """Only `transit` is outside the location; what passes the exit, the till accounts for."""
    tags = len(moved.epcs)
    if tags != len(set(moved.epcs)):
        return Refused(Refusal.REPEATED_TAG, f"a tag of {moved.gtin} is listed twice")
    origin, destination = moved.from_zone, moved.to_zone
    to_backroom = tags * (_is_backroom(destination) - _is_backroom(origin))
    if (origin == "transit") != (destination == "transit"):
        event = MovedAway if destination == "transit" else MovedHere
        return event(
            cause=cause,
            at_ms=now_ms,
            measure=TAG_MEASURE,
            quantity=tags,
            to_backroom=to_backroom,
        )
    if to_backroom:
        return BackroomChanged(
            cause=cause, at_ms=now_ms, measure=TAG_MEASURE, to_backroom=to_backroom
        )
    return None


def _is_backroom(zone: Zone) -> bool:
    return zone == "backroom"


def _counted(state: SkuLocation, count: StockCounted, cause: Cause, now_ms: int) -> AnyEvent:
    difference = count.quantity - state.on_hand
    measure = count.measure
    if not state.counted:
        return OpeningCounted(cause=cause, at_ms=now_ms, measure=measure, quantity=difference)
    if difference == 0:
        return CountConfirmed(cause=cause, at_ms=now_ms, measure=measure)
    event = Found if difference > 0 else Lost
    return event(cause=cause, at_ms=now_ms, measure=measure, quantity=abs(difference))


def _may_concern_reorders(state: SkuLocation, event: AnyEvent) -> bool:
    """Rule out cheaply what is most common: no policy, or a reorder that is open anyway."""
    if _has_open_reorder(state):
        return isinstance(event, Received)
    return state.policy is not None or isinstance(event, PolicySet)


def _reorder_events(state: SkuLocation, event: AnyEvent, now_ms: int) -> list[AnyEvent]:
    """Return what `event`, which has led to `state`, means to reorders."""
    events: list[AnyEvent] = []
    if isinstance(event, Received) and _has_open_reorder(state):
        filled = _filled(state, event.quantity, event.cause, now_ms)
        events.append(filled)
        state = evolve(state, filled)
    opened = _opened(state, event.cause, now_ms)
    if opened is not None:
        events.append(opened)
    return events


def _has_open_reorder(state: SkuLocation) -> bool:
    return state.reorder is not None and state.reorder.status not in ("received", "cancelled")


def _filled(state: SkuLocation, quantity: int, cause: Cause, now_ms: int) -> AnyEvent:
    filled = ReorderReceived if quantity >= state.on_order else ReorderFilled
    return filled(cause=cause, at_ms=now_ms, quantity=quantity)


def _opened(state: SkuLocation, cause: Cause, now_ms: int) -> ReorderOpened | None:
    """Return the reorder that the position asks for.

    Before the first count or delivery nobody knows what is on the shelves, and every SKU of a
    new store would be ordered in full.
    """
    policy = state.policy
    is_known = state.counted or state.received > 0
    if policy is None or not is_known or _has_open_reorder(state):
        return None
    position = state.position
    quantity = policy.order_up_to - position
    if position > policy.reorder_point or quantity < 1:
        return None
    number = 1 if state.reorder is None else state.reorder.number + 1
    return ReorderOpened(cause=cause, at_ms=now_ms, number=number, quantity=quantity)
