"""Compare what was found after a cut with what had been promised before it. Pure."""

from collections import Counter
from typing import Final

from simulators.powercut.findings import Findings
from simulators.powercut.goods import content_digest, parsed
from simulators.powercut.ledger import Ledger
from simulators.powercut.notes import FoundJournal, FoundOutbox, Input, Numbered
from simulators.powercut.survey import Survey


def judge(ledger: Ledger, survey: Survey) -> None:
    """Compare, and let the ledger take over what was found: it is on the disk now."""
    if survey.outbox is None or survey.journal is None:
        raise ValueError("the survey is not whole")
    _Judgement(ledger, survey, survey.outbox, survey.journal).judge()


class _Judgement:
    def __init__(
        self, ledger: Ledger, survey: Survey, outbox: FoundOutbox, journal: FoundJournal
    ) -> None:
        self._ledger: Final = ledger
        self._findings: Final[Findings] = ledger.findings
        self._survey: Final = survey
        self._outbox: Final = outbox
        self._journal: Final = journal

    def judge(self) -> None:
        for part, integrity in (
            ("outbox", self._outbox.integrity),
            ("journal", self._journal.integrity),
        ):
            if integrity != "ok":
                self._findings.violate("corrupt", f"{part}: {integrity}")
        self._judge_numbers()
        self._judge_inputs()
        self._judge_acknowledged_batches()
        self._judge_acknowledged_commands()
        self._judge_watermarks()
        self._judge_appends()
        self._judge_replay()

    def _judge_numbers(self) -> None:
        """An epoch goes on where it was, and no number is about to be given again."""
        ledger, outbox = self._ledger, self._outbox
        if ledger.epochs and outbox.epoch not in ledger.epochs:
            text = f"epoch {ledger.epochs[0]} had begun; the outbox is in {outbox.epoch}"
            self._findings.violate("lost", text)
        ledger.begun(outbox.epoch)
        highest = ledger.highest_used.get(outbox.epoch, 0)
        if outbox.next_seq <= highest:
            text = (
                f"{highest} of epoch {outbox.epoch} was used, and the outbox would go on with"
                f" {outbox.next_seq}"
            )
            self._findings.violate("reused", text)
        for fact in self._survey.facts:
            ledger.use(outbox.epoch, fact)
        found = [fact.seq for fact in self._survey.facts]
        if found != list(range(outbox.first_seq, outbox.next_seq)):
            text = f"{len(found)} facts are pending, {outbox.first_seq} to {outbox.next_seq - 1}"
            self._findings.violate("corrupt", text)

    def _judge_inputs(self) -> None:
        """Rows that were seen before are there as they were; the rest has sound content."""
        known, rows = self._ledger.seen_inputs, self._survey.inputs
        found = {row.position: row for row in rows}
        lost = [position for position in known if position not in found]
        if lost:
            text = f"{len(lost)} inputs that an earlier cut had left; the first is {lost[0]}"
            self._findings.violate("lost", text, len(lost))
        for position, row in known.items():
            if position in found and found[position] != row:
                text = f"input {position} is not what an earlier cut had left"
                self._findings.violate("altered", text)
        for row in rows:
            if row.position not in known:
                self._note_batch(row)
        known.clear()
        known.update(found)

    def _note_batch(self, row: Input) -> None:
        """A batch's numbers are used; each must be what it was when it was sent."""
        if row.kind != "batch":
            return
        digests = [self._ledger.digest_of(name) for name in row.names]
        if content_digest(digests) != row.content:
            self._findings.violate("altered", f"input {row.position} does not say what was sent")
        for seq, (name, digest) in enumerate(zip(row.names, digests, strict=True), row.first_seq):
            self._ledger.use(row.epoch, Numbered(seq, name, digest))

    def _judge_acknowledged_batches(self) -> None:
        digests = Counter(row.digest for row in self._survey.inputs if row.kind == "batch")
        acknowledged = self._ledger.batches
        lost = [position for digest, position in acknowledged.items() if not digests[digest]]
        if lost:
            text = f"{len(lost)} acknowledged batches; the first, by position {lost[0]}"
            self._findings.violate("lost", text, len(lost))
        for digest, times in digests.items():
            if times > 1:
                self._findings.violate("doubled", f"batch {digest} is there {times} times")

    def _judge_acknowledged_commands(self) -> None:
        rows = [row for row in self._survey.inputs if row.kind == "command"]
        placed = {row.names[0]: row.position for row in rows}
        acknowledged = self._ledger.commands
        lost = [key for key, position in acknowledged.items() if placed.get(key) != position]
        if lost:
            text = f"{len(lost)} acknowledged commands; {lost[0]} is at {placed.get(lost[0])}"
            self._findings.violate("lost", text, len(lost))
        for key, times in Counter(row.names[0] for row in rows).items():
            if times > 1:
                self._findings.violate("doubled", f"command {key} is there {times} times")

    def _judge_watermarks(self) -> None:
        """The watermarks say what the rows say, and the rows of an epoch follow each other."""
        through: dict[int, int] = {}
        for row in self._survey.inputs:
            if row.kind != "batch":
                continue
            if row.first_seq != through.get(row.epoch, 0) + 1:
                text = f"input {row.position} begins at {row.first_seq} of epoch {row.epoch}"
                self._findings.violate("corrupt", text)
            through[row.epoch] = row.last_seq
        if through != self._journal.watermarks:
            text = f"watermarks {self._journal.watermarks}, rows {through}"
            self._findings.violate("corrupt", text)
        position = self._survey.inputs[-1].position if self._survey.inputs else 0
        if not self._journal.published_through <= position == self._journal.position:
            text = (
                f"position {self._journal.position}, published {self._journal.published_through},"
                f" newest row {position}"
            )
            self._findings.violate("corrupt", text)

    def _judge_appends(self) -> None:
        """Everything appended is pending or journalled: whole, once, without a hole, as marked."""
        pending = [fact.name for fact in self._survey.facts]
        journalled = [
            name for row in self._survey.inputs if row.kind == "batch" for name in row.names
        ]
        for where, found in (("the outbox", pending), ("the journal", journalled)):
            for text, times in Counter(found).items():
                if times > 1:
                    self._findings.violate("doubled", f"{text} is in {where} {times} times")
        there: dict[str, dict[int, set[int]]] = {}
        sizes: dict[tuple[str, int], int] = {}
        for name in map(parsed, {*pending, *journalled}):
            if name is not None:
                there.setdefault(name.line, {}).setdefault(name.n, set()).add(name.part)
                sizes[name.line, name.n] = name.of
        marks = self._outbox.marks
        for line in there.keys() | self._ledger.appended.keys() | marks.keys():
            self._judge_line(line, there.get(line, {}), sizes, marks.get(line, 0))
            # What was found, is durable: a later cut may not take it back.
            self._ledger.appended[line] = max(
                self._ledger.appended.get(line, 0), max(there.get(line, {}), default=0)
            )

    def _judge_line(
        self, line: str, there: dict[int, set[int]], sizes: dict[tuple[str, int], int], mark: int
    ) -> None:
        last = max(there, default=0)
        acknowledged = self._ledger.appended.get(line, 0)
        missing = [n for n in range(1, acknowledged + 1) if n not in there]
        if missing:
            text = f"{len(missing)} acknowledged appends of line {line}, the first is {missing[0]}"
            self._findings.violate("lost", text, len(missing))
        holes = [n for n in range(acknowledged + 1, last) if n not in there]
        parts = [n for n, indices in there.items() if len(indices) != sizes[line, n]]
        if holes or parts:
            text = f"line {line} has holes {holes[:3]} and parts of appends {parts[:3]}"
            self._findings.violate("corrupt", text)
        if mark != last and not missing:
            text = f"line {line} is marked with {mark}; its facts end at {last}"
            self._findings.violate("corrupt", text)

    def _judge_replay(self) -> None:
        journal = self._journal
        self._findings.inputs_replayed += journal.inputs_replayed
        if journal.difference_count:
            text = f"verify: {journal.difference_count} differences, {journal.differences[:2]}"
            self._findings.violate("corrupt", text)
