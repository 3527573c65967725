"""`history`: which facts made the count of one SKU-location, version by version.

The journal keeps inputs, not events, so a history is a replay of the store's inputs in the present
era, reduced to one GTIN. It streams, and holds one state.
"""

from collections.abc import Iterator
from typing import NamedTuple

from cloud.journal.port import JournalReader
from cloud.journal.rows import InputRow, decode_command, decode_state
from cloud.shards.changes import StoreFact
from cloud.sku_location.commands import ApplyFact, SetPolicy
from cloud.sku_location.decide import Refused, cause_of, decide
from cloud.sku_location.evolve import evolve
from cloud.sku_location.state import Cause, SkuLocation
from protocol.codec import decode_fact, decode_up
from protocol.envelope import FactBatch
from protocol.facts import StockFact, TillLine

ERA_OPENED = "EraOpened"


class HistoryEntry(NamedTuple):
    """One version: what happened, at which journal position, because of what.

    `fact` is `None` for a command and for `ERA_OPENED`, the snapshot that an era began with.
    `state` is the state after it.
    """

    event: str
    position: int
    fact: StockFact | None
    state: SkuLocation

    @property
    def version(self) -> int:
        """The version that this made."""
        return self.state.version

    @property
    def cause(self) -> Cause | None:
        """The fact or command, by epoch and number."""
        return self.state.cause

    @property
    def on_hand(self) -> int:
        """The count after it."""
        return self.state.on_hand


def history(journal: JournalReader, store: str, gtin: str) -> Iterator[HistoryEntry]:
    """Return every version of a SKU-location since the present era began, oldest first."""
    with journal.snapshot():
        state = SkuLocation(store=store, gtin=gtin)
        opening = journal.opening_state(store, gtin)
        if opening is not None:
            state = decode_state(opening.data)
            yield HistoryEntry(ERA_OPENED, opening.position, None, state)
        for row in journal.inputs(journal.era().opened_after, store):
            for cause, message in _messages(row, gtin):
                if _is_repeated(journal, row, cause.seq, message):
                    continue
                for entry in _versions(state, message, cause, row):
                    state = entry.state
                    yield entry


def _messages(row: InputRow, gtin: str) -> Iterator[tuple[Cause, StockFact | SetPolicy]]:
    """Return what an input says to one GTIN, each with the cause that its events name."""
    if row.kind == "batch":
        batch = decode_up(row.payload)
        facts = batch.facts if isinstance(batch, FactBatch) else []
        for seq, fact in enumerate(facts, row.last_seq - len(facts) + 1):
            if isinstance(fact, StoreFact) or fact.gtin != gtin:
                continue
            if seq >= row.first_seq:
                yield cause_of(fact, row.epoch, seq, row.stamped_at_ms), fact
        return
    command = decode_command(row.payload)
    if isinstance(command, ApplyFact):
        fact = decode_fact(command.fact)
        if not isinstance(fact, StoreFact) and fact.gtin == gtin:
            yield cause_of(fact, command.epoch, command.seq, row.stamped_at_ms), fact
    elif command.gtin == gtin:
        yield cause_of(command, 0, 0, row.stamped_at_ms), command


def _is_repeated(
    journal: JournalReader, row: InputRow, seq: int, message: StockFact | SetPolicy
) -> bool:
    """Say whether a till line was claimed by another fact than this one."""
    if not isinstance(message, TillLine):
        return False
    claims = journal.business_keys_of(row.store, [message.transaction])
    claim = claims.get((message.transaction, message.line))
    return claim is None or (claim.position, claim.seq) != (row.position, seq)


def _versions(
    state: SkuLocation, message: StockFact | SetPolicy, cause: Cause, row: InputRow
) -> Iterator[HistoryEntry]:
    decision = decide(state, message, cause, row.stamped_at_ms)
    if isinstance(decision, Refused):
        return
    fact = None if isinstance(message, SetPolicy) else message
    for event in decision:
        state = evolve(state, event)
        yield HistoryEntry(type(event).__name__, row.position, fact, state)
