"""Receiving and moving goods, through the shard and its journal, in any order.

Despatches are advised, received by hand and by portal, closed, resolved and repeated; goods go from
store to store, are sold and counted. At every step ledgers close, incoming is what open advices
still expect, and every unit has an explanation. At the end the journal replays to the same.
"""

from collections import Counter
from typing import Any, Literal

from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from cloud.commands.command import Line
from cloud.commands.goods import CloseDespatch, DespatchLine, ReceivedLine, ResolveDiscrepancy
from cloud.records.despatch_advice import DespatchAdvice
from cloud.records.discrepancy import Discrepancy
from cloud.shards.messages import Done
from protocol.facts import TagsMoved
from tests.properties.counting import LONG, CountedMachine
from tests.receiving_world import SSCC, ReceivingWorld, goods, receipt, tag
from tests.shard_inputs import GTIN, NOW_MS, OTHER_GTIN, counted, sold

STORES = ("S001", "S002")
GTINS = (GTIN, OTHER_GTIN)
EXTRAS = ("over", "wrong_item", "unknown_tag")

stores = st.sampled_from(STORES)
gtins = st.sampled_from(GTINS)
despatches = st.integers(1, 4).map("D{}".format)
documents = st.none() | despatches | st.just(SSCC) | st.just("T1")
quantities = st.integers(1, 5)
serials = st.sets(st.integers(1, 6), min_size=1, max_size=4)
ssccs = st.sampled_from(["", SSCC])


def tags_of(gtin: str, chosen: set[int]) -> tuple[bytes, ...]:
    return tuple(tag(serial, gtin) for serial in sorted(chosen))


@st.composite
def lines_of(draw: st.DrawFn, /, kind: type[Any], lines_max: int, **more: Any) -> list[Any]:
    """Return lines; no tag is on two of them."""
    lines, seen = [], set[bytes]()
    for _ in range(draw(st.integers(1, lines_max))):
        gtin = draw(gtins)
        epcs = tags_of(gtin, draw(serials)) if draw(st.booleans()) else ()
        epcs = tuple(epc for epc in epcs if epc not in seen)
        seen.update(epcs)
        quantity = len(epcs) or draw(quantities)
        chosen = {name: draw(values) for name, values in more.items()}
        lines.append(kind(gtin=gtin, quantity=quantity, epcs=epcs, sscc=draw(ssccs), **chosen))
    return lines


