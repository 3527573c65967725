"""What inputs do to SKU-locations: the part of a shard that `verify` replays.

`Changes` lies over the journal and the residents and collects what is not durable yet; when the
transaction fails it is thrown away, so nothing uncommitted is ever left in memory. Given the same
inputs with the same positions and times it makes the same rows (P8). Pure.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from cloud.baskets.watching import LINES_JUDGED_MAX, judge_lines, note_facts, watches
from cloud.commands import AnyCommand
from cloud.commands.stock import ApplyFact
from cloud.journal.port import JournalReader
from cloud.journal.rows import (
    BusinessKeyRow,
    CommandKeyRow,
    EffectRow,
    InputRow,
    Quarantined,
    RecordRow,
    ReorderRow,
    StateRow,
    decode_command,
    decode_state,
    encode_reorder,
    encode_state,
)
from cloud.receiving.expected import ExpectedGoods
from cloud.receiving.portal import is_arrival, receive_fact
from cloud.records import Record, record_row
from cloud.records.basket_watch import BasketWatch
from cloud.records.despatch_advice import DespatchAdvice
from cloud.records.discrepancy import Discrepancy
from cloud.records.notice import Notice
from cloud.returns.receipts import note_void
from cloud.shards.clocks import clock_error_ms, corrected
from cloud.shards.command_keys import command_key
from cloud.shards.desk import Desk, Stamp
from cloud.shards.handlers import handle
from cloud.shards.messages import Done, ReorderChange
from cloud.shards.quarantining import quarantined_fact
from cloud.shards.record_layer import RecordKey, RecordLayer
from cloud.shards.residents import Residents, SkuKey
from cloud.shards.running_sales import RunningSales, first_sale
from cloud.shards.signals import may_signal, signal_refused
from cloud.shards.till_lines import claim_of
from cloud.sku_location.decide import cause_of, decide
from cloud.sku_location.evolve import evolve
from cloud.sku_location.refusal import Refusal, Refused
from cloud.sku_location.state import Cause, SkuLocation, holds_add_up, ledger_closes
from protocol.codec import decode_fact, decode_up
from protocol.envelope import FactBatch
from protocol.errors import InvalidIdentifier
from protocol.facts import (
    AnyFact,
    DeviceHealthChanged,
    FactsShed,
    SaleVoided,
    StockFact,
    TillLine,
    UnitsSold,
)
from protocol.ids import parse_gtin
from protocol.updates import STATES_PER_UPDATE_MAX

StoreFact = (DeviceHealthChanged, FactsShed)
"""Facts about a store's equipment rather than about goods: journalled, counted, nothing else."""


FACTS_PER_POSITION_MAX: Final = STATES_PER_UPDATE_MAX - LINES_JUDGED_MAX


def positions_of(facts: int) -> int:
    """Return how many positions a batch of new facts takes; its row carries the last of them.

    No position ever changes more states than fit into one update, so that a mirror can be brought
    up to date in steps that it can check.
    """
    return 1 + (facts - 1) // FACTS_PER_POSITION_MAX


