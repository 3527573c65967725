"""What the broker should retain, read from the journal in pages.

After a connection, and when the backlog could not take everything, the publisher catches up from
what the broker has confirmed. Blocking: one thread at a time calls `next_page`.
"""

from collections import deque
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple, TypeVar

from cloud.journal.port import JournalReader
from cloud.journal.rows import ReorderRow, StateRow, decode_reorder, decode_state
from cloud.publisher.documents import is_open, is_told
from cloud.publisher.retained import Retained
from cloud.publisher.wms import retained_reorder, retained_stock
from cloud.shards.messages import ReorderChange
from protocol.topics import Topics

PAGE_ROWS: Final = 500

R = TypeVar("R")


class Page(NamedTuple):
    """Entries of one store's states, or of reorders (`store` is `None`).

    `position` is the newest that the page has seen.
    """

    store: str | None
    entries: list[Retained]
    position: int


class Refill:
    """States, then reorders, that changed after the position `since`; 0 stands for all."""

    def __init__(self, reader: JournalReader, since: int, topics: Topics) -> None:
        self._reader: Final = reader
        self._since: Final = since
        self._topics: Final = topics
        self._stores: deque[str] | None = None
        self._cursor = since
        self._reorder_cursor = since

    def next_page(self) -> Page | None:
        """Return the next page, `None` after the last; raises `JournalFailed`.

        A page begins where the last one ended by position, so it may be called again much later:
        no read stays open in between.
        """
        if self._stores is None:
            rows = self._reader.stores()
            self._stores = deque(row.store for row in rows if row.position > self._since)
        while self._stores:
            store = self._stores[0]
            states = _page_of(
                self._reader.states_changed(store, self._cursor), lambda row: row.position
            )
            if states:
                self._cursor = states[-1].position
                return Page(store, self._stock_entries(states), self._cursor)
            self._stores.popleft()
            self._cursor = self._since
        return self._reorder_page()

    def _reorder_page(self) -> Page | None:
        changed = self._reader.reorders_changed(self._reorder_cursor)
        rows = _page_of(changed, lambda row: row.updated_position)
        if not rows:
            return None
        self._reorder_cursor = rows[-1].updated_position
        changes = [_reorder_change(row) for row in rows]
        # A broker that remembers nothing has no closed reorder that would have to be removed.
        told = [change for change in changes if self._since > 0 or is_open(change.reorder)]
        entries = [retained_reorder(change, self._since, self._topics) for change in told]
        return Page(None, entries, self._reorder_cursor)

    def _stock_entries(self, rows: list[StateRow]) -> list[Retained]:
        states = (decode_state(row.data) for row in rows)
        return [retained_stock(s, self._since, self._topics) for s in states if is_told(s)]


def _page_of(rows: Iterable[R], position_of: Callable[[R], int]) -> list[R]:
    """Return the first rows, and all at the position of the last: the next page begins after it."""
    page: list[R] = []
    for row in rows:
        if len(page) >= PAGE_ROWS and position_of(row) != position_of(page[-1]):
            break
        page.append(row)
    return page


def _reorder_change(row: ReorderRow) -> ReorderChange:
    return ReorderChange(
        store=row.store, gtin=row.gtin, reorder=decode_reorder(row.data), measure=row.measure
    )
