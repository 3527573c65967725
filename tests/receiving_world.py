"""A shard that receives goods, and what tests ask of it."""

from itertools import count
from typing import Any, TypeVar

from cloud.commands import AnyCommand
from cloud.commands.command import Line
from cloud.commands.goods import (
    AdviseDespatch,
    CloseDespatch,
    DespatchLine,
    DespatchTransfer,
    ReceiveDespatch,
    ReceivedLine,
    Resolution,
    ResolveDiscrepancy,
)
from cloud.journal.history import history
from cloud.journal.memory import MemoryJournal
from cloud.journal.rows import decode_state
from cloud.journal.verify import verify
from cloud.records import Record, decode_record
from cloud.records.despatch_advice import DespatchAdvice
from cloud.records.discrepancy import Discrepancy
from cloud.shards.messages import Committed, Done, Submitted
from cloud.shards.shard import Shard
from cloud.sku_location.decide import LOGIC_ERA
from cloud.sku_location.refusal import Refused
from cloud.sku_location.state import SkuLocation, holds_add_up, ledger_closes
from protocol.facts import AnyFact, Evidence, GoodsReceived, Measure, Zone
from protocol.ids import Gtin, sgtin_tag
from tests.shard_inputs import GTIN, NOW_MS, OTHER_GTIN, STORE, batch

R = TypeVar("R", bound=Record)

THIRD_GTIN = "04006381333931"
SSCC = "006141411234567890"


def tag(serial: int, gtin: str = GTIN) -> bytes:
    return bytes(sgtin_tag(Gtin(gtin), serial))


def tags(first: int, last: int, gtin: str = GTIN) -> tuple[bytes, ...]:
    return tuple(tag(serial, gtin) for serial in range(first, last + 1))


def line(quantity: int, gtin: str = GTIN, **more: Any) -> DespatchLine:
    return DespatchLine(gtin=gtin, quantity=quantity, **more)


def got(quantity: int, gtin: str = GTIN, **more: Any) -> ReceivedLine:
    return ReceivedLine(gtin=gtin, quantity=quantity, **more)


def goods(
    quantity: int = 0,
    gtin: str = GTIN,
    *,
    epcs: tuple[bytes, ...] = (),
    document: str | None = None,
    evidence: Evidence = "portal",
    zone: Zone = "backroom",
    measure: Measure = "units",
    occurred_at_ms: int = NOW_MS,
) -> GoodsReceived:
    return GoodsReceived(
        occurred_at_ms=occurred_at_ms,
        source="dock",
        gtin=gtin,
        quantity=quantity or len(epcs),
        measure=measure,
        zone=zone,
        evidence=evidence,
        document=document,
        epcs=list(epcs),
    )


