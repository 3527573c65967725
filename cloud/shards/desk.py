"""The desk at which one input is worked on: what it changes, adopted whole or thrown away.

Handlers of commands read states and records here, tell SKU-locations their part, and put records
back. Nothing of it is seen by anybody before the input was accepted. Pure.
"""

from collections.abc import Callable
from typing import Final, NamedTuple, TypeVar

from msgspec.structs import replace

from cloud.journal.port import JournalReader
from cloud.journal.rows import EffectRow, encode_message
from cloud.records import Record
from cloud.records.notice import Notice, NoticeKind
from cloud.reservations.projection import project
from cloud.shards.record_layer import RecordLayer
from cloud.shards.residents import SkuKey
from cloud.shards.signals import signals
from cloud.sku_location.decide import cause_of_command, decide
from cloud.sku_location.events import AnyEvent
from cloud.sku_location.evolve import evolve
from cloud.sku_location.holds import reserved_by
from cloud.sku_location.messages import AnyMessage
from cloud.sku_location.refusal import Refused
from cloud.sku_location.state import Cause, SkuLocation, ledger_closes
from protocol.facts import Measure, StockFact

R = TypeVar("R", bound=Record)


class Stamp(NamedTuple):
    """Where and when an input entered the journal, and whose it is; epoch 0 is a command."""

    position: int
    now_ms: int
    store: str
    epoch: int


class Desk:
    """What one command, or one fact with consequences, changes."""

    def __init__(
        self,
        stamp: Stamp,
        kind: str,
        *,
        journal: JournalReader,
        records: RecordLayer,
        state_of: Callable[[str, str], SkuLocation | Refused],
        seq: int = 0,
    ) -> None:
        self.stamp: Final = stamp
        self.now_ms: Final = stamp.now_ms
        self._kind: Final = kind
        self._seq: Final = seq
        self._state_of: Final = state_of
        self.records: Final = RecordLayer(journal, records)
        self.states: Final[dict[SkuKey, SkuLocation]] = {}
        self.versions: Final[list[SkuLocation]] = []
        """Every version that was made, in order."""
        self.effects: Final[list[EffectRow]] = []
        self._notices = 0

    @property
    def has_changed(self) -> bool:
        """Say whether anything is different now."""
        return bool(self.states or self.records.changed)

    def state(self, store: str, gtin: str) -> SkuLocation | Refused:
        """Return the present state of a SKU-location, or why there can be none."""
        return self.states.get((store, gtin)) or self._state_of(store, gtin)

    def tell(self, message: AnyMessage) -> list[AnyEvent] | Refused:
        """Tell a SKU-location something; return what happened, or why it was refused."""
        events = self._decide(message, cause_of_command(self._kind, self.now_ms))
        if not isinstance(events, Refused) and events:
            self._note_effect(message)
        return events

    def tell_instead(self, message: AnyMessage, cause: Cause) -> list[AnyEvent] | Refused:
        """Tell a SKU-location something other than what the fact says that is its cause."""
        events = self._decide(message, cause)
        if not isinstance(events, Refused):
            self._note_effect(message)
        return events

    def tell_fact(self, fact: StockFact, cause: Cause) -> list[AnyEvent] | Refused:
        """Tell a SKU-location a fact."""
        return self._decide(fact, cause)

    def _decide(self, message: AnyMessage | StockFact, cause: Cause) -> list[AnyEvent] | Refused:
        store = message.store if isinstance(message, AnyMessage) else self.stamp.store
        before = self.state(store, message.gtin)
        if isinstance(before, Refused):
            return before
        events = decide(before, message, cause, self.now_ms)
        if isinstance(events, Refused) or not events:
            return events
        state = before
        for event in events:
            state = evolve(state, event)
            self.versions.append(state)
            project(self, state, event)
        if not (ledger_closes(state) and reserved_by(state.holds) == state.reserved):
            raise AssertionError(f"the ledger does not close (P5): {state}")
        self.states[store, message.gtin] = state
        signals(self, before, state, events)
        return events

    def _note_effect(self, message: AnyMessage) -> None:
        effect = EffectRow(
            store=message.store,
            gtin=message.gtin,
            position=self.stamp.position,
            ordinal=self._seq or len(self.effects),
            stamped_at_ms=self.now_ms,
            seq=self._seq,
            cause_kind=self._kind,
            message=encode_message(message),
        )
        self.effects.append(effect)

    def record(self, kind: type[R], store: str, record_id: str) -> R | None:
        """Return the newest version of a record."""
        return self.records.get(kind, store, record_id)

    def put(self, record: R) -> R:
        """Let this be the newest version of a record; version and times are set here."""
        before = self.records.get(type(record), record.store, record.id)
        record = replace(
            record,
            version=1 if before is None else before.version + 1,
            created_at_ms=self.now_ms if before is None else before.created_at_ms,
            updated_at_ms=self.now_ms,
        )
        self.records.put(record)
        return record

    def notify(
        self,
        kind: NoticeKind,
        store: str,
        subject: str,
        *,
        gtin: str = "",
        quantity: int = 0,
        measure: Measure | None = None,
        order_id: str = "",
        channel: str = "",
        detail: str = "",
    ) -> None:
        """Let somebody outside know of something."""
        self._notices += 1
        number = f"{self.stamp.position:016d}-{self._seq or self._notices:06d}"
        notice = Notice(
            store=store,
            id=f"{number}-{self._notices:04d}" if self._seq else number,
            kind=kind,
            subject=subject,
            gtin=gtin,
            quantity=quantity,
            measure=measure,
            order_id=order_id,
            channel=channel,
            detail=detail,
        )
        self.put(notice)
