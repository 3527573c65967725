"""Holds: what reservations hold of a SKU-location, from decision to next state. Pure.

    held ──► awaiting_payment ──► confirmed
      └──────────────┴────────────────┴──► gone: fulfilled, released, expired or short

Granted is at most what the rules allow at that moment (P4): on hand - reserved - unavailable -
buffer. A physical sale always wins; then holds lose what is not there any more, in the order of
`_losing_order`.
"""

from typing import Final

from msgspec.structs import replace

from cloud.sku_location.crowded import CROWD_FROM, CrowdedHolds, crowded
from cloud.sku_location.events import (
    AnyEvent,
    Fulfilled,
    Held,
    HoldConfirmed,
    HoldEvent,
    HoldExtended,
    HoldPicked,
    HoldReleased,
    HoldsExpired,
    HoldsShorted,
    Loss,
    PaymentAwaited,
)
from cloud.sku_location.messages import (
    AwaitPaymentOfHold,
    ConfirmHold,
    ExpireHold,
    ExtendHold,
    FulfilHold,
    HoldMessage,
    HoldStock,
    PickHold,
    ReleaseHold,
)
from cloud.sku_location.refusal import Refusal, Refused
from cloud.sku_location.state import Cause, Hold, SkuLocation

HOLDS_MAX: Final = 10_000
"""Of one SKU-location: a bound on the size of its state. More are refused."""

NEAR_DEADLINE_MS: Final = 2 * 3_600_000
"""An order that must leave within this time is the last to lose its goods."""


def decide_hold(
    state: SkuLocation, message: HoldStock, cause: Cause, now_ms: int
) -> list[AnyEvent] | Refused:
    """Return the grant, after what had been held too long, or why there is none."""
    if message.if_version is not None and message.if_version != state.version:
        detail = f"{state.gtin} at {state.store} is at version {state.version}"
        return Refused(Refusal.VERSION_CONFLICT, detail)
    if place_of(state.holds, message.reservation_id) is not None:
        detail = f"{message.reservation_id} holds {state.gtin} at {state.store} already"
        return Refused(Refusal.REPEATED_RESERVATION, detail)
    if len(state.holds) >= HOLDS_MAX:
        return Refused(Refusal.TOO_MANY_HOLDS, f"{HOLDS_MAX} reservations hold {state.gtin}")
    expired = expiring(state, cause, now_ms)
    freed = sum(loss.quantity for event in expired for loss in event.losses)
    available = state.sellable + freed - message.buffer
    if message.quantity > available:
        hidden = f", {message.buffer} hidden from {message.channel}" if message.buffer else ""
        detail = (
            f"{state.gtin} at {state.store}: {message.quantity} wanted,"
            f" {max(0, available)} available{hidden}"
        )
        return Refused(Refusal.INSUFFICIENT, detail)
    hold = Hold(
        reservation_id=message.reservation_id,
        order_id=message.order_id,
        channel=message.channel,
        status="held",
        quantity=message.quantity,
        picked=0,
        granted_at_ms=now_ms,
        expires_at_ms=message.expires_at_ms,
        ship_by_ms=message.ship_by_ms,
    )
    held = Held(
        cause=cause,
        at_ms=now_ms,
        reservation_id=hold.reservation_id,
        hold=hold,
        buffer=message.buffer,
    )
    return [*expired, held]


def place_of(holds: tuple[Hold, ...], reservation_id: str) -> int | None:
    """Return where the hold of a reservation is, if it has one."""
    if isinstance(holds, CrowdedHolds):
        return holds.place_of(reservation_id)
    for place, hold in enumerate(holds):
        if hold.reservation_id == reservation_id:
            return place
    return None


def reserved_by(holds: tuple[Hold, ...]) -> int:
    """Return how much they hold."""
    if isinstance(holds, CrowdedHolds):
        return holds.reserved
    return sum(hold.quantity for hold in holds)


