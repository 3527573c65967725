"""`evolve`: the one way in which a state becomes the next. Pure and total: replay never raises.

The ledger is a table: which column an event goes to, and with which signs the column and
`on_hand` take its quantity. The two signs are independent on purpose; `ledger_closes` checks
them against each other (P5).
"""

from typing import Final, NamedTuple, assert_never

from msgspec.structs import replace

from cloud.sku_location.events import (
    AnyEvent,
    BackroomChanged,
    CountConfirmed,
    Found,
    LedgerEvent,
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
from cloud.sku_location.state import Reorder, SkuLocation

ReorderEvent = ReorderOpened | ReorderFilled | ReorderReceived
UncountedEvent = BackroomChanged | CountConfirmed


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
}


def evolve(state: SkuLocation, event: AnyEvent) -> SkuLocation:
    """Return the state after `event`, one version later."""
    if isinstance(event, LedgerEvent):
        return _ledger_entered(state, event)
    if isinstance(event, ReorderEvent):
        return replace(
            state,
            version=state.version + 1,
            reorder=_reorder_after(state.reorder, event),
            as_of_ms=event.at_ms,
            cause=event.cause,
        )
    if isinstance(event, PolicySet):
        return replace(
            state,
            version=state.version + 1,
            policy=event.policy,
            as_of_ms=event.at_ms,
            cause=event.cause,
        )
    if isinstance(event, UncountedEvent):
        return replace(
            state,
            version=state.version + 1,
            measure=event.measure,
            backroom=state.backroom + event.to_backroom,
            as_of_ms=event.at_ms,
            cause=event.cause,
        )
    assert_never(event)


def _ledger_entered(state: SkuLocation, event: LedgerEvent) -> SkuLocation:
    column, column_sign, on_hand_sign = _LEDGER[type(event)]
    quantity = event.quantity
    change = {column: getattr(state, column) + column_sign * quantity}
    return replace(
        state,
        version=state.version + 1,
        measure=event.measure,
        on_hand=state.on_hand + on_hand_sign * quantity,
        backroom=state.backroom + event.to_backroom,
        counted=state.counted or type(event) is OpeningCounted,
        as_of_ms=event.at_ms,
        cause=event.cause,
        **change,
    )


def _reorder_after(reorder: Reorder | None, event: ReorderEvent) -> Reorder | None:
    if isinstance(event, ReorderOpened):
        return Reorder(
            number=event.number,
            revision=1,
            status="open",
            quantity=event.quantity,
            received=0,
            opened_at_ms=event.at_ms,
            updated_at_ms=event.at_ms,
        )
    if reorder is None:
        return None
    return replace(
        reorder,
        revision=reorder.revision + 1,
        status="received" if isinstance(event, ReorderReceived) else reorder.status,
        received=reorder.received + event.quantity,
        updated_at_ms=event.at_ms,
    )
