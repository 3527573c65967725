"""The bounded line of inputs before a shard, between the threads that offer and the one that takes.

Policy at the bound: `offer` refuses, and ingest keeps the input and waits. One input is always
admitted to an empty line, whatever it weighs.
"""

from collections import deque
from collections.abc import Callable
from threading import Lock
from typing import Final

from cloud.commands.command import LINES_MAX
from cloud.shards.messages import (
    BatchReceived,
    DocumentReceived,
    HelloReceived,
    MirrorRequested,
    PayloadRefused,
    ShardInput,
)
from protocol.envelope import FACTS_PER_BATCH_MAX

INBOX_INPUTS_MAX: Final = 1_024
INBOX_BYTES_MAX: Final = 67_108_864
"""Of payloads; decoded facts take about six times as much."""

GROUP_FACTS_MAX: Final = 4_000
"""About 0.15 s of work: what a store waits at most for a group that began without it.

Four times as many take in 5 % more facts a second, and twice as long until they are heard.
"""

MIRROR_WEIGHT_FACTS: Final = 2 * FACTS_PER_BATCH_MAX
"""A mirror may ask for all SKU-locations of its store, so few of them share a group."""


class Inbox:
    """Inputs in order of arrival. All methods are thread-safe."""

    def __init__(
        self,
        wake: Callable[[], None],
        *,
        inputs_max: int = INBOX_INPUTS_MAX,
        bytes_max: int = INBOX_BYTES_MAX,
    ) -> None:
        self._wake: Final = wake
        self._inputs_max: Final = inputs_max
        self._bytes_max: Final = bytes_max
        self._lock: Final = Lock()
        self._waiting: Final[deque[ShardInput]] = deque()
        self._bytes = 0
        self._is_awake = False
        self._is_closed = False

    def __len__(self) -> int:
        return len(self._waiting)

    def offer(self, item: ShardInput) -> bool:
        """Take an input in; `False` when there is no room or the shard is gone."""
        with self._lock:
            if self._is_closed or not self._has_room(item):
                return False
            self._waiting.append(item)
            self._bytes += _size_bytes(item)
            must_wake, self._is_awake = not self._is_awake, True
        if must_wake:
            self._wake()
        return True

    def _has_room(self, item: ShardInput) -> bool:
        if not self._waiting:
            return True
        fits = self._bytes + _size_bytes(item) <= self._bytes_max
        return fits and len(self._waiting) < self._inputs_max

    def take(self) -> list[ShardInput]:
        """Return what waits, as far as it fits into one group; nothing ends the wakefulness.

        The taker was woken once and takes until nothing is left; the next offer wakes it again.
        """
        with self._lock:
            group: list[ShardInput] = []
            weight = 0
            while self._waiting:
                weight += _weight_facts(self._waiting[0])
                if group and weight > GROUP_FACTS_MAX:
                    break
                group.append(self._waiting.popleft())
                self._bytes -= _size_bytes(group[-1])
            self._is_awake = bool(group)
            return group

    def close(self) -> None:
        """Refuse everything from now on; what waits can still be taken."""
        with self._lock:
            self._is_closed = True


def _size_bytes(item: ShardInput) -> int:
    if isinstance(item, BatchReceived):
        return len(item.frame)
    return len(item.payload) if isinstance(item, PayloadRefused | DocumentReceived) else 0


def _weight_facts(item: ShardInput) -> int:
    if isinstance(item, BatchReceived):
        return len(item.batch.facts)
    if isinstance(item, DocumentReceived):
        return LINES_MAX
    return MIRROR_WEIGHT_FACTS if isinstance(item, HelloReceived | MirrorRequested) else 1