def expiring(state: SkuLocation, cause: Cause, now_ms: int) -> list[HoldsExpired]:
    """Return what has been held too long, as one event if there is any."""
    if isinstance(state.holds, CrowdedHolds) and now_ms < state.holds.expire_from_ms:
        return []
    losses = tuple(
        Loss(hold.reservation_id, hold.quantity) for hold in state.holds if is_expired(hold, now_ms)
    )
    return [HoldsExpired(cause=cause, at_ms=now_ms, losses=losses)] if losses else []


def is_expired(hold: Hold, now_ms: int) -> bool:
    """Say whether a hold was held too long; a confirmed one, or one with goods picked, never is."""
    if hold.status == "confirmed" or hold.picked or not hold.expires_at_ms:
        return False
    return hold.expires_at_ms <= now_ms


def decide_on_hold(
    state: SkuLocation, message: HoldMessage, cause: Cause, now_ms: int
) -> list[AnyEvent] | Refused:
    """Return what happens to an existing hold."""
    place = place_of(state.holds, message.reservation_id)
    if place is None:
        detail = f"{message.reservation_id} holds nothing of {state.gtin} at {state.store} any more"
        return Refused(Refusal.NOT_HELD, detail)
    hold = state.holds[place]
    if isinstance(message, ExpireHold):
        if not is_expired(hold, now_ms):
            return []
    elif is_expired(hold, now_ms):
        detail = f"{message.reservation_id} was held too long; release it and reserve again"
        return Refused(Refusal.EXPIRED, detail)
    if isinstance(message, ReleaseHold | PickHold | FulfilHold):
        return _decide_quantity(state, hold, message, cause, now_ms)
    event = _event_on_hold(hold, message, cause, now_ms)
    return [] if event is None else [event]


def _event_on_hold(
    hold: Hold, message: HoldMessage, cause: Cause, now_ms: int
) -> HoldEvent | HoldsExpired | None:
    """Return what happens to a hold that is not due, or that is due and told to expire.

    A confirmed hold expires no more, whatever comes late; one that is being paid keeps the time
    that it was given to be paid.
    """
    name = hold.reservation_id
    if isinstance(message, ExpireHold):
        losses = (Loss(name, hold.quantity),)
        return HoldsExpired(cause=cause, at_ms=now_ms, losses=losses)
    if hold.status == "confirmed":
        return None
    if isinstance(message, ConfirmHold):
        return HoldConfirmed(cause=cause, at_ms=now_ms, reservation_id=name)
    if isinstance(message, ExtendHold):
        until_ms = message.expires_at_ms
        if hold.status == "awaiting_payment":
            until_ms = later_expiry_ms(hold.expires_at_ms, until_ms)
        return HoldExtended(cause=cause, at_ms=now_ms, reservation_id=name, expires_at_ms=until_ms)
    if isinstance(message, AwaitPaymentOfHold):
        pay_by_ms = later_expiry_ms(hold.expires_at_ms, message.pay_by_ms)
        return PaymentAwaited(cause=cause, at_ms=now_ms, reservation_id=name, pay_by_ms=pay_by_ms)
    raise AssertionError(f"a hold cannot be told {type(message).__name__}")


def later_expiry_ms(one_ms: int, other_ms: int) -> int:
    """Return the later of two expiries; 0 is never."""
    return max(one_ms, other_ms) if one_ms and other_ms else 0


def _decide_quantity(
    state: SkuLocation,
    hold: Hold,
    message: ReleaseHold | PickHold | FulfilHold,
    cause: Cause,
    now_ms: int,
) -> list[AnyEvent] | Refused:
    open_quantity = hold.quantity - (hold.picked if isinstance(message, PickHold) else 0)
    if message.quantity > open_quantity:
        detail = (
            f"{hold.reservation_id} has {open_quantity} of {state.gtin} at {state.store} for that,"
            f" not {message.quantity}"
        )
        return Refused(Refusal.MORE_THAN_HELD, detail)
    name, quantity = hold.reservation_id, message.quantity
    if isinstance(message, PickHold):
        return [HoldPicked(cause=cause, at_ms=now_ms, reservation_id=name, quantity=quantity)]
    if isinstance(message, ReleaseHold):
        return [HoldReleased(cause=cause, at_ms=now_ms, reservation_id=name, quantity=quantity)]
    if state.measure is None:
        raise AssertionError(f"a hold on goods in no measure: {state}")
    fulfilled = Fulfilled(
        cause=cause,
        at_ms=now_ms,
        measure=state.measure,
        quantity=quantity,
        happened_at_ms=now_ms,
        reservation_id=name,
        is_departing=message.by_carrier,
    )
    return [fulfilled]


