"""What is due in a store, in order of time. Pure: time is an argument.

Things due at the same millisecond happen in the order in which they were put here, so that the
same seed gives the same day.
"""

from collections.abc import Callable
from heapq import heappop, heappush

Action = Callable[[int], None]
"""Is given the time at which it was due, in milliseconds."""


class Agenda:
    """Actions and when they are due. Routine is what repeats for ever: it holds nothing up."""

    def __init__(self) -> None:
        self._entries: list[tuple[int, int, bool, Action]] = []
        self._order = 0
        self._unfinished = 0

    def at(self, due_ms: int, action: Action, *, routine: bool = False) -> None:
        """Do `action` at this time."""
        self._order += 1
        self._unfinished += not routine
        heappush(self._entries, (due_ms, self._order, routine, action))

    def run(self, now_ms: int) -> None:
        """Do everything that is due, including what that adds."""
        while self._entries and self._entries[0][0] <= now_ms:
            due_ms, _, routine, action = heappop(self._entries)
            self._unfinished -= not routine
            action(due_ms)

    @property
    def next_due_ms(self) -> int | None:
        """When something is due next."""
        return self._entries[0][0] if self._entries else None

    @property
    def is_finished(self) -> bool:
        """Whether nothing but routine is left."""
        return self._unfinished == 0
