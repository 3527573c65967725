"""What a shard tells stores once a group is durable: acknowledgements, welcomes, mirror states.

Welcomes and mirror states are read from the journal after the commit, so they tell nothing that
could still be lost. Pure.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from msgspec.structs import replace

from cloud.journal.port import JournalReader
from cloud.journal.rows import StoreRow, decode_state
from cloud.shards.messages import StoreChange
from cloud.shards.sequence import Judgement, digests_in
from cloud.sku_location.state import SkuLocation
from protocol.envelope import FactBatch, Hello
from protocol.updates import DIGESTS_PER_WELCOME_MAX, STATES_PER_UPDATE_MAX, Ack, Welcome


@dataclass(slots=True)
class _Troubles:
    gap_through: int = 0
    reused: str | None = None
    is_over: bool = False


class Acks:
    """One acknowledgement per `(store, epoch, session)` that a group touched."""

    def __init__(self) -> None:
        self._troubles: Final[dict[tuple[str, int, int], _Troubles]] = {}

    def note(self, batch: FactBatch, judgement: Judgement) -> None:
        """Note how a batch was judged."""
        troubles = self._troubles.setdefault((batch.store, batch.epoch, batch.session), _Troubles())
        if judgement.verdict == "gap":
            last_seq = batch.first_seq + len(batch.facts) - 1
            troubles.gap_through = max(troubles.gap_through, last_seq)
        elif judgement.verdict == "seq_reused":
            troubles.reused = judgement.detail
        elif judgement.verdict == "session_over":
            troubles.is_over = True

    def messages(self, journal: JournalReader) -> list[Ack]:
        """Return the acknowledgements by the journal's watermarks."""
        return [
            _ack(Ack(store=store, epoch=epoch, through_seq=through, session=session), troubles)
            for (store, epoch, session), troubles in self._troubles.items()
            for through in (journal.watermark(store, epoch),)
        ]


def _ack(plain: Ack, troubles: _Troubles) -> Ack:
    if troubles.reused is not None:
        return replace(plain, problem="seq_reused", detail=troubles.reused)
    if troubles.is_over:
        # What was applied of an epoch is no answer to a session that did not send it.
        return replace(plain, through_seq=0, problem="session_over")
    # A later batch of the group may have closed the gap, but not brought again what came behind it.
    if troubles.gap_through > plain.through_seq:
        return replace(plain, resend_from=plain.through_seq + 1, problem="gap")
    return plain


def calls_for_hello(stores: Iterable[StoreRow]) -> Iterator[Ack]:
    """Ask every store that is known to say hello, when the cloud has been started.

    Its sessions are forgotten, and a gateway that has waited for long tries only now and then.
    """
    for row in stores:
        if row.epoch:
            yield Ack(store=row.store, epoch=row.epoch, through_seq=0, problem="session_over")


def welcome(hello: Hello, journal: JournalReader) -> Welcome:
    """Return where the cloud stands in the epoch, with digests of what both sides have."""
    through_seq = journal.watermark(hello.store, hello.epoch)
    first_seq = hello.first_seq
    last_seq = min(hello.next_seq - 1, through_seq, first_seq + DIGESTS_PER_WELCOME_MAX - 1)
    digests: list[bytes] = []
    if first_seq <= last_seq:
        rows = journal.batches(hello.store, hello.epoch, first_seq, last_seq)
        digests = digests_in(rows, first_seq, last_seq)
    return Welcome(
        store=hello.store,
        epoch=hello.epoch,
        through_seq=through_seq,
        digests_from=first_seq,
        digests=digests,
        session=hello.session,
    )


def mirror_changes(store: str, after: int, journal: JournalReader) -> Iterator[StoreChange]:
    """Return what a mirror at position `after` has missed; at least one change, if only empty.

    A mirror that is ahead of the cloud belongs to a journal that is gone: it gets everything.
    """
    row = journal.store(store) or StoreRow(store=store, position=0, epoch=0)
    through_seq = journal.watermark(store, row.epoch)
    previous = after if after <= row.position else 0
    states = (
        (changed.position, decode_state(changed.data))
        for changed in journal.states_changed(store, previous)
    )
    return store_changes(row, through_seq, previous, states)


def store_changes(
    store: StoreRow,
    through_seq: int,
    previous: int,
    states: Iterable[tuple[int, SkuLocation]],
) -> Iterator[StoreChange]:
    """Return states, ordered by position, as changes of at most `STATES_PER_UPDATE_MAX` states.

    Each ends where the next begins, so that a mirror notices when one of them is lost. States
    without a measure have a policy and no goods yet; nobody is told of them.
    """
    chunk: list[tuple[int, SkuLocation]] = []
    for position, state in states:
        if state.measure is None:
            continue
        if len(chunk) == STATES_PER_UPDATE_MAX:
            chunk, told = _cut(chunk, position)
            through = told[-1][0]
            yield _change(store, through_seq, previous, through, told)
            previous = through
        chunk.append((position, state))
    yield _change(store, through_seq, previous, store.position, chunk)


def _cut(
    chunk: list[tuple[int, SkuLocation]], position: int
) -> tuple[list[tuple[int, SkuLocation]], list[tuple[int, SkuLocation]]]:
    """Split a full chunk into what stays, as it shares `position` with the next, and the rest."""
    told = [entry for entry in chunk if entry[0] < position]
    return chunk[len(told) :], told


def _change(
    store: StoreRow,
    through_seq: int,
    previous: int,
    position: int,
    chunk: list[tuple[int, SkuLocation]],
) -> StoreChange:
    return StoreChange(
        store=store.store,
        previous_position=previous,
        position=position,
        epoch=store.epoch,
        through_seq=through_seq,
        states=[state for _, state in chunk],
    )
