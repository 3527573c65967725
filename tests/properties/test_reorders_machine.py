"""The life of reorders under everything that can happen to a SKU-location, against simple rules."""

from typing import Any, Final

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule
from msgspec.structs import replace

from cloud.sku_location.commands import SetPolicy
from cloud.sku_location.decide import cause_of, cause_of_command, decide
from cloud.sku_location.events import AnyEvent
from cloud.sku_location.evolve import evolve
from cloud.sku_location.messages import (
    Announce,
    AnyMessage,
    EscalateReorder,
    HoldStock,
    MarkReorder,
    ReviewReorder,
    TakeIn,
    Unannounce,
    Withhold,
)
from cloud.sku_location.refusal import Refusal, Refused
from cloud.sku_location.state import Policy, Reorder, SkuLocation, ledger_closes
from protocol.facts import StockFact
from tests.properties.counting import LONG, CountedMachine
from tests.shard_inputs import GTIN, NOW_MS, STORE, counted, received, returned, sale_voided, sold

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
ENDED: Final = ("received", "cancelled")
EDGES: Final = {
    "open": {"open", "acknowledged", "despatched", "received", "cancelled"},
    "acknowledged": {"acknowledged", "despatched", "received", "cancelled"},
    "despatched": {"despatched", "received", "cancelled"},
}
THURSDAY: Final = 3

quantities = st.integers(1, 15)
late_h = st.sampled_from([0, 0, 0, 2, 30, 200])
policies = st.builds(
    Policy,
    reorder_point=st.integers(0, 12),
    order_up_to=st.integers(0, 30),
    pack_size=st.sampled_from([1, 1, 6]),
    minimum_order=st.sampled_from([1, 4]),
    review_weekdays=st.sampled_from([(), (), (0,), (2, 5)]),
    source=st.sampled_from(["", "W1"]),
    is_on=st.sampled_from([True, True, True, False]),
)


def wanted(policy: Policy, position: int) -> int:
    """Return what a buyer would order, by trying one pack more until it is enough."""
    if position > policy.reorder_point or position >= policy.order_up_to:
        return 0
    quantity = 0
    while position + quantity < policy.order_up_to or quantity < policy.minimum_order:
        quantity += policy.pack_size
    return quantity


def is_open(reorder: Reorder | None) -> bool:
    return reorder is not None and reorder.status not in ENDED