class ReceivingMachine(CountedMachine):
    """`offered` is the model: what facts and receipts said that arrived, by SKU-location."""

    def __init__(self) -> None:
        super().__init__()
        self.world = ReceivingWorld()
        self.offered: Counter[tuple[str, str]] = Counter()
        self.receipts = 0

    @rule(
        store=stores,
        name=despatches,
        lines=lines_of(DespatchLine, 3),
        is_strict=st.booleans(),
    )
    def advise(self, store: str, name: str, lines: list[DespatchLine], is_strict: bool) -> None:
        known = {(a.store, a.id) for a in self.world.records(DespatchAdvice)}
        if (store, name) not in known:
            self.world.now_ms += 1
            self.world.advise(*lines, despatch_id=name, store=store, is_strict=is_strict)

    @rule(
        store=stores,
        name=despatches,
        lines=lines_of(ReceivedLine, 3, condition=st.sampled_from(["sellable", "damaged"])),
        is_sent_again=st.booleans(),
    )
    def receive_by_hand(
        self, store: str, name: str, lines: list[ReceivedLine], is_sent_again: bool
    ) -> None:
        self.receipts += 1
        receipt_id = f"R{self.receipts}"
        command = receipt(*lines, despatch_id=name, receipt_id=receipt_id, store=store)
        if isinstance(self.world.submit(command), Done):
            for line in lines:
                self.offered[store, line.gtin] += line.quantity
            if is_sent_again:
                assert self.world.accepted(command).is_idle

    @rule(
        store=stores,
        arrivals=st.lists(
            st.tuples(
                gtins,
                serials | quantities,
                documents,
                st.sampled_from(["portal", "presence"]),
            ),
            min_size=1,
            max_size=3,
        ),
    )
    def receive_by_portal(self, store: str, arrivals: list[tuple[str, Any, Any, Any]]) -> None:
        facts = []
        for gtin, what, document, evidence in arrivals:
            epcs = tags_of(gtin, what) if isinstance(what, set) else ()
            quantity = len(epcs) or what
            self.offered[store, gtin] += quantity
            facts.append(goods(quantity, gtin, epcs=epcs, document=document, evidence=evidence))
        self.world.facts(*facts, store=store)

    @rule(store=stores, gtin=gtins, chosen=serials, leaves=st.booleans())
    def move_tags(self, store: str, gtin: str, chosen: set[int], leaves: bool) -> None:
        fact = TagsMoved(
            occurred_at_ms=NOW_MS,
            source="dock",
            gtin=gtin,
            from_zone="backroom" if leaves else "transit",
            to_zone="transit" if leaves else "backroom",
            epcs=list(tags_of(gtin, chosen)),
        )
        before = self.world.state(gtin, store)
        self.world.facts(fact, store=store)
        after = self.world.state(gtin, store)
        change = (after.received - after.moved) - (before.received - before.moved)
        sent_before = sum(d.change for d in before.departing) - sum(
            d.change for d in after.departing
        )
        moved = -len(chosen) + sent_before if leaves else len(chosen)
        assert change == moved, "what moves, moves once"
        self.offered[store, gtin] += after.received - before.received

    @rule(store=stores, name=despatches | st.just("T1"))
    def close(self, store: str, name: str) -> None:
        self.world.submit(CloseDespatch(store=store, despatch_id=name))

    @rule(
        data=st.data(),
        resolution=st.sampled_from(["accepted", "rejected", "written_off", "found"]),
        quantity=st.integers(0, 2),
    )
    def resolve(
        self,
        data: st.DataObject,
        resolution: Literal["accepted", "rejected", "written_off", "found"],
        quantity: int,
    ) -> None:
        still_open = [d for d in self.world.records(Discrepancy) if d.is_open]
        if not still_open:
            return
        chosen = data.draw(st.sampled_from(still_open))
        command = ResolveDiscrepancy(
            store=chosen.store,
            discrepancy_id=chosen.id,
            resolution=resolution,
            quantity=quantity,
        )
        before = self.world.state(chosen.gtin, chosen.store)
        if isinstance(self.world.submit(command), Done):
            after = self.world.state(chosen.gtin, chosen.store)
            self.offered[chosen.store, chosen.gtin] += after.received - before.received

    @rule(origin=stores, name=st.sampled_from(["T1", "T2", "D1"]), gtin=gtins, quantity=quantities)
    def transfer(self, origin: str, name: str, gtin: str, quantity: int) -> None:
        (destination,) = set(STORES) - {origin}
        here, there = self.world.state(gtin, origin), self.world.state(gtin, destination)
        answer = self.world.transfer(
            Line(gtin=gtin, quantity=quantity),
            transfer_id=name,
            origin=origin,
            destination=destination,
        )
        sent = quantity if isinstance(answer, Done) and not answer.is_idle else 0
        assert self.world.state(gtin, origin).moved == here.moved + sent
        assert self.world.state(gtin, destination).incoming == there.incoming + sent

    @rule(store=stores, gtin=gtins, quantity=quantities, is_count=st.booleans())
    def sell_or_count(self, store: str, gtin: str, quantity: int, is_count: bool) -> None:
        fact = counted(quantity, gtin) if is_count else sold(quantity, gtin)
        self.world.facts(fact, store=store)

    @invariant()
    def stock_and_advices_agree(self) -> None:
        self.world.check()
        assert not self.world.quarantined()

    @invariant()
    def every_unit_is_explained(self) -> None:
        """What arrived was counted, or came twice; what was counted was advised, extra or plain."""
        by_line: Counter[tuple[str, str]] = Counter()
        for advice in self.world.records(DespatchAdvice):
            for line in advice.lines:
                by_line[advice.store, line.gtin] += line.received
        extra: Counter[tuple[str, str]] = Counter()
        twice: Counter[tuple[str, str]] = Counter()
        for discrepancy in self.world.records(Discrepancy):
            key = (discrepancy.store, discrepancy.gtin)
            if discrepancy.kind in EXTRAS:
                extra[key] += discrepancy.quantity
            twice[key] += discrepancy.quantity if discrepancy.kind == "received_twice" else 0
        for key in ((store, gtin) for store in STORES for gtin in GTINS):
            received = self.world.state(key[1], key[0]).received
            assert by_line[key] + extra[key] <= received <= self.offered[key]
            assert received == self.offered[key] or twice[key]

    @invariant()
    def what_is_withheld_is_named(self) -> None:
        held: Counter[tuple[str, str, str]] = Counter()
        for discrepancy in self.world.records(Discrepancy):
            if discrepancy.held is not None:
                key = (discrepancy.store, discrepancy.gtin, discrepancy.held)
                held[key] += discrepancy.unsettled
        for store in STORES:
            for gtin in GTINS:
                state = self.world.state(gtin, store)
                # A count that finds fewer than are withheld withholds fewer.
                assert state.quality_control <= held[store, gtin, "quality_control"]
                assert state.damaged <= held[store, gtin, "damaged"]
                if not state.counted:
                    assert state.quality_control == held[store, gtin, "quality_control"]
                    assert state.damaged == held[store, gtin, "damaged"]
                assert state.in_return == 0

    @invariant()
    def what_was_sent_is_there_on_its_way_or_short(self) -> None:
        for advice in self.world.records(DespatchAdvice):
            for line in advice.lines:
                assert line.advised == line.received + line.outstanding + line.short

    def teardown(self) -> None:
        self.world.check_replay()


TestReceivingMachine = ReceivingMachine.TestCase
TestReceivingMachine.settings = LONG
