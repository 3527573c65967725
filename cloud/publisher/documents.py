"""SKU-locations and reorders as the JSON documents that third parties read. Pure."""

from collections.abc import Callable

from cloud.records.notice import Notice
from cloud.shards.messages import ReorderChange
from cloud.sku_location.belief import Estimate, estimate
from cloud.sku_location.state import Reorder, SkuLocation, reorder_id
from protocol.documents import (
    Belief,
    Cause,
    Ledger,
    NoticeDocument,
    ReorderDocument,
    StockDocument,
    Unavailable,
    timestamp,
)

Estimating = Callable[[SkuLocation, int], Estimate]
"""How a belief is asked at a time; who asks about the same again and again has an `Estimator`."""


def stock_document(state: SkuLocation, estimating: Estimating = estimate) -> StockDocument:
    """Return the document of a state that somebody may be told of (`is_told`)."""
    return _document(state, _belief(state, estimating))


def book_document(state: SkuLocation) -> StockDocument:
    """Return the same without what is believed."""
    return _document(state, None)


def _document(state: SkuLocation, belief: Belief | None) -> StockDocument:
    cause, measure = state.cause, state.measure
    if cause is None or measure is None:
        raise AssertionError(f"nothing can be told of {state.gtin}@{state.store} yet")
    return StockDocument(
        store=state.store,
        gtin=state.gtin,
        version=state.version,
        measure=measure,
        on_hand=state.on_hand,
        reserved=state.reserved,
        unavailable=state.unavailable,
        available=max(0, state.on_hand - state.reserved - state.unavailable),
        incoming=state.incoming,
        on_order=state.on_order,
        position=state.position,
        backroom=state.backroom,
        ledger=_ledger(state),
        as_of=timestamp(state.as_of_ms),
        cause=Cause(
            kind=cause.kind,
            epoch=cause.epoch,
            seq=cause.seq,
            occurred_at=timestamp(cause.occurred_at_ms),
        ),
        sales_floor=state.sales_floor,
        unavailable_by=Unavailable(
            damaged=state.damaged,
            quality_control=state.quality_control,
            in_return=state.in_return,
        ),
        belief=belief,
    )


def _belief(state: SkuLocation, estimating: Estimating) -> Belief | None:
    if not state.belief:
        return None
    known = estimating(state, state.as_of_ms)
    return Belief(
        best=known.best,
        low=known.low,
        high=known.high,
        confidence=_rounded(known.p_best),
        p_out=_rounded(known.p_out),
        p_phantom=_rounded(known.p_phantom),
    )


def _rounded(probability: float) -> float:
    return round(min(1.0, probability), 4)


def is_told(state: SkuLocation) -> bool:
    """Return whether goods were ever heard of here; a policy alone is nobody's business."""
    return state.measure is not None


def _ledger(state: SkuLocation) -> Ledger:
    return Ledger(
        opening=state.opening,
        received=state.received,
        returned=state.returned,
        found=state.found,
        sold=state.sold,
        moved=state.moved,
        lost=state.lost,
        written_off=state.written_off,
        stolen=state.stolen,
    )


def reorder_document(change: ReorderChange) -> ReorderDocument:
    """Return the document of a reorder at its newest revision."""
    reorder = change.reorder
    return ReorderDocument(
        reorder_id=reorder_id(change.store, change.gtin, reorder.number),
        revision=reorder.revision,
        store=change.store,
        gtin=change.gtin,
        status=reorder.status,
        measure=change.measure,
        quantity=reorder.quantity,
        received=reorder.received,
        opened_at=timestamp(reorder.opened_at_ms),
        updated_at=timestamp(reorder.updated_at_ms),
        source=reorder.source,
        reference=reorder.reference,
        expected_at=timestamp(reorder.expected_at_ms) if reorder.expected_at_ms else None,
        escalations=reorder.escalations,
    )


def notice_document(notice: Notice) -> NoticeDocument:
    """Return the document of a notice."""
    return NoticeDocument(
        notice_id=notice.id,
        kind=notice.kind,
        store=notice.store,
        subject=notice.subject,
        gtin=notice.gtin,
        quantity=notice.quantity,
        measure=notice.measure,
        order_id=notice.order_id,
        channel=notice.channel,
        detail=notice.detail,
        at=timestamp(notice.created_at_ms),
    )


def is_open(reorder: Reorder) -> bool:
    """Return whether somebody still has to act on a reorder."""
    return reorder.status not in ("received", "cancelled")
