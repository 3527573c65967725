"""A bounded memory of what was worked out before."""

from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Memo(Generic[K, V]):
    """Remembers at most `entries_max` results; at the bound it forgets all and starts again.

    Only pure results belong in here, so that forgetting costs time and nothing else. With
    `entries_max` 0 it remembers nothing.
    """

    def __init__(self, entries_max: int) -> None:
        self._entries_max = entries_max
        self._entries: dict[K, V] = {}
        self.get = self._entries.get

    def put(self, key: K, value: V) -> V:
        """Remember and return the value."""
        if len(self._entries) >= self._entries_max:
            self._entries.clear()
        if self._entries_max:
            self._entries[key] = value
        return value

    def __len__(self) -> int:
        return len(self._entries)
