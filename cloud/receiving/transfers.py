"""Transfers: goods leave one of our locations and are incoming at another, at once. Pure.

From there on a transfer is a despatch like any other: what arrives is received, what does not is
short when it is closed, and that is the loss on the way.
"""

from cloud.commands.goods import DespatchTransfer
from cloud.receiving.advising import announce, repeated
from cloud.records.despatch_advice import AdvisedLine, DespatchAdvice
from cloud.shards.desk import Desk
from cloud.sku_location.messages import SendAway
from cloud.sku_location.refusal import Refusal, Refused
from cloud.sku_location.state import SkuLocation
from protocol.errors import InvalidIdentifier
from protocol.ids import parse_store_id


def despatch_transfer(desk: Desk, command: DespatchTransfer) -> DespatchAdvice | Refused:
    """Take the goods off the origin and advise them to the destination."""
    refused = _invalid(command)
    if refused is not None:
        return refused
    quantities: dict[str, int] = {}
    for line in command.lines:
        quantities[line.gtin] = quantities.get(line.gtin, 0) + line.quantity
    lines: list[AdvisedLine] = []
    for gtin, quantity in quantities.items():
        state = desk.state(command.store, gtin)
        if isinstance(state, Refused):
            return state
        sent = _line(state, quantity, command.sscc)
        if isinstance(sent, Refused):
            return sent
        lines.append(sent)
    advice = DespatchAdvice(
        store=command.destination,
        id=command.transfer_id,
        source=command.store,
        status="advised",
        lines=tuple(lines),
        expected_at_ms=command.expected_at_ms,
        is_strict=command.is_strict,
        is_transfer=True,
        reorder_id=command.reorder_id,
    )
    known = repeated(desk, advice)
    if known is not None:
        return known
    return _send_away(desk, command.store, advice) or announce(desk, advice)


def _invalid(command: DespatchTransfer) -> Refused | None:
    if command.destination == command.store:
        return Refused(Refusal.INVALID, "a transfer goes to another location")
    try:
        parse_store_id(command.destination)
    except InvalidIdentifier as error:
        return Refused(Refusal.INVALID, f"destination: {error}")
    return None


def _line(state: SkuLocation, quantity: int, sscc: str) -> AdvisedLine | Refused:
    if state.measure is None:
        return Refused(Refusal.UNKNOWN, f"nothing is known of {state.gtin} at {state.store}")
    return AdvisedLine(gtin=state.gtin, advised=quantity, measure=state.measure, sscc=sscc)


def _send_away(desk: Desk, origin: str, advice: DespatchAdvice) -> Refused | None:
    for line in advice.lines:
        told = desk.tell(
            SendAway(store=origin, gtin=line.gtin, quantity=line.advised, measure=line.measure)
        )
        if isinstance(told, Refused):
            return told
    return None
