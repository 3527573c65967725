"""`explain`: a count, how sure it is, and the evidence that made it, unit by unit. Pure.

The journal is replayed for one SKU-location; each thing that it was told stands with what was
believed before and after, and each known tag with where it came from and when it was read last.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from msgspec import Struct

from cloud.journal.history import HistoryEntry
from cloud.publisher.documents import stock_document
from cloud.sku_location.belief import estimate
from cloud.sku_location.belief.tags import digest_of
from cloud.sku_location.belief.tracing import traced
from cloud.sku_location.messages import AnyMessage
from cloud.sku_location.state import SkuLocation
from protocol.documents import StockDocument, timestamp
from protocol.facts import (
    ShelfCounted,
    StockCounted,
    StockFact,
    TagsMoved,
    TagsSwept,
    TillLine,
)

SHARE_SHOWN_MIN: Final = 0.001


class Evidence(Struct, frozen=True, kw_only=True):
    """One thing that was told, and what it did to the book and to the belief."""

    position: int
    at: str
    kind: str
    source: str
    what: str
    on_hand: int
    best: int
    confidence: float


class Unit(Struct, frozen=True, kw_only=True):
    """One tagged unit that is believed to be here, or was lately."""

    epc: str
    p_here: float
    came: str
    last_read: str
    reads: int
    misses: int


class Explanation(Struct, frozen=True, kw_only=True):
    """Why we say what we say of one SKU-location. `hidden` are units without a known tag."""

    stock: StockDocument
    distribution: dict[str, float]
    units: list[Unit]
    hidden: dict[str, float]
    evidence: list[Evidence]


def explain(entries: Iterable[HistoryEntry], now_ms: int) -> Explanation | None:
    """Return the explanation of a history; `None` if nothing was ever told."""
    explaining = _Explaining()
    for entry in entries:
        explaining.take(entry)
    return explaining.explanation(now_ms)


class _Explaining:
    def __init__(self) -> None:
        self._state: SkuLocation | None = None
        self._evidence: list[Evidence] = []
        self._came: dict[bytes, str] = {}
        self._read: dict[bytes, str] = {}
        self._epcs: dict[bytes, bytes] = {}

    def take(self, entry: HistoryEntry) -> None:
        """Take in one version."""
        self._state = state = entry.state
        at_ms = state.cause.occurred_at_ms if state.cause else state.as_of_ms
        for epc in getattr(entry.message, "epcs", ()):
            self._note_tag(entry, epc, timestamp(at_ms))
        known = estimate(state, state.as_of_ms)
        line = Evidence(
            position=entry.position,
            at=timestamp(at_ms),
            kind=entry.event,
            source=entry.fact.source if entry.fact else "",
            what=told(entry.message),
            on_hand=state.on_hand,
            best=known.best,
            confidence=round(known.p_best, 4),
        )
        self._evidence.append(line)

    def _note_tag(self, entry: HistoryEntry, epc: bytes, at: str) -> None:
        digest = digest_of(epc)
        self._epcs[digest] = epc
        self._came.setdefault(digest, f"{entry.event} at {at}")
        self._read[digest] = f"{told_by(entry.message)} at {at}"

    def explanation(self, now_ms: int) -> Explanation | None:
        """Return what all of it comes to."""
        state = self._state
        if state is None or state.measure is None or state.cause is None:
            return None
        known = estimate(state, now_ms)
        trace = traced(state, now_ms)
        units = [
            Unit(
                epc=self._epcs.get(tag.digest, b"").hex().upper() or f"digest {tag.digest.hex()}",
                p_here=round(tag.p_here, 4),
                came=self._came.get(tag.digest, "before this era"),
                last_read=self._read.get(tag.digest, "before this era"),
                reads=tag.reads,
                misses=tag.misses + tag.missed_since,
            )
            for tag in trace.tags
        ]
        return Explanation(
            stock=stock_document(state),
            distribution=_shares(known.distribution),
            units=sorted(units, key=lambda unit: (-unit.p_here, unit.epc)),
            hidden=_shares(trace.hidden),
            evidence=self._evidence,
        )


def _shares(distribution: Mapping[int, float]) -> dict[str, float]:
    return {
        str(count): round(share, 4)
        for count, share in sorted(distribution.items())
        if share >= SHARE_SHOWN_MIN
    }


def told_by(message: StockFact | AnyMessage | None) -> str:
    """Return who told, in a word."""
    if isinstance(message, TagsSwept):
        return f"sweep {message.sweep}"
    if isinstance(message, TagsMoved):
        return f"{message.from_zone} to {message.to_zone}"
    return "" if message is None else type(message).__name__


def told(message: StockFact | AnyMessage | None) -> str:
    """Return what was told, in a few words."""
    if message is None:
        return "the state that this era began with"
    words: str = getattr(message, "basis", "")
    basis = f": {words}" if words else ""
    if isinstance(message, TillLine):
        return f"{message.quantity} in line {message.line} of {message.transaction}"
    if isinstance(message, TagsSwept):
        extent = "complete" if message.is_complete else "partial"
        return f"{extent} sweep {message.sweep} read {message.quantity}{basis}"
    if isinstance(message, TagsMoved):
        moved = f"{len(message.epcs)} {message.from_zone} to {message.to_zone}"
        return f"{moved}, {message.confidence:.0%} sure{basis}"
    if isinstance(message, ShelfCounted):
        return f"{message.quantity} ± {message.error_units:.2f} by {message.weight_g} g{basis}"
    if isinstance(message, StockCounted):
        return f"{message.quantity} counted by {message.evidence}"
    quantity = getattr(message, "quantity", None)
    return f"{type(message).__name__}{f' {quantity}' if quantity is not None else ''}{basis}"
