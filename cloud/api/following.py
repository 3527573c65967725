"""A stream from a journal position on: first what was missed, from the journal, then live, no gap.

Rounds of reading catch up with the journal until little is left. Then the listener is put in line
before one last round, and what the line repeats of that round is left out. States and records are
read at their newest version: who was away learns how things are, not every step.
"""

from collections.abc import AsyncGenerator, Iterator
from functools import partial
from itertools import islice
from typing import Final, NamedTuple

from cloud.api.reading import Reads
from cloud.api.streaming import Event, Hub, Listener, Selection, Told
from cloud.journal.port import JournalReader
from cloud.journal.rows import decode_reorder, decode_state
from cloud.publisher.documents import is_told
from cloud.records import decode_record
from cloud.records.notice import Notice
from cloud.records.reservation import Reservation
from cloud.shards.messages import ReorderChange
from protocol.updates import STATES_PER_UPDATE_MAX

HEARTBEAT_S: Final = 15.0
ROWS_PER_READ: Final = 4 * STATES_PER_UPDATE_MAX
"""More than any one position changes, so that each read gets past at least one position."""


class Closed(NamedTuple):
    """The stream ends here, for this reason."""

    reason: str


class Source(NamedTuple):
    """One kind of rows; `store` only for states, which are read store by store."""

    kind: str
    store: str = ""


async def follow(
    reads: Reads,
    hub: Hub,
    selection: Selection,
    after: int | None,
    *,
    forever: bool = True,
    heartbeat_s: float = HEARTBEAT_S,
) -> AsyncGenerator[Told | Closed, None]:
    """Tell what changed after a position (`None`: now); without `forever`, end when caught up.

    A `Told` without events is a sign of life. Raises `ApiProblem` when too many listen or read.
    """
    listener = Listener(selection)
    try:
        if after is not None:
            async for told in _rounds(reads, selection, after):
                after = told.position if told.position is not None else after
                yield told
        if forever:
            hub.add(listener)
        begun = await _position(reads) if after is None else after
        through = begun
        async for told in _round(reads, selection, begun):
            through = told.position if told.position is not None else through
            yield told
        while forever:
            waiting = await listener.take(heartbeat_s)
            for told in waiting:
                if told.position is not None and told.position > through:
                    yield told
            if listener.closed is not None:
                yield Closed(listener.closed)
                return
            if not waiting:
                yield Told([], max(through, listener.through))
    finally:
        hub.remove(listener)


async def _position(reads: Reads) -> int:
    return await reads.on_reader(lambda reader: reader.position())


async def _rounds(reads: Reads, selection: Selection, after: int) -> AsyncGenerator[Told, None]:
    """Tell what was missed, until a round finds little: the last round is short then."""
    while True:
        found = 0
        async for told in _round(reads, selection, after):
            found += len(told.events)
            after = told.position if told.position is not None else after
            yield told
        if found < ROWS_PER_READ:
            return


async def _round(reads: Reads, selection: Selection, after: int) -> AsyncGenerator[Told, None]:
    """Tell what changed after a position, as of now; the last of it carries the new position."""
    begun = await reads.at_one_moment(
        lambda reader: (reader.position(), _sources(reader, selection, after))
    )
    position, sources = begun
    for source in sources:
        reached: int | None = after
        while reached is not None:
            read = partial(_read, selection=selection, source=source, after=reached)
            events, reached = await reads.at_one_moment(read)
            if events:
                yield Told(events, None)
    yield Told([], position)


def _sources(reader: JournalReader, selection: Selection, after: int) -> list[Source]:
    sources: list[Source] = []
    if "stock" in selection.kinds:
        sources += [
            Source("stock", row.store)
            for row in reader.stores()
            if row.position > after
            and (not selection.locations or row.store in selection.locations)
        ]
    others = ("reorder", Notice.KIND, Reservation.KIND)
    return sources + [Source(kind) for kind in others if kind in selection.kinds]


def _read(
    reader: JournalReader, selection: Selection, source: Source, after: int
) -> tuple[list[Event], int | None]:
    """Return what is wanted of the next rows, and after which position to go on, if at all."""
    rows = list(islice(_rows(reader, source, after), ROWS_PER_READ + 1))
    reached: int | None = None
    if len(rows) > ROWS_PER_READ:
        # The last position may be incomplete, so it is left for the next read.
        last = rows[-1][0]
        rows = [row for row in rows if row[0] < last]
        reached = rows[-1][0]
    return [event for _, event in rows if selection.wants(event)], reached


def _rows(reader: JournalReader, source: Source, after: int) -> Iterator[tuple[int, Event]]:
    if source.kind == "stock":
        for row in reader.states_changed(source.store, after):
            state = decode_state(row.data)
            if is_told(state):
                yield row.position, Event("stock", state)
    elif source.kind == "reorder":
        for changed in reader.reorders_changed(after):
            reorder = decode_reorder(changed.data)
            change = ReorderChange(
                store=changed.store, gtin=changed.gtin, reorder=reorder, measure=changed.measure
            )
            yield changed.updated_position, Event("reorder", change)
    elif source.kind == Notice.KIND:
        for record in reader.records_changed(Notice.KIND, after):
            yield record.position, Event("notice", decode_record(Notice, record.data))
    else:
        for record in reader.records_changed(Reservation.KIND, after):
            yield record.position, Event("reservation", decode_record(Reservation, record.data))
