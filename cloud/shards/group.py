"""One group commit in the making: inputs in, one `JournalWrite` out. Pure."""

from typing import Final, NamedTuple, assert_never

from cloud.commands import AnyCommand
from cloud.commands.stock import ApplyFact
from cloud.journal.port import JournalReader
from cloud.journal.rows import (
    InputRow,
    JournalWrite,
    Quarantined,
    Settlement,
    StoreRow,
    command_problem,
    encode_command,
)
from cloud.shards.answers import Acks
from cloud.shards.changes import (
    Changes,
    positions_of,
)
from cloud.shards.command_keys import answer_in
from cloud.shards.desk import Stamp
from cloud.shards.messages import (
    BatchReceived,
    DocumentReceived,
    Done,
    PayloadRefused,
    Redrive,
    Reply,
    Submitted,
)
from cloud.shards.quarantining import quarantine_digest
from cloud.shards.residents import Residents
from cloud.shards.sequence import Judgement, Sequence
from cloud.shards.sessions import Sessions
from cloud.shards.stamping import Stamping
from cloud.sku_location.commands import SetPolicy
from cloud.sku_location.refusal import Refusal, Refused
from protocol.codec import decode_fact
from protocol.errors import FrameRejected


class StoreProgress(NamedTuple):
    """Where a store stands after a group, and where it stood before."""

    previous_position: int
    row: StoreRow
    through_seq: int


