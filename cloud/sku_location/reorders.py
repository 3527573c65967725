"""Reorders: at most one open per SKU-location, from decision to next state. Pure.

    open ──► acknowledged ──► despatched ──► received
      └───────────┴───────────────┴──► cancelled

A reorder opens when the position falls to the reorder point, is filled by what is received, and is
revised rather than repeated.
"""

from typing import Final

from msgspec.structs import replace

from cloud.sku_location.events import (
    AnyEvent,
    PolicySet,
    Received,
    ReorderEscalated,
    ReorderEvent,
    ReorderFilled,
    ReorderMarked,
    ReorderOpened,
    ReorderReceived,
)
from cloud.sku_location.messages import EscalateReorder, MarkReorder
from cloud.sku_location.refusal import Refusal, Refused
from cloud.sku_location.state import Cause, Policy, Reorder, ReorderStatus, SkuLocation

DAY_MS: Final = 86_400_000
THURSDAY: Final = 3
"""Weekday of 1970-01-01, counted from Monday = 0."""

_NEXT: Final[dict[ReorderStatus, tuple[ReorderStatus, ...]]] = {
    "open": ("acknowledged", "despatched", "cancelled"),
    "acknowledged": ("acknowledged", "despatched", "cancelled"),
    "despatched": ("despatched", "received", "cancelled"),
    "received": (),
    "cancelled": (),
}


def has_open_reorder(state: SkuLocation) -> bool:
    """Say whether somebody still has to act on the latest reorder."""
    return state.reorder is not None and state.reorder.status not in ("received", "cancelled")


def may_concern_reorders(state: SkuLocation, event: AnyEvent) -> bool:
    """Rule out cheaply what is most common: no policy, or a reorder that is open anyway."""
    if has_open_reorder(state):
        return isinstance(event, Received | ReorderMarked)
    return state.policy is not None or isinstance(event, PolicySet)


def filling(state: SkuLocation, event: AnyEvent, now_ms: int) -> AnyEvent | None:
    """Return what goods that were received mean to the open reorder."""
    if not isinstance(event, Received) or not event.fills_reorder or state.reorder is None:
        return None
    if not has_open_reorder(state):
        return None
    outstanding = max(0, state.reorder.quantity - state.reorder.received)
    filled = ReorderReceived if event.quantity >= outstanding else ReorderFilled
    return filled(cause=event.cause, at_ms=now_ms, quantity=event.quantity)


def opening(state: SkuLocation, cause: Cause, now_ms: int) -> ReorderOpened | None:
    """Return the reorder that the position asks for.

    Before the first count or delivery nobody knows what is on the shelves, and every SKU of a
    new store would be ordered in full.
    """
    policy = state.policy
    is_known = state.counted or state.received > 0
    if policy is None or not policy.is_on or not is_known or has_open_reorder(state):
        return None
    if state.position > policy.reorder_point or not _is_review_day(policy, now_ms):
        return None
    quantity = order_quantity(policy, state.position)
    if quantity < 1:
        return None
    number = 1 if state.reorder is None else state.reorder.number + 1
    return ReorderOpened(
        cause=cause, at_ms=now_ms, number=number, quantity=quantity, source=policy.source
    )


def order_quantity(policy: Policy, position: int) -> int:
    """Return how much to order: up to the level, at least the minimum, in whole packs."""
    missing = policy.order_up_to - position
    if missing < 1:
        return 0
    packs = -(-max(missing, policy.minimum_order) // policy.pack_size)
    return packs * policy.pack_size


def _is_review_day(policy: Policy, now_ms: int) -> bool:
    weekday = (now_ms // DAY_MS + THURSDAY) % 7
    return not policy.review_weekdays or weekday in policy.review_weekdays


def decide_mark(
    state: SkuLocation, message: MarkReorder, cause: Cause, now_ms: int
) -> list[AnyEvent] | Refused:
    """Return what it means that somebody outside says where a reorder stands."""
    reorder = state.reorder
    if reorder is None or reorder.number != message.number:
        detail = f"the latest reorder of {state.gtin} at {state.store} is another one"
        return Refused(Refusal.UNKNOWN, detail)
    marked = ReorderMarked(
        cause=cause,
        at_ms=now_ms,
        status=message.status,
        reference=message.reference or reorder.reference,
        expected_at_ms=message.expected_at_ms or reorder.expected_at_ms,
        quantity=message.quantity or reorder.quantity,
    )
    if _marked(reorder, marked) == reorder:
        return []
    if message.status not in _NEXT[reorder.status]:
        detail = f"the reorder is {reorder.status}; it cannot become {message.status}"
        return Refused(Refusal.WRONG_STATUS, detail)
    return [marked]


def decide_escalation(
    state: SkuLocation, message: EscalateReorder, cause: Cause, now_ms: int
) -> list[AnyEvent]:
    """Return the escalation, if the reorder is still unacknowledged."""
    reorder = state.reorder
    if reorder is None or reorder.number != message.number or reorder.status != "open":
        return []
    return [ReorderEscalated(cause=cause, at_ms=now_ms)]


def reorder_after(reorder: Reorder | None, event: ReorderEvent) -> Reorder | None:
    """Return the latest reorder after an event."""
    if isinstance(event, ReorderOpened):
        return Reorder(
            number=event.number,
            revision=1,
            status="open",
            quantity=event.quantity,
            received=0,
            opened_at_ms=event.at_ms,
            updated_at_ms=event.at_ms,
            source=event.source,
        )
    if reorder is None:
        return None
    if isinstance(event, ReorderMarked):
        changed = _marked(reorder, event)
    elif isinstance(event, ReorderEscalated):
        changed = replace(reorder, escalations=reorder.escalations + 1)
    else:
        status = "received" if isinstance(event, ReorderReceived) else reorder.status
        changed = replace(reorder, status=status, received=reorder.received + event.quantity)
    return replace(changed, revision=reorder.revision + 1, updated_at_ms=event.at_ms)


def _marked(reorder: Reorder, event: ReorderMarked) -> Reorder:
    return replace(
        reorder,
        status=event.status,
        reference=event.reference,
        expected_at_ms=event.expected_at_ms,
        quantity=event.quantity,
    )
