"""A stream from a journal position on: first what was missed, from the journal, then live, no gap.

Rounds of reading catch up with the journal until little is left. Then the listener is put in line
before one last round, and what the line repeats of that round is left out. States and records are
read at their newest version: who was away learns how things are, not every step.
"""

from collections.abc import AsyncGenerator, Iterator
from functools import partial
from itertools import islice, takewhile
from typing import Final, NamedTuple

from cloud.api.problems import ApiProblem
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
"""Of one kind; a read goes on to the end of the last position that it has begun."""
ID_DIGITS_MAX: Final = 16
NO_ID: Final = "the Last-Event-ID is not one of ours: read anew what you keep"
AHEAD: Final = "the journal does not reach the Last-Event-ID: read anew what you keep"


class Closed(NamedTuple):
    """The stream ends here, for this reason."""

    reason: str


class Reset(NamedTuple):
    """The stream cannot go on where the reader was: it goes on here, for this reason."""

    reason: str
    position: int


class Beginning(NamedTuple):
    """After which position a stream begins, and why that is not where the reader wanted it."""

    position: int
    reset_because: str = ""


class Source(NamedTuple):
    """One kind of rows; `store` only for states, which are read store by store."""

    kind: str
    store: str = ""


Heard = Told | Reset | Closed


def position_in(event_id: str) -> int | None:
    """Return the position in the id of an event, `None` for one that was never told."""
    is_number = len(event_id) <= ID_DIGITS_MAX and event_id.isascii() and event_id.isdigit()
    return int(event_id) if is_number else None


async def beginning(reads: Reads, last_id: str | None) -> Beginning:
    """Return after which position to begin: that of the last event, or now."""
    newest = await reads.on_reader(lambda reader: reader.position())
    if not last_id:
        return Beginning(newest)
    position = position_in(last_id)
    if position is None:
        return Beginning(newest, NO_ID)
    return Beginning(newest, AHEAD) if position > newest else Beginning(position)


async def follow(
    reads: Reads,
    hub: Hub,
    selection: Selection,
    begin: Beginning,
    *,
    token_name: str,
    forever: bool = True,
    heartbeat_s: float = HEARTBEAT_S,
) -> AsyncGenerator[Heard, None]:
    """Tell what changed after a position; without `forever`, end when caught up.

    A `Told` without events is a sign of life. Too many streams or reads end it, with the reason.
    """
    listener = Listener(selection)
    through = begin.position
    try:
        with hub.stream(token_name):
            if begin.reset_because:
                yield Reset(begin.reset_because, through)
            async for told in _rounds(reads, selection, through):
                through = told.position if told.position is not None else through
                yield told
            if not forever:
                return
            hub.add(listener)
            async for told in _round(reads, selection, through):
                through = told.position if told.position is not None else through
                yield told
            async for heard in _live(listener, through, heartbeat_s):
                yield heard
    except ApiProblem as problem:
        yield Closed(problem.detail)
    finally:
        hub.remove(listener)


async def _live(
    listener: Listener, through: int, heartbeat_s: float
) -> AsyncGenerator[Told | Closed, None]:
    """Tell what comes into a line after a position, until the line is closed."""
    while True:
        waiting = await listener.take(heartbeat_s)
        for told in waiting:
            if told.position is not None and told.position > through:
                yield told
        if listener.closed is not None:
            yield Closed(listener.closed)
            return
        if not waiting:
            yield Told([], max(through, listener.through))


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
            read = partial(
                _read, selection=selection, source=source, after=reached, through=position
            )
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
    reader: JournalReader, selection: Selection, source: Source, after: int, through: int
) -> tuple[list[Event], int | None]:
    """Return what is wanted of the next rows, and after which position to go on, if at all.

    What one position changed stays together, however much it is, so that no read ends within it.
    What has changed after the round began is left to the next one, or to the listener.
    """
    rows = takewhile(lambda row: row[0] <= through, _rows(reader, source, after))
    taken = list(islice(rows, ROWS_PER_READ))
    reached: int | None = None
    if len(taken) == ROWS_PER_READ:
        reached = taken[-1][0]
        taken += takewhile(lambda row: row[0] == reached, rows)
    return [event for _, event in taken if selection.wants(event)], reached


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
