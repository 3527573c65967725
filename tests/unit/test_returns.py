"""Returns and exchanges: bought anywhere, returned anywhere, and refunded once."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import pytest
from msgspec.structs import replace

from cloud.commands import AnyCommand
from cloud.commands.command import Line
from cloud.commands.reservations import HandOver, Release, Reserve, ReserveLine, Ship
from cloud.commands.returns import AcceptReturn, InspectReturn, ReturnLine, SoldLine
from cloud.journal.port import Journal
from cloud.journal.rows import decode_command, decode_state
from cloud.journal.sqlite import SqliteJournal
from cloud.journal.verify import verify
from cloud.records.goods_return import GoodsReturn
from cloud.returns.receipts import parse_receipt
from cloud.returns.sales import sale_of_receipt, sales_of_customer, sales_of_order
from cloud.shards.messages import Committed, Done, ShardInput, Submitted
from cloud.shards.shard import Shard
from cloud.sku_location.decide import LOGIC_ERA
from cloud.sku_location.refusal import Refusal, Refused
from cloud.sku_location.state import SkuLocation
from tests.shard_inputs import (
    GTIN,
    INVALID_GTIN,
    NOW_MS,
    OTHER_GTIN,
    batch,
    counted,
    gtins,
    received,
    sale_voided,
    sold,
)

BERLIN: Final = "S001"
VIENNA: Final = "S002"
TILL: Final = "1/2026-11-25/42"
RECEIPT: Final = f"{BERLIN}/{TILL}"


class World:
    """One shard for two stores, over a journal on disk."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        epoch = journal.take_ownership("0-of-1", LOGIC_ERA, NOW_MS)
        self.shard = Shard(journal, "0-of-1", epoch)
        self.seqs = {BERLIN: 0, VIENNA: 0}
        self.facts(BERLIN, counted(30), counted(30, gtin=OTHER_GTIN))
        self.facts(
            BERLIN,
            sold(3, transaction=TILL, line=1),
            sold(2, transaction=TILL, line=2),
            sold(1, gtin=OTHER_GTIN, transaction=TILL, line=3),
        )

    def commit(self, *inputs: ShardInput) -> Committed:
        return self.shard.commit(inputs, NOW_MS)

    def facts(self, store: str, *facts: Any) -> Committed:
        first_seq = self.seqs[store] + 1
        self.seqs[store] += len(facts)
        timed = [replace(fact, occurred_at_ms=NOW_MS) for fact in facts]
        return self.commit(batch(first_seq, timed, store=store, sent_at_ms=NOW_MS))

    def ask(self, command: AnyCommand) -> Done | Refused:
        (reply,) = self.commit(Submitted(ticket=1, command=command)).replies
        return reply.answer

    def accepted(self, command: AnyCommand) -> GoodsReturn:
        answer = self.ask(command)
        assert isinstance(answer, Done), answer
        assert isinstance(answer.record, GoodsReturn)
        return answer.record

    def refused(self, command: AnyCommand) -> Refused:
        answer = self.ask(command)
        assert isinstance(answer, Refused)
        return answer

    def state(self, store: str = VIENNA, gtin: str = GTIN) -> SkuLocation:
        row = self.journal.state(store, gtin)
        return SkuLocation(store=store, gtin=gtin) if row is None else decode_state(row.data)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with closing(SqliteJournal(tmp_path / "journal.db")) as journal:
        yield World(journal)
        report = verify(journal)
        assert report.is_identical, report.differences


def back(
    *lines: tuple[str, int, Any], name: str = "R1", store: str = VIENNA, **fields: Any
) -> AcceptReturn:
    if "order_id" not in fields:
        fields.setdefault("receipt", RECEIPT)
    return AcceptReturn(
        store=store,
        return_id=name,
        lines=[ReturnLine(gtin=g, quantity=q, condition=c) for g, q, c in lines],
        **fields,
    )


def inspect(quantity: int, verdict: Any, name: str = "R1") -> InspectReturn:
    return InspectReturn(
        store=VIENNA, return_id=name, gtin=GTIN, quantity=quantity, verdict=verdict
    )


