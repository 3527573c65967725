"""The box between the shard's thread and the publisher: in order, bounded, never waiting."""

import asyncio
from threading import Thread

from cloud.publisher.handover import Handover, Told
from cloud.shards.messages import Committed, StoreChange
from cloud.sku_location.state import SkuLocation
from protocol.updates import Ack


def committed(position: int, states: int = 0) -> Committed:
    change = StoreChange(
        store="S001",
        previous_position=position - 1,
        position=position,
        epoch=1,
        through_seq=1,
        states=[SkuLocation(store="S001", gtin="00614141123452")] * states,
    )
    return Committed(position=position, changes=[change])


def positions(items: list[Told]) -> list[int]:
    return [item.position for item in items if isinstance(item, Committed)]


async def test_commits_of_another_thread_arrive_all_and_in_order() -> None:
    handover = Handover(items_max=10_000)

    def shard() -> None:
        for position in range(1, 2_001):
            handover.put(committed(position))

    thread = Thread(target=shard)
    thread.start()
    heard: list[int] = []
    async with asyncio.timeout(10):
        while len(heard) < 2_000:
            heard += positions((await handover.take()).items)
    thread.join()
    assert heard == list(range(1, 2_001))
    assert handover.is_empty


async def test_what_does_not_fit_is_dropped_with_its_position() -> None:
    handover = Handover(items_max=2)
    for position in (1, 2, 3, 4):
        handover.put(committed(position))
    taken = await handover.take()
    assert positions(taken.items) == [1, 2]
    assert (taken.lost_through, taken.newest_position) == (4, 4)
    handover.put(committed(5))
    after = await handover.take()
    assert (positions(after.items), after.lost_through) == ([5], None)


async def test_states_are_bounded_as_well_as_commits() -> None:
    handover = Handover(states_max=10)
    handover.put(committed(1, states=8))
    handover.put(committed(2, states=8))
    handover.put(committed(3, states=1))
    taken = await handover.take()
    assert (positions(taken.items), taken.lost_through) == ([1], 3)


async def test_one_commit_beyond_every_bound_is_lost_and_wakes_the_taker() -> None:
    handover = Handover(states_max=10)
    handover.put(committed(1, states=11))
    async with asyncio.timeout(5):
        taken = await handover.take()
    assert (taken.items, taken.lost_through) == ([], 1)


async def test_an_answer_is_handed_over_and_a_dropped_one_is_nobody_s_loss() -> None:
    handover = Handover(items_max=1)
    first = Ack(store="S001", epoch=1, through_seq=0)
    handover.put(first)
    handover.put(Ack(store="S002", epoch=1, through_seq=0))
    taken = await handover.take()
    assert (taken.items, taken.lost_through, taken.newest_position) == ([first], None, 0)
