"""Writing under load in a guest, until its power is cut.

Some threads append, as devices do. The main thread is uplink and shard in one: it reads what is
pending, commits it with commands in groups, trims, and begins a new epoch now and then. Everything
that has returned is told.
"""

import signal
import threading
import time
from itertools import count
from random import Random
from typing import Final

from cloud.commands import AnyCommand
from cloud.errors import CloudError
from cloud.shards.messages import (
    BatchReceived,
    Committed,
    Done,
    HelloReceived,
    Published,
    ShardInput,
    Submitted,
)
from edge.errors import EdgeError
from edge.outbox.port import PendingFact
from protocol.codec import decode_up, encode_batch, fact_digest
from protocol.envelope import FactBatch, Hello
from protocol.ids import Seq
from protocol.updates import Ack, Welcome
from simulators.powercut import notes
from simulators.powercut.goods import fact_of, names_of
from simulators.powercut.opening import MARKS, STORE, DataSet, frame_digest, now_ms, numbered
from simulators.powercut.shoppers import Shoppers
from simulators.powercut.told import Testimony

DEVICES: Final = 4
APPEND_PAUSE_S_MAX: Final = 0.006
OFFLINE_S_MAX: Final = 0.4
FACTS_READ_MAX: Final = 160
BATCHES_MAX: Final = 3

OFFLINE: Final = 0.03
NEW_EPOCH: Final = 0.03
REDELIVERY: Final = 0.1
TRIMS: Final = 0.8
"""How likely these are in a round; what is not trimmed now, is with a later acknowledgement."""