def shorted(state: SkuLocation, cause: Cause, now_ms: int) -> list[HoldsExpired | HoldsShorted]:
    """Return which holds lose how much, since less is there than was promised.

    What has been held too long goes first: nobody is promised that any more.
    """
    missing = state.reserved - max(0, state.on_hand - state.unavailable)
    if missing <= 0:
        return []
    events: list[HoldsExpired | HoldsShorted] = [*expiring(state, cause, now_ms)]
    missing -= sum(loss.quantity for event in events for loss in event.losses)
    live = (hold for hold in state.holds if not is_expired(hold, now_ms))
    losses: list[Loss] = []
    for hold in sorted(live, key=lambda hold: _losing_order(hold, now_ms)):
        if missing <= 0:
            break
        losses.append(Loss(hold.reservation_id, min(missing, hold.quantity)))
        missing -= losses[-1].quantity
    if losses:
        events.append(HoldsShorted(cause=cause, at_ms=now_ms, losses=tuple(losses)))
    return events


def _losing_order(hold: Hold, now_ms: int) -> tuple[bool, bool, int, str]:
    """Sort who loses first: the newest promise, but last what is picked or must leave soon."""
    is_near = 0 < hold.ship_by_ms <= now_ms + NEAR_DEADLINE_MS
    return (hold.picked > 0, is_near, -hold.granted_at_ms, hold.reservation_id)


def holds_after(holds: tuple[Hold, ...], event: HoldEvent | Fulfilled) -> tuple[Hold, ...]:
    """Return the holds after something happened to one of them; an empty one is gone."""
    if isinstance(event, Held):
        if len(holds) < CROWD_FROM:
            return (*holds, event.hold)
        return crowded(holds).and_one(event.hold)
    place = place_of(holds, event.reservation_id)
    if place is None:
        return holds
    changed = _hold_after(holds[place], event)
    if changed.quantity > 0 and isinstance(holds, CrowdedHolds):
        return holds.with_changed(place, changed)
    kept = (changed,) if changed.quantity > 0 else ()
    return holds[:place] + kept + holds[place + 1 :]


def holds_after_losses(holds: tuple[Hold, ...], losses: tuple[Loss, ...]) -> tuple[Hold, ...]:
    """Return the holds after some have lost; an empty one is gone."""
    lost = dict(losses)
    changed = (_less(hold, lost.get(hold.reservation_id, 0)) for hold in holds)
    return tuple(hold for hold in changed if hold.quantity > 0)


def _less(hold: Hold, quantity: int) -> Hold:
    if not quantity:
        return hold
    left = hold.quantity - quantity
    return replace(hold, quantity=left, picked=min(hold.picked, left))


def _hold_after(hold: Hold, event: HoldEvent | Fulfilled) -> Hold:
    if isinstance(event, HoldExtended):
        return replace(hold, expires_at_ms=event.expires_at_ms)
    if isinstance(event, PaymentAwaited):
        return replace(hold, status="awaiting_payment", expires_at_ms=event.pay_by_ms)
    if isinstance(event, HoldConfirmed):
        return replace(hold, status="confirmed", expires_at_ms=0)
    if isinstance(event, HoldPicked):
        return replace(hold, picked=hold.picked + event.quantity)
    if isinstance(event, Fulfilled):
        picked = max(0, hold.picked - event.quantity)
        return replace(hold, quantity=hold.quantity - event.quantity, picked=picked)
    if isinstance(event, HoldReleased):
        return _less(hold, event.quantity)
    return hold
