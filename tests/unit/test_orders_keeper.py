"""Orders are looked after while the cloud runs, by what commits say and by the clock."""

import asyncio
from collections.abc import Callable

import pytest

from cloud.commands import AnyCommand
from cloud.commands.reservations import Reserve
from cloud.orders import keeper as keeping
from cloud.orders.desk import OrderDesk
from cloud.orders.keeper import OrderKeeper
from cloud.shards.messages import Committed, Done
from cloud.sku_location.refusal import Refused
from tests.order_world import HOUR_MS, Crashed, OrderWorld, request
from tests.shard_inputs import GTIN

DEADLINE_S = 10.0


class Busy(Exception):
    """The shard has no room."""


@pytest.fixture
def world() -> OrderWorld:
    return OrderWorld()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110 -- the condition is read from a journal.
            await asyncio.sleep(0)


def test_orders_are_resumed_rerouted_and_swept(world: OrderWorld) -> None:
    world.stock("S001", 1)
    world.after_step = lambda step: crash(step == 1)
    with pytest.raises(Crashed):
        world.run(world.desk.place(request(), "k"))
    world.restart()

    async def keep() -> None:
        keeper = OrderKeeper(world.desk, interval_s=0.001)
        running = asyncio.create_task(keeper.run())
        await until(lambda: world.order().status == "held")
        world.stock("S002", 1)
        world.sell("S001")
        keeper.note(Committed(position=9, notices=list(world.told)))
        await until(lambda: world.told[-1].kind == "order_rerouted")
        assert world.held() == {("S002", GTIN): 1}
        world.now_ms += HOUR_MS
        await until(lambda: not world.order().is_open)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    world.run(keep())
    assert (world.order().status, world.held()) == ("released", {})


def crash(now: bool) -> None:
    if now:
        raise Crashed


def test_what_finds_the_shard_busy_is_looked_after_again(world: OrderWorld) -> None:
    world.stock("S001", 1)
    busy = [True]

    async def submit(command: AnyCommand, /) -> Done | Refused:
        if isinstance(command, Reserve) and busy:
            busy.pop()
            raise Busy
        return await world.submit(command)

    desk = OrderDesk(submit, world.read, world.router, lambda: world.now_ms, (Busy,))
    with pytest.raises(Busy):
        world.run(desk.place(request(), "k"))
    busy.append(True)
    assert world.run(desk.sweep()) == (1, ("o1",))
    assert world.run(desk.sweep()) == (1, ())
    assert world.order().status == "held"


def test_reads_that_find_nobody_free_do_not_end_the_keeper(world: OrderWorld) -> None:
    world.stock("S001", 1)
    world.run(world.desk.place(request(), "k"))
    world.now_ms += HOUR_MS
    answers: list[bool] = [False, True]
    read = world.read

    async def look() -> None:
        async def reads(question: Callable[..., object], /) -> object:
            if answers and not answers.pop():
                raise Busy
            return await read(question)

        desk = OrderDesk(world.submit, reads, world.router, lambda: world.now_ms, (Busy,))  # type: ignore[arg-type] # narrower than the port, for this test.
        keeper = OrderKeeper(desk, (Busy,), interval_s=0.001)
        running = asyncio.create_task(keeper.run())
        await until(lambda: not world.held())
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    world.run(look())
    assert answers == []


def test_too_many_names_are_one_look_at_all_orders(
    world: OrderWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "NOTED_MAX", 0)
    world.stock("S001", 1)
    world.run(world.desk.place(request(), "k"))

    async def look() -> None:
        keeper = OrderKeeper(world.desk)
        assert (await keeper.look()).driven == 0
        world.stock("S002", 1)
        world.sell("S001")
        keeper.note(Committed(position=9, notices=list(world.told)))
        await asyncio.sleep(0)
        assert (await keeper.look()).driven == 1

    world.run(look())
    assert world.held() == {("S002", GTIN): 1}
