"""`evolve`: the one way in which a state becomes the next. Pure and total: replay never raises.

The ledger is a table: which column an event goes to, and with which signs the column and
`on_hand` take its quantity. The two signs are independent on purpose; `ledger_closes` checks
them against each other (P5).
"""

from typing import Any, Final, NamedTuple, assert_never

from msgspec.structs import replace

from cloud.sku_location.departures import departed, seen
from cloud.sku_location.events import (
    AnyEvent,
    BackroomChanged,
    CountConfirmed,
    CountEvent,
    DepartureSeen,
    EvidenceTaken,
    Found,
    Fulfilled,
    HoldEvent,
    HoldsLost,
    IncomingChanged,
    LedgerEvent,
    Lost,
    MovedAway,
    MovedHere,
    ObservedEvent,
    OpeningCounted,
    PolicySet,
    Received,
    ReorderEvent,
    Returned,
    ReturnUndone,
    SaleUndone,
    Sold,
    Withheld,
    WrittenOff,
)
from cloud.sku_location.holds import holds_after, holds_after_losses, reserved_by
from cloud.sku_location.movements import absorbed, remembered, remembered_after_count
from cloud.sku_location.reorders import reorder_after
from cloud.sku_location.state import Hold, SkuLocation

UncountedEvent = BackroomChanged | DepartureSeen | CountConfirmed | Withheld | IncomingChanged


_LEAVING: Final = (Fulfilled, MovedAway)
_MORE: Final = (Received, WrittenOff, *_LEAVING)
"""Ledger events that change more than their column and `on_hand`."""


class _Entry(NamedTuple):
    column: str
    column_sign: int
    on_hand_sign: int


_LEDGER: Final[dict[type[LedgerEvent], _Entry]] = {
    Sold: _Entry("sold", +1, -1),
    SaleUndone: _Entry("sold", -1, +1),
    Returned: _Entry("returned", +1, +1),
    ReturnUndone: _Entry("returned", -1, -1),
    Received: _Entry("received", +1, +1),
    MovedAway: _Entry("moved", +1, -1),
    MovedHere: _Entry("moved", -1, +1),
    OpeningCounted: _Entry("opening", +1, +1),
    Found: _Entry("found", +1, +1),
    Lost: _Entry("lost", +1, -1),
    WrittenOff: _Entry("lost", +1, -1),
    Fulfilled: _Entry("sold", +1, -1),
}


def evolve(state: SkuLocation, event: AnyEvent) -> SkuLocation:
    """Return the state after `event`, one version later."""
    if isinstance(event, LedgerEvent):
        changed = _ledger_entered(state, event)
    elif isinstance(event, HoldEvent):
        changed = _with_holds(holds_after(state.holds, event))
    elif isinstance(event, HoldsLost):
        changed = _with_holds(holds_after_losses(state.holds, event.losses))
    elif isinstance(event, ReorderEvent):
        changed = {"reorder": reorder_after(state.reorder, event)}
    elif isinstance(event, PolicySet):
        changed = {"policy": event.policy}
    elif isinstance(event, EvidenceTaken):
        changed = {"measure": event.measure}
    elif isinstance(event, UncountedEvent):
        changed = _told(state, event)
    else:
        assert_never(event)
    if event.belief is not None:
        changed["belief"] = event.belief
    return replace(
        state, version=state.version + 1, as_of_ms=event.at_ms, cause=event.cause, **changed
    )


def _with_holds(holds: tuple[Hold, ...]) -> dict[str, Any]:
    return {"holds": holds, "reserved": reserved_by(holds)}


def _told(state: SkuLocation, event: UncountedEvent) -> dict[str, Any]:
    changed: dict[str, Any] = {
        "measure": event.measure,
        "backroom": state.backroom + event.to_backroom,
    }
    if isinstance(event, Withheld):
        changed[event.reason] = getattr(state, event.reason) + event.quantity
    elif isinstance(event, IncomingChanged):
        changed["incoming"] = state.incoming + event.quantity
    elif isinstance(event, DepartureSeen):
        changed |= seen(state, event.quantity, event.happened_at_ms)
    elif isinstance(event, CountConfirmed):
        changed |= remembered_after_count(state, event.happened_at_ms)
    return changed


def _ledger_entered(state: SkuLocation, event: LedgerEvent) -> dict[str, Any]:
    column, column_sign, on_hand_sign = _LEDGER[type(event)]
    quantity = event.quantity
    changed: dict[str, Any] = {
        "measure": event.measure,
        "backroom": state.backroom + event.to_backroom,
        column: getattr(state, column) + column_sign * quantity,
    }
    on_hand_change = on_hand_sign * quantity
    if isinstance(event, ObservedEvent) and event.absorbed_by is not None:
        changed |= absorbed(state, event.absorbed_by, on_hand_change)
        return changed | _besides(state, event) if isinstance(event, _MORE) else changed
    changed["on_hand"] = state.on_hand + on_hand_change
    if isinstance(event, CountEvent):
        changed |= remembered_after_count(state, event.happened_at_ms)
    else:
        changed |= remembered(state, event.happened_at_ms, on_hand_change)
    return changed | _besides(state, event) if isinstance(event, _MORE) else changed


def _besides(state: SkuLocation, event: LedgerEvent) -> dict[str, Any]:
    """Return what an event changes besides its column and `on_hand`."""
    if isinstance(event, Received):
        return {"incoming": state.incoming - event.from_incoming} if event.from_incoming else {}
    if isinstance(event, WrittenOff):
        if event.reason is None:
            return {"stolen": state.stolen + event.quantity}
        return {
            "written_off": state.written_off + event.quantity,
            event.reason: getattr(state, event.reason) - event.quantity,
        }
    changed: dict[str, Any] = {}
    if isinstance(event, _LEAVING) and event.is_departing:
        changed |= departed(state, event.quantity, event.at_ms)
    if isinstance(event, Fulfilled):
        changed |= _with_holds(holds_after(state.holds, event))
    return changed
