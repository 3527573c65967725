"""Commands on their way to the shard: answered once, after the commit, or said to be unknown."""

import asyncio

import pytest

from cloud.api.problems import ApiProblem
from cloud.api.submitting import Submitter
from cloud.commands.reservations import Confirm
from cloud.shards.messages import Committed, Done, Reply, ShardInput, Submitted

COMMAND = Confirm(store="S001", reservation_id="r1")


class Inbox:
    """Keeps what it was offered, as far as it has room."""

    def __init__(self, room: int = 10) -> None:
        self.room = room
        self.offered: list[Submitted] = []
        self.has_news = asyncio.Event()

    def offer(self, item: ShardInput) -> bool:
        assert isinstance(item, Submitted)
        if len(self.offered) >= self.room:
            return False
        self.offered.append(item)
        self.has_news.set()
        return True


def submitter(inbox: Inbox, waiting_max: int = 10) -> Submitter:
    made = Submitter(waiting_max)
    made.attach(inbox)
    return made


async def test_each_caller_gets_the_answer_to_its_own_ticket() -> None:
    inbox = Inbox()
    asked = submitter(inbox)
    first = asyncio.create_task(asked.submit(COMMAND))
    second = asyncio.create_task(asked.submit(COMMAND))
    await asyncio.sleep(0)
    tickets = [item.ticket for item in inbox.offered]
    replies = [
        Reply(ticket=ticket, answer=Done(position=10 + place))
        for place, ticket in enumerate(tickets)
    ]
    await asyncio.to_thread(asked.note, Committed(position=2, replies=replies[::-1]))
    assert [await first, await second] == [Done(position=10), Done(position=11)]


async def test_a_full_inbox_answers_busy_and_nothing_has_happened() -> None:
    asked = submitter(Inbox(room=0))
    with pytest.raises(ApiProblem) as problem:
        await asked.submit(COMMAND)
    assert (problem.value.status, problem.value.headers) == (503, {"Retry-After": "1"})


async def test_too_many_waiting_callers_are_sent_away_before_anything_is_offered() -> None:
    inbox = Inbox()
    asked = submitter(inbox, waiting_max=1)
    waiting = asyncio.create_task(asked.submit(COMMAND))
    await inbox.has_news.wait()
    with pytest.raises(ApiProblem, match="too many commands"):
        await asked.submit(COMMAND)
    assert len(inbox.offered) == 1
    waiting.cancel()


async def test_no_answer_in_time_says_to_repeat_with_the_same_key() -> None:
    inbox = Inbox()
    asked = submitter(inbox)
    with pytest.raises(ApiProblem, match="same Idempotency-Key") as problem:
        await asked.submit(COMMAND, timeout_s=0)
    assert problem.value.status == 504
    late = Reply(ticket=inbox.offered[0].ticket, answer=Done(position=1))
    asked.note(Committed(position=1, replies=[late]))
    await asyncio.sleep(0)


async def test_answers_that_nobody_waits_for_are_let_go() -> None:
    asked = submitter(Inbox())
    asked.note(Committed(position=1, replies=[Reply(ticket=0, answer=Done(position=1))]))
    await asyncio.sleep(0)


async def test_when_the_shard_fails_nobody_waits_any_longer_and_nobody_new_is_accepted() -> None:
    inbox = Inbox()
    asked = submitter(inbox)
    waiting = asyncio.create_task(asked.submit(COMMAND, timeout_s=60))
    await inbox.has_news.wait()
    await asyncio.to_thread(asked.note_failure)
    with pytest.raises(ApiProblem, match="outcome is unknown") as problem:
        await asyncio.wait_for(waiting, 5)
    assert problem.value.status == 504
    with pytest.raises(ApiProblem, match="shard has failed") as problem:
        await asked.submit(COMMAND)
    assert (problem.value.status, len(inbox.offered)) == (503, 1)
