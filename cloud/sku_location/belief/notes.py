"""Notes: what was heard and not thought through yet. Pure.

Most facts are never asked about before the next one comes, so hearing one only appends a note of
`NOTE_BYTES` to the packed belief; `Posterior`s are made when somebody asks, when a sweep or a count
comes, or when `NOTES_MAX` wait. Thinking later in the same order gives the same belief.

Sales of goods without known tags have no second witness, so one note holds many of them.
"""

from enum import IntEnum
from struct import Struct as Layout
from typing import Final, NamedTuple

from cloud.sku_location.belief import arriving, counting, leaving, sweeping
from cloud.sku_location.belief.elapsed import settle
from cloud.sku_location.belief.posterior import Posterior

NOTES_MAX: Final = 24
"""Before they are thought through."""
LINES_MAX: Final = 60_000
_LAYOUT: Final = Layout(">BQqH6s")
NOTE_BYTES: Final = _LAYOUT.size
NO_DIGEST: Final = bytes(6)
CERTAIN: Final = 10_000
"""The detail of a crossing is its confidence in ten-thousandths."""


UNADVISED: Final = 0
ADVISED: Final = 1
REPEATED: Final = 2
"""How tags arrived: the detail of `RECEIVED_TAG`."""


class NoteKind(IntEnum):
    """What was heard; the comment says what `detail` means, where it means anything."""

    SOLD = 1  # till lines
    SALE_UNDONE = 2
    RETURNED = 3
    RETURN_UNDONE = 4
    LEFT_BY_EXIT = 5  # confidence
    CAME_BY_EXIT = 6  # confidence
    LEFT_BY_DOCK = 7
    RECEIVED = 8
    RECEIVED_TAG = 9  # how
    SEEN = 10
    SHIPPED = 11
    TAKEN = 12
    REMAINDER_CLOSED = 13  # units of the line
    LINE_JUDGED = 15  # likelihood ratio of a mistake in hundredths; the digest is the line's time
    SHELF_COUNTED = 14  # standard error in hundredths of a unit


class Note(NamedTuple):
    """One thing heard: of how much, of which tag or shelf (by digest)."""

    kind: int
    at_ms: int
    quantity: int
    detail: int
    digest: bytes


def note(
    kind: NoteKind, at_ms: int, quantity: int, detail: int = 0, digest: bytes = NO_DIGEST
) -> bytes:
    """Return a note as a belief carries it."""
    return _LAYOUT.pack(kind, at_ms, quantity, min(detail, 65_535), digest)


def notes_in(packed: bytes) -> list[Note]:
    """Return the notes, oldest first."""
    return [Note(*fields) for fields in _LAYOUT.iter_unpack(packed)]


def with_sale(packed: bytes, at_ms: int, quantity: int) -> bytes:
    """Return notes after one more sale that has no second witness."""
    if packed:
        kind, _, sold, lines, _ = _LAYOUT.unpack_from(packed, len(packed) - NOTE_BYTES)
        if kind == _SOLD and lines < LINES_MAX:
            merged = _LAYOUT.pack(_SOLD, at_ms, sold + quantity, lines + 1, NO_DIGEST)
            return packed[:-NOTE_BYTES] + merged
    return packed + note(NoteKind.SOLD, at_ms, quantity, 1)


_SOLD: Final = int(NoteKind.SOLD)


def think(posterior: Posterior, packed: bytes) -> None:
    """Let everything that was heard change the belief, in order."""
    for fields in _LAYOUT.iter_unpack(packed):
        kind, at_ms, quantity, lines, _ = fields
        settle(posterior, at_ms)
        if kind == _SOLD:
            # Most of all; one that is not looked up in the table.
            leaving.sold(posterior, quantity, lines, at_ms)
        else:
            _hear(posterior, Note(*fields))


def _hear(posterior: Posterior, heard: Note) -> None:  # noqa: C901 # A table of calls.
    kind, at_ms, quantity = heard.kind, heard.at_ms, heard.quantity
    if kind == NoteKind.SALE_UNDONE:
        leaving.sale_undone(posterior, quantity)
    elif kind == NoteKind.RETURNED:
        arriving.returned(posterior, quantity, at_ms)
    elif kind == NoteKind.RETURN_UNDONE:
        arriving.return_undone(posterior, quantity)
    elif kind == NoteKind.LEFT_BY_EXIT:
        leaving.left_by_exit(posterior, heard.digest, heard.detail / CERTAIN, at_ms)
    elif kind == NoteKind.CAME_BY_EXIT:
        arriving.came_in_by_exit(posterior, heard.digest, heard.detail / CERTAIN, at_ms)
    elif kind == NoteKind.LEFT_BY_DOCK:
        leaving.left_by_dock(posterior, heard.digest)
    elif kind == NoteKind.RECEIVED:
        arriving.received_untagged(posterior, quantity)
    elif kind == NoteKind.RECEIVED_TAG:
        if heard.detail != REPEATED or posterior.tag(heard.digest) is None:
            is_advised = heard.detail != UNADVISED
            arriving.received_tag(posterior, heard.digest, at_ms, is_advised=is_advised)
    elif kind == NoteKind.SEEN:
        sweeping.swept(posterior, [heard.digest], 1, is_complete=False, at_ms=at_ms)
    elif kind == NoteKind.SHIPPED:
        leaving.shipped(posterior, quantity, at_ms)
    elif kind == NoteKind.TAKEN:
        leaving.take_away_units(posterior, quantity)
    elif kind == NoteKind.REMAINDER_CLOSED:
        arriving.remainder_closed(posterior, quantity, heard.detail, at_ms)
    elif kind == NoteKind.LINE_JUDGED:
        leaving.line_judged(posterior, int.from_bytes(heard.digest), heard.detail)
    elif kind == NoteKind.SHELF_COUNTED:
        counting.shelf_counted(posterior, heard.digest, quantity, heard.detail, at_ms)
