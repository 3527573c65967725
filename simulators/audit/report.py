"""Audits a journal file, and says what was found. Reads only; the cloud may run meanwhile."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing
from pathlib import Path

from msgspec import Struct

from cloud.journal.port import JournalReader
from cloud.journal.rows import decode_state
from cloud.journal.sqlite_reader import SqliteReader
from cloud.records import decode_record
from cloud.records.reservation import Reservation
from simulators.audit.auditor import Auditor, Violations
from simulators.audit.grants import Witness, compare_grants


class AuditReport(Struct, frozen=True, kw_only=True):
    """What an audit looked at, and every kind of violation: how many, and the first by name.

    `endings` counts the reservations by their status in the end.
    """

    inputs: int
    grants: int
    granted_lines: int
    sku_locations: int
    endings: dict[str, int]
    violations: int
    named: list[str]

    @property
    def is_clean(self) -> bool:
        """Say whether nothing was found."""
        return self.violations == 0

    @property
    def line(self) -> str:
        """The verdict as a sentence."""
        looked = f"{self.grants} grants ({self.granted_lines} lines) in {self.inputs} inputs"
        if self.is_clean:
            return f"audit: never oversold: {looked}; one key, one grant"
        return f"audit: {self.violations} violations: {looked}"

    def lines(self) -> Iterator[str]:
        """Return what to print."""
        yield from (f"audit violation: {each}" for each in self.named)
        yield self.line


def audit_file(
    path: Path,
    witness: Witness,
    buffers: Mapping[str, int],
    stores: Collection[str] | None = None,
) -> AuditReport:
    """Audit the journal in a file. Raises `JournalFailed` when it cannot be read."""
    with closing(SqliteReader(path)) as reader, reader.snapshot():
        return audit(reader, witness, buffers, stores)


def audit(
    reader: JournalReader,
    witness: Witness,
    buffers: Mapping[str, int],
    stores: Collection[str] | None = None,
) -> AuditReport:
    """Audit what a journal holds of some stores (of all), from its first input."""
    refused = {
        (entry.content.store, entry.content.epoch, entry.content.seq)
        for entry in reader.quarantine()
        if entry.content.seq
    }
    auditor = Auditor(buffers=buffers, stores=stores, refused=refused)
    auditor.take_all(reader.inputs())
    endings: Counter[str] = Counter()
    found = [
        auditor.violations,
        compare_states(auditor, reader),
        compare_reservations(auditor, reader, endings),
        compare_grants(auditor.grants, witness.told),
        witness.violations,
    ]
    return AuditReport(
        inputs=auditor.inputs,
        grants=len(auditor.grants),
        granted_lines=auditor.granted_lines,
        sku_locations=len(auditor.books),
        endings=dict(endings),
        violations=sum(each.total for each in found),
        named=[text for each in found for text in each.named],
    )


def compare_states(auditor: Auditor, reader: JournalReader) -> Violations:
    """Return where the cloud's states end otherwise than the auditor's books."""
    violations = Violations()
    for (store, gtin), book in auditor.books.items():
        row = reader.state(store, gtin)
        if row is None:
            violations.note(f"{gtin}@{store}: the journal has no state")
            continue
        state = decode_state(row.data)
        told = (state.on_hand, state.reserved, state.unavailable)
        own = (book.on_hand, book.promised, book.unavailable.total())
        if told != own:
            detail = f"{told}, the auditor's books end with {own}"
            violations.note(f"{gtin}@{store}: on hand, reserved, unavailable are {detail}")
    return violations


def compare_reservations(
    auditor: Auditor, reader: JournalReader, endings: Counter[str]
) -> Violations:
    """Return which reservations hold something else than in the books; count how they ended."""
    violations = Violations()
    for store, name in ((grant.store, grant.reservation_id) for grant in auditor.grants):
        record = reader.record(Reservation.KIND, store, name)
        if record is None:
            violations.note(f"{name}@{store}: the journal has no record of it")
            continue
        reservation = decode_record(Reservation, record.data)
        endings[reservation.status] += 1
        held = {line.gtin: line.held for line in reservation.lines if line.held}
        if held != auditor.held(store, name):
            violations.note(
                f"{name}@{store} holds {held}, by the books {auditor.held(store, name)}"
            )
    return violations
