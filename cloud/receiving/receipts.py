"""Receiving by hand or scan: each line of a receipt is matched with its despatch. Pure."""

from hashlib import blake2b
from typing import Final

import msgspec
from msgspec.structs import replace

from cloud.commands.goods import ReceiveDespatch, ReceivedLine
from cloud.receiving.arrivals import Share, arrive, withheld_as
from cloud.receiving.matching import Arrival
from cloud.records.despatch_advice import DespatchAdvice, Receipt
from cloud.shards.desk import Desk
from cloud.sku_location.messages import TakeIn
from cloud.sku_location.movements import happened_at_ms
from cloud.sku_location.refusal import Refusal, Refused

RECEIPTS_MAX: Final = 1_000
"""Of one despatch. What is received piece by piece belongs to fewer, longer receipts."""

DIGEST_BYTES: Final = 16


def receive_despatch(desk: Desk, command: ReceiveDespatch) -> DespatchAdvice | Refused:
    """Take in what arrived and name what deviates; the same receipt again changes nothing."""
    store, name = command.store, command.despatch_id
    advice = desk.record(DespatchAdvice, store, name)
    if advice is None:
        detail = f"no despatch {name} to {store} was advised; advise it first"
        return Refused(Refusal.UNKNOWN, detail)
    receipt = Receipt(id=command.receipt_id, digest=_digest(command))
    known = next((r for r in advice.receipts if r.id == receipt.id), None)
    if known is not None:
        return advice if known == receipt else _repeated(advice, receipt)
    refused = _invalid(advice, command)
    if refused is not None:
        return refused
    advice = replace(advice, receipts=(*advice.receipts, receipt))
    for line in command.lines:
        received = _receive_line(desk, advice, command, line)
        if isinstance(received, Refused):
            return received
        advice = received
    return advice


def _repeated(advice: DespatchAdvice, receipt: Receipt) -> Refused:
    detail = f"receipt {receipt.id} of despatch {advice.id} came before with other content"
    return Refused(Refusal.REPEATED_ID, detail)


def _digest(command: ReceiveDespatch) -> bytes:
    content = msgspec.msgpack.encode((command.occurred_at_ms, command.lines))
    return blake2b(content, digest_size=DIGEST_BYTES).digest()


def _invalid(advice: DespatchAdvice, command: ReceiveDespatch) -> Refused | None:
    if len(advice.receipts) >= RECEIPTS_MAX:
        detail = f"despatch {advice.id} has {RECEIPTS_MAX} receipts; that is all it can have"
        return Refused(Refusal.INVALID, detail)
    seen: set[bytes] = set()
    for line in command.lines:
        refused = invalid_tags(line.gtin, line.quantity, line.epcs, seen)
        if refused is not None:
            return refused
    return None


def invalid_tags(
    gtin: str, quantity: int, epcs: tuple[bytes, ...], seen: set[bytes]
) -> Refused | None:
    """Refuse tags that are not one for each unit, or that were `seen` on a line before."""
    if epcs and len(epcs) != quantity:
        detail = f"a line of {gtin} has {len(epcs)} tags for {quantity} units; list all or none"
        return Refused(Refusal.INVALID, detail)
    for epc in epcs:
        if epc in seen:
            detail = f"the tag {epc.hex()} of {gtin} is listed twice"
            return Refused(Refusal.REPEATED_TAG, detail)
        seen.add(epc)
    return None


def _receive_line(
    desk: Desk, advice: DespatchAdvice, command: ReceiveDespatch, line: ReceivedLine
) -> DespatchAdvice | Refused:
    arrival = Arrival(
        gtin=line.gtin,
        quantity=line.quantity,
        measure=line.measure,
        epcs=line.epcs,
        sscc=line.sscc,
        is_damaged=line.condition == "damaged",
    )
    arrived_at_ms = happened_at_ms(command.occurred_at_ms, desk.now_ms)
    share = arrive(desk, advice, arrival, arrived_at_ms, command.receipt_id)
    if not share.counted:
        return share.advice
    told = desk.tell(_take_in(arrival, share, arrived_at_ms))
    return told if isinstance(told, Refused) else share.advice


def _take_in(arrival: Arrival, share: Share, arrived_at_ms: int) -> TakeIn:
    return TakeIn(
        store=share.advice.store,
        gtin=arrival.gtin,
        quantity=share.counted,
        measure=arrival.measure,
        to_backroom=share.counted,
        from_incoming=share.expected,
        withheld=share.withheld,
        reason=withheld_as(arrival) if share.withheld else None,
        occurred_at_ms=arrived_at_ms,
        fills_reorder=share.fills_reorder,
        reorder_number=share.reorder_number,
    )
