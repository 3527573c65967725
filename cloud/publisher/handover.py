"""From the shard's thread to the publisher's event loop, within bounds.

The shard never waits for a broker. What does not fit is dropped, since each of its parts comes back
another way: an edge that misses an answer asks again, a mirror that misses an update requests it,
and the publisher reads the journal for what it should retain. `put` may be called from any thread.
"""

import asyncio
from collections import deque
from threading import Lock
from typing import Final, NamedTuple

from cloud.shards.messages import Committed
from protocol.updates import Ack

ITEMS_MAX: Final = 1_024
STATES_MAX: Final = 100_000

Told = Committed | Ack
"""What a commit lets others know, or an answer that acknowledges nothing."""


class Taken(NamedTuple):
    """Everything that was handed over since the last time, in order.

    `lost_through`: the position of the newest commit that was dropped after these, if any was.
    """

    items: list[Told]
    lost_through: int | None

    @property
    def newest_position(self) -> int:
        """Position of the newest commit, told or lost; 0 when there was none."""
        told = [item.position for item in self.items if isinstance(item, Committed)]
        return max((*told, self.lost_through or 0))


class Handover:
    """A bounded box with one taker, made on the taker's event loop."""

    def __init__(self, items_max: int = ITEMS_MAX, states_max: int = STATES_MAX) -> None:
        self._loop: Final = asyncio.get_running_loop()
        self._items_max: Final = items_max
        self._states_max: Final = states_max
        self._lock: Final = Lock()
        self._items: deque[Told] = deque()
        self._states = 0
        self._lost_through: int | None = None
        self._ready: Final = asyncio.Event()

    def put(self, item: Told) -> None:
        """Hand over, and never wait."""
        states = _states_in(item)
        with self._lock:
            wake = self._is_empty()
            if self._has_room(states):
                self._items.append(item)
                self._states += states
            elif isinstance(item, Committed):
                self._lost_through = item.position
        if wake and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._ready.set)

    async def take(self) -> Taken:
        """Wait until something was handed over, and return all of it in order."""
        await self._ready.wait()
        with self._lock:
            self._ready.clear()
            taken = Taken(list(self._items), self._lost_through)
            self._items.clear()
            self._states = 0
            self._lost_through = None
        return taken

    def _has_room(self, states: int) -> bool:
        # What follows something dropped is dropped too, so that positions stay in order.
        return (
            self._lost_through is None
            and len(self._items) < self._items_max
            and self._states + states <= self._states_max
        )

    def _is_empty(self) -> bool:
        return not self._items and self._lost_through is None

    @property
    def is_empty(self) -> bool:
        """Whether everything handed over so far was taken."""
        with self._lock:
            return self._is_empty()


def _states_in(item: Told) -> int:
    if isinstance(item, Ack):
        return 0
    return sum(len(change.states) for change in (*item.changes, *item.mirrors))