class ReceivingWorld:
    """A shard over a journal in memory; it starts again before every commit if told to."""

    def __init__(self) -> None:
        self.journal = MemoryJournal()
        owner_epoch = self.journal.take_ownership("0-of-1", LOGIC_ERA, NOW_MS)
        self.shard = Shard(self.journal, "0-of-1", owner_epoch)
        self.now_ms = NOW_MS
        self.committed = Committed(position=0)
        self._tickets = count(1)
        self._seqs: dict[str, int] = {}

    def submit(self, command: AnyCommand) -> Done | Refused:
        self.committed = self.shard.commit(
            [Submitted(ticket=next(self._tickets), command=command)], self.now_ms
        )
        (reply,) = self.committed.replies
        return reply.answer

    def accepted(self, command: AnyCommand) -> Done:
        answer = self.submit(command)
        assert isinstance(answer, Done), answer
        return answer

    def refusal(self, command: AnyCommand) -> str:
        position = self.journal.position()
        answer = self.submit(command)
        assert isinstance(answer, Refused)
        assert answer.detail
        assert self.journal.position() == position
        return str(answer.reason)

    def facts(self, *facts: AnyFact, store: str = STORE) -> Committed:
        first_seq = self._seqs.get(store, 0) + 1
        self._seqs[store] = first_seq + len(facts) - 1
        inputs = batch(first_seq, facts, store=store, sent_at_ms=self.now_ms)
        self.committed = self.shard.commit([inputs], self.now_ms)
        return self.committed

    def advise(
        self, *lines: DespatchLine, despatch_id: str = "D1", store: str = STORE, **more: Any
    ) -> DespatchAdvice:
        command = AdviseDespatch(
            store=store, despatch_id=despatch_id, source="DC1", lines=list(lines), **more
        )
        self.accepted(command)
        return self.advice(despatch_id, store)

    def receive(
        self,
        *lines: ReceivedLine,
        despatch_id: str = "D1",
        receipt_id: str = "R1",
        store: str = STORE,
    ) -> DespatchAdvice:
        self.accepted(receipt(*lines, despatch_id=despatch_id, receipt_id=receipt_id, store=store))
        return self.advice(despatch_id, store)

    def close(self, despatch_id: str = "D1", store: str = STORE) -> DespatchAdvice:
        self.accepted(CloseDespatch(store=store, despatch_id=despatch_id))
        return self.advice(despatch_id, store)

    def resolve(
        self,
        discrepancy_id: str,
        resolution: Resolution,
        store: str = STORE,
        quantity: int = 0,
    ) -> Done | Refused:
        return self.submit(
            ResolveDiscrepancy(
                store=store,
                discrepancy_id=discrepancy_id,
                resolution=resolution,
                quantity=quantity,
                note="seen",
            )
        )

    def transfer(
        self,
        *lines: Line,
        transfer_id: str = "T1",
        origin: str = STORE,
        destination: str = "S002",
        **more: Any,
    ) -> Done | Refused:
        return self.submit(
            DespatchTransfer(
                store=origin,
                transfer_id=transfer_id,
                destination=destination,
                lines=list(lines),
                **more,
            )
        )

    def advice(self, despatch_id: str = "D1", store: str = STORE) -> DespatchAdvice:
        row = self.journal.record(DespatchAdvice.KIND, store, despatch_id)
        assert row is not None
        return decode_record(DespatchAdvice, row.data)

    def records(self, kind: type[R]) -> list[R]:
        return [decode_record(kind, row.data) for row in self.journal.records(kind.KIND)]

    def discrepancies(self, store: str = STORE) -> list[Discrepancy]:
        found = [d for d in self.records(Discrepancy) if d.store == store]
        return sorted(found, key=lambda d: (d.despatch_id, int(d.id.rpartition("-")[2])))

    def kinds(self, store: str = STORE) -> list[tuple[str, int]]:
        return [(d.kind, d.quantity) for d in self.discrepancies(store)]

    def state(self, gtin: str = GTIN, store: str = STORE) -> SkuLocation:
        row = self.journal.state(store, gtin)
        return SkuLocation(store=store, gtin=gtin) if row is None else decode_state(row.data)

    def quarantined(self) -> list[str]:
        return [entry.content.reason for entry in self.journal.quarantine()]

    def check(self) -> None:
        """Assert what holds at every moment, whatever was received."""
        states = [decode_state(row.data) for row in self.journal.states()]
        assert all(ledger_closes(state) and holds_add_up(state) for state in states)
        expected: dict[tuple[str, str], int] = {}
        for advice in self.records(DespatchAdvice):
            for advised in advice.lines:
                assert min(advised.received, advised.short, advised.outstanding) >= 0
                assert advised.damaged <= advised.received
                assert advice.is_open or not advised.outstanding
                key = (advice.store, advised.gtin)
                expected[key] = expected.get(key, 0) + advised.outstanding
        assert {(s.store, s.gtin): s.incoming for s in states if s.incoming} == {
            key: quantity for key, quantity in expected.items() if quantity
        }

    def check_replay(self) -> None:
        """Assert that journal, replay and history tell the same (P8)."""
        report = verify(self.journal)
        assert report.is_identical, report.differences
        for row in list(self.journal.states()):
            entries = list(history(self.journal, row.store, row.gtin))
            assert entries
            assert entries[-1].state == decode_state(row.data)


def receipt(
    *lines: ReceivedLine,
    despatch_id: str = "D1",
    receipt_id: str = "R1",
    store: str = STORE,
    **more: Any,
) -> ReceiveDespatch:
    return ReceiveDespatch(
        store=store, despatch_id=despatch_id, receipt_id=receipt_id, lines=list(lines), **more
    )


__all__ = ["GTIN", "NOW_MS", "OTHER_GTIN", "STORE", "Line", "ReceivingWorld"]
