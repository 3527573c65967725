"""Resolving a discrepancy: somebody says what became of the goods, and the stock follows. Pure.

Goods that are here (over, wrong item, unknown tag, damaged) are `accepted` and can be sold,
`rejected` and sent away again, or `written_off`. What is short is `found`, or `written_off`: lost
on the way, which changes no stock, as it never was here. What was received twice is `accepted` when
it was other goods after all, which are counted now, or `rejected` when it was the same. All can be
`noted`: dealt with elsewhere, and nothing changes.
"""

from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from cloud.commands.goods import Resolution, ResolveDiscrepancy
from cloud.receiving.arrivals import fills_reorder, note_tags
from cloud.receiving.discrepancies import settle
from cloud.records.despatch_advice import DespatchAdvice
from cloud.records.discrepancy import Discrepancy, DiscrepancyKind
from cloud.reorders.ids import reorder_number
from cloud.shards.desk import Desk
from cloud.sku_location.messages import (
    AnyMessage,
    Reinstate,
    SendAway,
    TakeIn,
    Withhold,
    WriteOff,
)
from cloud.sku_location.refusal import Refusal, Refused

Step = Callable[[Desk, Discrepancy, int], Refused | None]


def resolve_discrepancy(desk: Desk, command: ResolveDiscrepancy) -> Discrepancy | Refused:
    """Let stock follow what became of a discrepancy, or of a part of it."""
    discrepancy = desk.record(Discrepancy, command.store, command.discrepancy_id)
    if discrepancy is None:
        detail = f"there is no discrepancy {command.discrepancy_id} at {command.store}"
        return Refused(Refusal.UNKNOWN, detail)
    quantity = command.quantity or discrepancy.unsettled
    refused = _impossible(discrepancy, command.resolution, quantity)
    if refused is not None:
        return refused
    refused = _STEPS[discrepancy.kind, command.resolution](desk, discrepancy, quantity)
    if refused is not None:
        return refused
    is_found = command.resolution == "found"
    found_epcs = discrepancy.epcs if is_found and quantity == discrepancy.unsettled else ()
    return settle(desk, discrepancy, command.resolution, quantity, command.note, found_epcs)


def _impossible(discrepancy: Discrepancy, resolution: Resolution, quantity: int) -> Refused | None:
    if not discrepancy.is_open:
        detail = f"discrepancy {discrepancy.id} is resolved: {discrepancy.resolution}"
        return Refused(Refusal.WRONG_STATUS, detail)
    if quantity > discrepancy.unsettled:
        detail = f"{discrepancy.unsettled} of {discrepancy.id} are unsettled, not {quantity}"
        return Refused(Refusal.INVALID, detail)
    if (discrepancy.kind, resolution) not in _STEPS:
        possible = [name for kind, name in _STEPS if kind == discrepancy.kind]
        detail = f"{discrepancy.kind} cannot be {resolution}; it can be {', '.join(possible)}"
        return Refused(Refusal.INVALID, detail)
    return None


def _tell(desk: Desk, *messages: AnyMessage) -> Refused | None:
    for message in messages:
        told = desk.tell(message)
        if isinstance(told, Refused):
            return told
    return None


def _nothing(desk: Desk, discrepancy: Discrepancy, quantity: int) -> None:
    del desk, discrepancy, quantity


def _let_be_sold(desk: Desk, discrepancy: Discrepancy, quantity: int) -> Refused | None:
    if discrepancy.held is None:
        return None
    return _tell(
        desk,
        Reinstate(
            store=discrepancy.store,
            gtin=discrepancy.gtin,
            quantity=quantity,
            reason=discrepancy.held,
        ),
    )


def _send_away(desk: Desk, discrepancy: Discrepancy, quantity: int) -> Refused | None:
    store, gtin = discrepancy.store, discrepancy.gtin
    away = SendAway(store=store, gtin=gtin, quantity=quantity, measure=discrepancy.measure)
    return _let_be_sold(desk, discrepancy, quantity) or _tell(desk, away)


def _write_off(desk: Desk, discrepancy: Discrepancy, quantity: int) -> Refused | None:
    store, gtin = discrepancy.store, discrepancy.gtin
    reason = discrepancy.held or "quality_control"
    gone = WriteOff(store=store, gtin=gtin, quantity=quantity, reason=reason)
    if discrepancy.held is not None:
        return _tell(desk, gone)
    state = desk.state(store, gtin)
    if isinstance(state, Refused):
        return state
    if quantity > state.sellable:
        detail = f"{gtin} at {store}: {max(0, state.sellable)} are neither sold nor promised"
        return Refused(Refusal.INSUFFICIENT, detail)
    return _tell(desk, Withhold(store=store, gtin=gtin, quantity=quantity, reason=reason), gone)


def _take_in(desk: Desk, discrepancy: Discrepancy, quantity: int) -> Refused | None:
    advice = _advice_of(desk, discrepancy)
    message = TakeIn(
        store=discrepancy.store,
        gtin=discrepancy.gtin,
        quantity=quantity,
        measure=discrepancy.measure,
        to_backroom=quantity,
        from_incoming=0,
        occurred_at_ms=desk.now_ms,
        fills_reorder=fills_reorder(advice),
        reorder_number=reorder_number(advice.reorder_id, advice.store, discrepancy.gtin),
    )
    return _tell(desk, message)


def _find(desk: Desk, discrepancy: Discrepancy, quantity: int) -> Refused | None:
    """Take in what was short after all; the line of the advice counts it as received."""
    advice, number = _advice_of(desk, discrepancy), discrepancy.line
    if number is None:
        raise AssertionError(f"a short names no line: {discrepancy}")
    lines = list(advice.lines)
    line = lines[number]
    came = discrepancy.epcs if quantity == discrepancy.unsettled else ()
    lines[number] = replace(
        line,
        received=line.received + quantity,
        short=line.short - quantity,
        arrived=(*line.arrived, *came),
    )
    desk.put(replace(advice, lines=tuple(lines)))
    note_tags(desk, advice, came)
    return _take_in(desk, discrepancy, quantity)


def _advice_of(desk: Desk, discrepancy: Discrepancy) -> DespatchAdvice:
    advice = desk.record(DespatchAdvice, discrepancy.store, discrepancy.despatch_id)
    if advice is None:
        raise AssertionError(f"a discrepancy of no despatch: {discrepancy}")
    return advice


_ARRIVED: Final[tuple[DiscrepancyKind, ...]] = ("over", "wrong_item", "unknown_tag", "damaged")
_ALL: Final[tuple[DiscrepancyKind, ...]] = (*_ARRIVED, "short", "received_twice")

_STEPS: Final[dict[tuple[DiscrepancyKind, Resolution], Step]] = {
    **{(kind, "accepted"): _let_be_sold for kind in _ARRIVED},
    **{(kind, "rejected"): _send_away for kind in _ARRIVED},
    **{(kind, "written_off"): _write_off for kind in _ARRIVED},
    ("short", "found"): _find,
    ("short", "written_off"): _nothing,
    ("received_twice", "accepted"): _take_in,
    ("received_twice", "rejected"): _nothing,
    **{(kind, "noted"): _nothing for kind in _ALL},
}
