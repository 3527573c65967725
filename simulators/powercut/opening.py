"""Open a data set after a cut, in the guest, and tell what is there. Nothing is judged here.

A data set is an outbox and a journal, made and opened by the programs' own code.
"""

import time
from collections.abc import Callable, Iterator
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import Final

from cloud.journal.rows import InputRow, decode_command
from cloud.journal.verify import verify
from cloud.shards.shard import Shard
from cloud.sku_location.decide import LOGIC_ERA
from edge.outbox.sqlite import SqliteOutbox
from protocol.codec import decode_fact, fact_digest, facts_of_batch
from protocol.ids import Seq
from simulators.powercut.goods import content_digest, name_of
from simulators.powercut.notes import (
    FoundFacts,
    FoundInputs,
    FoundJournal,
    FoundOutbox,
    Input,
    Minted,
    Numbered,
    Owned,
)
from simulators.powercut.told import TellingJournal, Testimony, integrity_of, telling_writer

STORE: Final = "P001"
SHARD: Final = "powercut"
DISK_BUDGET_BYTES: Final = 64 * 1_048_576
ROWS_PER_NOTE: Final = 200
MARKS: Final = "mark/"


class DataSet:
    """An outbox and a journal in a folder, opened. Raises what their opening raises.

    `epochs` are numbers that no outbox has had.
    """

    def __init__(self, folder: Path, epochs: Iterator[int], testimony: Testimony) -> None:
        self._epochs: Final = epochs
        self._testimony: Final = testimony
        self.outbox_path: Final = outbox_path(folder)
        self.journal_path: Final = journal_path(folder)
        self.outbox: Final = self.open_outbox()
        self.journal_path.parent.mkdir(parents=True, exist_ok=True)
        self.journal: Final = TellingJournal(self.journal_path, testimony)
        owner_epoch = self.journal.take_ownership(SHARD, LOGIC_ERA, now_ms())
        testimony.tell(Owned(owner_epoch=owner_epoch))
        self.shard: Final = Shard(self.journal, SHARD, owner_epoch)

    def open_outbox(self) -> SqliteOutbox:
        """Open the outbox, as an agent does."""
        return SqliteOutbox(
            self.outbox_path,
            disk_budget_bytes=DISK_BUDGET_BYTES,
            mint_epoch=self._mint_epoch,
            clock_ms=now_ms,
            writer_type=telling_writer(self._testimony),
        )

    def close(self) -> None:
        """Close both as programs do that end."""
        self.outbox.close()
        self.journal.close()

    def survey(self) -> None:
        """Tell everything that is in it."""
        self._survey_outbox()
        self._survey_journal()

    def _mint_epoch(self) -> int:
        epoch = next(self._epochs)
        self._testimony.tell(Minted(epoch=epoch))
        return epoch

    def _survey_outbox(self) -> None:
        status = self.outbox.status()
        marks = self.outbox.checkpoints(MARKS).items()
        for facts in _chunks(self.pending):
            self._testimony.tell(FoundFacts(epoch=status.epoch, facts=facts))
        found = FoundOutbox(
            integrity=integrity_of(self.outbox_path),
            epoch=status.epoch,
            first_seq=status.first_seq,
            next_seq=status.next_seq,
            marks={name.removeprefix(MARKS): int(value) for name, value in marks},
        )
        self._testimony.tell(found)

    def pending(self, after: int) -> list[Numbered]:
        """Return some of the facts that are pending after a number."""
        rows = self.outbox.read(Seq(after), ROWS_PER_NOTE, 1 << 30)
        return [numbered(row.seq, row.data) for row in rows]

    def _survey_journal(self) -> None:
        journal = self.journal
        inputs = map(_input, journal.inputs())
        while rows := list(islice(inputs, ROWS_PER_NOTE)):
            self._testimony.tell(FoundInputs(rows=rows))
        report = verify(journal)
        found = FoundJournal(
            integrity=integrity_of(self.journal_path),
            position=journal.position(),
            published_through=journal.published_through(),
            watermarks={row.epoch: row.through_seq for row in journal.watermarks(STORE)},
            inputs_replayed=report.inputs_replayed,
            difference_count=report.difference_count,
            differences=report.differences[:3],
        )
        self._testimony.tell(found)


def outbox_path(folder: Path) -> Path:
    """Return where a data set's outbox is."""
    return folder / "edge" / "outbox.db"


def journal_path(folder: Path) -> Path:
    """Return where a data set's journal is."""
    return folder / "cloud" / "journal.db"


def now_ms() -> int:
    """Return the guest's clock."""
    return time.time_ns() // 1_000_000


def numbered(seq: int, data: bytes) -> Numbered:
    """Return a fact's bytes as they are told."""
    return Numbered(seq, name_of(decode_fact(data)), fact_digest(data).hex())


def frame_digest(frame: bytes) -> str:
    """Return the digest by which host and guest name a batch."""
    return blake2b(frame, digest_size=8).hexdigest()


def _chunks(read: Callable[[int], list[Numbered]]) -> Iterator[list[Numbered]]:
    after = 0
    while facts := read(after):
        yield facts
        after = facts[-1].seq


def _input(row: InputRow) -> Input:
    digest = frame_digest(row.payload)
    if row.kind == "command":
        names, content = [decode_command(row.payload).key], ""
    else:
        new = facts_of_batch(row.payload)[row.first_seq - row.last_seq - 1 :]
        names = [name_of(decode_fact(fact)) for fact in new]
        content = content_digest(fact_digest(fact).hex() for fact in new)
    return Input(
        row.position, row.kind, row.epoch, row.first_seq, row.last_seq, digest, content, names
    )
