"""What commands mean to the goods of a SKU-location: receiving, withholding, moving. Pure."""

from collections.abc import Callable
from typing import Any, Final

from cloud.sku_location.events import (
    AnyEvent,
    IncomingChanged,
    MovedAway,
    Received,
    Returned,
    Sold,
    Withheld,
    WrittenOff,
)
from cloud.sku_location.facts import measure_conflict
from cloud.sku_location.messages import (
    Announce,
    Reinstate,
    Sell,
    SendAway,
    TakeBack,
    TakeIn,
    Unannounce,
    Withhold,
    WriteOff,
)
from cloud.sku_location.movements import absorber_of, happened_at_ms
from cloud.sku_location.refusal import Refusal, Refused
from cloud.sku_location.state import Cause, SkuLocation
from protocol.facts import Measure

StockMessage = (
    Withhold | Reinstate | WriteOff | Announce | Unannounce | TakeIn | TakeBack | Sell | SendAway
)


def decide_stock(
    state: SkuLocation, message: StockMessage, cause: Cause, now_ms: int
) -> list[AnyEvent] | Refused:
    """Return what follows from a message about goods."""
    measure: Measure | None = getattr(message, "measure", state.measure)
    if measure is None:
        return Refused(Refusal.UNKNOWN, f"nothing is known of {state.gtin} at {state.store}")
    conflict = measure_conflict(state, measure)
    if conflict is not None:
        return conflict
    return _DECIDE[type(message)](state, message, measure, cause, now_ms)


def _withhold(
    state: SkuLocation, message: Withhold, measure: Measure, cause: Cause, now_ms: int
) -> list[AnyEvent] | Refused:
    there = max(0, state.on_hand - state.unavailable)
    if message.quantity > there:
        detail = f"{state.gtin} at {state.store}: {there} can be withheld, not {message.quantity}"
        return Refused(Refusal.INSUFFICIENT, detail)
    withheld = Withheld(
        cause=cause,
        at_ms=now_ms,
        measure=measure,
        reason=message.reason,
        quantity=message.quantity,
    )
    return [withheld]


def _reinstate(
    state: SkuLocation, message: Reinstate, measure: Measure, cause: Cause, now_ms: int
) -> list[AnyEvent] | Refused:
    refused = _more_than_withheld(state, message)
    if refused is not None:
        return refused
    reinstated = Withheld(
        cause=cause,
        at_ms=now_ms,
        measure=measure,
        reason=message.reason,
        quantity=-message.quantity,
    )
    return [reinstated]


def _more_than_withheld(state: SkuLocation, message: Reinstate | WriteOff) -> Refused | None:
    withheld: int = getattr(state, message.reason or "", 0)
    if message.reason is None or message.quantity <= withheld:
        return None
    detail = f"{state.gtin} at {state.store}: {withheld} are {message.reason}, not more"
    return Refused(Refusal.MORE_THAN_UNAVAILABLE, detail)


def _write_off(
    state: SkuLocation, message: WriteOff, measure: Measure, cause: Cause, now_ms: int
) -> list[AnyEvent] | Refused:
    refused = _more_than_withheld(state, message) or _more_than_there(state, message)
    if refused is not None:
        return refused
    written_off = WrittenOff(
        cause=cause,
        at_ms=now_ms,
        measure=measure,
        quantity=message.quantity,
        happened_at_ms=now_ms,
        reason=message.reason,
    )
    return [written_off]


def _more_than_there(state: SkuLocation, message: WriteOff) -> Refused | None:
    """Refuse that more was stolen than there was. What is withheld, somebody has in hand."""
    there = max(0, state.on_hand - state.unavailable)
    if message.reason is not None or message.quantity <= there:
        return None
    detail = f"{state.gtin} at {state.store}: {there} can be stolen, not {message.quantity}"
    return Refused(Refusal.INSUFFICIENT, detail)


