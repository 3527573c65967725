"""What an arrival does to the advice of its despatch, and what it leaves to be counted. Pure.

Whoever receives tells the SKU-location: by hand line by line, by portal once for a fact that may be
of several despatches.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from msgspec.structs import replace

from cloud.receiving.discrepancies import open_shorts, raise_discrepancy, settle
from cloud.receiving.matching import Arrival, Deviation, match
from cloud.records.despatch_advice import DespatchAdvice
from cloud.records.discrepancy import Discrepancy
from cloud.records.received_tag import ReceivedTag
from cloud.reorders.ids import reorder_number
from cloud.shards.desk import Desk
from cloud.sku_location.state import UnavailableReason

FOUND_LATE: Final = "came after the despatch was closed"


class Share(NamedTuple):
    """What of an arrival its despatch accounts for.

    `counted` is here now: `expected` of it was announced, `withheld` of it cannot be sold.
    """

    advice: DespatchAdvice
    counted: int
    expected: int
    withheld: int
    fills_reorder: bool
    reorder_number: int


def arrive(
    desk: Desk, advice: DespatchAdvice, arrival: Arrival, arrived_at_ms: int, receipt: str = ""
) -> Share:
    """Enter an arrival into its advice, name what is wrong with it, and put the advice back."""
    came_before = _came_before(desk, advice, arrival.epcs)
    shorts = {} if advice.is_open else open_shorts(desk, advice)
    findable = {line: short.unsettled for line, short in shorts.items()}
    matched = match(advice.lines, arrival, came_before, findable)
    for line, quantity, tags in matched.found:
        settle(desk, shorts[line], "found", quantity, FOUND_LATE, tags)
    arrived_at_ms = max(advice.arrived_at_ms, arrived_at_ms)
    after = replace(advice, lines=matched.lines, arrived_at_ms=arrived_at_ms)
    withheld = twice = 0
    for deviation in matched.deviations:
        held = _held(advice, arrival, deviation)
        withheld += deviation.quantity if held else 0
        twice += deviation.quantity if deviation.kind == "received_twice" else 0
        after = _named(desk, after, arrival, deviation, held, receipt)
    note_tags(desk, advice, (epc for epc in arrival.epcs if epc not in came_before))
    is_wrong = any(deviation.kind == "wrong_item" for deviation in matched.deviations)
    return Share(
        advice=desk.put(_standing(after)),
        counted=arrival.quantity - twice,
        expected=matched.expected,
        withheld=withheld,
        fills_reorder=fills_reorder(advice) and not is_wrong,
        reorder_number=reorder_number(advice.reorder_id, advice.store, arrival.gtin),
    )


def _came_before(desk: Desk, advice: DespatchAdvice, epcs: tuple[bytes, ...]) -> frozenset[bytes]:
    return frozenset(epc for epc in epcs if despatch_of_tag(desk, advice.store, epc) == advice.id)


def despatch_of_tag(desk: Desk, store: str, epc: bytes) -> str | None:
    """Return the newest despatch that brought a tag to a location."""
    tag = desk.record(ReceivedTag, store, epc.hex())
    return None if tag is None else tag.despatch_id


def note_tags(desk: Desk, advice: DespatchAdvice, epcs: Iterable[bytes]) -> None:
    """Remember which despatch brought these tags."""
    for epc in epcs:
        desk.put(ReceivedTag(store=advice.store, id=epc.hex(), despatch_id=advice.id))


def withheld_as(arrival: Arrival) -> UnavailableReason:
    """Return why goods of an arrival are withheld, when they are."""
    return "damaged" if arrival.is_damaged else "quality_control"


def _held(
    advice: DespatchAdvice, arrival: Arrival, deviation: Deviation
) -> UnavailableReason | None:
    if deviation.kind == "received_twice":
        return None
    return withheld_as(arrival) if arrival.is_damaged or advice.is_strict else None


def _named(
    desk: Desk,
    advice: DespatchAdvice,
    arrival: Arrival,
    deviation: Deviation,
    held: UnavailableReason | None,
    receipt: str,
) -> DespatchAdvice:
    """Raise a deviation, unless it says again what an open discrepancy says already."""
    epcs, quantity = deviation.epcs, deviation.quantity
    is_twice = deviation.kind == "received_twice" and bool(epcs)
    if is_twice:
        epcs = tuple(epc for epc in epcs if not _is_named_twice(desk, advice, epc))
        quantity = len(epcs)
    if not quantity:
        return advice
    after = raise_discrepancy(
        desk,
        advice,
        deviation.kind,
        gtin=arrival.gtin,
        measure=arrival.measure,
        quantity=quantity,
        epcs=epcs,
        sscc=arrival.sscc,
        held=held,
        receipt=receipt,
    )
    for epc in epcs if is_twice else ():
        name = f"{advice.id}-{after.discrepancies}"
        tag = ReceivedTag(store=advice.store, id=epc.hex(), despatch_id=advice.id, twice_in=name)
        desk.put(tag)
    return after


def _is_named_twice(desk: Desk, advice: DespatchAdvice, epc: bytes) -> bool:
    """Say whether somebody has yet to say why a tag came twice.

    A reader that sees a tag come in every minute must not fill the journal with saying so.
    """
    tag = desk.record(ReceivedTag, advice.store, epc.hex())
    if tag is None or not tag.twice_in:
        return False
    named = desk.record(Discrepancy, advice.store, tag.twice_in)
    return named is not None and named.is_open


def _standing(advice: DespatchAdvice) -> DespatchAdvice:
    """Return an advice after an arrival: closed by itself when all has come and as advised."""
    if not advice.is_open:
        return advice
    is_complete = not advice.outstanding and not advice.discrepancies
    return replace(advice, status="received" if is_complete else "receiving")


def fills_reorder(advice: DespatchAdvice) -> bool:
    """Say whether goods of a despatch may be what a reorder asked for."""
    return bool(advice.reorder_id) or not advice.is_transfer