class Group:
    """What the inputs of one group change; it lies over the journal until it is committed."""

    def __init__(
        self,
        journal: JournalReader,
        residents: Residents,
        now_ms: int,
        stamping: Stamping,
        sessions: Sessions,
    ) -> None:
        self._journal: Final = journal
        self._now_ms: Final = now_ms
        self._stamping: Final = stamping
        self._sessions: Final = sessions
        self._sequence: Final = Sequence(journal)
        self._quarantined: Final[list[Quarantined]] = []
        self._settled: Final[dict[int, Settlement]] = {}
        self._newest_epochs: Final[dict[str, int]] = {}
        self.changes: Final = Changes(journal, residents)
        self.acks: Final = Acks()
        self.replies: Final[list[Reply]] = []
        self.position = journal.position()
        self.facts_duplicate = 0

    def take(
        self,
        item: BatchReceived | Submitted | SetPolicy | PayloadRefused | DocumentReceived | Redrive,
    ) -> None:
        """Apply one input on top of those taken before."""
        if isinstance(item, BatchReceived):
            self._take_batch(item)
        elif isinstance(item, Submitted):
            self.replies.append(Reply(ticket=item.ticket, answer=self._submit(item.command)))
        elif isinstance(item, SetPolicy):
            self._take_policy(item)
        elif isinstance(item, PayloadRefused):
            self._take_refused(item)
        elif isinstance(item, DocumentReceived):
            self._take_document(item)
        elif isinstance(item, Redrive):
            self._take_redrive(item)
        else:
            assert_never(item)

    def _take_batch(self, received: BatchReceived) -> None:
        judgement = self._judged(received)
        self.acks.note(received.batch, judgement)
        if judgement.verdict == "seq_reused":
            self._quarantine(
                received.batch.store, Refusal.SEQ_REUSED, judgement.detail, received.frame
            )
        elif judgement.verdict not in ("gap", "session_over"):
            self._apply_batch(received, judgement)

    def _judged(self, received: BatchReceived) -> Judgement:
        if self._sessions.admits(received.batch):
            return self._sequence.judge(received)
        return Judgement("session_over", 0, "say hello again")

    def _apply_batch(self, received: BatchReceived, judgement: Judgement) -> None:
        batch = received.batch
        known = min(judgement.first_new_seq - batch.first_seq, len(batch.facts))
        self.facts_duplicate += known
        if judgement.verdict == "duplicate":
            return
        facts = batch.facts[known:]
        self.position += positions_of(len(facts))
        row = InputRow(
            position=self.position,
            kind="batch",
            store=batch.store,
            epoch=batch.epoch,
            first_seq=judgement.first_new_seq,
            last_seq=batch.first_seq + len(batch.facts) - 1,
            stamped_at_ms=self._now_ms,
            payload=received.frame,
        )
        self._sequence.accept(row)
        self._newest_epochs[batch.store] = batch.epoch
        stamp = Stamp(self.position, self._now_ms, batch.store, batch.epoch)
        self.changes.apply_facts(stamp, row.first_seq, facts, batch.sent_at_ms)

    def _take_policy(self, command: SetPolicy) -> None:
        answer = self._submit(command)
        if isinstance(answer, Refused):
            payload = encode_command(command)
            self._quarantine(command.store, answer.reason, answer.detail, payload)

    def _submit(self, command: AnyCommand) -> Done | Refused:
        """Accept a command once under its key; who repeats it gets the first answer."""
        earlier = self.changes.answered(command.key) if command.key else None
        if earlier is None:
            return self._apply_command(self._stamping.stamped(command, self.changes, self._now_ms))
        if earlier.digest != command.digest:
            detail = "the same key came before with another request; use a new key"
            return Refused(Refusal.KEY_REUSED, detail)
        record = answer_in(earlier)
        return Done(position=earlier.position, record=record, is_replayed=True)

    def _apply_command(self, command: AnyCommand) -> Done | Refused:
        payload = encode_command(command)
        problem = command_problem(payload)
        if problem is not None:
            return Refused(Refusal.INVALID, problem)
        position = self.position + 1
        stamp = Stamp(position, self._now_ms, command.store, 0)
        answer = self.changes.apply_command(stamp, command)
        if isinstance(answer, Refused) or (answer.is_idle and not command.key):
            return answer
        self.position = position
        row = InputRow(
            position=position,
            kind="command",
            store=command.store,
            epoch=0,
            first_seq=0,
            last_seq=0,
            stamped_at_ms=self._now_ms,
            payload=payload,
        )
        self._sequence.accept(row)
        return answer

    def _take_document(self, document: DocumentReceived) -> None:
        answer = self._submit(document.command)
        if isinstance(answer, Refused):
            refused = PayloadRefused(
                topic=document.topic,
                store=document.command.store,
                reason=str(answer.reason),
                detail=answer.detail,
                payload=document.payload,
                received_at_ms=document.received_at_ms,
            )
            self._take_refused(refused)

    def _take_refused(self, refused: PayloadRefused) -> None:
        self._quarantined.append(
            Quarantined(
                digest=quarantine_digest(refused.payload),
                topic=refused.topic,
                store=refused.store or "",
                epoch=0,
                seq=0,
                reason=refused.reason,
                detail=refused.detail,
                payload=refused.payload,
                received_at_ms=refused.received_at_ms,
            )
        )

    def _quarantine(self, store: str, reason: str, detail: str, payload: bytes) -> None:
        self._quarantined.append(
            Quarantined(
                digest=quarantine_digest(payload),
                topic="",
                store=store,
                epoch=0,
                seq=0,
                reason=str(reason),
                detail=detail,
                payload=payload,
                received_at_ms=self._now_ms,
            )
        )

    def _take_redrive(self, redrive: Redrive) -> None:
        entry = self._journal.quarantine_entry(redrive.quarantine_id)
        if entry is None or entry.status != "redrive_requested" or entry.id in self._settled:
            return
        problem = self._redrive(entry.content, redrive)
        if problem is None:
            settlement = Settlement(entry.id, "redriven", entry.content.detail)
        else:
            settlement = Settlement(entry.id, "quarantined", problem)
        self._settled[entry.id] = settlement

    def _redrive(self, content: Quarantined, redrive: Redrive) -> str | None:
        """Try an entry again; return why it is still refused, if it is."""
        if content.seq:
            return self._redrive_fact(content)
        if redrive.document is not None:
            answer = self._submit(redrive.document.command)
            return answer.detail if isinstance(answer, Refused) else None
        if redrive.batch is None:
            return redrive.detail
        judgement = self._sequence.judge(redrive.batch)
        if judgement.verdict in ("gap", "seq_reused"):
            return judgement.detail
        self.acks.note(redrive.batch.batch, judgement)
        self._apply_batch(redrive.batch, judgement)
        return None

    def _redrive_fact(self, content: Quarantined) -> str | None:
        try:
            decode_fact(content.payload)
        except FrameRejected as error:
            return str(error)
        command = ApplyFact(
            store=content.store, epoch=content.epoch, seq=content.seq, fact=content.payload
        )
        answer = self._apply_command(command)
        return answer.detail if isinstance(answer, Refused) else None

    def stores(self) -> list[StoreProgress]:
        """Return how far each store comes that this group touched."""
        told: dict[str, int] = {}
        for key, state in self.changes.states.items():
            if state.measure is not None:
                told[key[0]] = max(told.get(key[0], 0), self.changes.positions[key])
        touched = told.keys() | self._newest_epochs.keys()
        return [self._progress(store, told.get(store)) for store in sorted(touched)]

    def _progress(self, store: str, told: int | None) -> StoreProgress:
        row = self._journal.store(store) or StoreRow(store=store, position=0, epoch=0)
        epoch = self._newest_epochs.get(store, row.epoch)
        position = row.position if told is None else told
        return StoreProgress(
            previous_position=row.position,
            row=StoreRow(store, position, epoch),
            through_seq=self._sequence.watermark(store, epoch) if epoch else 0,
        )

    def write(self, stores: list[StoreProgress], published_through: int | None) -> JournalWrite:
        """Return everything this group changes, as one transaction."""
        changes = self.changes
        return JournalWrite(
            inputs=self._sequence.inputs,
            watermarks=self._sequence.watermark_rows(),
            states=changes.state_rows(),
            stores=[progress.row for progress in stores],
            business_keys=changes.business_key_rows(),
            reorders=changes.reorder_rows(),
            records=changes.record_rows(),
            command_keys=list(changes.command_keys.values()),
            effects=changes.effects,
            quarantined=self._quarantined + changes.quarantined,
            settled=list(self._settled.values()),
            published_through=published_through,
        )
