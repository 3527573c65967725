"""The inbox of a shard is bounded, in order, and wakes its taker exactly once."""

import pytest

from cloud.shards.inbox import GROUP_FACTS_MAX, MIRROR_WEIGHT_FACTS, Inbox
from cloud.shards.messages import PayloadRefused, Published, ShardInput
from tests.shard_inputs import batch, health, hello


class Waker:
    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> None:
        self.calls += 1


@pytest.fixture
def wake() -> Waker:
    return Waker()


def refused(payload: bytes) -> PayloadRefused:
    return PayloadRefused(
        topic="t", store=None, reason="empty", detail="", payload=payload, received_at_ms=1
    )


def test_inputs_come_out_in_the_order_in_which_they_came(wake: Waker) -> None:
    inbox = Inbox(wake)
    items: list[ShardInput] = [Published(position=number) for number in range(5)]
    assert all(inbox.offer(item) for item in items)
    assert inbox.take() == items
    assert inbox.take() == []


def test_a_full_inbox_refuses_until_something_was_taken(wake: Waker) -> None:
    inbox = Inbox(wake, inputs_max=2)
    assert [inbox.offer(Published(position=number)) for number in range(3)] == [True, True, False]
    inbox.take()
    assert inbox.offer(Published(position=3))


def test_payloads_are_bounded_in_bytes_but_one_always_fits(wake: Waker) -> None:
    inbox = Inbox(wake, bytes_max=10)
    assert inbox.offer(refused(bytes(50)))
    assert not inbox.offer(refused(bytes(1)))
    inbox.take()
    assert inbox.offer(refused(bytes(6)))
    assert not inbox.offer(refused(bytes(5)))
    assert inbox.offer(refused(bytes(4)))


def test_the_taker_is_woken_once_until_it_has_found_nothing_left(wake: Waker) -> None:
    inbox = Inbox(wake)
    inbox.offer(Published(position=1))
    inbox.offer(Published(position=2))
    inbox.take()
    inbox.offer(Published(position=3))
    assert wake.calls == 1
    inbox.take()
    assert inbox.take() == []
    inbox.offer(Published(position=4))
    assert wake.calls == 2


def test_a_group_is_bounded_in_facts(wake: Waker) -> None:
    inbox = Inbox(wake)
    size = 150
    for number in range(40):
        inbox.offer(batch(number * size + 1, [health()] * size))
    taken = [len(inbox.take()) for _ in range(3)]
    assert taken == [GROUP_FACTS_MAX // size, 40 - GROUP_FACTS_MAX // size, 0]


def test_few_mirrors_share_a_group(wake: Waker) -> None:
    inbox = Inbox(wake)
    for _ in range(9):
        inbox.offer(hello(1, 1))
    assert len(inbox.take()) == GROUP_FACTS_MAX // MIRROR_WEIGHT_FACTS


def test_a_closed_inbox_refuses_and_still_gives_what_it_has(wake: Waker) -> None:
    inbox = Inbox(wake)
    inbox.offer(Published(position=1))
    inbox.close()
    assert not inbox.offer(Published(position=2))
    assert inbox.take() == [Published(position=1)]
