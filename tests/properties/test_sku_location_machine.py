"""One SKU-location under everything that can happen to it, against a model of a few numbers."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from cloud.sku_location.commands import SetPolicy
from cloud.sku_location.decide import cause_of, cause_of_command, decide
from cloud.sku_location.departures import DEPARTURES_MAX, WINDOW_MS
from cloud.sku_location.events import AnyEvent, Held, HoldsLost
from cloud.sku_location.evolve import evolve
from cloud.sku_location.messages import (
    Announce,
    AnyMessage,
    AwaitPaymentOfHold,
    ConfirmHold,
    ExpireHold,
    ExtendHold,
    FulfilHold,
    HoldStock,
    PickHold,
    Reinstate,
    ReleaseHold,
    SendAway,
    TakeBack,
    TakeIn,
    Unannounce,
    Withhold,
    WriteOff,
)
from cloud.sku_location.refusal import Refusal, Refused
from cloud.sku_location.state import (
    UNAVAILABLE_REASONS,
    Policy,
    SkuLocation,
    holds_add_up,
    ledger_closes,
)
from protocol.facts import StockFact
from tests.properties.counting import LONG, CountedMachine
from tests.shard_inputs import GTIN, NOW_MS, STORE, counted, moved, received, returned, sold

quantities = st.integers(1, 12)
names = st.integers(1, 12).map("r{}".format)
reasons = st.sampled_from(UNAVAILABLE_REASONS)


class SkuLocationMachine(CountedMachine):
    """`holds` is the model: what each reservation has, and until when."""

    def __init__(self) -> None:
        super().__init__()
        self.state = SkuLocation(store=STORE, gtin=GTIN)
        self.now_ms = NOW_MS
        self.on_hand = 0
        self.unavailable = dict.fromkeys(UNAVAILABLE_REASONS, 0)
        self.incoming = 0
        self.holds: dict[str, int] = {}
        self.until_ms: dict[str, int] = {}
        self.departing: list[tuple[int, int]] = []
        self.seq = 0

    def tell(self, message: AnyMessage | StockFact) -> list[AnyEvent] | Refused:
        self.seq += 1
        cause = cause_of_command(type(message).__name__, self.now_ms)
        if isinstance(message, StockFact):
            cause = cause_of(message, 1, self.seq)
        events = decide(self.state, message, cause, self.now_ms)
        if isinstance(events, Refused):
            return events
        for event in events:
            self.happen(event)
        return events

    def happen(self, event: AnyEvent) -> None:
        before = self.state
        if isinstance(event, Held):
            allowed = before.on_hand - before.reserved - before.unavailable - event.buffer
            assert event.hold.quantity <= allowed, "oversold (P4)"
        self.state = evolve(before, event)
        assert self.state.version == before.version + 1
        assert ledger_closes(self.state)
        assert holds_add_up(self.state)
        if isinstance(event, HoldsLost):
            for loss in event.losses:
                self.reduce(loss.reservation_id, loss.quantity)

    def reduce(self, name: str, quantity: int) -> None:
        self.holds[name] -= quantity
        if not self.holds[name]:
            del self.holds[name]
            self.until_ms.pop(name, None)

    def hold(self, kind: Any, name: str, **fields: Any) -> list[AnyEvent] | Refused:
        return self.tell(kind(store=STORE, gtin=GTIN, reservation_id=name, **fields))

    @initialize(quantity=st.integers(0, 40))
    def open_the_store(self, quantity: int) -> None:
        assert not isinstance(self.tell(counted(quantity)), Refused)
        self.on_hand = quantity

    @rule(ms=st.integers(1, 5_000))
    def time_passes(self, ms: int) -> None:
        self.now_ms += ms

    @rule(quantity=quantities)
    def till_sells(self, quantity: int) -> None:
        self.on_hand -= quantity
        self.tell(sold(quantity))

    @rule(quantity=quantities, is_return=st.booleans())
    def goods_come(self, quantity: int, is_return: bool) -> None:
        self.on_hand += quantity
        self.tell(returned(quantity) if is_return else received(quantity))

    @rule(quantity=st.integers(0, 40))
    def somebody_counts(self, quantity: int) -> None:
        self.on_hand = quantity
        assert not isinstance(self.tell(counted(quantity)), Refused)
        excess = sum(self.unavailable.values()) - quantity
        for reason in UNAVAILABLE_REASONS:
            gone = min(max(0, excess), self.unavailable[reason])
            self.unavailable[reason] -= gone
            excess -= gone

    @rule(name=names, quantity=quantities, buffer=st.integers(0, 5), ttl_ms=st.integers(0, 5_000))
    def reserve(self, name: str, quantity: int, buffer: int, ttl_ms: int) -> None:
        expires_at_ms = self.now_ms + ttl_ms if ttl_ms else 0
        due = [other for other in self.holds if self.is_due(other)]
        free = self.on_hand - sum(self.unavailable.values()) - sum(self.holds.values())
        answer = self.hold(
            HoldStock,
            name,
            order_id="o",
            channel="web",
            quantity=quantity,
            buffer=buffer,
            expires_at_ms=expires_at_ms,
            ship_by_ms=0,
        )
        if isinstance(answer, Refused):
            is_there = name in self.holds or name in due
            freed = free + sum(self.holds[other] for other in due)
            assert is_there or quantity > freed - buffer
            return
        self.holds[name] = quantity
        if expires_at_ms:
            self.until_ms[name] = expires_at_ms

    def is_due(self, name: str) -> bool:
        return self.until_ms.get(name, self.now_ms + 1) <= self.now_ms

    @rule(name=names, ttl_ms=st.integers(1, 5_000), is_paying=st.booleans())
    def keep_longer(self, name: str, ttl_ms: int, is_paying: bool) -> None:
        until_ms: int | None = self.now_ms + ttl_ms
        was_due = name not in self.holds or self.is_due(name)
        before = self.state.hold(name)
        if is_paying:
            answer = self.hold(AwaitPaymentOfHold, name, pay_by_ms=until_ms)
        else:
            answer = self.hold(ExtendHold, name, expires_at_ms=until_ms)
        if isinstance(answer, Refused) or before is None:
            assert was_due
            return
        if before.status == "confirmed":
            assert answer == []
            return
        if is_paying or before.status == "awaiting_payment":
            known_ms = self.until_ms.get(name)
            until_ms = None if known_ms is None else max(known_ms, self.now_ms + ttl_ms)
        if until_ms is None:
            self.until_ms.pop(name, None)
        else:
            self.until_ms[name] = until_ms

    @rule(name=names)
    def confirm(self, name: str) -> None:
        was_due = name not in self.holds or self.is_due(name)
        answer = self.hold(ConfirmHold, name)
        if isinstance(answer, Refused):
            assert was_due
        else:
            self.until_ms.pop(name, None)

    @rule(name=names, quantity=quantities)
    def release(self, name: str, quantity: int) -> None:
        answer = self.hold(ReleaseHold, name, quantity=quantity)
        if isinstance(answer, Refused):
            assert quantity > self.holds.get(name, 0) or self.is_due(name)
        else:
            self.reduce(name, quantity)

    @rule(name=names, quantity=quantities)
    def pick_and_fulfil(self, name: str, quantity: int) -> None:
        picked = self.hold(PickHold, name, quantity=quantity)
        if isinstance(picked, Refused):
            return
        self.until_ms.pop(name, None)
        assert not isinstance(self.hold(FulfilHold, name, quantity=quantity), Refused)
        self.on_hand -= quantity
        if name in self.holds:
            left = self.holds[name] - quantity
            self.holds[name] = left
            if not left:
                del self.holds[name]
            else:
                hold = self.state.hold(name)
                assert hold is not None
                if hold.status != "confirmed" and hold.expires_at_ms:
                    self.until_ms[name] = hold.expires_at_ms

    @rule(name=names)
    def sweep(self, name: str) -> None:
        was_due = name in self.holds and self.is_due(name)
        answer = self.hold(ExpireHold, name)
        assert isinstance(answer, Refused) or bool(answer) == was_due

    @rule(reason=reasons, quantity=quantities)
    def withhold(self, reason: Any, quantity: int) -> None:
        answer = self.tell(Withhold(store=STORE, gtin=GTIN, reason=reason, quantity=quantity))
        if not isinstance(answer, Refused):
            self.unavailable[reason] += quantity

    @rule(reason=reasons, quantity=quantities, is_gone=st.booleans())
    def decide_about_withheld(self, reason: Any, quantity: int, is_gone: bool) -> None:
        kind = WriteOff if is_gone else Reinstate
        answer = self.tell(kind(store=STORE, gtin=GTIN, reason=reason, quantity=quantity))
        if isinstance(answer, Refused):
            assert answer.reason == Refusal.MORE_THAN_UNAVAILABLE
            assert quantity > self.unavailable[reason]
            return
        self.unavailable[reason] -= quantity
        self.on_hand -= quantity * is_gone

    @rule(quantity=quantities)
    def thieves_come(self, quantity: int) -> None:
        answer = self.tell(WriteOff(store=STORE, gtin=GTIN, reason=None, quantity=quantity))
        if isinstance(answer, Refused):
            assert quantity > self.on_hand - sum(self.unavailable.values())
        else:
            self.on_hand -= quantity

    @rule(quantity=quantities)
    def announce(self, quantity: int) -> None:
        self.tell(Announce(store=STORE, gtin=GTIN, quantity=quantity, measure="units"))
        self.incoming += quantity

    @rule(quantity=quantities)
    def not_after_all(self, quantity: int) -> None:
        self.tell(Unannounce(store=STORE, gtin=GTIN, quantity=quantity))
        self.incoming -= min(quantity, self.incoming)

    @rule(quantity=quantities, announced=quantities, damaged=st.integers(0, 3))
    def announced_goods_come(self, quantity: int, announced: int, damaged: int) -> None:
        damaged = min(damaged, quantity)
        message = TakeIn(
            store=STORE,
            gtin=GTIN,
            quantity=quantity,
            measure="units",
            to_backroom=quantity,
            from_incoming=min(announced, quantity),
            withheld=damaged,
            reason="damaged" if damaged else None,
            occurred_at_ms=self.now_ms,
        )
        self.tell(message)
        self.incoming -= min(announced, quantity, self.incoming)
        self.on_hand += quantity
        self.unavailable["damaged"] += damaged

    @rule(quantity=quantities)
    def taken_back_for_inspection(self, quantity: int) -> None:
        self.tell(
            TakeBack(store=STORE, gtin=GTIN, quantity=quantity, measure="units", reason="in_return")
        )
        self.on_hand += quantity
        self.unavailable["in_return"] += quantity

    @precondition(lambda self: self.state.sellable > 0)
    @rule(quantity=quantities)
    def send_away(self, quantity: int) -> None:
        answer = self.tell(SendAway(store=STORE, gtin=GTIN, quantity=quantity, measure="units"))
        if not isinstance(answer, Refused):
            self.on_hand -= quantity
            self.departing.append((self.now_ms, quantity))

    @rule(tags=st.integers(1, 8))
    def dock_sees_tags_leave(self, tags: int) -> None:
        recent = [d for d in self.departing if self.now_ms - d[0] <= WINDOW_MS]
        self.departing = recent[-DEPARTURES_MAX:]
        unexplained = tags
        while unexplained and self.departing:
            at_ms, quantity = self.departing.pop(0)
            used = min(unexplained, quantity)
            unexplained -= used
            if quantity > used:
                self.departing.insert(0, (at_ms, quantity - used))
        self.on_hand -= unexplained
        assert not isinstance(self.tell(moved("sales_floor", "transit", tags)), Refused)

    @rule()
    def a_day_passes(self) -> None:
        self.now_ms += WINDOW_MS

    @rule(point=st.integers(0, 20), level=st.integers(0, 40), pack=st.integers(1, 6))
    def set_policy(self, point: int, level: int, pack: int) -> None:
        policy = Policy(reorder_point=point, order_up_to=level, pack_size=pack)
        self.tell(SetPolicy(store=STORE, gtin=GTIN, policy=policy))

    @invariant()
    def state_is_what_the_model_says(self) -> None:
        state = self.state
        assert state.on_hand == self.on_hand
        assert state.incoming == self.incoming
        for reason, quantity in self.unavailable.items():
            assert getattr(state, reason) == quantity
        assert {hold.reservation_id: hold.quantity for hold in state.holds} == self.holds
        for hold in state.holds:
            assert 0 <= hold.picked <= hold.quantity
            assert hold.expires_at_ms == self.until_ms.get(hold.reservation_id, hold.expires_at_ms)

    @invariant()
    def no_more_is_promised_than_is_there(self) -> None:
        assert self.state.reserved <= max(0, self.state.on_hand - self.state.unavailable)


TestSkuLocation = SkuLocationMachine.TestCase
TestSkuLocation.settings = LONG
