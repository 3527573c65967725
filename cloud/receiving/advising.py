"""Advising a despatch: goods are on their way, and SKU-locations are told what is incoming. Pure.

A despatch id is said once. The same again is an answer, other content under it is refused.
"""

from collections.abc import Sequence
from typing import Final

from cloud.commands.goods import AdviseDespatch, DespatchLine
from cloud.receiving.receipts import invalid_tags
from cloud.records.despatch_advice import AdvisedLine, DespatchAdvice
from cloud.reorders.ids import parse_reorder_id, reorder_number
from cloud.shards.desk import Desk
from cloud.sku_location.messages import Announce, MarkReorder
from cloud.sku_location.refusal import Refusal, Refused

TAGS_MAX: Final = 10_000
"""Listed by one advice, which is read and written as one; a larger despatch is several."""


def advise_despatch(desk: Desk, command: AdviseDespatch) -> DespatchAdvice | Refused:
    """Announce what was shipped, and mark the reorder that it answers as despatched."""
    advice = DespatchAdvice(
        store=command.store,
        id=command.despatch_id,
        source=command.source,
        status="advised",
        lines=tuple(_advised(line) for line in command.lines),
        expected_at_ms=command.expected_at_ms,
        is_strict=command.is_strict,
        reorder_id=command.reorder_id,
    )
    known = repeated(desk, advice)
    if known is not None:
        return known
    return _invalid(command.lines) or announce(desk, advice)


def _advised(line: DespatchLine) -> AdvisedLine:
    return AdvisedLine(
        gtin=line.gtin,
        advised=line.quantity,
        measure=line.measure,
        sscc=line.sscc,
        epcs=line.epcs,
    )


def _invalid(lines: Sequence[DespatchLine]) -> Refused | None:
    seen: set[bytes] = set()
    for line in lines:
        if line.epcs and line.measure != "units":
            detail = f"{line.gtin} is advised in {line.measure} with tags; a tag is on a unit"
            return Refused(Refusal.INVALID, detail)
        refused = invalid_tags(line.gtin, line.quantity, line.epcs, seen)
        if refused is not None:
            return refused
    if len(seen) > TAGS_MAX:
        detail = f"{len(seen)} tags are listed; advise a despatch of more than {TAGS_MAX} in parts"
        return Refused(Refusal.INVALID, detail)
    return None


def repeated(desk: Desk, advice: DespatchAdvice) -> DespatchAdvice | Refused | None:
    """Return the advice that is known under this id, refuse other content; `None` if it is new."""
    known = desk.record(DespatchAdvice, advice.store, advice.id)
    if known is None or _content(known) == _content(advice):
        return known
    detail = f"despatch {advice.id} to {advice.store} was advised before with other content"
    return Refused(Refusal.REPEATED_ID, detail)


def _content(advice: DespatchAdvice) -> tuple[object, ...]:
    lines = [(line.gtin, line.advised, line.measure, line.sscc, line.epcs) for line in advice.lines]
    return (
        advice.source,
        advice.is_transfer,
        advice.is_strict,
        advice.expected_at_ms,
        advice.reorder_id,
        lines,
    )


def announce(desk: Desk, advice: DespatchAdvice) -> DespatchAdvice | Refused:
    """Tell every SKU-location what is incoming, and keep the advice."""
    refused = _mark_reorder(desk, advice)
    if refused is not None:
        return refused
    quantities: dict[str, int] = {}
    for line in advice.lines:
        quantities[line.gtin] = quantities.get(line.gtin, 0) + line.advised
    measures = {line.gtin: line.measure for line in advice.lines}
    for line in advice.lines:
        if line.measure != measures[line.gtin]:
            detail = f"{line.gtin} is advised in units and in grams; it has one measure"
            return Refused(Refusal.MEASURE_CONFLICT, detail)
    for gtin, quantity in quantities.items():
        told = desk.tell(
            Announce(
                store=advice.store,
                gtin=gtin,
                quantity=quantity,
                measure=measures[gtin],
                reorder_number=reorder_number(advice.reorder_id, advice.store, gtin),
            )
        )
        if isinstance(told, Refused):
            return told
    return desk.put(advice)


def _mark_reorder(desk: Desk, advice: DespatchAdvice) -> Refused | None:
    """Mark the reorder that the despatch answers. One that has ended stays as it is.

    Goods that were shipped are on their way, whatever became of the reorder; only a reorder that
    never was is an error of the sender.
    """
    if not advice.reorder_id:
        return None
    name = parse_reorder_id(advice.reorder_id)
    unknown = Refused(Refusal.UNKNOWN, f"there is no reorder {advice.reorder_id} of these goods")
    if name is None or name.store != advice.store:
        return unknown
    if all(line.gtin != name.gtin for line in advice.lines):
        return unknown
    store, gtin, number = name
    state = desk.state(store, gtin)
    if isinstance(state, Refused):
        return state
    if state.reorder is None or number > state.reorder.number:
        return unknown
    told = desk.tell(
        MarkReorder(
            store=store,
            gtin=gtin,
            number=number,
            status="despatched",
            reference=advice.id,
            expected_at_ms=advice.expected_at_ms,
        )
    )
    del told  # Refused when the reorder has ended, or when another one has followed it.
    return None
