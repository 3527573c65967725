"""When a reorder that nobody acknowledges is to be escalated. Pure."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from cloud.journal.rows import ReorderRow, decode_reorder
from cloud.sku_location.state import Reorder

HOUR_MS: Final = 3_600_000


class Patience(NamedTuple):
    """How long a reorder may stay unacknowledged: `first_ms`, then twice as long each time."""

    first_ms: int = 24 * HOUR_MS
    max_ms: int = 7 * 24 * HOUR_MS


def due_at_ms(reorder: Reorder, patience: Patience) -> int:
    """Return when to escalate a reorder next: so long after it opened, or was escalated last."""
    since_ms = reorder.escalated_at_ms or reorder.opened_at_ms
    doublings = min(reorder.escalations, 40)
    return since_ms + min(patience.first_ms << doublings, max(patience.first_ms, patience.max_ms))


class Waiting(NamedTuple):
    """A reorder that nobody has acknowledged."""

    number: int
    escalations: int
    due_at_ms: int


class Unacknowledged:
    """The reorders of a journal that wait for an acknowledgement; at most one a SKU-location."""

    def __init__(self, patience: Patience) -> None:
        self._patience: Final = patience
        self._waiting: Final[dict[tuple[str, str], Waiting]] = {}
        self.position = 0
        """The journal position through which this is complete."""

    def __len__(self) -> int:
        return len(self._waiting)

    def note(self, rows: Iterable[ReorderRow]) -> None:
        """Take in reorders that changed after `position`, in any order of their numbers."""
        for row in rows:
            self.position = max(self.position, row.updated_position)
            key = (row.store, row.gtin)
            known = self._waiting.get(key)
            if known is not None and known.number > row.number:
                continue
            reorder = decode_reorder(row.data)
            if reorder.status == "open":
                due_ms = due_at_ms(reorder, self._patience)
                self._waiting[key] = Waiting(row.number, reorder.escalations, due_ms)
            else:
                self._waiting.pop(key, None)

    def due(self, now_ms: int, reorders_max: int) -> list[tuple[str, str, Waiting]]:
        """Return what is to be escalated now, the longest overdue first."""
        found = [(*key, each) for key, each in self._waiting.items() if each.due_at_ms <= now_ms]
        found.sort(key=lambda entry: (entry[2].due_at_ms, entry[0], entry[1]))
        return found[:reorders_max]

    def offered(self, store: str, gtin: str) -> None:
        """Leave a reorder alone until the journal says something new about it."""
        self._waiting.pop((store, gtin), None)
