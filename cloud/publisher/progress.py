"""How far the broker is, on one connection: what was told, confirmed, missed and filled in. Pure.

The rule that everything serves: `confirmed_through` never passes a change of which the broker has
not confirmed the retained message of that version or a newer one.
"""

from typing import Final

from cloud.publisher.retained import Backlog, Retained


class Progress:
    """`head` is the newest commit seen; the broker may lack whatever changed after `fill_from`."""

    def __init__(self, head: int, fill_from: int, topics_max: int) -> None:
        self.backlog: Final = Backlog(topics_max)
        self._room_topics: Final = topics_max // 2
        self._head = head
        self._fill_from: int | None = fill_from if fill_from < head else None
        self._filling_from: int | None = None

    @property
    def head(self) -> int:
        """Position of the newest commit that was seen here."""
        return self._head

    @property
    def has_room(self) -> bool:
        """Whether another page may be read from the journal."""
        return len(self.backlog) <= self._room_topics

    @property
    def wants_fill(self) -> bool:
        """Whether the journal has to be read for what the broker may lack."""
        return self._fill_from is not None

    @property
    def confirmed_through(self) -> int:
        """Position up to which the broker has confirmed everything that it should retain."""
        limits = [self.backlog.confirmed_through(self._head), self._fill_from, self._filling_from]
        return min(limit for limit in limits if limit is not None)

    def committed(self, position: int, entries: list[Retained]) -> None:
        """Take in what a commit changed; it is offered after everything committed before."""
        for entry in entries:
            if not self.backlog.offer(entry):
                self._missed_after(entry.after)
        self.passed(position)

    def passed(self, position: int) -> None:
        """Note that commits up to this position will not be offered any more."""
        self._head = max(self._head, position)

    def lost_through(self, position: int) -> None:
        """Note that commits up to this position never came here."""
        self._missed_after(self._head)
        self.passed(position)

    def _missed_after(self, position: int) -> None:
        known = self._fill_from
        self._fill_from = position if known is None else min(known, position)

    def fill_begins(self) -> int:
        """Return the position after which the journal is to be read from now on."""
        if self._fill_from is None:
            raise AssertionError("nothing is missing")
        self._filling_from, self._fill_from = self._fill_from, None
        return self._filling_from

    def fill_ends(self) -> None:
        """Note that everything read was offered. What was missed meanwhile is another fill."""
        self._filling_from = None
