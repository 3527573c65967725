"""Reservations at several locations, through the shard and its journal, against a simple model.

The shard is real and so is its replay; it crashes (what is not committed is gone), commands are
repeated under their keys, and stores sell what was promised. At every step: granted is at most
what was allowed (P4), one key is one grant, and the reservation says what the holds say.
"""

from itertools import count
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from cloud.commands import AnyCommand
from cloud.commands.command import Line
from cloud.commands.reservations import (
    AwaitPayment,
    Confirm,
    Expire,
    Extend,
    HandOver,
    Pick,
    Release,
    Reserve,
    ReserveLine,
    Ship,
)
from cloud.journal.memory import MemoryJournal
from cloud.journal.rows import decode_state
from cloud.journal.verify import verify
from cloud.records import decode_record
from cloud.records.reservation import Reservation
from cloud.shards.messages import Committed, Done, ShardInput, Submitted
from cloud.shards.shard import Shard
from cloud.shards.stamping import Hidden
from cloud.sku_location.decide import LOGIC_ERA
from cloud.sku_location.refusal import Refusal, Refused
from cloud.sku_location.state import SkuLocation
from tests.properties.counting import LONG, CountedMachine
from tests.shard_inputs import GTIN, NOW_MS, OTHER_GTIN, batch, counted, received, sold

STORES = ("S001", "S002", "S003")
GTINS = (GTIN, OTHER_GTIN)

stores = st.sampled_from(STORES)
gtins = st.sampled_from(GTINS)
names = st.integers(1, 8).map("r{}".format)
quantities = st.integers(1, 8)
reserve_lines = st.lists(st.tuples(gtins, quantities), min_size=1, max_size=4)


class HideTwo:
    """Hides the last two of everything from the market place, and nothing from the web shop."""

    def hidden(self, state: SkuLocation, channel: str, ship_by_ms: int, now_ms: int) -> Hidden:
        del state, ship_by_ms, now_ms
        return Hidden(2, "last-two", 1) if channel == "market" else Hidden()


