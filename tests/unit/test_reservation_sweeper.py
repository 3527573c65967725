"""The sweeper asks for what is due, as far as there is room, and leaves the rest for later."""

from collections.abc import Callable

from cloud.commands.reservations import Expire
from cloud.journal.memory import MemoryJournal
from cloud.journal.port import JournalReader
from cloud.journal.rows import JournalWrite, RecordRow
from cloud.records import record_row
from cloud.records.reservation import Reservation, ReservationLine
from cloud.reservations.sweeper import BATCH_MAX, Sweeper
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
        rows = [record_row(_reservation(n, at), 1) for n, at in enumerate(expiries_ms)]
        self.journal.commit(self.journal.take_ownership("0-of-1", 2, 0), JournalWrite(records=rows))

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
        return Sweeper(self.read, lambda _: self, lambda: now_ms, passing=(Busy,))


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
