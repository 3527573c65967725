"""One order that cannot be gone on with disturbs no other, however often it is tried."""

import asyncio
import logging
from itertools import pairwise
from typing import Any

import pytest

from cloud.commands import AnyCommand
from cloud.commands.orders import SettleOrder
from cloud.commands.reservations import Confirm, HandOver
from cloud.errors import CloudError, JournalFailed, OwnershipLost
from cloud.journal.rows import JournalWrite, RecordRow
from cloud.orders import desk as desks
from cloud.orders.desk import OrderDesk
from cloud.orders.driver import IDLE_MOVES_MAX
from cloud.orders.errors import OrderUnsettled
from cloud.orders.keeper import OrderKeeper
from cloud.orders.ports import Demand, Routed
from cloud.orders.routing import RoutingInvalid
from cloud.orders.unfinished import RETRY_FIRST_MS, RETRY_LAST_MS, Unfinished
from cloud.records import decode_record, record_row
from cloud.records.order import Order
from cloud.shards.messages import Committed, Done
from cloud.sku_location.refusal import Refused
from tests.order_world import HOUR_MS, OrderWorld, request
from tests.shard_inputs import GTIN, NOW_MS

DEADLINE_S = 10.0


@pytest.fixture
def world() -> OrderWorld:
    return OrderWorld()


def placed(world: OrderWorld, *order_ids: str, **fields: Any) -> None:
    for order_id in order_ids:
        world.stock("S001", 1)
        order = world.run(world.desk.place(request(order_id, **fields), order_id))
        assert isinstance(order, Order)


def poison(world: OrderWorld, order_id: str) -> None:
    """Let a record be there that cannot be read."""
    row = world.journal.record(Order.KIND, "cloud", order_id)
    assert row is not None
    write(world, row._replace(data=b"\xc1"))


def write(world: OrderWorld, row: RecordRow) -> None:
    world.journal.commit(world.shard.owner_epoch, JournalWrite(records=[row]))


def failing_desk(world: OrderWorld, error: Exception) -> OrderDesk:
    """Return a desk whose commands about the order `bad` fail."""

    async def submit(command: AnyCommand, /) -> Done | Refused:
        if isinstance(command, SettleOrder) and command.order_id == "bad":
            raise error
        return await world.submit(command)

    return OrderDesk(submit, world.read, world.router, lambda: world.now_ms)


def test_an_order_that_fails_is_set_aside_and_the_others_are_ended(
    world: OrderWorld, caplog: pytest.LogCaptureFixture
) -> None:
    placed(world, "a", "bad", "z")
    poison(world, "bad")
    world.now_ms += HOUR_MS
    looked = world.run(world.desk.resume())
    assert looked.unsettled == ("bad",)
    assert world.desk.failing == 1
    statuses = {
        row.id: decode_record(Order, row.data).status
        for row in world.journal.records(Order.KIND)
        if row.id != "bad"
    }
    assert statuses == {"a": "released", "z": "released"}
    for _ in range(5):
        world.now_ms += RETRY_LAST_MS
        assert world.run(world.desk.sweep()) == (1, ("bad",))
    (told,) = [each for each in caplog.records if each.levelno >= logging.ERROR]
    assert "bad" in told.getMessage()
    assert told.exc_info is not None


def test_who_fails_is_tried_less_and_less_and_at_last_succeeds(world: OrderWorld) -> None:
    placed(world, "bad")
    desk = failing_desk(world, ZeroDivisionError("unforeseen"))
    world.now_ms += HOUR_MS
    begun_ms, tried_ms = world.now_ms, list[int]()
    while world.now_ms < begun_ms + HOUR_MS:
        if world.run(desk.sweep()).driven:
            tried_ms.append(world.now_ms)
        world.now_ms += 1_000
    gaps_ms = [later - earlier for earlier, later in pairwise(tried_ms)]
    assert gaps_ms[0] == RETRY_FIRST_MS
    assert gaps_ms == sorted(gaps_ms)
    assert gaps_ms[-1] == RETRY_LAST_MS
    assert world.run(world.desk.sweep()).driven == 1
    world.now_ms += RETRY_LAST_MS
    assert world.run(desk.sweep()) == (1, ())
    assert desk.failing == 0


def test_news_of_an_order_that_waits_does_not_hurry_it(world: OrderWorld) -> None:
    placed(world, "bad")
    desk = failing_desk(world, ValueError("unforeseen"))
    world.now_ms += HOUR_MS
    assert world.run(desk.look_after(["bad"])) == (1, ("bad",))
    assert world.run(desk.look_after(["bad"])) == (0, ())
    assert world.find("bad") is not None


@pytest.mark.parametrize("failure", [JournalFailed, OwnershipLost])
def test_a_failure_of_the_storage_is_no_orders_fault(
    world: OrderWorld, failure: type[CloudError]
) -> None:
    placed(world, "bad", "z")
    desk = failing_desk(world, failure("gone"))
    world.now_ms += HOUR_MS
    with pytest.raises(failure):
        world.run(desk.sweep())

    async def look() -> None:
        async with asyncio.timeout(DEADLINE_S):
            await OrderKeeper(desk).run()

    with pytest.raises(failure):
        world.run(look())


