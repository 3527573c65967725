"""Holds the journal, and what an independent subscriber heard, against the truth.

It believes no state: it reads the inputs as they were accepted, each once, and does its own sums
(`simulators.audit`). Called while the load is at rest; runs on a thread of its own, one at a time.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Final

from msgspec import Struct, field

from cloud.commands.recounts import ReviewCounts
from cloud.journal.port import JournalReader
from cloud.journal.rows import InputRow, decode_command, decode_state
from cloud.publisher.documents import is_told, stock_document
from cloud.records import decode_record
from cloud.records.reservation import Reservation
from edge.errors import OutboxFailed
from edge.outbox.view import OutboxView
from protocol.codec import decode_up, encode_fact, fact_digest
from protocol.documents import StockDocument
from protocol.envelope import FactBatch
from protocol.facts import AnyFact, ReturnVoided, SaleVoided, TillLine, UnitsReturned, UnitsSold
from simulators.audit.auditor import Auditor, Violations
from simulators.audit.grants import compare_grants
from simulators.audit.report import compare_reservations, compare_states
from simulators.crash.customers import Ledger, Told
from simulators.crash.truth import LineKey, Moved, Truth
from simulators.demo.checker import compare
from simulators.demo.truth import SkuLocationKey

NAMED_MAX: Final = 8

_SIGNS: Final[dict[type[TillLine], int]] = {
    UnitsSold: -1,
    SaleVoided: 1,
    UnitsReturned: 1,
    ReturnVoided: -1,
}


class Findings(Struct, kw_only=True):
    """What one inspection found. `lost` and `doubled` are units of goods, lines and commands."""

    lost: int = 0
    doubled: int = 0
    violations: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether nothing was found."""
        return not (self.lost or self.doubled or self.violations)

    def note(self, texts: list[str]) -> None:
        """Take violations in; the first of each kind are named."""
        self.violations += texts[:NAMED_MAX]
        if len(texts) > NAMED_MAX:
            self.violations.append(f"… and {len(texts) - NAMED_MAX} more of these")


