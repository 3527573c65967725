"""Signals inside a store: what somebody there should do, told once; how a gateway hears of it."""

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from cloud.commands import AnyCommand
from cloud.commands.command import Line
from cloud.commands.reservations import Confirm, Pick, Release, Reserve, ReserveLine
from cloud.commands.stock import AdjustStock
from cloud.journal.memory import MemoryJournal
from cloud.journal.verify import verify
from cloud.publisher.live import to_stores
from cloud.shards.messages import Committed, SetPolicy, ShardInput, Submitted
from cloud.shards.shard import Shard
from cloud.sku_location.decide import LOGIC_ERA
from cloud.sku_location.movements import MOVEMENTS_MAX
from cloud.sku_location.state import Policy
from edge.mirror.sqlite import TASKS_MAX, SqliteMirror
from protocol.codec import decode_down
from protocol.topics import Topics
from protocol.updates import TaskSignal
from tests.shard_inputs import GTIN, NOW_MS, STORE, batch, counted, moved, received, sold


class World:
    def __init__(self) -> None:
        self.journal = MemoryJournal()
        epoch = self.journal.take_ownership("0-of-1", LOGIC_ERA, NOW_MS)
        self.shard = Shard(self.journal, "0-of-1", epoch)
        self.seq = 0
        self.now_ms = NOW_MS

    def commit(self, *inputs: ShardInput) -> Committed:
        committed = self.shard.commit(inputs, self.now_ms)
        self.heard = [(n.kind, n.quantity) for n in committed.notices]
        return committed

    def facts(self, *facts: Any, ago_ms: int = 0) -> list[Any]:
        first_seq = self.seq + 1
        self.seq += len(facts)
        timed = [replace(fact, occurred_at_ms=self.now_ms - ago_ms) for fact in facts]
        self.commit(batch(first_seq, timed, sent_at_ms=self.now_ms))
        return self.heard

    def ask(self, command: AnyCommand) -> list[Any]:
        self.commit(Submitted(ticket=1, command=command))
        return self.heard

    def reserve(self, quantity: int) -> None:
        self.ask(
            Reserve(
                store=STORE,
                reservation_id="r",
                order_id="o",
                channel="web",
                lines=[ReserveLine(gtin=GTIN, quantity=quantity)],
                expires_at_ms=0,
            )
        )


@pytest.fixture
def world() -> Any:
    world = World()
    yield world
    report = verify(world.journal)
    assert report.is_identical, report.differences


POLICY = Policy(reorder_point=0, order_up_to=1, replenish_at=2)


def test_a_low_sales_floor_is_replenished_from_the_backroom_once(world: World) -> None:
    world.commit(SetPolicy(store=STORE, gtin=GTIN, policy=POLICY))
    assert world.facts(counted(4), received(6, zone="backroom")) == []
    assert world.facts(sold(2)) == [("replenish", 6)]
    assert world.facts(sold(1)) == []
    assert world.facts(moved("backroom", "sales_floor", 5)) == []
    assert world.facts(sold(4)) == [("replenish", 1)]


def test_nothing_is_replenished_from_an_empty_backroom(world: World) -> None:
    world.commit(SetPolicy(store=STORE, gtin=GTIN, policy=POLICY))
    assert world.facts(counted(3), sold(2)) == []


def test_a_book_below_zero_asks_for_a_count_when_it_becomes_so(world: World) -> None:
    assert world.facts(counted(2), sold(1)) == []
    assert world.facts(sold(3)) == [("recount", -2)]
    assert world.facts(sold(1)) == []
    assert world.facts(counted(0), sold(1)) == [("recount", -1)]


def test_sales_of_goods_that_were_never_counted_ask_for_nothing(world: World) -> None:
    assert world.facts(sold(3)) == []


def test_a_count_that_is_refused_as_outdated_asks_for_another(world: World) -> None:
    world.facts(counted(100))
    world.now_ms += 100_000
    world.facts(*(sold(1) for _ in range(MOVEMENTS_MAX + 1)))
    assert world.facts(counted(99), ago_ms=50_000) == [("recount", 99)]
    (entry,) = world.journal.quarantine()
    assert entry.content.reason == "count_outdated"


def test_a_sale_of_what_was_promised_asks_for_a_count(world: World) -> None:
    world.facts(counted(3))
    world.reserve(2)
    assert world.facts(sold(2)) == [("reservation_short", 1), ("recount", 1)]


def test_a_count_that_leaves_less_than_was_promised_asks_for_no_other(world: World) -> None:
    world.facts(counted(3))
    world.reserve(2)
    assert world.facts(counted(1)) == [("reservation_short", 1)]
    damage = AdjustStock(store=STORE, gtin=GTIN, quantity=1, action="withhold", reason="damaged")
    assert world.ask(damage) == [("reservation_short", 1)]


def test_a_confirmed_order_is_to_be_picked(world: World) -> None:
    world.facts(counted(3))
    world.reserve(2)
    assert world.ask(Confirm(store=STORE, reservation_id="r")) == [("pick", 2)]
    assert world.ask(Confirm(store=STORE, reservation_id="r")) == []


def test_a_picker_who_gives_back_the_rest_has_not_found_it(world: World) -> None:
    world.facts(counted(5))
    world.reserve(3)
    one = (Line(gtin=GTIN, quantity=1),)
    assert world.ask(Pick(store=STORE, reservation_id="r", lines=one)) == []
    rest = (Line(gtin=GTIN, quantity=2),)
    assert world.ask(Release(store=STORE, reservation_id="r", lines=rest)) == [("recount", 5)]


def test_a_cancelled_order_says_nothing_about_the_count(world: World) -> None:
    world.facts(counted(5))
    world.reserve(3)
    assert world.ask(Release(store=STORE, reservation_id="r")) == []


# How a gateway hears of it.


def test_a_task_is_told_to_its_store(world: World) -> None:
    world.facts(counted(2))
    world.reserve(2)
    committed = world.commit(Submitted(ticket=1, command=Confirm(store=STORE, reservation_id="r")))
    told = [message for message in to_stores(committed, Topics()) if "signals" in message.topic]
    (message,) = told
    assert message.topic == f"st/1/{STORE}/down/signals"
    task = decode_down(message.payload)
    assert isinstance(task, TaskSignal)
    assert (task.kind, task.gtin, task.quantity, task.order_id) == ("pick", GTIN, 2, "o")
    assert task.created_at_ms == NOW_MS


def task(number: int) -> TaskSignal:
    return TaskSignal(
        store=STORE,
        task_id=f"{number:016d}-000001",
        kind="recount",
        gtin=GTIN,
        measure="units",
        quantity=-1,
        created_at_ms=NOW_MS,
    )


def test_the_mirror_keeps_the_newest_tasks_once(tmp_path: Path) -> None:
    mirror = SqliteMirror(tmp_path / "mirror.db")
    for number in (*range(1, TASKS_MAX + 11), 50, 3):
        mirror.apply_task(task(number))
    kept = [each.task_id for each in mirror.tasks()]
    assert kept == [task(number).task_id for number in range(TASKS_MAX + 10, 10, -1)]
    mirror.reset()
    assert mirror.tasks() == []
    mirror.close()