class ReservationsMachine(CountedMachine):
    """`granted` is the model: by store and reservation, what was granted and under which key."""

    def __init__(self) -> None:
        super().__init__()
        self.journal = MemoryJournal()
        self.now_ms = NOW_MS
        self.seqs = {store: count(1) for store in STORES}
        self.tickets = count(1)
        self.keys: dict[str, tuple[bytes, int]] = {}
        self.granted: dict[tuple[str, str], dict[str, int]] = {}
        self.start()

    def start(self) -> None:
        owner_epoch = self.journal.take_ownership("0-of-1", LOGIC_ERA, self.now_ms)
        self.shard = Shard(self.journal, "0-of-1", owner_epoch, buffers=HideTwo())

    def commit(self, *inputs: ShardInput) -> Committed:
        return self.shard.commit(inputs, self.now_ms)

    def submit(self, command: AnyCommand) -> Done | Refused:
        before = {key: self.state(*key) for store in STORES for key in ((store, g) for g in GTINS)}
        ticket = next(self.tickets)
        (reply,) = self.commit(Submitted(ticket=ticket, command=command)).replies
        assert reply.ticket == ticket
        if isinstance(reply.answer, Refused) or reply.answer.is_replayed:
            after = {key: self.state(*key) for key in before}
            assert after == before, "a refused or repeated command changed something"
        return reply.answer

    def state(self, store: str, gtin: str) -> SkuLocation:
        row = self.journal.state(store, gtin)
        return decode_state(row.data) if row else SkuLocation(store=store, gtin=gtin)

    def reservation(self, store: str, name: str) -> Reservation | None:
        row = self.journal.record("reservation", store, name)
        return decode_record(Reservation, row.data) if row else None

    @initialize(levels=st.lists(st.integers(0, 12), min_size=6, max_size=6))
    def open_the_stores(self, levels: list[int]) -> None:
        for store in STORES:
            facts = [counted(levels.pop(), gtin=gtin) for gtin in GTINS]
            self.commit(batch(next(self.seqs[store]), facts[:1], store=store))
            self.commit(batch(next(self.seqs[store]), facts[1:], store=store))

    @rule(ms=st.integers(1, 4_000))
    def time_passes(self, ms: int) -> None:
        self.now_ms += ms

    @rule()
    def crash(self) -> None:
        self.start()

    @rule(store=stores, gtin=gtins, quantity=quantities)
    def till_sells(self, store: str, gtin: str, quantity: int) -> None:
        before = self.state(store, gtin)
        fact = sold(quantity, gtin=gtin)
        committed = self.commit(batch(next(self.seqs[store]), [fact], store=store))
        after = self.state(store, gtin)
        assert after.on_hand == before.on_hand - quantity, "a physical sale always wins"
        short = sum(n.quantity for n in committed.notices if n.kind == "reservation_short")
        lost = before.reserved - after.reserved
        # What was held too long goes first, and nobody misses it.
        assert short == (lost - self.due_in(before) if lost else 0)

    @rule(store=stores, gtin=gtins, quantity=quantities)
    def goods_come(self, store: str, gtin: str, quantity: int) -> None:
        fact = received(quantity, gtin=gtin)
        self.commit(batch(next(self.seqs[store]), [fact], store=store))

    @rule(
        store=stores,
        name=names,
        lines=reserve_lines,
        channel=st.sampled_from(["web", "market"]),
        ttl_ms=st.integers(0, 4_000),
        key=st.integers(0, 6),
    )
    def reserve(
        self,
        store: str,
        name: str,
        lines: list[tuple[str, int]],
        channel: str,
        ttl_ms: int,
        key: int,
    ) -> None:
        wanted: dict[str, int] = {}
        for gtin, quantity in lines:
            wanted[gtin] = wanted.get(gtin, 0) + quantity
        digest = repr((store, name, lines, channel, ttl_ms)).encode()
        command = Reserve(
            store=store,
            key=f"k{key}" if key else "",
            digest=digest,
            reservation_id=name,
            order_id=f"o-{name}",
            channel=channel,
            lines=[ReserveLine(gtin=gtin, quantity=quantity) for gtin, quantity in lines],
            expires_at_ms=self.now_ms + ttl_ms if ttl_ms else 0,
        )
        self.check_grant(command, wanted, 2 if channel == "market" else 0)

    def check_grant(self, command: Reserve, wanted: dict[str, int], buffer: int) -> None:
        store, name = command.store, command.reservation_id
        states = {gtin: self.state(store, gtin) for gtin in wanted}
        due = {gtin: self.due_in(state) for gtin, state in states.items()}
        answer = self.submit(command)
        if command.key in self.keys:
            digest, position = self.keys[command.key]
            if digest == command.digest:
                assert isinstance(answer, Done)
                assert (answer.is_replayed, answer.position) == (True, position)
            else:
                assert isinstance(answer, Refused)
                assert answer.reason == Refusal.KEY_REUSED
            return
        allowed = {g: state.sellable + due[g] - buffer for g, state in states.items()}
        fits = all(wanted[gtin] <= allowed[gtin] for gtin in wanted)
        if isinstance(answer, Refused):
            assert not fits or (store, name) in self.granted
            return
        assert fits, "oversold (P4)"
        assert (store, name) not in self.granted
        self.granted[store, name] = wanted
        if command.key:
            self.keys[command.key] = (command.digest, answer.position)

    def due_in(self, state: SkuLocation) -> int:
        return sum(
            hold.quantity
            for hold in state.holds
            if hold.status != "confirmed"
            and not hold.picked
            and 0 < hold.expires_at_ms <= self.now_ms
        )

    @rule(
        store=stores,
        name=names,
        kind=st.sampled_from([Confirm, Expire, Release, Pick, Ship, HandOver]),
    )
    def do_with_the_whole(self, store: str, name: str, kind: Any) -> None:
        self.submit(kind(store=store, reservation_id=name))

    @rule(
        store=stores,
        name=names,
        kind=st.sampled_from([Release, Pick, Ship, HandOver]),
        gtin=gtins,
        quantity=quantities,
    )
    def do_with_a_part(self, store: str, name: str, kind: Any, gtin: str, quantity: int) -> None:
        lines = (Line(gtin=gtin, quantity=quantity),)
        self.submit(kind(store=store, reservation_id=name, lines=lines))

    @rule(store=stores, name=names, ttl_ms=st.integers(1, 4_000), is_paying=st.booleans())
    def keep_longer(self, store: str, name: str, ttl_ms: int, is_paying: bool) -> None:
        until_ms = self.now_ms + ttl_ms
        command: AnyCommand = Extend(store=store, reservation_id=name, expires_at_ms=until_ms)
        if is_paying:
            command = AwaitPayment(store=store, reservation_id=name, pay_by_ms=until_ms)
        self.submit(command)

    @invariant()
    def holds_and_reservations_agree(self) -> None:
        held: dict[tuple[str, str], dict[str, int]] = {}
        for store in STORES:
            for gtin in GTINS:
                state = self.state(store, gtin)
                assert state.reserved <= max(0, state.on_hand - state.unavailable)
                for hold in state.holds:
                    held.setdefault((store, hold.reservation_id), {})[gtin] = hold.quantity
        for (store, name), wanted in self.granted.items():
            reservation = self.reservation(store, name)
            assert reservation is not None
            lines = {line.gtin: line for line in reservation.lines}
            assert {gtin: line.quantity for gtin, line in lines.items()} == wanted
            for line in lines.values():
                gone = line.fulfilled + line.released + line.expired + line.short
                assert line.held + gone == line.quantity
                assert 0 <= line.picked <= line.held
            still = {gtin: line.held for gtin, line in lines.items() if line.held}
            assert held.pop((store, name), {}) == still
            assert reservation.is_open == bool(still)
        assert not held, "somebody holds what was never granted"

    def teardown(self) -> None:
        report = verify(self.journal)
        assert report.is_identical, report.differences


TestReservations = ReservationsMachine.TestCase
TestReservations.settings = LONG
