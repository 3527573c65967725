"""Goods counted or received with a hand scanner: barcodes in, facts out when the document ends.

Pure, in two functions: `decide` says what a barcode means and changes nothing, `Desk.take` lets
an accepted step happen. So a device makes each step durable in between, and a restart in the
middle of a count repeats the steps and goes on. The rules:

- A start code (`DOC:` and a number, an SSCC, or the GLN of a place) opens a document, `END` closes
  it; `CANCEL` drops it, `UNDO` takes the last goods back, `QTY:n` is how many the next scan means.
- Goods that are counted in grams need a weight: from the barcode, from `QTY:`, or from the scale.
- A GTIN is counted in one measure within a document.
- A count is of all of a GTIN in the store, as of the last scan of it.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final, Literal, NamedTuple

import msgspec
from msgspec import Struct

from edge.sensing.barcodes import Barcode, ItemScan, LogisticUnitScan, PlaceScan, TextScan
from edge.sensing.placements import Placement
from protocol.facts import (
    QUANTITY_MAX,
    AnyFact,
    Count,
    GoodsReceived,
    GtinText,
    Measure,
    StockCounted,
    TimeMs,
    Zone,
)
from protocol.ids import Gtin

STEPS_MAX: Final = 5_000
"""A longer document is refused further goods: end it and begin another."""
DOCUMENT_CHARACTERS_MAX: Final = 40

END, CANCEL, UNDO = "END", "CANCEL", "UNDO"
DOCUMENT_PREFIX, QUANTITY_PREFIX = "DOC:", "QTY:"

Purpose = Literal["count", "receive"]


class Started(Struct, frozen=True, array_like=True, tag=1):
    """A document was opened."""

    document: str
    at_ms: TimeMs


class QuantitySet(Struct, frozen=True, array_like=True, tag=2):
    """The next goods are so many."""

    quantity: Count


class Added(Struct, frozen=True, array_like=True, tag=3):
    """Goods were scanned. `placement` is that of the scale, 0 if none."""

    gtin: GtinText
    quantity: Count
    measure: Measure
    at_ms: TimeMs
    placement: int = 0


class Undone(Struct, frozen=True, array_like=True, tag=4):
    """The last goods were taken back."""


Step = Started | QuantitySet | Added | Undone


class Finished(NamedTuple):
    """The document is complete. `content` tells one document's goods from another's."""

    document: str
    facts: list[AnyFact]
    content: bytes


class Dropped(NamedTuple):
    """The document was cancelled."""

    document: str


class NeedsWeight(NamedTuple):
    """These goods wait for the scale."""

    item: ItemScan


class Refused(NamedTuple):
    """The barcode changes nothing; why, in words for whoever scanned it."""

    reason: str


Decision = Step | Finished | Dropped | NeedsWeight | Refused


class Circumstances(NamedTuple):
    """What a barcode is judged by besides the document: time, the item's measure, the scale.

    `measure` is how the cloud counts the item, `None` if nobody knows it yet.
    """

    now_ms: int
    measure: Measure | None = None
    has_scale: bool = False
    placement: Placement | None = None


class Desk:
    """The document that is open at one scanner, if any, as the steps that made it."""

    def __init__(self, purpose: Purpose, source: str, zone: Zone = "backroom") -> None:
        self.purpose: Final = purpose
        self.source: Final = source
        self.zone: Final = zone
        self.document: Started | None = None
        self.quantity: int | None = None
        self.added: list[Added] = []
        self.measures: dict[str, Measure] = {}
        self.steps = 0

    def take(self, step: Step) -> None:
        """Let an accepted step happen. Total: what makes no sense changes nothing."""
        self.steps += 1
        match step:
            case Started():
                self.document = step
            case QuantitySet():
                self.quantity = step.quantity
            case Added():
                self.added.append(step)
                self.measures[step.gtin] = step.measure
                self.quantity = None
            case Undone():
                self._undo()

    def clear(self) -> None:
        """Close the document, finished or dropped."""
        self.document = None
        self.quantity = None
        self.steps = 0
        self.added.clear()
        self.measures.clear()

    def _undo(self) -> None:
        if self.quantity is not None:
            self.quantity = None
        elif self.added:
            gone = self.added.pop()
            if all(each.gtin != gone.gtin for each in self.added):
                self.measures.pop(gone.gtin, None)


def decide(desk: Desk, barcode: Barcode, at: Circumstances) -> Decision:
    """Return what follows from a barcode."""
    if isinstance(barcode, ItemScan):
        return _goods(desk, barcode, at)
    if isinstance(barcode, LogisticUnitScan):
        return _start(desk, f"SSCC {barcode.sscc}", at.now_ms)
    if isinstance(barcode, PlaceScan):
        if desk.purpose == "receive":
            return Refused("a place is no delivery; scan its document or its SSCC")
        return _start(desk, f"GLN {barcode.gln}", at.now_ms)
    return _control(desk, barcode, at.now_ms)


def weighed(desk: Desk, item: ItemScan, placement: Placement, now_ms: int) -> Decision:
    """Return what follows when goods that waited for the scale lie on it."""
    if any(each.placement == placement.number for each in desk.added[-1:]):
        return Refused("what lies on the scale was counted already; take it off first")
    return _added(desk, item.gtin, placement.weight_g, "grams", now_ms, placement.number)


def encode_step(step: Step) -> bytes:
    """Return a step as stored."""
    return msgspec.msgpack.encode(step)


_step_decoder: Final = msgspec.msgpack.Decoder(Step)


def restore(desk: Desk, steps: Iterable[bytes]) -> None:
    """Repeat stored steps, in order. Raises `msgspec.MsgspecError` for what was never one."""
    for step in steps:
        desk.take(_step_decoder.decode(step))


def _start(desk: Desk, document: str, now_ms: int) -> Decision:
    if desk.document is not None:
        return Refused(f"{desk.document.document} is open; end or cancel it first")
    if not document or len(document) > DOCUMENT_CHARACTERS_MAX:
        return Refused(f"a document's number has 1 to {DOCUMENT_CHARACTERS_MAX} characters")
    return Started(document, now_ms)


def _control(desk: Desk, scan: TextScan, now_ms: int) -> Decision:
    text = scan.text
    if text.startswith(DOCUMENT_PREFIX):
        return _start(desk, text.removeprefix(DOCUMENT_PREFIX).strip(), now_ms)
    if text not in (END, CANCEL, UNDO) and not text.startswith(QUANTITY_PREFIX):
        return Refused(f"{text!r} is neither goods nor a control code")
    if desk.document is None:
        return Refused("no document is open; scan its start code first")
    if text == CANCEL:
        return Dropped(desk.document.document)
    if text == END:
        return _end(desk, desk.document)
    if desk.steps >= STEPS_MAX:
        return _too_long()
    if text == UNDO:
        return Undone() if desk.added or desk.quantity is not None else Refused("nothing to undo")
    return _quantity(desk, text.removeprefix(QUANTITY_PREFIX))


def _quantity(desk: Desk, digits: str) -> Decision:
    if not (digits.isascii() and digits.isdigit() and len(digits) <= len(str(QUANTITY_MAX))):
        return Refused(f"QTY:{digits} is no number")
    quantity = int(digits)
    least = 0 if desk.purpose == "count" else 1
    if not least <= quantity <= QUANTITY_MAX:
        return Refused(f"a quantity is {least} to {QUANTITY_MAX}")
    return QuantitySet(quantity)


def _goods(desk: Desk, item: ItemScan, at: Circumstances) -> Decision:
    if desk.document is None:
        return Refused("no document is open; scan its start code first")
    times = 1 if desk.quantity is None else desk.quantity
    measure = desk.measures.get(item.gtin) or at.measure
    if item.weight_g is not None and measure != "units":
        return _added(desk, item.gtin, item.weight_g * times, "grams", at.now_ms)
    if measure != "grams":
        return _added(desk, item.gtin, (item.units or 1) * times, "units", at.now_ms)
    if desk.quantity is not None:
        return _added(desk, item.gtin, desk.quantity, "grams", at.now_ms)
    if not at.has_scale:
        return Refused(f"{item.gtin} is counted in grams; scan QTY: and its grams first")
    if at.placement is None:
        return NeedsWeight(item)
    return weighed(desk, item, at.placement, at.now_ms)


def _added(
    desk: Desk, gtin: Gtin, quantity: int, measure: Measure, now_ms: int, placement: int = 0
) -> Decision:
    if desk.steps >= STEPS_MAX:
        return _too_long()
    before = desk.measures.get(gtin)
    if before is not None and before != measure:
        return Refused(f"{gtin} is counted in {before} in this document, not in {measure}")
    if quantity < 1 and desk.purpose == "receive":
        return Refused("nothing of it was received")
    if sum(each.quantity for each in desk.added if each.gtin == gtin) + quantity > QUANTITY_MAX:
        return Refused(f"more than {QUANTITY_MAX} of {gtin}")
    return Added(gtin, quantity, measure, now_ms, placement)


def _too_long() -> Refused:
    return Refused(f"a document has at most {STEPS_MAX} scans; end it and begin another")


def _end(desk: Desk, document: Started) -> Decision:
    if not desk.added:
        return Refused(f"{document.document} has no goods; cancel it")
    totals: dict[str, Added] = {}
    for each in desk.added:
        before = totals.get(each.gtin)
        quantity = each.quantity + (0 if before is None else before.quantity)
        totals[each.gtin] = Added(each.gtin, quantity, each.measure, each.at_ms)
    facts = [_fact(desk, document, each) for each in totals.values()]
    content = msgspec.msgpack.encode(
        sorted((each.gtin, each.quantity, each.measure) for each in totals.values())
    )
    return Finished(document.document, facts, content)


def _fact(desk: Desk, document: Started, total: Added) -> AnyFact:
    if desk.purpose == "receive":
        return GoodsReceived(
            occurred_at_ms=total.at_ms,
            source=desk.source,
            gtin=total.gtin,
            quantity=total.quantity,
            measure=total.measure,
            zone=desk.zone,
            evidence="document",
            document=document.document,
            basis="scanned by hand",
        )
    began = datetime.fromtimestamp(document.at_ms // 1000, UTC)
    return StockCounted(
        occurred_at_ms=total.at_ms,
        source=desk.source,
        gtin=total.gtin,
        quantity=total.quantity,
        measure=total.measure,
        evidence="document",
        # The code of a place is scanned again with the next count there.
        document=f"{document.document} {began:%Y-%m-%dT%H:%M:%SZ}",
    )
