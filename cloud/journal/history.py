"""`history`: which facts made the count of one SKU-location, version by version.

The journal keeps inputs, not events, so a history is a replay of the store's inputs in the present
era, reduced to one GTIN. It streams, and holds one state.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from cloud.commands.stock import ApplyFact
from cloud.journal.port import JournalReader
from cloud.journal.rows import (
    EffectRow,
    InputRow,
    decode_command,
    decode_message,
    decode_state,
)
from cloud.shards.changes import StoreFact
from cloud.shards.clocks import clock_error_ms, corrected
from cloud.sku_location.decide import cause_of, cause_of_command, decide
from cloud.sku_location.evolve import evolve
from cloud.sku_location.messages import AnyMessage
from cloud.sku_location.refusal import Refused
from cloud.sku_location.state import Cause, SkuLocation
from protocol.codec import decode_fact, decode_up
from protocol.envelope import FactBatch
from protocol.facts import StockFact, TillLine

ERA_OPENED = "EraOpened"


class HistoryEntry(NamedTuple):
    """One version: what happened, at which journal position, because of what.

    `fact` is `None` for a command and for `ERA_OPENED`, the snapshot that an era began with.
    `message` is what the SKU-location was told. `state` is the state after it.
    """

    event: str
    position: int
    fact: StockFact | None
    state: SkuLocation
    message: StockFact | AnyMessage | None = None

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
        opened_after = journal.era().opened_after
        for told in _told(journal, store, gtin, opened_after):
            for entry in _versions(state, told):
                state = entry.state
                yield entry


class _Told(NamedTuple):
    """What a SKU-location was told: by a fact, by a command, or instead of a fact."""

    position: int
    stamped_at_ms: int
    cause: Cause
    message: StockFact | AnyMessage


def _told(journal: JournalReader, store: str, gtin: str, opened_after: int) -> Iterator[_Told]:
    """Return what was told in the present era, in order."""
    effects = _Effects(journal.effects(store, gtin, opened_after))
    for row in journal.inputs(opened_after, store):
        for effect in effects.through(row.position - 1):
            yield _by_command(effect)
        own = effects.through(row.position)
        instead = {effect.seq: effect for effect in own if effect.seq}
        for effect in own:
            if not effect.seq:
                yield _by_command(effect)
        for cause, fact in _facts(row, gtin):
            if not _is_repeated(journal, row, cause.seq, fact):
                effect_row = instead.get(cause.seq)
                message = fact if effect_row is None else decode_message(effect_row.message)
                yield _Told(row.position, row.stamped_at_ms, cause, message)
    for effect in effects.through(None):
        yield _by_command(effect)


class _Effects:
    """A stream of effects, taken up to one position after the other."""

    def __init__(self, rows: Iterator[EffectRow]) -> None:
        self._rows: Final = rows
        self._next = next(rows, None)

    def through(self, position: int | None) -> list[EffectRow]:
        """Return the next effects, up to a position or all."""
        found: list[EffectRow] = []
        while self._next is not None and (position is None or self._next.position <= position):
            found.append(self._next)
            self._next = next(self._rows, None)
        return found


def _by_command(effect: EffectRow) -> _Told:
    cause = cause_of_command(effect.cause_kind, effect.stamped_at_ms)
    message = decode_message(effect.message)
    return _Told(effect.position, effect.stamped_at_ms, cause, message)


def _facts(row: InputRow, gtin: str) -> Iterator[tuple[Cause, StockFact]]:
    if row.kind == "batch":
        batch = decode_up(row.payload)
        if not isinstance(batch, FactBatch):
            raise AssertionError(f"input {row.position} is journalled as a batch and is none")
        error_ms = clock_error_ms(batch.sent_at_ms, row.stamped_at_ms)
        for seq, fact in enumerate(batch.facts, batch.first_seq):
            if isinstance(fact, StoreFact) or fact.gtin != gtin:
                continue
            if seq >= row.first_seq:
                timed = corrected(fact, error_ms)
                yield cause_of(timed, row.epoch, seq), timed
        return
    command = decode_command(row.payload)
    if isinstance(command, ApplyFact):
        fact = decode_fact(command.fact)
        if not isinstance(fact, StoreFact) and fact.gtin == gtin:
            yield cause_of(fact, command.epoch, command.seq), fact


def _is_repeated(journal: JournalReader, row: InputRow, seq: int, fact: StockFact) -> bool:
    """Say whether a till line was claimed by another fact than this one."""
    if not isinstance(fact, TillLine):
        return False
    claims = journal.business_keys_of(row.store, [fact.transaction])
    claim = claims.get((fact.transaction, fact.line))
    return claim is None or (claim.position, claim.seq) != (row.position, seq)


def _versions(state: SkuLocation, told: _Told) -> Iterator[HistoryEntry]:
    decision = decide(state, told.message, told.cause, told.stamped_at_ms)
    if isinstance(decision, Refused):
        return
    fact = told.message if isinstance(told.message, StockFact) else None
    for event in decision:
        state = evolve(state, event)
        yield HistoryEntry(type(event).__name__, told.position, fact, state, told.message)
