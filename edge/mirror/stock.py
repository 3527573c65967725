"""What `stocktruth-edge stock` shows: counts as the cloud last knew them, and as they are by now.

Reads the files of mirror and outbox, whether the agent runs or not, with or without network.
"""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from msgspec import Struct

from edge.mirror.expected import NOTHING_PENDING, pending_effects
from edge.mirror.sqlite import SqliteMirror
from edge.outbox.view import OutboxView
from protocol.documents import timestamp


class StockLine(Struct, frozen=True, kw_only=True):
    """One GTIN. `version` 0 and no `as_of`: the cloud has not told of it yet."""

    gtin: str
    expected: int
    on_hand: int
    pending: int
    version: int
    measure: str | None
    as_of: str | None


def stock_lines(outbox_path: Path, mirror_path: Path, gtin: str | None) -> Iterator[StockLine]:
    """Yield the lines of all GTINs, or of one, by GTIN. Raises `OutboxFailed`, `MirrorFailed`."""
    # The outbox first: what is acknowledged in between is in the mirror then, and told by
    # `through_seq`; the other way round it would be in neither.
    with closing(OutboxView(outbox_path)) as outbox:
        epoch, pending = outbox.epoch, list(outbox.pending())
    with closing(SqliteMirror(mirror_path, read_only=True)) as mirror:
        progress = mirror.progress()
        states = {state.gtin: state for state in mirror.states(gtin)}
    known_through = progress.through_seq if progress.epoch == epoch else 0
    effects = pending_effects(fact for seq, fact in pending if seq > known_through)
    wanted = states.keys() | effects.keys()
    for number in sorted(wanted if gtin is None else wanted & {gtin}):
        state, news = states.get(number), effects.get(number, NOTHING_PENDING)
        on_hand = 0 if state is None else state.on_hand
        yield StockLine(
            gtin=number,
            expected=news.expected(on_hand),
            on_hand=on_hand,
            pending=news.facts,
            version=0 if state is None else state.version,
            measure=None if state is None else state.measure,
            as_of=None if state is None else timestamp(state.as_of_ms),
        )