class Load:
    """Writes to a data set of which everything has been surveyed."""

    def __init__(self, data: DataSet, boot: int, seed: str, testimony: Testimony) -> None:
        self._data: Final = data
        self._boot: Final = boot
        self._seed: Final = seed
        self._testimony: Final = testimony
        self._rng: Final = Random(f"{seed}/uplink")
        self._shoppers: Final = Shoppers(STORE, boot, Random(f"{seed}/shoppers"))
        self._sessions: Final = count(boot * 1_000 + 1)
        self._session = 0
        self._welcomed_through = 0
        self._epoch = 0
        self._through = 0
        self._last: BatchReceived | None = None
        self._tickets: Final = count(1)

    def run(self) -> None:
        """Write until the power is cut or the storage fails. Does not return."""
        for number in range(DEVICES):
            rng = Random(f"{self._seed}/device/{number}")
            line = f"{self._boot}.{number}"
            threading.Thread(target=self._append, args=(line, rng), daemon=True).start()
        try:
            self._say_hello()
            self._commit([], list(self._shoppers.policies()))
            while True:
                self._round()
        except EdgeError as error:
            self._failed("outbox", error)
        except CloudError as error:
            self._failed("journal", error)
            self._try_again()
        signal.pause()

    def _append(self, line: str, rng: Random) -> None:
        for n in count(1):
            facts = [fact_of(name) for name in names_of(line, n)]
            try:
                self._data.outbox.append(facts, {f"{MARKS}{line}": str(n).encode()})
            except EdgeError as error:
                self._failed("outbox", error)
                if n > 1 and rng.random() < 0.5:
                    continue  # The next one must be refused as well; if not, it counts as promised.
                return
            self._testimony.tell(notes.Appended(line=line, n=n))
            time.sleep(rng.random() * APPEND_PAUSE_S_MAX)

    def _round(self) -> None:
        if self._rng.random() < OFFLINE:
            time.sleep(self._rng.random() * OFFLINE_S_MAX)
        if self._rng.random() < NEW_EPOCH:
            epoch = self._data.outbox.start_epoch(Seq(self._through + 1))
            self._testimony.tell(notes.EpochStarted(epoch=epoch))
            self._say_hello()
        facts_max = self._rng.randint(1, FACTS_READ_MAX)
        pending = self._data.outbox.read(Seq(self._through), facts_max, 1 << 20)
        facts = [numbered(row.seq, row.data) for row in pending]
        self._testimony.tell(notes.Sent(epoch=self._epoch, facts=facts))
        self._commit(self._batches(pending), self._shoppers.some())

    def _say_hello(self) -> None:
        status = self._data.outbox.status()
        self._session, self._epoch = next(self._sessions), status.epoch
        hello = Hello(
            store=STORE,
            epoch=status.epoch,
            first_seq=status.first_seq,
            next_seq=status.next_seq,
            mirror_position=0,
            sent_at_ms=now_ms(),
            agent_version="powercut",
            session=self._session,
        )
        committed = self._data.shard.commit([HelloReceived(hello=hello)], now_ms())
        for answer in committed.answers:
            if isinstance(answer, Welcome):
                self._compare(answer)
                self._welcomed_through = self._through = answer.through_seq
        self._last = None
        self._data.outbox.trim(status.epoch, Seq(self._through))

    def _compare(self, welcome: Welcome) -> None:
        """What both sides have under a number must be the same."""
        after = Seq(welcome.digests_from - 1)
        own = self._data.outbox.read(after, max(1, len(welcome.digests)), 1 << 30)
        for fact, digest in zip(own, welcome.digests, strict=False):
            if fact_digest(fact.data) != digest:
                detail = f"the journal has another fact under {fact.seq} of {welcome.epoch}"
                self._testimony.tell(notes.Problem(detail=detail))
                return

    def _batches(self, pending: list[PendingFact]) -> list[BatchReceived]:
        batches: list[BatchReceived] = []
        while pending:
            share = self._rng.randint(1, len(pending))
            part = pending if len(batches) == BATCHES_MAX - 1 else pending[:share]
            pending = pending[len(part) :]
            batches.append(self._batch(part))
        return batches

    def _batch(self, facts: list[PendingFact]) -> BatchReceived:
        frame = encode_batch(
            store=STORE,
            epoch=self._epoch,
            first_seq=facts[0].seq,
            sent_at_ms=now_ms(),
            facts=[fact.data for fact in facts],
            session=self._session,
            welcomed_through=self._welcomed_through,
        )
        batch = decode_up(frame)
        assert isinstance(batch, FactBatch), type(batch)  # noqa: S101 # We have just encoded one.
        return BatchReceived(batch=batch, frame=frame)

    def _commit(self, batches: list[BatchReceived], commands: list[AnyCommand]) -> None:
        keys = {next(self._tickets): command for command in commands}
        inputs: list[ShardInput] = [*batches]
        inputs += [Submitted(ticket=ticket, command=command) for ticket, command in keys.items()]
        if self._last is not None and self._rng.random() < REDELIVERY:
            inputs.insert(0, self._last)
        committed = self._data.shard.commit(inputs, now_ms())
        done = {
            keys[reply.ticket].key: reply.answer.position
            for reply in committed.replies
            if isinstance(reply.answer, Done)
        }
        told = notes.Committed(
            position=committed.position,
            batches=[frame_digest(received.frame) for received in batches],
            commands=done,
        )
        self._testimony.tell(told)
        self._take_answers(committed)
        self._last = batches[-1] if batches else self._last
        if self._rng.random() < REDELIVERY:
            self._data.shard.commit([Published(position=committed.position)], now_ms())

    def _take_answers(self, committed: Committed) -> None:
        for answer in committed.answers:
            if not isinstance(answer, Ack):
                continue
            if answer.problem is not None:
                detail = f"{answer.problem} {answer.detail}, epoch {answer.epoch}"
                self._testimony.tell(notes.Problem(detail=detail))
            self._through = answer.through_seq
        if self._rng.random() < TRIMS:
            self._data.outbox.trim(self._data.outbox.status().epoch, Seq(self._through))

    def _try_again(self) -> None:
        """A failed journal stays failed; what it would take now, would count as promised."""
        try:
            self._commit([], list(self._shoppers.policies()))
        except CloudError:
            return

    def _failed(self, part: notes.Part, error: Exception) -> None:
        self._testimony.tell(notes.Failed(part=part, detail=str(error)))
