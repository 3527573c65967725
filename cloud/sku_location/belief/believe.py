"""What facts and events do to the belief of a SKU-location. Pure; `decide` calls it.

A fact speaks for itself: its evidence is worth the same whether or not it moves the book. What
commands do (ship, write off, receive by paper) is known from their events.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from cloud.sku_location.belief import counting, sweeping
from cloud.sku_location.belief.elapsed import settle
from cloud.sku_location.belief.notes import (
    ADVISED,
    CERTAIN,
    NO_DIGEST,
    NOTE_BYTES,
    NOTES_MAX,
    REPEATED,
    UNADVISED,
    NoteKind,
    note,
    think,
    with_sale,
)
from cloud.sku_location.belief.posterior import Posterior
from cloud.sku_location.belief.record import encode_belief, heard_from, knows_tags, parts
from cloud.sku_location.belief.tags import digest_of
from cloud.sku_location.events import (
    AnyEvent,
    Fulfilled,
    MovedAway,
    MovedHere,
    ObservedEvent,
    Received,
    Returned,
    ReturnUndone,
    SaleUndone,
    Sold,
    WrittenOff,
)
from cloud.sku_location.messages import JudgeLine, TakeIn, Unannounce
from cloud.sku_location.state import SkuLocation
from protocol.facts import (
    GoodsReceived,
    ReturnVoided,
    SaleVoided,
    ShelfCounted,
    StockCounted,
    TagsMoved,
    TagsSwept,
    UnitsReturned,
    UnitsSold,
)

_OUTSIDE: Final = frozenset(("exit", "transit"))
_FIRST: Final = ((0, 0.965), (-1, 0.022), (1, 0.013))
"""The first count may be off by one."""


def believed(state: SkuLocation, message: object, events: Sequence[AnyEvent], at_ms: int) -> bytes:
    """Return the belief after a fact or message and what it led to.

    `at_ms` is when it happened, as far as its clock can be believed.
    """
    if isinstance(message, UnitsSold) and state.belief:
        return (
            state.belief
            if _is_absorbed(events)
            else after_sale(state.belief, message.quantity, at_ms)
        )
    if isinstance(message, StockCounted | TagsSwept):
        return _after_count(state, message, at_ms)
    if _is_absorbed(events):
        return state.belief
    kind = type(message)
    notes_of = _NOTES_OF.get(kind)
    if notes_of is None:
        notes = b"".join(_note_of_event(event, at_ms) for event in events)
    else:
        notes = notes_of(message, at_ms)
    if not notes:
        return state.belief
    if state.belief:
        return _thought_through(state.belief + notes)
    if kind in _BEGINS or state.counted or state.received:
        return _thought_through(
            encode_belief(_about(max(0, state.on_hand), at_ms).packed()) + notes
        )
    return state.belief


def posterior_of(data: bytes) -> Posterior:
    """Return the belief in a state, with everything thought through that was heard."""
    belief, notes = parts(data)
    posterior = Posterior.of(belief)
    think(posterior, notes)
    return posterior


def after_sale(data: bytes, quantity: int, at_ms: int) -> bytes:
    """Return a belief that has heard of a sale: the commonest fact, so it costs least."""
    if knows_tags(data):
        return _thought_through(data + note(NoteKind.SOLD, at_ms, quantity, 1))
    start = heard_from(data)
    return _thought_through(data[:start] + with_sale(data[start:], at_ms, quantity))


def _thought_through(data: bytes) -> bytes:
    """Return a belief in which not too much waits to be thought through."""
    if len(data) - heard_from(data) <= NOTES_MAX * NOTE_BYTES:
        return data
    return encode_belief(posterior_of(data).packed())


def _after_count(state: SkuLocation, count: StockCounted | TagsSwept, at_ms: int) -> bytes:
    if not state.belief:
        quantity = count.quantity if isinstance(count, StockCounted) else max(0, state.on_hand)
        posterior = _about(quantity, at_ms)
        is_told = isinstance(count, StockCounted)
    else:
        posterior = posterior_of(state.belief)
        is_told = False
    settle(posterior, at_ms)
    if isinstance(count, TagsSwept):
        digests = map(digest_of, count.epcs)
        sweeping.swept(
            posterior, digests, count.quantity, is_complete=count.is_complete, at_ms=at_ms
        )
    elif not is_told and count.evidence == "sweep":
        sweeping.swept_untagged(posterior, count.quantity)
    elif not is_told:
        counting.counted(posterior, count.quantity, at_ms)
    return encode_belief(posterior.packed())


def _is_absorbed(events: Iterable[AnyEvent]) -> bool:
    for event in events:
        if isinstance(event, ObservedEvent) and event.absorbed_by is not None:
            return True
    return False


def _about(quantity: int, at_ms: int) -> Posterior:
    cells = {(0, quantity + off): weight for off, weight in _FIRST if quantity + off >= 0}
    return Posterior(cells, at_ms)


_BEGINS: Final = (GoodsReceived, TakeIn, TagsMoved)
"""Where nothing was known, these tell that goods are there."""


def _till_note(kind: NoteKind) -> Callable[[Any, int], bytes]:
    return lambda line, at_ms: note(kind, at_ms, line.quantity, 1)


def _received_notes(fact: GoodsReceived, at_ms: int) -> bytes:
    return _arrival_notes(fact.quantity, fact.epcs, at_ms, UNADVISED)


def _taken_in_notes(taken: TakeIn, at_ms: int) -> bytes:
    """Where more tags came than were counted, those that are known were here already."""
    if not taken.quantity:
        return b""
    how = ADVISED if taken.from_incoming > 0 else UNADVISED
    if len(taken.epcs) > taken.quantity:
        how = REPEATED
    return _arrival_notes(taken.quantity, taken.epcs, at_ms, how)


def _arrival_notes(quantity: int, epcs: Sequence[bytes], at_ms: int, how: int) -> bytes:
    notes = [note(NoteKind.RECEIVED_TAG, at_ms, 1, how, digest_of(epc)) for epc in epcs]
    if quantity > len(epcs):
        notes.append(note(NoteKind.RECEIVED, at_ms, quantity - len(epcs)))
    return b"".join(notes)


def _remainder_note(gone: Unannounce, at_ms: int) -> bytes:
    if not gone.has_arrived:
        return b""
    return note(NoteKind.REMAINDER_CLOSED, at_ms, gone.quantity, gone.advised)


def _judged_note(judged: JudgeLine, at_ms: int) -> bytes:
    line = judged.line_at_ms.to_bytes(len(NO_DIGEST))
    return note(NoteKind.LINE_JUDGED, at_ms, 0, judged.ratio_percent, line)


def _moved_notes(moved: TagsMoved, at_ms: int) -> bytes:
    if moved.from_zone == moved.to_zone or {moved.from_zone, moved.to_zone} <= _OUTSIDE:
        return b""
    if moved.from_zone == "transit":
        return _arrival_notes(len(moved.epcs), moved.epcs, at_ms, UNADVISED)
    kind = NoteKind.SEEN
    if moved.to_zone == "exit":
        kind = NoteKind.LEFT_BY_EXIT
    elif moved.from_zone == "exit":
        kind = NoteKind.CAME_BY_EXIT
    elif moved.to_zone == "transit":
        kind = NoteKind.LEFT_BY_DOCK
    sure = int(moved.confidence * CERTAIN)
    return b"".join(note(kind, at_ms, 1, sure, digest_of(epc)) for epc in moved.epcs)


def _shelf_note(fact: ShelfCounted, at_ms: int) -> bytes:
    error_centiunits = int(min(fact.error_units, 600.0) * 100 + 0.5)
    shelf = digest_of(fact.shelf.encode())
    return note(NoteKind.SHELF_COUNTED, at_ms, fact.quantity, error_centiunits, shelf)


_NOTES_OF: Final[dict[type, Callable[[Any, int], bytes]]] = {
    UnitsSold: _till_note(NoteKind.SOLD),
    SaleVoided: _till_note(NoteKind.SALE_UNDONE),
    UnitsReturned: _till_note(NoteKind.RETURNED),
    ReturnVoided: _till_note(NoteKind.RETURN_UNDONE),
    GoodsReceived: _received_notes,
    TagsMoved: _moved_notes,
    ShelfCounted: _shelf_note,
    TakeIn: _taken_in_notes,
    Unannounce: _remainder_note,
    JudgeLine: _judged_note,
}

_KIND_OF_EVENT: Final[dict[type, NoteKind]] = {
    Fulfilled: NoteKind.SHIPPED,
    MovedAway: NoteKind.SHIPPED,
    WrittenOff: NoteKind.TAKEN,
    Received: NoteKind.RECEIVED,
    MovedHere: NoteKind.RECEIVED,
    Sold: NoteKind.SOLD,
    SaleUndone: NoteKind.SALE_UNDONE,
    Returned: NoteKind.RETURNED,
    ReturnUndone: NoteKind.RETURN_UNDONE,
}
"""What a command did: of this nobody doubts."""


def _note_of_event(event: AnyEvent, at_ms: int) -> bytes:
    kind = _KIND_OF_EVENT.get(type(event))
    return b"" if kind is None else note(kind, at_ms, getattr(event, "quantity", 0), 1)