# Sales are found.


def test_a_sale_is_found_by_its_receipt_with_the_lines_of_a_gtin_summed(world: World) -> None:
    sale = sale_of_receipt(world.journal, BERLIN, TILL)
    assert sale is not None
    assert sale.receipt == RECEIPT
    assert [(line.gtin, line.sold, line.left) for line in sale.lines] == [
        (GTIN, 5, 5),
        (OTHER_GTIN, 1, 1),
    ]
    assert sale_of_receipt(world.journal, VIENNA, TILL) is None


def test_a_receipt_whose_lines_came_in_two_batches_is_found_whole(world: World) -> None:
    world.facts(BERLIN, sold(4, transaction=TILL, line=4), sold(9))
    sale = sale_of_receipt(world.journal, BERLIN, TILL)
    assert sale is not None
    assert sale.lines[0].sold == 9


def test_lines_that_a_till_voided_cannot_be_returned(world: World) -> None:
    world.facts(BERLIN, replace(sale_voided(2), voided_transaction=TILL))
    sale = sale_of_receipt(world.journal, BERLIN, TILL)
    assert sale is not None
    assert (sale.lines[0].voided, sale.lines[0].left) == (2, 3)
    refused = world.refused(back((GTIN, 4, "sellable")))
    assert refused.reason == Refusal.ALREADY_RETURNED
    assert "5 of 00614141123452 were sold, 2 voided, 0 returned; 3 can be" in refused.detail


def reserve(world: World, name: str, quantity: int, store: str = BERLIN) -> None:
    line = ReserveLine(gtin=GTIN, quantity=quantity)
    command = Reserve(
        store=store,
        reservation_id=name,
        order_id="O1",
        channel="web",
        customer="C9",
        lines=[line],
        expires_at_ms=0,
    )
    assert isinstance(world.ask(command), Done)


def test_an_order_is_found_by_its_id_and_its_customer_as_far_as_it_was_fulfilled(
    world: World,
) -> None:
    world.facts(VIENNA, counted(9))
    reserve(world, "a", 4)
    reserve(world, "b", 3, VIENNA)
    assert sales_of_order(world.journal, "O1") is None
    world.ask(Ship(store=BERLIN, reservation_id="a", lines=(Line(gtin=GTIN, quantity=3),)))
    world.ask(Release(store=BERLIN, reservation_id="a"))
    world.ask(HandOver(store=VIENNA, reservation_id="b"))
    (sale,) = sales_of_customer(world.journal, "C9")
    assert sale == sales_of_order(world.journal, "O1")
    assert (sale.order_id, sale.customer, sale.lines[0].left) == ("O1", "C9", 6)
    world.accepted(back((GTIN, 6, "sellable"), order_id="O1"))
    again = world.refused(back((GTIN, 1, "sellable"), name="R2", order_id="O1"))
    assert again.reason == Refusal.ALREADY_RETURNED


@pytest.mark.parametrize(
    ("text", "receipt"),
    [("S1/7", ("S1", "7")), (RECEIPT, (BERLIN, TILL)), ("S1", None), ("/7", None), ("S1/", None)],
)
def test_a_receipt_is_a_store_and_whatever_its_till_calls_the_transaction(
    text: str, receipt: tuple[str, str] | None
) -> None:
    assert parse_receipt(text) == receipt


# What comes back.


@pytest.mark.parametrize(
    ("condition", "on_hand", "unavailable", "column"),
    [
        ("sellable", 2, {}, "restocked"),
        ("inspect", 2, {"in_return": 2}, "inspecting"),
        ("damaged", 2, {"damaged": 2}, "damaged"),
        ("write_off", 0, {"lost": 2, "written_off": 2}, "written_off"),
    ],
)
def test_goods_go_where_their_condition_says(
    world: World, condition: str, on_hand: int, unavailable: dict[str, int], column: str
) -> None:
    accepted = world.accepted(back((GTIN, 2, condition)))
    state = world.state()
    assert (state.on_hand, state.returned) == (on_hand, 2)
    for name, quantity in unavailable.items():
        assert getattr(state, name) == quantity
    (line,) = accepted.lines
    assert getattr(line, column) == line.quantity == 2
    assert accepted.is_open == (condition == "inspect")
    assert line.status == ("inspecting" if condition == "inspect" else "settled")