def test_orders_that_stay_due_do_not_keep_others_from_being_ended(
    world: OrderWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desks, "SWEEP_ORDERS_MAX", 2)
    placed(world, "bad1", "bad2", "bad3", expires_at_ms=NOW_MS + 1)
    placed(world, "z", expires_at_ms=NOW_MS + 2)
    for name in ("bad1", "bad2", "bad3"):
        poison(world, name)
    world.now_ms += HOUR_MS
    for _ in range(3):
        world.run(world.desk.sweep())
    assert world.desk.failing == 3
    row = world.journal.record(Order.KIND, "cloud", "z")
    assert row is not None
    assert not row.is_open


def test_all_open_orders_are_looked_through_in_parts(
    world: OrderWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desks, "RESUMED_AT_ONCE_MAX", 2)
    placed(world, *(f"o{number}" for number in range(5)))
    assert world.run(world.desk.resume()) == (0, ())
    world.now_ms += HOUR_MS
    assert world.run(world.desk.resume()) == (5, ())
    assert world.held() == {}


def test_who_was_forgotten_is_found_again(
    world: OrderWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desks, "UNFINISHED_MAX", 2)
    placed(world, "a", "b", "c")
    for name in "abc":
        assert isinstance(world.run(world.desk.confirm(name, f"confirm {name}")), Order)
    for reservation in world.reservations():
        world.answer(HandOver(store="S001", reservation_id=reservation.id))
    is_broken = [True]

    async def submit(command: AnyCommand, /) -> Done | Refused:
        if is_broken:
            raise ValueError("unforeseen")
        return await world.submit(command)

    desk = OrderDesk(submit, world.read, world.router, lambda: world.now_ms)
    assert world.run(desk.look_after("abc")).unsettled == ("a", "b", "c")
    assert desk.failing == 2
    is_broken.clear()
    world.now_ms += RETRY_LAST_MS
    assert world.run(desk.sweep()) == (2, ())
    assert world.order("a").is_open
    assert world.run(desk.sweep()) == (1, ())
    assert not world.order("a").is_open


def test_moves_that_change_nothing_are_not_repeated_for_long(world: OrderWorld) -> None:
    placed(world, "o1")
    asked: list[AnyCommand] = []

    async def submit(command: AnyCommand, /) -> Done | Refused:
        if isinstance(command, Confirm):
            asked.append(command)
            return Done(position=0)
        return await world.submit(command)

    desk = OrderDesk(submit, world.read, world.router, lambda: world.now_ms)
    with pytest.raises(OrderUnsettled):
        world.run(desk.confirm("o1", "c"))
    assert len(asked) == IDLE_MOVES_MAX
    assert world.run(desk.sweep()) == (1, ("o1",))
    assert world.run(desk.sweep()) == (0, ())
    world.now_ms += RETRY_FIRST_MS
    assert world.run(world.desk.look_after(["o1"])) == (1, ())
    assert world.run(desk.sweep()) == (1, ())


def test_what_cannot_be_routed_has_no_route(
    world: OrderWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed(world, "o1")
    world.stock("S002", 1)

    async def route(_demand: Demand, _now_ms: int) -> Routed:
        raise RoutingInvalid("candidates", "nonsense")

    monkeypatch.setattr(world.router, "route", route)
    world.sell("S001")
    assert world.run(world.desk.on_notices(list(world.told))) == (1, ())
    assert world.order().status == "short"
    assert "nonsense" in world.told[-1].detail


def test_the_keeper_survives_a_look_that_fails_and_says_so(
    world: OrderWorld, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    placed(world, "o1")
    sweep = world.desk.sweep
    failures = [True, True]

    async def fails_twice() -> Any:
        if failures:
            failures.pop()
            raise ZeroDivisionError("unforeseen")
        return await sweep()

    monkeypatch.setattr(world.desk, "sweep", fails_twice)
    world.now_ms += HOUR_MS
    monkeypatch.setattr(world.desk, "resume", fails_twice)

    async def keep() -> None:
        keeper = OrderKeeper(world.desk, interval_s=0.001)
        keeper.note(Committed(position=1))
        running = asyncio.create_task(keeper.run())
        async with asyncio.timeout(DEADLINE_S):
            while world.held():  # noqa: ASYNC110 -- the condition is read from a journal.
                await asyncio.sleep(0)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert keeper.failed_looks == 2

    world.run(keep())
    critical = [each for each in caplog.records if each.levelno == logging.CRITICAL]
    assert len(critical) == 2


def test_names_are_remembered_within_bounds() -> None:
    names = Unfinished(2)
    for name in "abc":
        names.broke_off(name)
    assert (names.ready(0), names.has_forgotten, names.has_room) == (["b", "c"], True, False)
    assert [names.failed("c", 0), names.failed("c", 0)] == [1, 2]
    assert (names.ready(0), names.failing(), len(names)) == (["b"], 1, 2)
    names.broke_off("c")
    assert names.waits("c", RETRY_FIRST_MS)
    assert not names.waits("c", 2 * RETRY_FIRST_MS)
    assert not names.waits("c", -1)
    names.done("b")
    assert names.has_room


def test_a_record_that_cannot_be_read_is_not_at_rest(world: OrderWorld) -> None:
    placed(world, "o1")
    assert world.held() == {("S001", GTIN): 1}
    assert world.run(world.desk.resume()) == (0, ())
    write(world, record_row(world.order(), 9))
    assert world.run(world.desk.resume()) == (0, ())
    poison(world, "o1")
    assert world.run(world.desk.resume()) == (1, ("o1",))
