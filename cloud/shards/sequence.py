"""Which facts of a batch are new: the watermark of `(store, epoch)` decides (P2).

    first_seq > watermark + 1    a gap: nothing is applied, the store is asked to resend
    last_seq ≤ watermark         all known: a duplicate if the content is the same
    otherwise                    the part above the watermark is new

Known numbers are compared by content with what the journal has, because a restored or cloned
outbox counts again over the same numbers (decision 2). A `FactsShed` marker equals anything: an
outbox may replace a fact by it to keep within its disk budget. Pure.
"""

from collections.abc import Iterable, Iterator
from typing import Final, Literal, NamedTuple

from cloud.journal.port import JournalReader
from cloud.journal.rows import InputRow, WatermarkRow
from cloud.shards.messages import BatchReceived
from protocol.codec import MARKER_DIGEST, fact_digest, facts_of_batch


class Judgement(NamedTuple):
    """What to do with a batch; facts from `first_new_seq` on are new."""

    verdict: Literal["apply", "duplicate", "gap", "seq_reused", "session_over"]
    first_new_seq: int
    detail: str = ""


class Sequence:
    """The watermarks and batches of a group commit, over those in the journal."""

    def __init__(self, journal: JournalReader) -> None:
        self._journal: Final = journal
        self._watermarks: Final[dict[tuple[str, int], int]] = {}
        self.inputs: Final[list[InputRow]] = []

    def watermark(self, store: str, epoch: int) -> int:
        """Return the highest contiguous number applied, in this group included."""
        known = self._watermarks.get((store, epoch))
        return self._journal.watermark(store, epoch) if known is None else known

    def judge(self, received: BatchReceived) -> Judgement:
        """Say what to do with a batch, without doing it."""
        batch = received.batch
        watermark = self.watermark(batch.store, batch.epoch)
        first_new_seq = watermark + 1
        if batch.first_seq > first_new_seq:
            return Judgement("gap", first_new_seq, f"facts from {first_new_seq} on are missing")
        last_seq = batch.first_seq + len(batch.facts) - 1
        if batch.first_seq < first_new_seq:
            reused = self._differing_seq(received, min(last_seq, watermark))
            if reused is not None:
                detail = f"fact {reused} of epoch {batch.epoch} is known with other content"
                return Judgement("seq_reused", first_new_seq, detail)
        return Judgement("apply" if last_seq > watermark else "duplicate", first_new_seq)

    def accept(self, row: InputRow) -> None:
        """Add an input to the group; a batch moves its watermark."""
        self.inputs.append(row)
        if row.kind == "batch":
            self._watermarks[row.store, row.epoch] = row.last_seq

    def watermark_rows(self) -> list[WatermarkRow]:
        """Return the watermarks that moved."""
        return [WatermarkRow(*key, through) for key, through in self._watermarks.items()]

    def _differing_seq(self, received: BatchReceived, through: int) -> int | None:
        batch = received.batch
        came = facts_of_batch(received.frame)
        for seq, known in self._known_facts(batch.store, batch.epoch, batch.first_seq, through):
            fact = came[seq - batch.first_seq]
            if fact != known and not (_is_marker(fact) or _is_marker(known)):
                return seq
        return None

    def _known_facts(
        self, store: str, epoch: int, first_seq: int, last_seq: int
    ) -> Iterator[tuple[int, bytes]]:
        yield from facts_in(
            self._journal.batches(store, epoch, first_seq, last_seq), first_seq, last_seq
        )
        pending = (row for row in self.inputs if (row.store, row.epoch) == (store, epoch))
        yield from facts_in(pending, first_seq, last_seq)


def facts_in(
    rows: Iterable[InputRow], first_seq: int, last_seq: int
) -> Iterator[tuple[int, bytes]]:
    """Return number and bytes of the facts in this range that batches brought first."""
    for row in rows:
        facts = facts_of_batch(row.payload)
        offset = row.last_seq - len(facts) + 1
        for seq in range(max(first_seq, row.first_seq), min(last_seq, row.last_seq) + 1):
            yield seq, facts[seq - offset]


def digests_in(rows: Iterable[InputRow], first_seq: int, last_seq: int) -> list[bytes]:
    """Return the digests of the facts in this range that batches brought first."""
    return [fact_digest(fact) for _, fact in facts_in(rows, first_seq, last_seq)]


def _is_marker(fact: bytes) -> bool:
    return fact_digest(fact) == MARKER_DIGEST