def test_a_refund_is_due_once_for_each_gtin_of_a_return(world: World) -> None:
    command = back((GTIN, 2, "sellable"), (GTIN, 1, "damaged"), (OTHER_GTIN, 1, "inspect"))
    notices = world.commit(Submitted(ticket=1, command=command)).notices
    assert [(n.kind, n.subject, n.gtin, n.quantity) for n in notices] == [
        ("refund_due", "R1", GTIN, 3),
        ("refund_due", "R1", OTHER_GTIN, 1),
    ]
    assert notices[0].detail == f"sold by receipt {RECEIPT}"


def test_what_came_back_anywhere_cannot_come_back_again(world: World) -> None:
    world.accepted(back((GTIN, 3, "sellable")))
    refused = world.refused(back((GTIN, 3, "damaged"), name="R2", store=BERLIN))
    assert refused.reason == Refusal.ALREADY_RETURNED
    assert refused.detail.endswith("2 can be returned, not 3")
    world.accepted(back((GTIN, 2, "damaged"), name="R2", store=BERLIN))
    assert world.refused(back((GTIN, 1, "inspect"), name="R3")).reason == Refusal.ALREADY_RETURNED


def test_two_returns_in_one_group_commit_are_not_both_refunded(world: World) -> None:
    inputs = [
        Submitted(ticket=number, command=back((GTIN, 4, "sellable"), name=f"R{number}"))
        for number in (1, 2)
    ]
    first, second = world.commit(*inputs).replies
    assert isinstance(first.answer, Done)
    assert isinstance(second.answer, Refused)


def test_a_return_that_fails_in_its_last_line_has_moved_nothing(world: World) -> None:
    refused = world.refused(back((GTIN, 2, "sellable"), (OTHER_GTIN, 2, "sellable")))
    assert refused.reason == Refusal.ALREADY_RETURNED
    assert world.state().version == 0


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (back((GTIN, 1, "sellable"), receipt=f"{BERLIN}/none"), Refusal.UNKNOWN),
        (back((gtins(1)[0], 1, "sellable")), Refusal.UNKNOWN),
        (back((INVALID_GTIN, 1, "sellable")), Refusal.UNKNOWN),
        (back((GTIN, 1, "sellable"), order_id="O7"), Refusal.UNKNOWN),
        (back((GTIN, 1, "sellable"), receipt=""), Refusal.INVALID),
        (back((GTIN, 1, "sellable"), receipt="42"), Refusal.INVALID),
        (back((GTIN, 1, "sellable"), receipt=RECEIPT, order_id="O1"), Refusal.INVALID),
    ],
)
def test_what_is_not_known_to_be_sold_is_not_taken_back(
    world: World, command: AcceptReturn, reason: Refusal
) -> None:
    assert world.refused(command).reason == reason


def test_nobody_can_write_himself_what_was_sold(world: World) -> None:
    forged = (SoldLine(gtin=GTIN, quantity=99, measure="units"),)
    assert world.refused(back((GTIN, 6, "sellable"), sold=forged)).detail.endswith("not 6")
    order = back((GTIN, 1, "sellable"), order_id="O1", sold=forged)
    assert world.refused(order).reason == Refusal.UNKNOWN
    world.accepted(back((GTIN, 5, "sellable"), sold=forged))
    *_, row = world.journal.inputs()
    journalled = decode_command(row.payload)
    assert isinstance(journalled, AcceptReturn)
    assert journalled.sold == (SoldLine(gtin=GTIN, quantity=5, measure="units"),)


