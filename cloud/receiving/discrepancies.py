"""Discrepancies are raised when goods deviate from their advice, and settled part by part. Pure."""

from msgspec.structs import replace

from cloud.commands.goods import Resolution
from cloud.records.despatch_advice import DespatchAdvice
from cloud.records.discrepancy import Discrepancy, DiscrepancyKind, Settled
from cloud.shards.desk import Desk
from cloud.sku_location.state import UnavailableReason
from protocol.facts import Measure


def raise_discrepancy(
    desk: Desk,
    advice: DespatchAdvice,
    kind: DiscrepancyKind,
    *,
    gtin: str,
    measure: Measure,
    quantity: int,
    epcs: tuple[bytes, ...] = (),
    sscc: str = "",
    held: UnavailableReason | None = None,
    line: int | None = None,
    receipt: str = "",
) -> DespatchAdvice:
    """Name what is wrong, tell the store of it, and return the advice that has counted it.

    The caller puts the advice back.
    """
    number = advice.discrepancies + 1
    discrepancy = Discrepancy(
        store=advice.store,
        id=f"{advice.id}-{number}",
        kind=kind,
        despatch_id=advice.id,
        gtin=gtin,
        measure=measure,
        quantity=quantity,
        epcs=epcs,
        sscc=sscc,
        held=held,
        line=line,
        receipt=receipt,
    )
    desk.put(discrepancy)
    desk.notify(
        "discrepancy_found",
        advice.store,
        discrepancy.id,
        gtin=gtin,
        quantity=quantity,
        measure=measure,
        detail=f"{kind} in despatch {advice.id} from {advice.source}",
    )
    return replace(advice, discrepancies=number)


def settle(
    desk: Desk,
    discrepancy: Discrepancy,
    resolution: Resolution,
    quantity: int,
    note: str,
    found_epcs: tuple[bytes, ...] = (),
) -> Discrepancy:
    """Note what became of a part of a discrepancy; `found_epcs` are missing no more."""
    part = Settled(resolution=resolution, quantity=quantity, note=note, at_ms=desk.now_ms)
    epcs = discrepancy.epcs
    if found_epcs:
        epcs = tuple(epc for epc in epcs if epc not in found_epcs)
    return desk.put(replace(discrepancy, settled=(*discrepancy.settled, part), epcs=epcs))


def open_shorts(desk: Desk, advice: DespatchAdvice) -> dict[int, Discrepancy]:
    """Return what a closed despatch is still short of, by line."""
    found = desk.records.by_ref(Discrepancy, f"despatch:{advice.id}")
    return {
        short.line: short
        for short in found
        if short.store == advice.store and short.line is not None and short.is_open
    }
