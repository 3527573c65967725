"""What inputs do to SKU-locations: the part of a shard that `verify` replays.

`Changes` lies over the journal and the residents and collects what is not durable yet; when the
transaction fails it is thrown away, so nothing uncommitted is ever left in memory. Given the same
inputs with the same positions and times it makes the same rows (P8). Pure.
"""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from hashlib import blake2b
from typing import Final, NamedTuple

from cloud.journal.port import JournalReader
from cloud.journal.rows import (
    BusinessKeyRow,
    InputRow,
    Quarantined,
    ReorderRow,
    StateRow,
    decode_command,
    decode_state,
    encode_reorder,
    encode_state,
)
from cloud.shards.messages import ReorderChange
from cloud.shards.residents import Residents, SkuKey
from cloud.sku_location.commands import ApplyFact, Command, SetPolicy
from cloud.sku_location.decide import Refused, cause_of, decide
from cloud.sku_location.evolve import evolve
from cloud.sku_location.state import Cause, SkuLocation, ledger_closes
from protocol.codec import decode_fact, decode_up, encode_fact
from protocol.envelope import FactBatch
from protocol.errors import InvalidIdentifier
from protocol.facts import AnyFact, DeviceHealthChanged, FactsShed, StockFact, TillLine
from protocol.ids import parse_gtin
from protocol.updates import STATES_PER_UPDATE_MAX

StoreFact = DeviceHealthChanged | FactsShed
"""Facts about a store's equipment rather than about goods: journalled, counted, nothing else."""

LINE_DIGEST_BYTES: Final = 8
QUARANTINE_DIGEST_BYTES: Final = 16


class ShardRefusal(StrEnum):
    """Why a shard refuses a fact or a batch. Stored with what it refuses, so never renamed."""

    INVALID_GTIN = "invalid_gtin"
    TRANSACTION_CONFLICT = "transaction_conflict"
    SEQ_REUSED = "seq_reused"


class Stamp(NamedTuple):
    """Where and when an input entered the journal, and whose it is; epoch 0 is a command."""

    position: int
    now_ms: int
    store: str
    epoch: int


class Rejection(NamedTuple):
    """Why a fact was not applied."""

    reason: str
    detail: str


def positions_of(facts: int) -> int:
    """Return how many positions a batch of new facts takes; its row carries the last of them.

    No position ever changes more states than fit into one update, so that a mirror can be brought
    up to date in steps that it can check.
    """
    return 1 + (facts - 1) // STATES_PER_UPDATE_MAX


