"""The live stream: what each commit changed, to whoever listens, without ever waiting for them.

`Hub.note` runs on the shard's thread, everything else on the event loop. A listener has a bounded
line of its own. Who is too slow for it is closed, with the reason, and goes on later from the
journal. All streams, and those of one token, are bounded in number.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from typing import Final, Literal, NamedTuple

from cloud.api.access import Caller
from cloud.api.problems import ApiProblem, busy
from cloud.api.visibility import sees_notice, sees_reservation
from cloud.records.notice import Notice
from cloud.records.reservation import Reservation
from cloud.shards.messages import Committed, ReorderChange
from cloud.sku_location.state import SkuLocation

Kind = Literal["stock", "reorder", "notice", "reservation"]
KINDS: Final[tuple[Kind, ...]] = ("stock", "reorder", "notice", "reservation")
What = SkuLocation | ReorderChange | Notice | Reservation

EVENTS_WAITING_MAX: Final = 2_000
STREAMS_MAX: Final = 500
STREAMS_PER_TOKEN_MAX: Final = 50
STREAMS_RETRY_AFTER_S: Final = 30
TOO_SLOW: Final = "too slow: reconnect with the Last-Event-ID"
STOPPING: Final = "the server stops: reconnect with the Last-Event-ID"


class Event(NamedTuple):
    """Something changed."""

    kind: Kind
    what: What


class Told(NamedTuple):
    """What is told at once: all that is wanted of a commit, or a part of what was missed.

    `position`: whoever has these events has everything through this journal position; `None` when
    more of the same follows.
    """

    events: list[Event]
    position: int | None


class Selection(NamedTuple):
    """What a listener wants to hear of; empty sets mean everything.

    Whatever is wanted, notices and reservations are told only to a `caller` who may read them.
    """

    kinds: frozenset[Kind]
    locations: frozenset[str] = frozenset()
    gtins: frozenset[str] = frozenset()
    channel: str = ""
    caller: Caller | None = None

    def wants(self, event: Event) -> bool:
        """Say whether an event is for this listener."""
        what = event.what
        if event.kind not in self.kinds or (self.locations and what.store not in self.locations):
            return False
        if not self._may_hear_of(what):
            return False
        if isinstance(what, Reservation):
            gtins = {line.gtin for line in what.lines}
            return self._is_ours(what.channel) and (not self.gtins or bool(gtins & self.gtins))
        if isinstance(what, Notice) and not self._is_ours(what.channel):
            return False
        return not self.gtins or what.gtin in self.gtins

    def _may_hear_of(self, what: What) -> bool:
        if self.caller is None:
            return True
        if isinstance(what, Notice):
            return sees_notice(self.caller, what)
        return not isinstance(what, Reservation) or sees_reservation(self.caller, what)

    def _is_ours(self, channel: str) -> bool:
        return not self.channel or channel in ("", self.channel)


class Listener:
    """One listener's line. Belongs to the event loop."""

    def __init__(self, selection: Selection, events_max: int = EVENTS_WAITING_MAX) -> None:
        self.selection: Final = selection
        self.closed: str | None = None
        self.through = 0
        """Position of the newest commit that was offered, wanted or not."""
        self._events_max: Final = events_max
        self._waiting: Final[deque[Told]] = deque()
        self._events = 0
        self._news: Final = asyncio.Event()

    def offer(self, events: Iterable[Event], position: int) -> None:
        """Put in line what is wanted of a commit; close the line when it becomes too long.

        Who has taken everything before is not too slow, however much one commit changed.
        """
        if self.closed is not None:
            return
        wanted = [event for event in events if self.selection.wants(event)]
        self.through = position
        if not wanted:
            return
        if self._waiting and self._events + len(wanted) > self._events_max:
            self.close(TOO_SLOW)
            return
        self._events += len(wanted)
        self._waiting.append(Told(wanted, position))
        self._news.set()

    def close(self, reason: str) -> None:
        """Tell nothing more; what waits is forgotten, since the journal has it."""
        self.closed = reason
        self._waiting.clear()
        self._news.set()

    async def take(self, timeout_s: float) -> list[Told]:
        """Return what waits, after at most this time; nothing when the line is closed or silent.

        When news come just as the time is over they are returned, so that nobody is told a
        position before what led to it.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._news.wait()
        if self.closed is None:
            self._news.clear()
        taken = list(self._waiting)
        self._waiting.clear()
        self._events = 0
        return taken


class Hub:
    """All streams, and those that listen. Made on the event loop."""

    def __init__(
        self, streams_max: int = STREAMS_MAX, per_token_max: int = STREAMS_PER_TOKEN_MAX
    ) -> None:
        self._loop: Final = asyncio.get_running_loop()
        self._streams_max: Final = streams_max
        self._per_token_max: Final = per_token_max
        self._streams: Final[Counter[str]] = Counter()
        self._listeners: Final[set[Listener]] = set()
        self._is_closed = False

    def note(self, committed: Committed) -> None:
        """Hand over a commit. Called on the shard's thread.

        Who begins to listen reads the journal afterwards, so what nobody hears is not missed.
        """
        if self._listeners and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._tell, committed)

    def _tell(self, committed: Committed) -> None:
        events = list(events_of(committed))
        for listener in list(self._listeners):
            listener.offer(events, committed.position)
            if listener.closed is not None:
                self._listeners.discard(listener)

    def require_room(self, token_name: str) -> None:
        """Raise `ApiProblem` when there are too many streams, in all or of this token."""
        if self._streams[token_name] >= self._per_token_max:
            raise ApiProblem(
                HTTPStatus.TOO_MANY_REQUESTS,
                "too-many-streams",
                f"the token {token_name} has {self._per_token_max} streams open already",
                retry_after_s=STREAMS_RETRY_AFTER_S,
            )
        if self._is_closed or self._streams.total() >= self._streams_max:
            raise busy("too many streams are open")

    @contextmanager
    def stream(self, token_name: str) -> Iterator[None]:
        """Count a stream of this token while it is open; raises `ApiProblem` as above."""
        self.require_room(token_name)
        self._streams[token_name] += 1
        try:
            yield
        finally:
            self._streams[token_name] -= 1
            if not self._streams[token_name]:
                del self._streams[token_name]

    def add(self, listener: Listener) -> None:
        """Let somebody listen from now on."""
        if self._is_closed:
            listener.close(STOPPING)
        else:
            self._listeners.add(listener)

    def remove(self, listener: Listener) -> None:
        """Let somebody go."""
        self._listeners.discard(listener)

    def close(self) -> None:
        """Close all lines."""
        self._is_closed = True
        for listener in self._listeners:
            listener.close(STOPPING)


def events_of(committed: Committed) -> Iterator[Event]:
    """Return everything that a commit changed."""
    for change in committed.changes:
        for state in change.states:
            yield Event("stock", state)
    for reorder in committed.reorders:
        yield Event("reorder", reorder)
    for notice in committed.notices:
        yield Event("notice", notice)
    for record in committed.records:
        if isinstance(record, Reservation):
            yield Event("reservation", record)
