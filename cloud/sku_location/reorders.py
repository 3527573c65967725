"""Reorders: at most one open per SKU-location, from decision to next state. Pure.

    open ──► acknowledged ──► despatched ──► received
      └───────────┴───────────────┴──► cancelled

A reorder opens when the position falls to the reorder point, and is filled by what is received.
Until somebody has answered it, it is ours: it asks for what is missing *now*, and is withdrawn when
nothing is, so that late facts revise it. Once it was acknowledged, or a part of it has arrived, it
is the supplier's and changes by his word only. What falls short then, the next reorder asks for.
"""

from typing import Final

from msgspec.structs import replace

from cloud.sku_location.belief import estimate
from cloud.sku_location.events import (
    AnyEvent,
    IncomingChanged,
    PolicySet,
    Received,
    ReorderAnnounced,
    ReorderEscalated,
    ReorderEvent,
    ReorderFilled,
    ReorderMarked,
    ReorderOpened,
    ReorderReceived,
    ReorderRevised,
    ReorderWithdrawn,
)
from cloud.sku_location.messages import EscalateReorder, MarkReorder
from cloud.sku_location.refusal import Refusal, Refused
from cloud.sku_location.state import Cause, Policy, Reorder, ReorderStatus, SkuLocation

DAY_MS: Final = 86_400_000
THURSDAY: Final = 3
"""Weekday of 1970-01-01, counted from Monday = 0."""

CLOCKS_DIFFER_MS: Final = 3_600_000
"""A delivery this long before a reorder may still be its answer: stores' clocks are not exact."""

FINAL: Final[tuple[ReorderStatus, ...]] = ("received", "cancelled")
_SUPPLYING: Final[tuple[ReorderStatus, ...]] = ("acknowledged", "despatched")
_ANSWERS: Final = (Received, ReorderMarked, IncomingChanged)

_NEXT: Final[dict[ReorderStatus, tuple[ReorderStatus, ...]]] = {
    "open": ("acknowledged", "despatched", "cancelled"),
    "acknowledged": ("acknowledged", "despatched", "cancelled"),
    "despatched": ("despatched", "received", "cancelled"),
    "received": (),
    "cancelled": (),
}


def has_open_reorder(state: SkuLocation) -> bool:
    """Say whether somebody still has to act on the latest reorder."""
    return state.reorder is not None and state.reorder.status not in FINAL


def is_unanswered(reorder: Reorder) -> bool:
    """Say whether a reorder is still ours to change: nobody said or sent anything."""
    return reorder.status == "open" and reorder.received == 0


def may_concern_reorders(state: SkuLocation, event: AnyEvent) -> bool:
    """Rule out cheaply what is most common: no policy, or a reorder that is the supplier's."""
    if state.reorder is not None and has_open_reorder(state):
        return is_unanswered(state.reorder) or isinstance(event, _ANSWERS)
    return state.policy is not None or isinstance(event, PolicySet)


def answer_to(state: SkuLocation, event: AnyEvent, now_ms: int) -> ReorderEvent | None:
    """Return what goods that were announced or received mean to the open reorder."""
    reorder = state.reorder
    if reorder is None or not has_open_reorder(state):
        return None
    if isinstance(event, IncomingChanged) and event.reorder_number == reorder.number:
        return ReorderAnnounced(cause=event.cause, at_ms=now_ms, quantity=event.quantity)
    if isinstance(event, Received) and event.fills_reorder:
        return _filling(reorder, event, now_ms)
    return None


def _filling(
    reorder: Reorder, event: Received, now_ms: int
) -> ReorderFilled | ReorderReceived | None:
    """Goods that name another reorder, or came before this one and were told late, fill none."""
    is_other = event.reorder_number not in (0, reorder.number)
    if is_other or event.happened_at_ms < reorder.opened_at_ms - CLOCKS_DIFFER_MS:
        return None
    is_all = event.quantity >= reorder.quantity - reorder.received
    filled = ReorderReceived if is_all else ReorderFilled
    return filled(
        cause=event.cause,
        at_ms=now_ms,
        quantity=event.quantity,
        from_announced=min(event.from_incoming, reorder.announced) if event.reorder_number else 0,
    )


def adjustment(
    state: SkuLocation, cause: Cause, now_ms: int
) -> ReorderRevised | ReorderWithdrawn | None:
    """Return how the open reorder has to change to ask for what is missing now.

    Without a policy, or with one that is off, it stays as it is: nothing says what is missing.
    """
    reorder, policy = state.reorder, state.policy
    if reorder is None or policy is None or not policy.is_on or not is_unanswered(reorder):
        return None
    missing = missing_quantity(policy, state.sellable + state.incoming)
    if missing < 1:
        return ReorderWithdrawn(cause=cause, at_ms=now_ms)
    if (missing, policy.source) == (reorder.quantity, reorder.source):
        return None
    return ReorderRevised(cause=cause, at_ms=now_ms, quantity=missing, source=policy.source)


