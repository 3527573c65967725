"""Returns over any sequence of sales, voids, returns, exchanges and inspections, at two stores."""

from typing import Any, Final

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule
from msgspec.structs import replace

from cloud.commands import AnyCommand
from cloud.commands.command import Line
from cloud.commands.reservations import HandOver, Reserve, ReserveLine
from cloud.commands.returns import AcceptReturn, InspectReturn, ReturnLine
from cloud.journal.memory import MemoryJournal
from cloud.journal.rows import decode_state
from cloud.journal.verify import verify
from cloud.records import decode_record
from cloud.records.goods_return import GoodsReturn
from cloud.returns.sales import Sale, sale_of_receipt, sales_of_order
from cloud.shards.messages import Committed, ShardInput, Submitted
from cloud.shards.shard import Shard
from cloud.sku_location.decide import LOGIC_ERA
from cloud.sku_location.refusal import Refusal, Refused
from cloud.sku_location.state import SkuLocation, ledger_closes
from protocol.facts import AnyFact
from tests.properties.counting import LONG, CountedMachine
from tests.shard_inputs import GTIN, NOW_MS, OTHER_GTIN, batch, counted, sale_voided, sold

STORES: Final = ("S001", "S-002")
GTINS: Final = (GTIN, OTHER_GTIN)
stores = st.sampled_from(STORES)
gtins = st.sampled_from(GTINS)
quantities = st.integers(1, 6)
numbers = st.integers(0, 5)
conditions = st.sampled_from(["sellable", "inspect", "damaged", "write_off"])
exchanges = st.lists(st.tuples(gtins, st.integers(1, 3)), max_size=2)