class Changes:
    """States, claimed till lines, reorders and refused facts of inputs that are not durable yet."""

    def __init__(self, journal: JournalReader, residents: Residents) -> None:
        self._journal: Final = journal
        self._residents: Final = residents
        self._activated: Final[dict[SkuKey, SkuLocation]] = {}
        self._invalid_gtins: Final[dict[str, str]] = {}
        self._claims: Final[dict[tuple[str, str, int], BusinessKeyRow]] = {}
        self._reorders: Final[dict[tuple[str, str, int], tuple[int, ReorderChange]]] = {}
        self.states: Final[dict[SkuKey, SkuLocation]] = {}
        self.positions: Final[dict[SkuKey, int]] = {}
        self.quarantined: Final[list[Quarantined]] = []
        self.facts_applied = 0
        self.facts_duplicate = 0

    def apply_input(self, row: InputRow) -> None:
        """Apply a journalled input once more."""
        stamp = Stamp(row.position, row.stamped_at_ms, row.store, row.epoch)
        if row.kind == "command":
            self.apply_command(stamp, decode_command(row.payload))
            return
        batch = decode_up(row.payload)
        if not isinstance(batch, FactBatch):
            raise AssertionError(f"input {row.position} is journalled as a batch and is none")
        self.apply_facts(stamp, row.first_seq, batch.facts[row.first_seq - batch.first_seq :])

    def apply_facts(self, stamp: Stamp, first_seq: int, facts: Sequence[AnyFact]) -> None:
        """Apply the facts of a batch that are new; `first_seq` numbers the first of them."""
        stock_facts = [fact for fact in facts if not isinstance(fact, StoreFact)]
        self._activate(stamp.store, {fact.gtin for fact in stock_facts})
        claimed = self._claimed(stamp.store, stock_facts)
        first_position = stamp.position - positions_of(len(facts)) + 1
        for index, fact in enumerate(facts):
            if isinstance(fact, StoreFact):
                self.facts_applied += 1
                continue
            seq = first_seq + index
            position = first_position + index // STATES_PER_UPDATE_MAX
            rejection = self._apply_fact(stamp, position, seq, fact, claimed)
            if rejection is not None:
                self.quarantined.append(_quarantined_fact(stamp, seq, fact, rejection))

    def apply_command(self, stamp: Stamp, command: Command) -> Rejection | None:
        """Apply a command; return why it was refused, if it was."""
        if isinstance(command, ApplyFact):
            return self._apply_quarantined(stamp, command)
        self._activate(stamp.store, {command.gtin})
        if command.gtin in self._invalid_gtins:
            return Rejection(ShardRefusal.INVALID_GTIN, self._invalid_gtins[command.gtin])
        cause = cause_of(command, 0, 0, stamp.now_ms)
        return self._decide(stamp, stamp.position, command, cause)

    def _apply_quarantined(self, stamp: Stamp, command: ApplyFact) -> Rejection | None:
        fact = decode_fact(command.fact)
        if isinstance(fact, StoreFact):
            return None
        self._activate(stamp.store, {fact.gtin})
        claimed = self._claimed(stamp.store, [fact])
        stamp = stamp._replace(epoch=command.epoch)
        return self._apply_fact(stamp, stamp.position, command.seq, fact, claimed)

    def state(self, store: str, gtin: str) -> SkuLocation | None:
        """Return the present state of a SKU-location; `None` when there can be none."""
        self._activate(store, {gtin})
        return self._current((store, gtin))

    def _current(self, key: SkuKey) -> SkuLocation | None:
        return self.states.get(key) or self._residents.get(key) or self._activated.get(key)

    def _activate(self, store: str, gtins: Iterable[str]) -> None:
        absent = [gtin for gtin in gtins if self._current((store, gtin)) is None]
        if not absent:
            return
        for row in self._journal.states_of(store, absent):
            self._activated[store, row.gtin] = decode_state(row.data)
        for gtin in absent:
            if (store, gtin) not in self._activated:
                self._create(store, gtin)

    def _create(self, store: str, gtin: str) -> None:
        """Begin a SKU-location at version 0. What exists has had its check digit verified here."""
        try:
            parse_gtin(gtin)
        except InvalidIdentifier as error:
            self._invalid_gtins[gtin] = str(error)
        else:
            self._activated[store, gtin] = SkuLocation(store=store, gtin=gtin)

    def _claimed(
        self, store: str, facts: Iterable[StockFact]
    ) -> dict[tuple[str, int], BusinessKeyRow]:
        transactions = {fact.transaction for fact in facts if isinstance(fact, TillLine)}
        return dict(self._journal.business_keys_of(store, transactions)) if transactions else {}

    def _apply_fact(
        self,
        stamp: Stamp,
        position: int,
        seq: int,
        fact: StockFact,
        claimed: dict[tuple[str, int], BusinessKeyRow],
    ) -> Rejection | None:
        if fact.gtin in self._invalid_gtins:
            return Rejection(ShardRefusal.INVALID_GTIN, self._invalid_gtins[fact.gtin])
        claim: BusinessKeyRow | None = None
        if isinstance(fact, TillLine):
            claim = _claim_of(stamp, seq, fact)
            earlier = self._claims.get(claim[:3]) or claimed.get((claim.transaction, claim.line))
            if earlier is not None:
                return self._repeated(claim, earlier)
        cause = cause_of(fact, stamp.epoch, seq, stamp.now_ms)
        rejection = self._decide(stamp, position, fact, cause)
        if rejection is not None:
            return rejection
        self.facts_applied += 1
        if claim is not None:
            self._claims[claim[:3]] = claim
        return None

    def _repeated(self, claim: BusinessKeyRow, earlier: BusinessKeyRow) -> Rejection | None:
        if claim.digest == earlier.digest:
            self.facts_duplicate += 1
            return None
        detail = (
            f"line {claim.line} of transaction {claim.transaction!r} is known with other content,"
            f" from input {earlier.position}, fact {earlier.seq}"
        )
        return Rejection(ShardRefusal.TRANSACTION_CONFLICT, detail)

    def _decide(
        self, stamp: Stamp, position: int, message: StockFact | SetPolicy, cause: Cause
    ) -> Rejection | None:
        key = (stamp.store, message.gtin)
        state = self._current(key)
        if state is None:
            raise AssertionError(f"{message.gtin}@{stamp.store} was not activated")
        decision = decide(state, message, cause, stamp.now_ms)
        if isinstance(decision, Refused):
            return Rejection(*decision)
        if not decision:
            return None
        for event in decision:
            before, state = state, evolve(state, event)
            if state.reorder is not before.reorder:
                self._note_reorder(position, state)
        if not ledger_closes(state):
            raise AssertionError(f"the ledger does not close (P5): {state}")
        self.states[key] = state
        self.positions[key] = position
        return None

    def _note_reorder(self, position: int, state: SkuLocation) -> None:
        reorder, measure = state.reorder, state.measure
        if reorder is None or measure is None:
            raise AssertionError(f"a reorder of goods in no measure: {state}")
        change = ReorderChange(store=state.store, gtin=state.gtin, reorder=reorder, measure=measure)
        self._reorders[state.store, state.gtin, reorder.number] = (position, change)

    @property
    def active(self) -> dict[SkuKey, SkuLocation]:
        """Everything that was activated or changed, in its newest state."""
        return self._activated | self.states

    @property
    def reorders(self) -> list[ReorderChange]:
        """The newest revision of every reorder that changed."""
        return [change for _, change in self._reorders.values()]

    def state_rows(self) -> list[StateRow]:
        """Return the changed states as rows."""
        return [
            StateRow(key[0], key[1], self.positions[key], encode_state(state))
            for key, state in self.states.items()
        ]

    def business_key_rows(self) -> list[BusinessKeyRow]:
        """Return the till lines claimed."""
        return list(self._claims.values())

    def reorder_rows(self) -> list[ReorderRow]:
        """Return the changed reorders as rows."""
        return [
            ReorderRow(*key, position, change.measure, encode_reorder(change.reorder))
            for key, (position, change) in self._reorders.items()
        ]


