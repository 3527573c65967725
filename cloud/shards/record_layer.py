"""Records that are not durable yet, over those in the journal. Pure."""

from typing import Final, TypeVar

from cloud.journal.port import JournalReader
from cloud.records import Record, decode_record

R = TypeVar("R", bound=Record)

RecordKey = tuple[str, str, str]
"""Kind, store and id."""


class RecordLayer:
    """Changed records over another layer, or over the journal."""

    def __init__(self, journal: JournalReader, below: "RecordLayer | None" = None) -> None:
        self._journal: Final = journal
        self._below: Final = below
        self.changed: Final[dict[RecordKey, Record]] = {}
        self._read: Final[dict[RecordKey, Record | None]] = {}

    def get(self, kind: type[R], store: str, record_id: str) -> R | None:
        """Return the newest version of a record."""
        key = (kind.KIND, store, record_id)
        record = self.changed.get(key)
        if record is None and self._below is not None:
            return self._below.get(kind, store, record_id)
        if record is None:
            record = self._in_journal(kind, key)
        return None if record is None else _as(kind, record)

    def _in_journal(self, kind: type[R], key: RecordKey) -> Record | None:
        """Return what the journal has; it is asked once, since it stays as it is meanwhile."""
        if key not in self._read:
            row = self._journal.record(*key)
            self._read[key] = None if row is None else decode_record(kind, row.data)
        return self._read[key]

    def open(self, kind: type[R], store: str) -> list[R]:
        """Return the records of a store that somebody still has to act on, oldest id first."""
        found = self.found_open(kind, store)
        return [found[name] for name in sorted(found)]

    def found_open(self, kind: type[R], store: str) -> dict[str, R]:
        """Return the same, by id."""
        if self._below is not None:
            found = self._below.found_open(kind, store)
        else:
            rows = self._journal.records_open(kind.KIND, store)
            found = {row.id: decode_record(kind, row.data) for row in rows}
        for key, record in self.changed.items():
            if key[:2] == (kind.KIND, store):
                found.pop(record.id, None)
                if record.is_open:
                    found[record.id] = _as(kind, record)
        return found

    def by_ref(self, kind: type[R], ref: str) -> list[R]:
        """Return the records that refer to something, by store and id."""
        found = self.found_by_ref(kind, ref)
        return [found[key] for key in sorted(found)]

    def found_by_ref(self, kind: type[R], ref: str) -> dict[tuple[str, str], R]:
        """Return the same, by store and id."""
        if self._below is not None:
            found = self._below.found_by_ref(kind, ref)
        else:
            rows = self._journal.records_by_ref(kind.KIND, ref)
            found = {(row.store, row.id): decode_record(kind, row.data) for row in rows}
        for key, record in self.changed.items():
            if key[0] == kind.KIND and (ref in record.refs or key[1:] in found):
                found[record.store, record.id] = _as(kind, record)
        return found

    def put(self, record: Record) -> None:
        """Let this be the newest version of a record."""
        self.changed[record.KIND, record.store, record.id] = record


def _as(kind: type[R], record: Record) -> R:
    if not isinstance(record, kind):
        raise AssertionError(f"{record.KIND} {record.id} is a {type(record).__name__}")
    return record