def opening(state: SkuLocation, cause: Cause, now_ms: int) -> ReorderOpened | None:
    """Return the reorder that the position asks for."""
    policy = state.policy
    quantity = wanted_quantity(state, now_ms)
    if policy is None or quantity < 1 or is_too_doubtful(state, now_ms):
        return None
    number = 1 if state.reorder is None else state.reorder.number + 1
    return ReorderOpened(
        cause=cause, at_ms=now_ms, number=number, quantity=quantity, source=policy.source
    )


def is_too_doubtful(state: SkuLocation, now_ms: int) -> bool:
    """Say whether the count is less sure than the policy asks for before it orders."""
    policy = state.policy
    if policy is None or not policy.confidence_min or not state.belief:
        return False
    return estimate(state, now_ms).p_best < policy.confidence_min


def is_held(state: SkuLocation, now_ms: int) -> bool:
    """Say whether a reorder would open now, were the count surer."""
    return wanted_quantity(state, now_ms) > 0 and is_too_doubtful(state, now_ms)


def wanted_quantity(state: SkuLocation, now_ms: int) -> int:
    """Return how much a reorder that opened now would ask for; 0 when none is to be opened.

    Before the first count or delivery nobody knows what is on the shelves, and every SKU of a
    new store would be ordered in full.
    """
    policy = state.policy
    is_known = state.counted or state.received > 0
    if policy is None or not policy.is_on or not is_known or has_open_reorder(state):
        return 0
    return missing_quantity(policy, state.position) if _is_review_day(policy, now_ms) else 0


def missing_quantity(policy: Policy, position: int) -> int:
    """Return how much to order at a position: nothing above the reorder point.

    Otherwise up to the level, at least the minimum, in whole packs.
    """
    missing = policy.order_up_to - position
    if position > policy.reorder_point or missing < 1:
        return 0
    pack_size = max(1, policy.pack_size)
    packs = -(-max(missing, policy.minimum_order) // pack_size)
    return packs * pack_size


def _is_review_day(policy: Policy, now_ms: int) -> bool:
    weekday = (now_ms // DAY_MS + THURSDAY) % 7
    return not policy.review_weekdays or weekday in policy.review_weekdays


def is_cancellation(event: AnyEvent) -> bool:
    """Say whether somebody outside cancelled the reorder."""
    return isinstance(event, ReorderMarked) and event.status == "cancelled"


def decide_mark(
    state: SkuLocation, message: MarkReorder, cause: Cause, now_ms: int
) -> list[AnyEvent] | Refused:
    """Return what it means that somebody outside says where a reorder stands."""
    reorder = state.reorder
    if reorder is None or not 1 <= message.number <= reorder.number:
        detail = f"{state.gtin} at {state.store} has no reorder {message.number}"
        return Refused(Refusal.UNKNOWN, detail)
    if message.number < reorder.number:
        detail = f"the reorder has ended; reorder {reorder.number} is the latest"
        return Refused(Refusal.WRONG_STATUS, detail)
    marked = _mark(reorder, message, cause, now_ms)
    if _marked(reorder, marked) == reorder:
        return []
    if message.status not in _NEXT[reorder.status]:
        detail = f"the reorder is {reorder.status}; it cannot become {message.status}"
        return Refused(Refusal.WRONG_STATUS, detail)
    return [marked]


def _mark(reorder: Reorder, message: MarkReorder, cause: Cause, now_ms: int) -> ReorderMarked:
    quantity = message.quantity or reorder.quantity
    status = message.status
    # A supplier who sends no more than what has come already, has sent everything.
    if status in _SUPPLYING and status in _NEXT[reorder.status] and quantity <= reorder.received:
        status = "received"
    return ReorderMarked(
        cause=cause,
        at_ms=now_ms,
        status=status,
        reference=message.reference or reorder.reference,
        expected_at_ms=message.expected_at_ms or reorder.expected_at_ms,
        quantity=quantity,
    )


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
    changed = _revised(reorder, event)
    return replace(changed, revision=reorder.revision + 1, updated_at_ms=event.at_ms)


def _revised(reorder: Reorder, event: ReorderEvent) -> Reorder:
    if isinstance(event, ReorderMarked):
        return _marked(reorder, event)
    if isinstance(event, ReorderRevised):
        return replace(reorder, quantity=event.quantity, source=event.source)
    if isinstance(event, ReorderWithdrawn):
        return replace(reorder, status="cancelled")
    if isinstance(event, ReorderAnnounced):
        status = "despatched" if event.quantity > 0 else reorder.status
        announced = max(0, reorder.announced + event.quantity)
        return replace(reorder, status=status, announced=announced)
    if isinstance(event, ReorderEscalated):
        escalations = reorder.escalations + 1
        return replace(reorder, escalations=escalations, escalated_at_ms=event.at_ms)
    if isinstance(event, ReorderFilled | ReorderReceived):
        return replace(
            reorder,
            status="received" if isinstance(event, ReorderReceived) else reorder.status,
            received=reorder.received + event.quantity,
            announced=reorder.announced - event.from_announced,
        )
    return reorder


def _marked(reorder: Reorder, event: ReorderMarked) -> Reorder:
    return replace(
        reorder,
        status=event.status,
        reference=event.reference,
        expected_at_ms=event.expected_at_ms,
        quantity=event.quantity,
    )
