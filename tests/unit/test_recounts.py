"""Recounts: chosen by what they are worth, asked once a day, and books that follow sure beliefs."""

import pytest

from cloud.commands.recounts import ReviewCounts
from cloud.ingest import offering
from cloud.journal.memory import MemoryJournal
from cloud.journal.rows import decode_state
from cloud.journal.verify import verify
from cloud.recounts.choosing import COUNTED_LATELY_MS, choose, looked_at, recount_value
from cloud.recounts.watching import DAY_MS, CountWatcher
from cloud.shards.messages import Committed, ShardInput, Submitted
from cloud.shards.shard import Shard
from cloud.sku_location.decide import LOGIC_ERA
from cloud.sku_location.state import SkuLocation
from protocol.facts import AnyFact, TagsMoved, TagsSwept
from tests.shard_inputs import GTIN, NOW_MS, OTHER_GTIN, STORE, batch, counted, sold

EPCS = [b"epc-%08d" % number for number in range(5)]


class World:
    """A shard that commits at once what its inbox is offered, and a watcher of its counts."""

    def __init__(self) -> None:
        self.journal = MemoryJournal()
        epoch = self.journal.take_ownership("0-of-1", LOGIC_ERA, NOW_MS)
        self.shard = Shard(self.journal, "0-of-1", epoch)
        self.now_ms = NOW_MS
        self.commits: list[Committed] = []
        self.has_room = True
        self._seq = 1
        self.watcher = self.new_watcher()

    def new_watcher(self) -> CountWatcher:
        return CountWatcher(
            self.journal,
            shard_of=lambda _: self,
            now_ms=lambda: self.now_ms,
            per_day=1,
            at_hour=0,
        )

    def offer(self, item: ShardInput) -> bool:
        if self.has_room:
            assert isinstance(item, Submitted)
            self.commits.append(self.shard.commit([item], self.now_ms))
        return self.has_room

    def facts(self, *facts: AnyFact) -> None:
        sent = batch(self._seq, facts, sent_at_ms=self.now_ms)
        self._seq += len(facts)
        self.shard.commit([sent], self.now_ms)

    def state(self, gtin: str = GTIN) -> SkuLocation:
        (row,) = self.journal.states_of(STORE, [gtin])
        return decode_state(row.data)

    def asked(self) -> list[str]:
        return [n.gtin for c in self.commits for n in c.notices if n.kind == "recount"]

    def swept(self, *epcs: bytes) -> TagsSwept:
        return TagsSwept(
            occurred_at_ms=self.now_ms,
            source="handheld",
            gtin=GTIN,
            sweep="w",
            quantity=len(epcs),
            is_complete=True,
            epcs=list(epcs),
        )

    def left(self, *epcs: bytes) -> TagsMoved:
        return TagsMoved(
            occurred_at_ms=self.now_ms,
            source="exit",
            gtin=GTIN,
            from_zone="sales_floor",
            to_zone="exit",
            epcs=list(epcs),
        )


@pytest.fixture
def world() -> World:
    world = World()
    world.facts(counted(5), counted(9, gtin=OTHER_GTIN))
    world.now_ms += COUNTED_LATELY_MS
    return world


def test_what_is_certain_is_not_worth_a_recount() -> None:
    assert recount_value({3: 1.0}) == 0.0
    assert recount_value({3: 0.999, 2: 0.001}) == 0.0


def test_the_more_doubtful_a_count_the_more_a_recount_is_worth() -> None:
    values = [recount_value({3: p, 2: 1 - p}) for p in (0.98, 0.9, 0.75, 0.6)]
    assert values == sorted(values)
    assert 0.3 < values[-1] < 0.4


def test_the_budget_goes_to_what_is_worth_most() -> None:
    world = World()
    world.facts(counted(5), counted(9, gtin=OTHER_GTIN))
    later_ms = NOW_MS + COUNTED_LATELY_MS
    doubtful = looked_at(world.state(), later_ms)
    assert doubtful is not None
    more = doubtful._replace(value=doubtful.value + 0.1)
    assert choose([doubtful, more], 1) == [more]
    assert choose([doubtful._replace(value=0.0)], 1) == []


async def test_a_store_is_asked_once_a_day_whoever_looks(world: World) -> None:
    await world.watcher.look()
    await world.watcher.look()
    await world.new_watcher().look()
    assert len(world.asked()) == 1
    world.now_ms += DAY_MS
    await world.watcher.look()
    assert len(world.asked()) == 2
    assert verify(world.journal).is_identical


async def test_a_busy_shard_is_asked_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offering, "PATIENCE_S", 0.05)
    world.has_room = False
    await world.watcher.look()
    world.has_room = True
    await world.watcher.look()
    assert len(world.asked()) == 1


async def test_the_book_follows_a_theft_that_the_exit_saw(world: World) -> None:
    world.facts(world.swept(*EPCS))
    world.now_ms += DAY_MS
    world.facts(sold(), world.left(EPCS[0]))
    world.now_ms += DAY_MS
    world.facts(world.left(EPCS[1]))
    world.now_ms += DAY_MS
    assert world.state().on_hand == 4
    await world.watcher.look()
    assert (world.state().on_hand, world.state().lost) == (3, 1)
    assert verify(world.journal).is_identical


def test_a_recount_of_what_nobody_knows_asks_nothing(world: World) -> None:
    unknown = ReviewCounts(store=STORE, settled=("00614141000005",), doubtful=("00614141000005",))
    committed = world.shard.commit([Submitted(ticket=1, command=unknown)], world.now_ms)
    assert not committed.notices
