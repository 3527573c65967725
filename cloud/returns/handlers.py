"""Commands about returns: checked against the sale, all lines in one transaction, or none. Pure.

Nothing is refunded twice: what was sold by a receipt or order, minus what was voided and what came
back before, wherever it came back, is what can still be returned.
"""

from collections.abc import Iterator
from typing import Final

from msgspec.structs import replace

from cloud.commands.command import Line
from cloud.commands.returns import AcceptReturn, InspectReturn, ReturnLine, SoldLine
from cloud.records.goods_return import GoodsReturn, ReturnedLine, sale_ref
from cloud.records.reservation import Reservation
from cloud.records.sale_void import SaleVoid
from cloud.returns.accounting import SaleLine, fulfilled, sale_lines
from cloud.returns.receipts import parse_receipt
from cloud.shards.desk import Desk
from cloud.sku_location.messages import (
    AnyMessage,
    Reinstate,
    Sell,
    TakeBack,
    Withhold,
    WriteOff,
)
from cloud.sku_location.refusal import Refusal, Refused
from cloud.sku_location.state import UnavailableReason
from protocol.facts import Measure

_WITHHELD_AS: Final[dict[str, UnavailableReason | None]] = {
    "sellable": None,
    "inspect": "in_return",
    "damaged": "damaged",
    "write_off": "damaged",
}
_COLUMN_OF_CONDITION: Final = {
    "sellable": "restocked",
    "inspect": "inspecting",
    "damaged": "damaged",
    "write_off": "written_off",
}
_COLUMN_OF_VERDICT: Final = {
    "sellable": "restocked",
    "damaged": "damaged",
    "write_off": "written_off",
}


def accept_return(desk: Desk, command: AcceptReturn) -> GoodsReturn | Refused:
    """Take goods back that were sold and not returned yet, and hand out what is exchanged."""
    refused = _misnamed(desk, command)
    if refused is not None:
        return refused
    sale = _sale(desk, command)
    refused = _more_than_left(command, sale)
    if refused is not None:
        return refused
    for line in command.lines:
        for message in _taking_back(command.store, line, sale[line.gtin].measure):
            told = desk.tell(message)
            if isinstance(told, Refused):
                return told
    exchange = _hand_out(desk, command)
    if isinstance(exchange, Refused):
        return exchange
    accepted = GoodsReturn(
        store=command.store,
        id=command.return_id,
        lines=tuple(_returned(line, sale[line.gtin].measure) for line in command.lines),
        receipt=command.receipt,
        order_id=command.order_id,
        exchange=exchange,
        note=command.note,
    )
    _tell_of_refund(desk, accepted)
    return desk.put(accepted)


def _misnamed(desk: Desk, command: AcceptReturn) -> Refused | None:
    store, name = command.store, command.return_id
    if bool(command.receipt) == bool(command.order_id):
        return Refused(Refusal.INVALID, "name either the receipt or the order, and not both")
    if command.receipt and parse_receipt(command.receipt) is None:
        return Refused(Refusal.INVALID, f"{command.receipt!r} is no receipt: STORE/TRANSACTION")
    if desk.record(GoodsReturn, store, name) is not None:
        return Refused(Refusal.REPEATED_ID, f"there is a return {name} at {store} already")
    return None


def _sale(desk: Desk, command: AcceptReturn) -> dict[str, SaleLine]:
    """Return the sale as it is known here and now, returns of this group commit included."""
    ref = sale_ref(command.receipt, command.order_id)
    returns = desk.records.by_ref(GoodsReturn, ref)
    if command.receipt:
        return sale_lines(command.sold, desk.records.by_ref(SaleVoid, ref), returns)
    reservations = desk.records.by_ref(Reservation, ref)
    return sale_lines(fulfilled(reservations, lambda *sku: _measure_of(desk, *sku)), (), returns)


def _measure_of(desk: Desk, store: str, gtin: str) -> Measure | None:
    state = desk.state(store, gtin)
    return None if isinstance(state, Refused) else state.measure


def _more_than_left(command: AcceptReturn, sale: dict[str, SaleLine]) -> Refused | None:
    named = f"receipt {command.receipt}" if command.receipt else f"order {command.order_id}"
    for gtin, quantity in _summed(command.lines).items():
        line = sale.get(gtin)
        if line is None or line.sold + line.exchanged == 0:
            return Refused(Refusal.UNKNOWN, f"no sale of {gtin} is known by {named}")
        if quantity > line.left:
            detail = (
                f"{named}: {line.sold + line.exchanged} of {gtin} were sold, {line.voided} voided,"
                f" {line.returned} returned; {line.left} can be returned, not {quantity}"
            )
            return Refused(Refusal.ALREADY_RETURNED, detail)
    return None