def test_a_returns_name_is_used_once_and_its_key_answers_again(world: World) -> None:
    command = replace(back((GTIN, 1, "sellable")), key="k", digest=b"d")
    first = world.accepted(command)
    answer = world.ask(command)
    assert isinstance(answer, Done)
    assert answer.is_replayed
    assert answer.record == first
    assert world.state().on_hand == 1
    assert world.refused(back((GTIN, 1, "sellable"))).reason == Refusal.REPEATED_ID


def test_goods_by_weight_come_back_in_grams(world: World) -> None:
    cheese = gtins(1)[0]
    world.facts(BERLIN, sold(250, gtin=cheese, measure="grams", transaction="g"))
    world.accepted(back((cheese, 200, "sellable"), receipt=f"{BERLIN}/g"))
    assert world.state(gtin=cheese).measure == "grams"
    world.facts(VIENNA, received(3))
    world.facts(BERLIN, sold(3, transaction="u"))
    world.accepted(back((GTIN, 3, "sellable"), receipt=f"{BERLIN}/u", name="R2"))
    other = gtins(2)[1]
    world.facts(VIENNA, received(5, gtin=other))
    world.facts(BERLIN, sold(300, gtin=other, measure="grams", transaction="m"))
    refused = world.refused(back((other, 100, "sellable"), receipt=f"{BERLIN}/m", name="R3"))
    assert refused.reason == Refusal.MEASURE_CONFLICT


# Exchanges.


def test_an_exchange_is_a_return_and_a_sale_in_one_transaction(world: World) -> None:
    world.facts(VIENNA, counted(4, gtin=OTHER_GTIN))
    position = world.journal.position()
    taken = (Line(gtin=OTHER_GTIN, quantity=1),)
    accepted = world.accepted(back((GTIN, 1, "sellable"), exchange=taken))
    assert world.journal.position() == position + 1
    assert (world.state().on_hand, world.state(gtin=OTHER_GTIN).on_hand) == (1, 3)
    assert accepted.exchange == (SoldLine(gtin=OTHER_GTIN, quantity=1, measure="units"),)


def test_exchanged_goods_can_be_returned_by_the_same_receipt(world: World) -> None:
    world.facts(VIENNA, counted(4, gtin=OTHER_GTIN))
    taken = (Line(gtin=OTHER_GTIN, quantity=2),)
    world.accepted(back((GTIN, 1, "sellable"), exchange=taken))
    world.accepted(back((OTHER_GTIN, 3, "sellable"), name="R2"))
    refused = world.refused(back((OTHER_GTIN, 1, "sellable"), name="R3"))
    assert refused.reason == Refusal.ALREADY_RETURNED


def test_an_exchange_for_goods_that_are_unknown_here_takes_nothing_back(world: World) -> None:
    taken = (Line(gtin=gtins(1)[0], quantity=1),)
    refused = world.refused(back((GTIN, 1, "sellable"), exchange=taken))
    assert refused.reason == Refusal.UNKNOWN
    assert world.state().version == 0


# Inspection.


def test_inspected_goods_are_restocked_damaged_or_written_off(world: World) -> None:
    world.accepted(back((GTIN, 2, "inspect"), (GTIN, 1, "sellable"), (GTIN, 2, "inspect")))
    world.accepted(inspect(3, "sellable"))
    world.accepted(inspect(1, "write_off"))
    state = world.state()
    assert (state.on_hand, state.in_return, state.written_off) == (4, 0, 1)
    row = world.journal.record("goods_return", VIENNA, "R1")
    assert row is not None
    assert not row.is_open
    assert world.refused(inspect(1, "damaged")).reason == Refusal.MORE_THAN_UNAVAILABLE


def test_what_inspection_finds_damaged_is_withheld(world: World) -> None:
    world.accepted(back((GTIN, 2, "inspect")))
    accepted = world.accepted(inspect(2, "damaged"))
    assert (world.state().damaged, world.state().in_return) == (2, 0)
    assert (accepted.lines[0].damaged, accepted.lines[0].inspecting) == (2, 0)
    assert world.refused(inspect(1, "sellable", name="R9")).reason == Refusal.UNKNOWN