class ReorderMachine(CountedMachine):
    """`received` is the model: what came for each reorder; `ended` are those that are over."""

    def __init__(self) -> None:
        super().__init__()
        self.state = SkuLocation(store=STORE, gtin=GTIN)
        self.now_ms = NOW_MS
        self.seq = 0
        self.received: dict[int, int] = {}
        self.ended: dict[int, Reorder] = {}
        self.is_marking = False
        self.rests = False
        """Nothing has happened since the reorder was cancelled from outside."""

    def tell(self, message: AnyMessage | StockFact) -> list[AnyEvent] | Refused:
        self.seq += 1
        cause = cause_of_command(type(message).__name__, self.now_ms)
        if isinstance(message, StockFact):
            cause = cause_of(message, 1, self.seq)
        before = self.state.reorder
        events = decide(self.state, message, cause, self.now_ms)
        if isinstance(events, Refused):
            return events
        for event in events:
            self.happen(event)
        if events:
            was_cut = is_open(before) and not is_open(self.state.reorder)
            self.rests = self.is_marking and was_cut
        return events

    def happen(self, event: AnyEvent) -> None:
        before, self.state = self.state.reorder, evolve(self.state, event)
        after = self.state.reorder
        assert ledger_closes(self.state)
        if after is not before:
            assert after is not None
            self.changed(before, after)

    def changed(self, before: Reorder | None, after: Reorder) -> None:
        if before is None or after.number != before.number:
            assert before is None or before.status in ENDED, "two are open"
            assert after.number == (0 if before is None else before.number) + 1
            assert (after.revision, after.status, after.received) == (1, "open", 0)
            assert after.quantity > 0
            assert self.state.policy is not None
            days = self.state.policy.review_weekdays
            assert not days or (self.now_ms // DAY_MS + THURSDAY) % 7 in days
            self.received[after.number] = 0
            return
        assert before.number not in self.ended, "an ended reorder has changed"
        assert after.status in EDGES[before.status]
        assert after.revision == before.revision + 1
        assert after.opened_at_ms == before.opened_at_ms
        assert after.announced >= 0
        if not self.is_marking and (before.status != "open" or before.received):
            assert after.quantity == before.quantity, "what somebody has answered was changed"
        self.received[after.number] += after.received - before.received
        if after.status in ENDED:
            self.ended[after.number] = after

    @initialize(quantity=st.integers(0, 30), policy=policies)
    def open_the_store(self, quantity: int, policy: Policy) -> None:
        self.tell(counted(quantity))
        self.tell(SetPolicy(store=STORE, gtin=GTIN, policy=policy))

    @rule(hours=st.sampled_from([1, 7, 24, 70]))
    def time_passes(self, hours: int) -> None:
        self.now_ms += hours * HOUR_MS

    def ago_ms(self, hours: int) -> int:
        return self.now_ms - hours * HOUR_MS

    @rule(quantity=quantities, hours=late_h)
    def till_sells(self, quantity: int, hours: int) -> None:
        self.tell(replace(sold(quantity), occurred_at_ms=self.ago_ms(hours)))

    @rule(quantity=quantities, hours=late_h, is_void=st.booleans())
    def goods_come_back(self, quantity: int, hours: int, is_void: bool) -> None:
        fact = sale_voided(quantity) if is_void else returned(quantity)
        self.tell(replace(fact, occurred_at_ms=self.ago_ms(hours)))

    @rule(quantity=quantities, hours=late_h)
    def goods_arrive(self, quantity: int, hours: int) -> None:
        before = self.state.reorder
        self.tell(replace(received(quantity), occurred_at_ms=self.ago_ms(hours)))
        if before is not None and is_open(before):
            is_older = self.ago_ms(hours) < before.opened_at_ms - HOUR_MS
            came = self.received[before.number] - before.received
            assert came == (0 if is_older else quantity)

    @rule(quantity=st.integers(0, 30))
    def somebody_counts(self, quantity: int) -> None:
        self.tell(replace(counted(quantity), occurred_at_ms=self.now_ms))

    @rule(quantity=quantities)
    def withhold(self, quantity: int) -> None:
        self.tell(Withhold(store=STORE, gtin=GTIN, reason="damaged", quantity=quantity))

    @rule(quantity=quantities)
    def reserve(self, quantity: int) -> None:
        self.tell(
            HoldStock(
                store=STORE,
                gtin=GTIN,
                reservation_id=f"r{self.seq}",
                order_id="o",
                channel="web",
                quantity=quantity,
                buffer=0,
                expires_at_ms=0,
                ship_by_ms=0,
            )
        )

    def named(self, is_named: bool) -> int:
        return self.state.reorder.number if is_named and self.state.reorder else 0

    @rule(quantity=quantities, is_named=st.booleans())
    def despatch(self, quantity: int, is_named: bool) -> None:
        before = self.state.reorder
        number = self.named(is_named)
        self.tell(
            Announce(
                store=STORE, gtin=GTIN, quantity=quantity, measure="units", reorder_number=number
            )
        )
        if number and is_open(before):
            assert self.state.reorder is not None
            assert self.state.reorder.status == "despatched"

    @rule(quantity=quantities, is_named=st.booleans())
    def not_after_all(self, quantity: int, is_named: bool) -> None:
        number = self.named(is_named)
        self.tell(Unannounce(store=STORE, gtin=GTIN, quantity=quantity, reorder_number=number))

    @rule(quantity=quantities, announced=quantities, fills=st.booleans(), named=st.integers(0, 3))
    def announced_goods_arrive(
        self, quantity: int, announced: int, fills: bool, named: int
    ) -> None:
        before = self.state.reorder
        self.tell(
            TakeIn(
                store=STORE,
                gtin=GTIN,
                quantity=quantity,
                measure="units",
                to_backroom=0,
                from_incoming=min(quantity, announced),
                occurred_at_ms=self.now_ms,
                fills_reorder=fills,
                reorder_number=named,
            )
        )
        if before is not None and named not in (0, before.number) and self.state.reorder:
            same = self.state.reorder.number == before.number
            assert not same or self.state.reorder.received == before.received

    @precondition(lambda self: self.state.reorder is not None)
    @rule(
        status=st.sampled_from(["open", "acknowledged", "despatched", "received", "cancelled"]),
        quantity=st.sampled_from([0, 0, 1, 20]),
        back=st.sampled_from([0, 0, 0, 1, -1]),
    )
    def supplier_speaks(self, status: Any, quantity: int, back: int) -> None:
        before = self.state.reorder
        assert before is not None
        self.is_marking = True
        answer = self.tell(
            MarkReorder(
                store=STORE,
                gtin=GTIN,
                number=before.number - back,
                status=status,
                reference=f"S{self.seq % 3}",
                expected_at_ms=0,
                quantity=quantity,
            )
        )
        self.is_marking = False
        if isinstance(answer, Refused):
            is_known = 1 <= before.number - back <= before.number
            assert answer.reason == (Refusal.WRONG_STATUS if is_known else Refusal.UNKNOWN)
            assert self.state.reorder == before
        else:
            assert back == 0
            assert status != "cancelled" or not is_open(self.state.reorder), "ordered again at once"

    @precondition(lambda self: self.state.reorder is not None)
    @rule(back=st.sampled_from([0, 0, 1]))
    def nobody_answers(self, back: int) -> None:
        before = self.state.reorder
        assert before is not None
        events = self.tell(EscalateReorder(store=STORE, gtin=GTIN, number=before.number - back))
        assert bool(events) == (back == 0 and before.status == "open")

    @rule()
    def review(self) -> None:
        self.tell(ReviewReorder(store=STORE, gtin=GTIN))
        self.rests = False

    @rule(policy=st.one_of(st.none(), policies))
    def set_policy(self, policy: Policy | None) -> None:
        self.tell(SetPolicy(store=STORE, gtin=GTIN, policy=policy))

    @invariant()
    def position_is_what_is_there_and_what_will_come(self) -> None:
        state, reorder = self.state, self.state.reorder
        on_order = 0
        if reorder is not None and is_open(reorder):
            on_order = max(0, reorder.quantity - reorder.received - reorder.announced)
        there = state.on_hand - state.reserved - state.unavailable
        assert state.on_order == on_order
        assert state.position == there + state.incoming + on_order

    @invariant()
    def what_is_received_belongs_to_the_reorder_that_was_open(self) -> None:
        reorder = self.state.reorder
        if reorder is not None:
            assert reorder.received == self.received[reorder.number]
            assert reorder.status != "open" or reorder.received < reorder.quantity

    @invariant()
    def an_unanswered_reorder_asks_for_what_is_missing_now(self) -> None:
        state, reorder, policy = self.state, self.state.reorder, self.state.policy
        if reorder is None or policy is None or not policy.is_on:
            return
        if reorder.status == "open" and not reorder.received:
            position = state.position - state.on_order
            assert reorder.quantity == wanted(policy, position) > 0
            assert reorder.source == policy.source

    @invariant()
    def what_is_missing_is_on_order(self) -> None:
        state, policy = self.state, self.state.policy
        if policy is None or not policy.is_on or policy.review_weekdays or self.rests:
            return
        if not is_open(state.reorder):
            assert wanted(policy, state.position) == 0


TestReorders = ReorderMachine.TestCase
TestReorders.settings = LONG