class Inspector:
    """Remembers what it has read. `open_reader` opens the journal for reading."""

    def __init__(
        self, truth: Truth, ledger: Ledger, open_reader: Callable[[], JournalReader]
    ) -> None:
        self._truth: Final = truth
        self._ledger: Final = ledger
        self._open_reader: Final = open_reader
        self._auditor: Final = Auditor(buffers={})
        self._position = 0
        self._contents: Final[dict[tuple[str, int, int], bytes]] = {}
        self._last_seq: Final[dict[tuple[str, int], int]] = {}
        self._lines: Final[dict[LineKey, Moved]] = {}
        self._versions: Final[dict[tuple[str, str], int]] = {}
        self._broken: Final[list[str]] = []
        self.lines_repeated = 0
        """Till lines that came again under another number, as they may, and counted once."""

    def inspect(self, heard: Mapping[SkuLocationKey, StockDocument], *, commands: bool) -> Findings:
        """Read what is new, and compare counts and, if asked, everything customers were told.

        Raises `JournalFailed`.
        """
        findings = Findings()
        with closing(self._open_reader()) as reader, reader.snapshot():
            self._read(reader)
            documents = self._documents(reader)
            findings.note([*_quarantined(reader)])
            findings.note(compare_states(self._auditor, reader).named)
            if commands:
                self._compare_commands(reader, findings)
        findings.note(self._auditor.violations.named)
        findings.note(self._broken)
        self._compare_lines(findings)
        truth = self._truth.columns()
        for name, told in (("journal", documents), ("heard", heard)):
            verdict = compare(truth, told)
            findings.lost = max(findings.lost, verdict.lost)
            findings.doubled = max(findings.doubled, verdict.doubled)
            findings.note([f"{name}: {each}" for each in verdict.disagreements])
        return findings

    def _compare_commands(self, reader: JournalReader, findings: Findings) -> None:
        """Every command that was acknowledged has had its effect, once."""
        grants, told = self._auditor.grants, self._ledger.witness.told
        keys = {grant.key for grant in grants}
        endings = Violations()
        for (store, name), ending in self._ledger.endings.items():
            _compare_ending(reader, store, name, ending, endings)
        findings.lost += len(told.keys() - keys) + endings.total
        findings.doubled += len(grants) - len(keys)
        for found in (
            compare_grants(grants, told),
            compare_reservations(self._auditor, reader, Counter()),
            endings,
            self._ledger.witness.violations,
        ):
            findings.note(found.named)
        findings.note(self._ledger.violations)

    def _read(self, reader: JournalReader) -> None:
        for row in reader.inputs(self._position):
            if not _is_idle_look(row):
                self._auditor.take(row)
            self._position = row.position
            if row.kind == "batch":
                self._take_batch(row)

    def _take_batch(self, row: InputRow) -> None:
        batch = decode_up(row.payload)
        if not isinstance(batch, FactBatch):
            return  # The auditor has complained.
        outbox = (row.store, row.epoch)
        if row.first_seq != self._last_seq.get(outbox, 0) + 1:
            detail = f"begins at {row.first_seq} after {self._last_seq.get(outbox, 0)}"
            self._broken.append(f"input {row.position} of {outbox}: {detail}")
        self._last_seq[outbox] = row.last_seq
        for seq, fact in enumerate(batch.facts, batch.first_seq):
            digest = fact_digest(encode_fact(fact))
            if self._contents.setdefault((*outbox, seq), digest) != digest:
                self._broken.append(f"number {seq} of {outbox} has two contents")
            if row.first_seq <= seq <= row.last_seq:
                self._take_line(row, fact)

    def _take_line(self, row: InputRow, fact: AnyFact) -> None:
        if not isinstance(fact, TillLine):
            return
        key = LineKey(row.store, fact.transaction, fact.line)
        moved = Moved(fact.gtin, _SIGNS[type(fact)] * fact.quantity)
        first = self._lines.setdefault(key, moved)
        if first is not moved:
            self.lines_repeated += 1
            if first != moved:
                self._broken.append(f"{key}: {first}, and then {moved}")

    def _compare_lines(self, findings: Findings) -> None:
        """Every line that a till wrote is in the journal, and no other."""
        true, told = self._truth.lines, self._lines
        if true == told:
            return
        missing, invented = true.keys() - told.keys(), told.keys() - true.keys()
        findings.lost += len(missing)
        findings.doubled += len(invented)
        findings.note([f"not in the journal: {each}" for each in sorted(missing)])
        findings.note([f"nobody sold: {each}" for each in sorted(invented)])
        both = true.keys() & told.keys()
        differing = sorted(key for key in both if true[key] != told[key])
        findings.note([f"{key}: {true[key]} became {told[key]}" for key in differing])

    def _documents(self, reader: JournalReader) -> dict[SkuLocationKey, StockDocument]:
        documents = {}
        for row in reader.states():
            state = decode_state(row.data)
            key = (row.store, row.gtin)
            if state.version < self._versions.get(key, 0):
                self._broken.append(f"{key}: version {state.version} after {self._versions[key]}")
            self._versions[key] = state.version
            if is_told(state):
                documents[SkuLocationKey(*key)] = stock_document(state)
        return documents


def _is_idle_look(row: InputRow) -> bool:
    """Say whether it is a day's look at counts that lets no book follow: it moves nothing."""
    if row.kind != "command":
        return False
    command = decode_command(row.payload)
    return isinstance(command, ReviewCounts) and not command.settled


def _quarantined(reader: JournalReader) -> Iterator[str]:
    for entry in reader.quarantine():
        content = entry.content
        yield f"refused of {content.store}: {content.reason}: {content.detail}"


def _compare_ending(
    reader: JournalReader, store: str, name: str, told: Told, violations: Violations
) -> None:
    """See whether a reservation has ended as its customer was told."""
    row = reader.record(Reservation.KIND, store, name)
    if row is None:
        return  # The comparison of what is held has complained.
    reservation = decode_record(Reservation, row.data)
    shipped = {line.gtin: line.fulfilled for line in reservation.lines if line.fulfilled}
    if shipped != told.shipped:
        violations.note(f"{name}@{store}: shipped {shipped}, told was {told.shipped}")
    if told.ending != "left" and reservation.is_open:
        violations.note(f"{name}@{store} is {reservation.status}, told was that it is over")


def is_empty(outbox: Path) -> bool:
    """Say whether an outbox file holds no fact. Raises `OutboxFailed`."""
    if not outbox.exists():
        raise OutboxFailed(f"outbox {outbox}: there is none")
    with closing(OutboxView(outbox)) as view:
        return next(view.pending(), None) is None
