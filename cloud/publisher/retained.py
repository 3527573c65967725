"""What the broker should retain and has not confirmed yet: the newest version per topic.

A map, not a queue, so that a slow broker costs freshness and never memory (design, section 2).
At most one version per topic is in flight; a newer one waits for its confirmation, which keeps a
topic's versions in order. The map is bounded: of live changes it takes `topics_max`, and the
publisher reads the rest from the journal once half is empty, a page at a time. Pure; the
publisher's event loop owns it.
"""

from typing import Final, NamedTuple

from cloud.shards.messages import ReorderChange
from cloud.sku_location.state import SkuLocation


class Retained(NamedTuple):
    """One version of what a topic should retain.

    `after` is the journal position before the commit that made it: once everything else is
    confirmed, that is how far the broker is. `subject` is encoded when its turn has come
    (`wms.messages_of`): what a newer version replaces first, never is.
    """

    key: str
    version: int
    after: int
    subject: SkuLocation | ReorderChange


class Backlog:
    """The newest unconfirmed version per topic, oldest topic first."""

    def __init__(self, topics_max: int) -> None:
        self._topics_max: Final = topics_max
        self._waiting: dict[str, Retained] = {}
        self._in_flight: dict[str, Retained] = {}
        self._behind: dict[str, Retained] = {}
        self._told: dict[str, int] | None = None

    def __len__(self) -> int:
        return len(self._waiting) + len(self._in_flight) + len(self._behind)

    @property
    def waiting(self) -> int:
        """Topics that could be published now."""
        return len(self._waiting)

    def offer(self, entry: Retained) -> bool:
        """Take in what a commit changed; `False` when there is no room for another topic."""
        if self._told is not None:
            self._told[entry.key] = entry.version
        is_known = entry.key in self._waiting or entry.key in self._behind
        if not is_known and len(self) >= self._topics_max:
            return False
        self._put(entry)
        return True

    def _put(self, entry: Retained) -> None:
        in_flight = self._in_flight.get(entry.key)
        place = self._waiting if in_flight is None else self._behind
        known = place.get(entry.key) or in_flight
        if known is None or known.version < entry.version:
            # A topic keeps its place in the line, or the busiest SKU would never be published.
            place[entry.key] = entry

    def take(self) -> Retained:
        """Return the next version to publish, of those `waiting`; `confirm` it later."""
        key = next(iter(self._waiting))
        entry = self._waiting.pop(key)
        self._in_flight[key] = entry
        return entry

    def confirm(self, entry: Retained) -> None:
        """Note that the broker has every message of a version that `take` returned."""
        del self._in_flight[entry.key]
        newer = self._behind.pop(entry.key, None)
        if newer is not None:
            self._waiting[entry.key] = newer

    def confirmed_through(self, head: int) -> int:
        """Return the journal position up to which everything offered is confirmed.

        `head` is the position of the newest commit offered. Linear in the number of topics.
        """
        # What waits behind a version in flight was committed after it.
        unconfirmed = (*self._waiting.values(), *self._in_flight.values())
        return min((entry.after for entry in unconfirmed), default=head)

    def page_begins(self) -> None:
        """Remember what is offered from now on: a page of the journal is about to be read."""
        self._told = {}

    def page_ends(self, page: list[Retained]) -> list[Retained]:
        """Take in what of a page read since `page_begins` is still the newest, and return it.

        The page may have been read before, and arrive after, a commit whose version is already
        confirmed and forgotten here; publishing the page's would turn the topic back. A page goes
        beyond the bound if it must: what it could not place would be read again for ever.
        """
        told, self._told = self._told, None
        if told is None:
            raise AssertionError("a page ends that nobody began")
        newest = [entry for entry in page if told.get(entry.key, 0) < entry.version]
        for entry in newest:
            self._put(entry)
        return newest
