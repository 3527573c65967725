"""Closing a despatch: nothing more will come, and what is missing is short. Pure."""

from msgspec.structs import replace

from cloud.commands.goods import CloseDespatch
from cloud.receiving.discrepancies import raise_discrepancy
from cloud.records.despatch_advice import AdvisedLine, DespatchAdvice
from cloud.reorders.ids import reorder_number
from cloud.shards.desk import Desk
from cloud.sku_location.messages import Unannounce
from cloud.sku_location.refusal import Refusal, Refused


def close_despatch(desk: Desk, command: CloseDespatch) -> DespatchAdvice | Refused:
    """Give up what has not come; an advice that is closed stays as it is."""
    advice = desk.record(DespatchAdvice, command.store, command.despatch_id)
    if advice is None:
        detail = f"no despatch {command.despatch_id} to {command.store} was advised"
        return Refused(Refusal.UNKNOWN, detail)
    if not advice.is_open:
        return advice
    for number, line in enumerate(advice.lines):
        if line.outstanding:
            closed = _give_up(desk, advice, number, line)
            if isinstance(closed, Refused):
                return closed
            advice = closed
    return desk.put(replace(advice, status="closed"))


def _give_up(
    desk: Desk, advice: DespatchAdvice, number: int, line: AdvisedLine
) -> DespatchAdvice | Refused:
    missing = line.outstanding
    told = desk.tell(
        Unannounce(
            store=advice.store,
            gtin=line.gtin,
            quantity=missing,
            reorder_number=reorder_number(advice.reorder_id, advice.store, line.gtin),
            has_arrived=any(each.received for each in advice.lines),
            advised=line.advised,
        )
    )
    if isinstance(told, Refused):
        return told
    advice = raise_discrepancy(
        desk,
        advice,
        "short",
        gtin=line.gtin,
        measure=line.measure,
        quantity=missing,
        epcs=_missing_tags(line),
        sscc=line.sscc,
        line=number,
    )
    lines = list(advice.lines)
    lines[number] = replace(line, short=line.short + missing)
    return replace(advice, lines=tuple(lines))


def _missing_tags(line: AdvisedLine) -> tuple[bytes, ...]:
    """Return the listed tags that did not come; none when units came without being read."""
    arrived = frozenset(line.arrived)
    missing = tuple(epc for epc in line.epcs if epc not in arrived)
    return missing if len(missing) == line.outstanding else ()