def _summed(lines: list[ReturnLine]) -> dict[str, int]:
    quantities: dict[str, int] = {}
    for line in lines:
        quantities[line.gtin] = quantities.get(line.gtin, 0) + line.quantity
    return quantities


def _taking_back(store: str, line: ReturnLine, measure: Measure) -> Iterator[AnyMessage]:
    gtin, quantity = line.gtin, line.quantity
    reason = _WITHHELD_AS[line.condition]
    yield TakeBack(store=store, gtin=gtin, quantity=quantity, measure=measure, reason=reason)
    if line.condition == "write_off":
        yield WriteOff(store=store, gtin=gtin, quantity=quantity, reason=reason)


def _hand_out(desk: Desk, command: AcceptReturn) -> tuple[SoldLine, ...] | Refused:
    handed: list[SoldLine] = []
    for line in command.exchange:
        sold = _sell(desk, command.store, line)
        if isinstance(sold, Refused):
            return sold
        handed.append(sold)
    return tuple(handed)


def _sell(desk: Desk, store: str, line: Line) -> SoldLine | Refused:
    state = desk.state(store, line.gtin)
    if isinstance(state, Refused):
        return state
    if state.measure is None:
        return Refused(Refusal.UNKNOWN, f"nothing is known of {line.gtin} at {store}")
    gtin, quantity, measure = line.gtin, line.quantity, state.measure
    told = desk.tell(Sell(store=store, gtin=gtin, quantity=quantity, measure=measure))
    if isinstance(told, Refused):
        return told
    return SoldLine(gtin=gtin, quantity=quantity, measure=measure)


def _returned(line: ReturnLine, measure: Measure) -> ReturnedLine:
    returned = ReturnedLine(
        gtin=line.gtin, quantity=line.quantity, measure=measure, condition=line.condition
    )
    return replace(returned, **{_COLUMN_OF_CONDITION[line.condition]: line.quantity})


def _tell_of_refund(desk: Desk, accepted: GoodsReturn) -> None:
    named = f"receipt {accepted.receipt}" if accepted.receipt else f"order {accepted.order_id}"
    taken = ", ".join(f"{line.quantity} of {line.gtin}" for line in accepted.exchange[:3])
    more = ", …" if len(accepted.exchange) > 3 else ""
    exchanged = f"; exchanged for {taken}{more}" if taken else ""
    quantities: dict[tuple[str, Measure], int] = {}
    for line in accepted.lines:
        key = (line.gtin, line.measure)
        quantities[key] = quantities.get(key, 0) + line.quantity
    for (gtin, measure), quantity in quantities.items():
        desk.notify(
            "refund_due",
            accepted.store,
            accepted.id,
            gtin=gtin,
            quantity=quantity,
            measure=measure,
            order_id=accepted.order_id,
            detail=f"sold by {named}{exchanged}",
        )


def inspect_return(desk: Desk, command: InspectReturn) -> GoodsReturn | Refused:
    """Settle what was kept for inspection, the first line of the GTIN first."""
    store, name = command.store, command.return_id
    accepted = desk.record(GoodsReturn, store, name)
    if accepted is None:
        return Refused(Refusal.UNKNOWN, f"there is no return {name} at {store}")
    waiting = sum(line.inspecting for line in accepted.lines if line.gtin == command.gtin)
    if command.quantity > waiting:
        detail = (
            f"return {name}: {waiting} of {command.gtin} wait for inspection,"
            f" not {command.quantity}"
        )
        return Refused(Refusal.MORE_THAN_UNAVAILABLE, detail)
    for message in _settling(command):
        told = desk.tell(message)
        if isinstance(told, Refused):
            return told
    return desk.put(replace(accepted, lines=tuple(_settled(accepted, command))))


def _settling(command: InspectReturn) -> Iterator[AnyMessage]:
    store, gtin, quantity = command.store, command.gtin, command.quantity
    if command.verdict == "write_off":
        yield WriteOff(store=store, gtin=gtin, quantity=quantity, reason="in_return")
        return
    yield Reinstate(store=store, gtin=gtin, quantity=quantity, reason="in_return")
    if command.verdict == "damaged":
        yield Withhold(store=store, gtin=gtin, quantity=quantity, reason="damaged")


def _settled(accepted: GoodsReturn, command: InspectReturn) -> Iterator[ReturnedLine]:
    left = command.quantity
    column = _COLUMN_OF_VERDICT[command.verdict]
    for line in accepted.lines:
        settled = min(left, line.inspecting) if line.gtin == command.gtin else 0
        left -= settled
        changed = {"inspecting": line.inspecting - settled}
        changed[column] = getattr(line, column) + settled
        yield replace(line, **changed)