def _claim_of(stamp: Stamp, seq: int, line: TillLine) -> BusinessKeyRow:
    """Return the claim of a till line, with a digest of what the line says of goods.

    Device and time are not part of it: a till's journal that is read again after a change of the
    gateway's configuration or clock still says the same.
    """
    voided = getattr(line, "voided_transaction", "")
    content = f"{type(line).__name__} {line.gtin} {line.quantity} {line.measure} {voided}"
    digest = blake2b(content.encode(), digest_size=LINE_DIGEST_BYTES).digest()
    return BusinessKeyRow(stamp.store, line.transaction, line.line, stamp.position, seq, digest)


def _quarantined_fact(stamp: Stamp, seq: int, fact: AnyFact, rejection: Rejection) -> Quarantined:
    payload = encode_fact(fact)
    return Quarantined(
        digest=quarantine_digest(b"%d/%d/" % (stamp.epoch, seq) + payload),
        topic="",
        store=stamp.store,
        epoch=stamp.epoch,
        seq=seq,
        reason=str(rejection.reason),
        detail=rejection.detail,
        payload=payload,
        received_at_ms=stamp.now_ms,
    )


def quarantine_digest(content: bytes) -> bytes:
    """Return the digest by which equal content is quarantined once."""
    return blake2b(content, digest_size=QUARANTINE_DIGEST_BYTES).digest()
