"""The sweeper asks for what is due, as far as there is room, and leaves the rest for later."""

from collections.abc import Callable

import pytest

from cloud.commands.reservations import Expire
from cloud.journal.memory import MemoryJournal
from cloud.journal.port import JournalReader
from cloud.journal.rows import JournalWrite, RecordRow
from cloud.records import record_row
from cloud.records.reservation import Reservation, ReservationLine
from cloud.reservations import sweeper as sweeping
from cloud.reservations.sweeper import ASK_AGAIN_MS, BATCH_MAX, Sweeper
from cloud.shards.messages import ShardInput, Submitted
from tests.shard_inputs import GTIN, STORE


class Busy(Exception):
    """Too many reads are waiting."""


class World:
    """A journal with reservations, and a shard with room for some inputs."""

    def __init__(self, expiries_ms: list[int], room: int = 10_000) -> None:
        self.journal = MemoryJournal()
        self.room = room
        self.asked: list[str] = []
        self.is_busy = False
        self.owner_epoch = self.journal.take_ownership("0-of-1", 2, 0)
        self.write(*(record_row(_reservation(n, at), 1) for n, at in enumerate(expiries_ms)))

    def write(self, *rows: RecordRow) -> None:
        self.journal.commit(self.owner_epoch, JournalWrite(records=list(rows)))

    async def read(self, question: Callable[[JournalReader], list[RecordRow]]) -> list[RecordRow]:
        if self.is_busy:
            raise Busy
        return question(self.journal)

    def offer(self, item: ShardInput) -> bool:
        assert isinstance(item, Submitted)
        assert isinstance(item.command, Expire)
        if len(self.asked) >= self.room:
            return False
        self.asked.append(item.command.reservation_id)
        return True

    def sweeper(self, now_ms: int) -> Sweeper:
        self.now_ms = now_ms
        return Sweeper(self.read, lambda _: self, lambda: self.now_ms, passing=(Busy,))


def _reservation(number: int, expires_at_ms: int) -> Reservation:
    return Reservation(
        store=STORE,
        id=f"r{number}",
        order_id="o",
        channel="web",
        status="held",
        lines=(ReservationLine(gtin=GTIN, quantity=1, held=1),),
        expires_at_ms=expires_at_ms,
        ship_by_ms=0,
    )


async def test_only_what_is_due_is_asked_for_the_earliest_first() -> None:
    world = World([30, 10, 20, 0])
    assert await world.sweeper(20).sweep() == 2
    assert world.asked == ["r1", "r2"]


async def test_a_busy_shard_or_journal_leaves_the_rest_for_later() -> None:
    world = World([10] * 5, room=3)
    assert await world.sweeper(20).sweep() == 3
    world.is_busy = True
    assert await world.sweeper(20).sweep() == 0


async def test_one_look_asks_for_a_bounded_number() -> None:
    world = World([10] * (BATCH_MAX + 5))
    assert await world.sweeper(20).sweep() == BATCH_MAX


async def test_what_stays_due_does_not_keep_others_from_their_turn() -> None:
    world = World([10] * (BATCH_MAX + 5))
    sweeper = world.sweeper(20)
    assert [await sweeper.sweep() for _ in range(3)] == [BATCH_MAX, 5, 0]
    assert len(set(world.asked)) == BATCH_MAX + 5


async def test_what_has_changed_or_waited_long_is_asked_for_again() -> None:
    world = World([10, 10])
    sweeper = world.sweeper(20)
    assert await sweeper.sweep() == 2
    world.write(record_row(_reservation(1, 15), 2))
    assert await sweeper.sweep() == 1
    assert world.asked == ["r0", "r1", "r1"]
    world.now_ms += ASK_AGAIN_MS - 1
    assert await sweeper.sweep() == 0
    world.now_ms += 1
    assert await sweeper.sweep() == 2
    world.now_ms -= 5
    assert await sweeper.sweep() == 2


async def test_what_a_busy_shard_did_not_take_is_asked_for_at_the_next_look() -> None:
    world = World([10] * 5, room=3)
    sweeper = world.sweeper(20)
    assert await sweeper.sweep() == 3
    world.room = 10
    assert await sweeper.sweep() == 2


async def test_so_much_is_remembered_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeping, "BATCH_MAX", 3)
    monkeypatch.setattr(sweeping, "ASKED_MAX", 4)
    world = World([10] * 9)
    sweeper = world.sweeper(20)
    assert [await sweeper.sweep() for _ in range(3)] == [3, 1, 0]
    world.now_ms += ASK_AGAIN_MS
    assert await sweeper.sweep() == 3