class ReturnsMachine(CountedMachine):
    """The model: of each sale and GTIN, what left, what was undone, and what was refunded."""

    def __init__(self) -> None:
        super().__init__()
        self.journal = MemoryJournal()
        epoch = self.journal.take_ownership("0-of-1", LOGIC_ERA, NOW_MS)
        self.shard = Shard(self.journal, "0-of-1", epoch)
        self.seqs = dict.fromkeys(STORES, 0)
        self.names = 0
        self.sales: list[tuple[str, str]] = []
        """Receipt and order id; one of them is empty."""
        self.left: dict[tuple[str, str, str], int] = {}
        self.gone: dict[tuple[str, str, str], int] = {}
        self.refunded: dict[tuple[str, str, str], int] = {}
        self.returns: list[tuple[str, str]] = []

    def commit(self, *inputs: ShardInput) -> Committed:
        return self.shard.commit(inputs, NOW_MS)

    def facts(self, store: str, *facts: AnyFact) -> None:
        timed = [replace(fact, occurred_at_ms=NOW_MS - 9) for fact in facts]
        self.commit(batch(self.seqs[store] + 1, timed, store=store, sent_at_ms=NOW_MS))
        self.seqs[store] += len(facts)

    def ask(self, command: AnyCommand) -> Refused | None:
        (reply,) = self.commit(Submitted(ticket=1, command=command)).replies
        return reply.answer if isinstance(reply.answer, Refused) else None

    def name(self) -> str:
        self.names += 1
        return f"n/{self.names}"

    @initialize()
    def open_the_stores(self) -> None:
        for store in STORES:
            self.facts(store, *(counted(30, gtin=gtin) for gtin in GTINS))

    @rule(store=stores, lines=st.lists(st.tuples(gtins, quantities), min_size=1, max_size=3))
    def till_sells(self, store: str, lines: list[tuple[str, int]]) -> None:
        name = self.name()
        facts = [
            sold(quantity, gtin=gtin, transaction=name, line=line)
            for line, (gtin, quantity) in enumerate(lines)
        ]
        self.facts(store, *facts)
        self.sales.append((f"{store}/{name}", ""))
        for gtin, quantity in lines:
            key = (*self.sales[-1], gtin)
            self.gone[key] = self.gone.get(key, 0) + quantity

    @precondition(lambda self: any(receipt for receipt, _ in self.sales))
    @rule(number=numbers, gtin=gtins, quantity=quantities)
    def till_undoes(self, number: int, gtin: str, quantity: int) -> None:
        receipts = [receipt for receipt, _ in self.sales if receipt]
        receipt = receipts[number % len(receipts)]
        key = (receipt, "", gtin)
        free = self.gone.get(key, 0) - self.refunded.get(key, 0)
        if free < 1:
            return
        quantity = min(quantity, free)
        store, _, transaction = receipt.partition("/")
        void = replace(sale_voided(quantity, gtin=gtin), voided_transaction=transaction)
        self.facts(store, void)
        self.gone[key] -= quantity

    @rule(store=stores, gtin=gtins, quantity=quantities)
    def order_is_collected(self, store: str, gtin: str, quantity: int) -> None:
        name = self.name()
        reserve = Reserve(
            store=store,
            reservation_id=name,
            order_id=f"o{name}",
            channel="web",
            customer="c1",
            lines=[ReserveLine(gtin=gtin, quantity=quantity)],
            expires_at_ms=0,
        )
        if self.ask(reserve) is None:
            assert self.ask(HandOver(store=store, reservation_id=name)) is None
            self.sales.append(("", f"o{name}"))
            self.gone["", f"o{name}", gtin] = quantity

    @precondition(lambda self: self.sales)
    @rule(
        store=stores,
        number=numbers,
        lines=st.lists(st.tuples(gtins, quantities, conditions), min_size=1, max_size=3),
        exchange=exchanges,
    )
    def goods_come_back(
        self,
        store: str,
        number: int,
        lines: list[tuple[str, int, Any]],
        exchange: list[tuple[str, int]],
    ) -> None:
        sale = self.sales[-1 - number % len(self.sales)]
        name = self.name()
        asked: dict[str, int] = {}
        for gtin, quantity, _ in lines:
            asked[gtin] = asked.get(gtin, 0) + quantity
        before = self.on_hand()
        refused = self.ask(
            AcceptReturn(
                store=store,
                return_id=name,
                receipt=sale[0],
                order_id=sale[1],
                lines=[ReturnLine(gtin=g, quantity=q, condition=c) for g, q, c in lines],
                exchange=tuple(Line(gtin=gtin, quantity=quantity) for gtin, quantity in exchange),
            )
        )
        free = {
            gtin: self.gone.get((*sale, gtin), 0) - self.refunded.get((*sale, gtin), 0)
            for gtin in GTINS
        }
        if refused is not None:
            assert refused.reason in (Refusal.ALREADY_RETURNED, Refusal.UNKNOWN)
            assert any(quantity > free[gtin] for gtin, quantity in asked.items())
            assert self.on_hand() == before, "a refused return has moved goods"
            return
        for gtin, quantity in asked.items():
            assert quantity <= free[gtin], "refunded more than was sold"
            self.refunded[*sale, gtin] = self.refunded.get((*sale, gtin), 0) + quantity
        for gtin, quantity in exchange:
            self.gone[*sale, gtin] = self.gone.get((*sale, gtin), 0) + quantity
        self.returns.append((store, name))

    @precondition(lambda self: self.returns)
    @rule(
        number=numbers,
        gtin=gtins,
        quantity=quantities,
        verdict=st.sampled_from(["sellable", "damaged", "write_off"]),
    )
    def somebody_inspects(self, number: int, gtin: str, quantity: int, verdict: Any) -> None:
        store, name = self.returns[-1 - number % len(self.returns)]
        before = self.returned(store, name)
        waiting = sum(line.inspecting for line in before.lines if line.gtin == gtin)
        refused = self.ask(
            InspectReturn(
                store=store, return_id=name, gtin=gtin, quantity=quantity, verdict=verdict
            )
        )
        after = self.returned(store, name)
        if refused is not None:
            assert after == before
            assert quantity > waiting or verdict == "damaged"
            return
        left = sum(line.inspecting for line in after.lines if line.gtin == gtin)
        assert left == waiting - quantity

    def returned(self, store: str, name: str) -> GoodsReturn:
        row = self.journal.record(GoodsReturn.KIND, store, name)
        assert row is not None
        return decode_record(GoodsReturn, row.data)

    def states(self) -> list[SkuLocation]:
        return [decode_state(row.data) for row in self.journal.states()]

    def on_hand(self) -> list[int]:
        return [state.on_hand for state in self.states()]

    @invariant()
    def ledgers_close_and_inspections_are_in_return(self) -> None:
        for state in self.states():
            assert ledger_closes(state)
            returns = (self.returned(*each) for each in self.returns if each[0] == state.store)
            waiting = sum(
                line.inspecting
                for each in returns
                for line in each.lines
                if line.gtin == state.gtin
            )
            assert state.in_return == waiting

    @invariant()
    def the_lookup_says_what_the_model_says(self) -> None:
        for receipt, order_id in self.sales[-2:]:
            store, _, transaction = receipt.partition("/")
            found: Sale | None = (
                sale_of_receipt(self.journal, store, transaction)
                if receipt
                else sales_of_order(self.journal, order_id)
            )
            assert found is not None
            for line in found.lines:
                key = (receipt, order_id, line.gtin)
                gone = line.sold + line.exchanged - line.voided
                assert gone == self.gone[key]
                assert line.returned == self.refunded.get(key, 0)
                assert line.left == gone - line.returned >= 0

    def teardown(self) -> None:
        report = verify(self.journal)
        assert report.is_identical, report.differences


TestReturns = ReturnsMachine.TestCase
TestReturns.settings = LONG