class Changes:
    """Everything that inputs change and that is not durable yet."""

    def __init__(self, journal: JournalReader, residents: Residents) -> None:
        self._journal: Final = journal
        self._residents: Final = residents
        self._activated: Final[dict[SkuKey, SkuLocation]] = {}
        self._invalid_gtins: Final[dict[str, str]] = {}
        self._claims: Final[dict[tuple[str, str, int], BusinessKeyRow]] = {}
        self._reorders: Final[dict[tuple[str, str, int], tuple[int, ReorderChange]]] = {}
        self._record_positions: Final[dict[RecordKey, int]] = {}
        self._expected: Final[dict[str, ExpectedGoods]] = {}
        self.records: Final = RecordLayer(journal)
        self.command_keys: Final[dict[str, CommandKeyRow]] = {}
        self.effects: Final[list[EffectRow]] = []
        self._states: Final[dict[SkuKey, SkuLocation]] = {}
        self._running: Final[dict[SkuKey, RunningSales]] = {}
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
        facts = batch.facts[row.first_seq - batch.first_seq :]
        self.apply_facts(stamp, row.first_seq, facts, batch.sent_at_ms)

    def apply_facts(
        self, stamp: Stamp, first_seq: int, facts: Sequence[AnyFact], sent_at_ms: int
    ) -> None:
        """Apply the facts of a batch that are new; `first_seq` numbers the first of them."""
        error_ms = clock_error_ms(sent_at_ms, stamp.now_ms)
        stock_facts = [
            corrected(fact, error_ms) for fact in facts if not isinstance(fact, StoreFact)
        ]
        self._activate(stamp.store, {fact.gtin for fact in stock_facts})
        claimed = self._claimed(stamp.store, stock_facts)
        first_position = stamp.position - positions_of(len(facts)) + 1
        is_watched = watches(stock_facts)
        if is_watched:
            self._at_watch(stamp, first_position, stock_facts, judge_lines)
        for index, fact in enumerate(facts):
            if isinstance(fact, StoreFact):
                self.facts_applied += 1
                continue
            seq = first_seq + index
            position = first_position + index // FACTS_PER_POSITION_MAX
            timed = corrected(fact, error_ms)
            refused = self._apply_fact(stamp, position, seq, timed, claimed)
            if refused is not None:
                self.quarantined.append(quarantined_fact(stamp, seq, timed, refused))
                self._tell_of_refused(stamp, position, seq, fact, refused)
        if is_watched:
            self._at_watch(stamp, stamp.position, stock_facts, note_facts)

    def _at_watch(
        self,
        stamp: Stamp,
        position: int,
        facts: list[StockFact],
        do: Callable[[Desk, list[StockFact]], None],
    ) -> None:
        desk = self._desk(stamp, BasketWatch.__name__)
        do(desk, facts)
        if desk.has_changed:
            self._adopt(desk, position)

    def _tell_of_refused(
        self, stamp: Stamp, position: int, seq: int, fact: StockFact, refused: Refused
    ) -> None:
        if refused.reason is Refusal.COUNT_OUTDATED:
            desk = self._desk(stamp, type(fact).__name__, seq)
            signal_refused(desk, fact)
            self._adopt(desk, position)

    def apply_command(self, stamp: Stamp, command: AnyCommand) -> Done | Refused:
        """Apply a command; return what it led to, or why it was refused and changed nothing."""
        if isinstance(command, ApplyFact):
            return self._apply_quarantined(stamp, command) or Done(position=stamp.position)
        desk = self._desk(stamp, type(command).__name__)
        answer = handle(desk, command)
        if isinstance(answer, Refused):
            return answer
        self._adopt(desk, stamp.position)
        if command.key:
            self.command_keys[command.key] = command_key(stamp, command, answer)
        return Done(position=stamp.position, record=answer, is_idle=not desk.has_changed)

    def answered(self, key: str) -> CommandKeyRow | None:
        """Return the command that was accepted under a key."""
        return self.command_keys.get(key) or self._journal.command_key(key)

    def _apply_quarantined(self, stamp: Stamp, command: ApplyFact) -> Refused | None:
        fact = decode_fact(command.fact)
        if isinstance(fact, StoreFact):
            return None
        self._activate(stamp.store, {fact.gtin})
        claimed = self._claimed(stamp.store, [fact])
        stamp = stamp._replace(epoch=command.epoch)
        return self._apply_fact(stamp, stamp.position, command.seq, fact, claimed)

    def state(self, store: str, gtin: str) -> SkuLocation | Refused:
        """Return the present state of a SKU-location, or why there can be none."""
        self._activate(store, (gtin,))
        state = self._current((store, gtin))
        if state is None:
            return Refused(Refusal.INVALID_GTIN, self._invalid_gtins[gtin])
        return state

    def _current(self, key: SkuKey) -> SkuLocation | None:
        running = self._running.pop(key, None)
        if running is not None:
            return self._settle(key, running)
        return self._states.get(key) or self._residents.get(key) or self._activated.get(key)

    def _settle(self, key: SkuKey, running: RunningSales) -> SkuLocation:
        """Let sales that were only heard make their state."""
        state = self._states[key] = running.state()
        self.positions[key] = running.position
        return state

    def _is_active(self, key: SkuKey) -> bool:
        return (
            key in self._running
            or key in self._states
            or key in self._activated
            or key in self._residents
        )

    def _activate(self, store: str, gtins: Iterable[str]) -> None:
        absent = [gtin for gtin in gtins if not self._is_active((store, gtin))]
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
    ) -> Refused | None:
        if fact.gtin in self._invalid_gtins:
            return Refused(Refusal.INVALID_GTIN, self._invalid_gtins[fact.gtin])
        claim: BusinessKeyRow | None = None
        if isinstance(fact, TillLine):
            claim = claim_of(stamp, seq, fact)
            earlier = self._claims.get(claim[:3]) or claimed.get((claim.transaction, claim.line))
            if earlier is not None:
                return self._repeated(claim, earlier)
        if type(fact) is not UnitsSold or not self._hear_sale(stamp, position, seq, fact):
            refused = self._tell(stamp, position, seq, fact)
            if refused is not None:
                return refused
        self.facts_applied += 1
        if claim is not None:
            self._claims[claim[:3]] = claim
        return None

    def _repeated(self, claim: BusinessKeyRow, earlier: BusinessKeyRow) -> Refused | None:
        if claim.digest == earlier.digest:
            self.facts_duplicate += 1
            return None
        detail = (
            f"line {claim.line} of transaction {claim.transaction!r} is known with other content,"
            f" from input {earlier.position}, fact {earlier.seq}"
        )
        return Refused(Refusal.TRANSACTION_CONFLICT, detail)

    def _hear_sale(self, stamp: Stamp, position: int, seq: int, sale: UnitsSold) -> bool:
        """Take in a plain sale at little cost; `False`: it is not plain."""
        key = (stamp.store, sale.gtin)
        running = self._running.get(key)
        if running is not None:
            return running.hear(stamp, position, seq, sale)
        state = self._current(key)
        running = first_sale(state, stamp, position, seq, sale) if state is not None else None
        if running is not None:
            self._running[key] = running
        return running is not None

    def _tell(self, stamp: Stamp, position: int, seq: int, fact: StockFact) -> Refused | None:
        key = (stamp.store, fact.gtin)
        state = self._current(key)
        if state is None:
            raise AssertionError(f"{fact.gtin}@{stamp.store} was not activated")
        cause = cause_of(fact, stamp.epoch, seq)
        is_told_to_others = state.holds or isinstance(fact, SaleVoided) or may_signal(state, fact)
        if is_told_to_others or self._is_expected(stamp.store, fact):
            return self._tell_at_desk(stamp, position, seq, fact, cause)
        decision = decide(state, fact, cause, stamp.now_ms)
        if isinstance(decision, Refused):
            return decision
        if not decision:
            return None
        for event in decision:
            before, state = state, evolve(state, event)
            if state.reorder is not before.reorder:
                self._note_reorder(position, state)
        if not ledger_closes(state):
            raise AssertionError(f"the ledger does not close (P5): {state}")
        self._states[key] = state
        self.positions[key] = position
        return None

    def _tell_at_desk(
        self, stamp: Stamp, position: int, seq: int, fact: StockFact, cause: Cause
    ) -> Refused | None:
        """Tell a fact that others than its SKU-location may have to hear of."""
        desk = self._desk(stamp, cause.kind, seq)
        refused = self._told_fact(desk, fact, cause)
        if refused is not None:
            return refused
        if isinstance(fact, SaleVoided):
            note_void(desk, fact)
        self._adopt(desk, position)
        return None

    def _told_fact(self, desk: Desk, fact: StockFact, cause: Cause) -> Refused | None:
        store = desk.stamp.store
        if is_arrival(fact) and self._is_expected(store, fact):
            return receive_fact(desk, self._expected_at(store), fact, cause)
        told = desk.tell_fact(fact, cause)
        return told if isinstance(told, Refused) else None

    def _is_expected(self, store: str, fact: StockFact) -> bool:
        """Say whether a fact tells of goods that arrived where despatches are advised."""
        return is_arrival(fact) and self._expected_at(store).is_used

    def _expected_at(self, store: str) -> ExpectedGoods:
        """Return what a location expects; read once, and followed by `_adopt` from then on."""
        expected = self._expected.get(store)
        if expected is None:
            kind = DespatchAdvice.KIND
            was_used = next(self._journal.records(kind, store), None) is not None
            expected = ExpectedGoods(
                is_used=was_used or any(key[:2] == (kind, store) for key in self.records.changed),
                advices=self.records.open(DespatchAdvice, store),
                discrepancies=self.records.open(Discrepancy, store),
            )
            self._expected[store] = expected
        return expected

    def _desk(self, stamp: Stamp, kind: str, seq: int = 0) -> Desk:
        return Desk(
            stamp,
            kind,
            journal=self._journal,
            records=self.records,
            state_of=self.state,
            seq=seq,
        )

    def _adopt(self, desk: Desk, position: int) -> None:
        """Take over everything that an accepted input has changed at its desk."""
        for state in desk.versions:
            known = self._current((state.store, state.gtin))
            if state.reorder is not None and (known is None or state.reorder != known.reorder):
                self._note_reorder(position, state)
        for key, state in desk.states.items():
            self._states[key] = state
            self.positions[key] = position
        for record_key, record in desk.records.changed.items():
            self.records.put(record)
            self._record_positions[record_key] = position
            if record.store in self._expected:
                self._expected[record.store].note(record)
        self.effects.extend(desk.effects)

    def _note_reorder(self, position: int, state: SkuLocation) -> None:
        reorder, measure = state.reorder, state.measure
        if reorder is None or measure is None:
            raise AssertionError(f"a reorder of goods in no measure: {state}")
        change = ReorderChange(store=state.store, gtin=state.gtin, reorder=reorder, measure=measure)
        self._reorders[state.store, state.gtin, reorder.number] = (position, change)

    @property
    def states(self) -> dict[SkuKey, SkuLocation]:
        """Every SKU-location that changed, in its newest state."""
        for key, running in self._running.items():
            self._settle(key, running)
        self._running.clear()
        return self._states

    @property
    def active(self) -> dict[SkuKey, SkuLocation]:
        """Everything that was activated or changed, in its newest state."""
        return self._activated | self.states

    @property
    def reorders(self) -> list[ReorderChange]:
        """The newest revision of every reorder that changed."""
        return [change for _, change in self._reorders.values()]

    @property
    def notices(self) -> list[Notice]:
        """What somebody outside should know, in order."""
        return [record for record in self.records.changed.values() if isinstance(record, Notice)]

    @property
    def changed_records(self) -> list[Record]:
        """The newest version of every record that changed, notices aside."""
        changed = self.records.changed.values()
        return [record for record in changed if not isinstance(record, Notice)]

    def state_rows(self) -> list[StateRow]:
        """Return the changed states as rows."""
        rows: list[StateRow] = []
        for key, state in self.states.items():
            # Once a group: a crowd of holds carries its sum from version to version.
            if state.holds and not holds_add_up(state):
                raise AssertionError(f"the holds do not add up: {state}")
            rows.append(StateRow(key[0], key[1], self.positions[key], encode_state(state)))
        return rows

    def record_rows(self) -> list[RecordRow]:
        """Return the changed records as rows."""
        return [
            record_row(record, self._record_positions[key])
            for key, record in self.records.changed.items()
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
