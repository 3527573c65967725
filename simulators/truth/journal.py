"""The memory journal for weeks of store time: it keeps what decisions need, and no history.

A benchmark replays nothing and never crashes, so inputs and effects are let go, and till lines and
records are found by their keys rather than by looking at all of them.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from cloud.journal.memory import MemoryJournal
from cloud.journal.rows import BusinessKeyRow, JournalWrite, RecordRow

Place = tuple[str, str]
"""A store and the id of a record there."""


class ForgetfulJournal(MemoryJournal):
    """A `Journal` for one owner; what it does not override, it does as the memory journal does."""

    def __init__(self) -> None:
        super().__init__()
        self._position = 0
        self._lines: defaultdict[Place, dict[int, BusinessKeyRow]] = defaultdict(dict)
        self._by_kind: defaultdict[str, dict[Place, RecordRow]] = defaultdict(dict)

    def commit(self, owner_epoch: int, write: JournalWrite) -> None:
        """Keep all of `write` that anybody may ask for again, or raise and change nothing."""
        nothing = JournalWrite()
        kept = replace(
            write,
            inputs=nothing.inputs,
            effects=nothing.effects,
            business_keys=nothing.business_keys,
            records=nothing.records,
        )
        super().commit(owner_epoch, kept)
        if write.inputs:
            self._position = write.inputs[-1].position
        for line in write.business_keys:
            self._lines[line.store, line.transaction][line.line] = line
        for record in write.records:
            self._by_kind[record.kind][record.store, record.id] = record

    def position(self) -> int:
        """Return the position of the newest input, 0 before the first."""
        return self._position

    def business_keys_of(
        self, store: str, transactions: Iterable[str]
    ) -> Mapping[tuple[str, int], BusinessKeyRow]:
        """Return the claimed lines of these till transactions, by transaction and line."""
        found: dict[tuple[str, int], BusinessKeyRow] = {}
        for transaction in transactions:
            for number, line in self._lines.get((store, transaction), {}).items():
                found[transaction, number] = line
        return found

    def record(self, kind: str, store: str, record_id: str) -> RecordRow | None:
        """Return a record."""
        return self._by_kind[kind].get((store, record_id))

    def records(
        self, kind: str, store: str | None = None, *, after: Place = ("", "")
    ) -> Iterator[RecordRow]:
        """Return the records of a kind (of one store), by store and id, after such a pair."""
        for place, row in sorted(self._by_kind[kind].items()):
            if place > after and store in (None, row.store):
                yield row

    def records_open(
        self, kind: str, store: str | None = None, *, after: Place = ("", "")
    ) -> Iterator[RecordRow]:
        """Return those that somebody still has to act on, by store and id, after such a pair."""
        rows = self._by_kind[kind].items()
        is_open = [(p, row) for p, row in rows if row.is_open and p > after]
        return (row for _, row in sorted(is_open) if store in (None, row.store))

    def all_records(self) -> Iterator[RecordRow]:
        """Return all records, by kind, store and id."""
        return (row for kind in sorted(self._by_kind) for row in self.records(kind))