def _announce(
    state: SkuLocation, message: Announce, measure: Measure, cause: Cause, now_ms: int
) -> list[AnyEvent]:
    del state
    return [_incoming_changed(message, message.quantity, measure, cause, now_ms)]


def _unannounce(
    state: SkuLocation, message: Unannounce, measure: Measure, cause: Cause, now_ms: int
) -> list[AnyEvent]:
    quantity = min(message.quantity, state.incoming)
    if not quantity:
        return []
    return [_incoming_changed(message, -quantity, measure, cause, now_ms)]


def _incoming_changed(
    message: Announce | Unannounce, quantity: int, measure: Measure, cause: Cause, now_ms: int
) -> IncomingChanged:
    return IncomingChanged(
        cause=cause,
        at_ms=now_ms,
        measure=measure,
        quantity=quantity,
        reorder_number=message.reorder_number,
    )


def _take_in(
    state: SkuLocation, message: TakeIn, measure: Measure, cause: Cause, now_ms: int
) -> list[AnyEvent]:
    if not message.quantity:
        return []
    moved_at_ms = happened_at_ms(message.occurred_at_ms, now_ms)
    absorbed_by = absorber_of(state, moved_at_ms)
    events: list[AnyEvent] = [
        Received(
            cause=cause,
            at_ms=now_ms,
            measure=measure,
            quantity=message.quantity,
            to_backroom=message.to_backroom,
            happened_at_ms=moved_at_ms,
            absorbed_by=absorbed_by,
            from_incoming=min(message.from_incoming, state.incoming),
            fills_reorder=message.fills_reorder,
            reorder_number=message.reorder_number,
        )
    ]
    if message.reason is not None and message.withheld:
        events.append(
            Withheld(
                cause=cause,
                at_ms=now_ms,
                measure=measure,
                reason=message.reason,
                quantity=message.withheld,
            )
        )
    return events


def _take_back(
    state: SkuLocation, message: TakeBack, measure: Measure, cause: Cause, now_ms: int
) -> list[AnyEvent]:
    del state
    events: list[AnyEvent] = [
        Returned(
            cause=cause,
            at_ms=now_ms,
            measure=measure,
            quantity=message.quantity,
            happened_at_ms=now_ms,
        )
    ]
    if message.reason is not None:
        events.append(
            Withheld(
                cause=cause,
                at_ms=now_ms,
                measure=measure,
                reason=message.reason,
                quantity=message.quantity,
            )
        )
    return events


def _sell(
    state: SkuLocation, message: Sell, measure: Measure, cause: Cause, now_ms: int
) -> list[AnyEvent]:
    del state
    sold = Sold(
        cause=cause,
        at_ms=now_ms,
        measure=measure,
        quantity=message.quantity,
        happened_at_ms=now_ms,
    )
    return [sold]


def _send_away(
    state: SkuLocation, message: SendAway, measure: Measure, cause: Cause, now_ms: int
) -> list[AnyEvent] | Refused:
    if message.quantity > state.sellable:
        detail = (
            f"{state.gtin} at {state.store}: {max(0, state.sellable)} can be sent away,"
            f" not {message.quantity}"
        )
        return Refused(Refusal.INSUFFICIENT, detail)
    sent = MovedAway(
        cause=cause,
        at_ms=now_ms,
        measure=measure,
        quantity=message.quantity,
        happened_at_ms=now_ms,
        is_departing=True,
    )
    return [sent]


_Decider = Callable[[SkuLocation, Any, Measure, Cause, int], list[AnyEvent] | Refused]
_DECIDE: Final[dict[type, _Decider]] = {
    Withhold: _withhold,
    Reinstate: _reinstate,
    WriteOff: _write_off,
    Announce: _announce,
    Unannounce: _unannounce,
    TakeIn: _take_in,
    TakeBack: _take_back,
    Sell: _sell,
    SendAway: _send_away,
}
