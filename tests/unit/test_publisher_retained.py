"""The backlog of retained documents: conflated, bounded, in order, and honest about progress."""

import random
from dataclasses import dataclass, field

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.publisher.marker import Marker, position_to_fill_from
from cloud.publisher.progress import Progress
from cloud.publisher.retained import Backlog, Retained
from cloud.sku_location.state import SkuLocation
from protocol.documents import CloudDocument

STATE = SkuLocation(store="S001", gtin="00614141123452")


def entry(key: str, version: int, after: int = 0) -> Retained:
    return Retained(key=key, version=version, after=after, subject=STATE)


def test_versions_that_wait_are_conflated_to_the_newest() -> None:
    backlog = Backlog(10)
    for version in (1, 2, 3):
        backlog.offer(entry("a", version))
    assert backlog.take() == entry("a", 3)
    assert backlog.waiting == 0


def test_an_older_version_never_replaces_a_newer_one() -> None:
    backlog = Backlog(10)
    backlog.offer(entry("a", 3))
    backlog.offer(entry("a", 2))
    assert backlog.take().version == 3
    backlog.offer(entry("a", 3))
    assert backlog.waiting == 0


def test_a_newer_version_waits_until_the_one_in_flight_is_confirmed() -> None:
    backlog = Backlog(10)
    backlog.offer(entry("a", 1))
    first = backlog.take()
    backlog.offer(entry("a", 2))
    backlog.offer(entry("a", 3))
    assert backlog.waiting == 0
    backlog.confirm(first)
    assert backlog.take().version == 3


def test_the_busiest_topic_keeps_its_place_in_the_line() -> None:
    backlog = Backlog(10)
    backlog.offer(entry("busy", 1))
    backlog.offer(entry("quiet", 1))
    backlog.offer(entry("busy", 2))
    assert [backlog.take().key, backlog.take().key] == ["busy", "quiet"]


def test_a_full_backlog_takes_newer_versions_but_no_more_topics() -> None:
    backlog = Backlog(2)
    assert backlog.offer(entry("a", 1))
    assert backlog.offer(entry("b", 1))
    assert not backlog.offer(entry("c", 1))
    assert backlog.offer(entry("a", 2))
    assert len(backlog) == 2


def test_a_page_read_before_a_commit_does_not_turn_its_topic_back() -> None:
    backlog = Backlog(10)
    backlog.page_begins()
    page = [entry("a", 4), entry("b", 1)]
    backlog.offer(entry("a", 5))
    backlog.confirm(backlog.take())
    assert backlog.page_ends(page) == [entry("b", 1)]


def test_progress_stops_before_the_oldest_commit_that_is_not_confirmed() -> None:
    progress = Progress(head=10, fill_from=10, topics_max=10)
    progress.committed(11, [entry("a", 1, after=10)])
    progress.committed(12, [entry("b", 1, after=11)])
    assert progress.confirmed_through == 10
    progress.backlog.confirm(progress.backlog.take())
    assert progress.confirmed_through == 11
    progress.backlog.confirm(progress.backlog.take())
    assert progress.confirmed_through == 12


def test_what_finds_no_room_is_read_from_the_journal_later() -> None:
    progress = Progress(head=10, fill_from=10, topics_max=1)
    progress.committed(11, [entry("a", 1, after=10)])
    progress.committed(12, [entry("b", 1, after=11)])
    assert progress.wants_fill
    progress.backlog.confirm(progress.backlog.take())
    assert progress.confirmed_through == 11
    assert progress.fill_begins() == 11
    assert progress.confirmed_through == 11
    progress.fill_ends()
    assert progress.confirmed_through == 12


def test_lost_commits_are_read_from_the_journal() -> None:
    progress = Progress(head=10, fill_from=10, topics_max=10)
    progress.lost_through(15)
    assert (progress.head, progress.confirmed_through) == (15, 10)
    assert progress.fill_begins() == 10


def test_a_broker_that_is_up_to_date_is_not_filled() -> None:
    assert not Progress(head=10, fill_from=10, topics_max=10).wants_fill
    assert Progress(head=10, fill_from=9, topics_max=10).wants_fill


MARKER = Marker(since_ms=0, cloud_version="0.1.0", owner_epoch=3)


@pytest.mark.parametrize(
    ("remembered", "position"),
    [
        (None, 0),
        (b"", 0),
        (b"\xff", 0),
        (b'{"schema":"cloud/1"}', 0),
        (MARKER.online(7), 7),
        (MARKER.offline(10), 10),
        (MARKER.online(11), 0),
        (MARKER.online(-1), 0),
    ],
)
def test_the_broker_is_filled_from_where_its_memory_ends(
    remembered: bytes | None, position: int
) -> None:
    assert position_to_fill_from(remembered, head=10) == position


def test_a_marker_is_a_cloud_document() -> None:
    document = msgspec.json.decode(MARKER.offline(10), type=CloudDocument)
    assert (document.status, document.owner_epoch) == ("offline", 3)
    assert document.since == "1970-01-01T00:00:00.000Z"


@dataclass
class World:
    """A journal, a broker and a publisher between them, a step at a time."""

    rng: random.Random
    journal: dict[str, tuple[int, int]] = field(default_factory=dict)
    retained: dict[str, int] = field(default_factory=dict)
    head: int = 0
    undelivered: list[tuple[int, list[Retained]]] = field(default_factory=list)
    in_flight: list[Retained] = field(default_factory=list)
    told_after: int = 0
    page: list[tuple[str, int, int]] | None = None
    filling: bool = False

    def __post_init__(self) -> None:
        self.progress = Progress(head=0, fill_from=0, topics_max=self.rng.choice([2, 5, 100]))

    def commit(self) -> None:
        changed = self.rng.sample("abcdefgh", self.rng.randint(1, 3))
        self.head += self.rng.randint(1, 3)
        for key in changed:
            version = self.journal.get(key, (0, 0))[0] + 1
            self.journal[key] = (version, self.head)
        self.undelivered.append((self.head, [entry(key, self.journal[key][0]) for key in changed]))

    def deliver(self) -> None:
        if self.undelivered:
            position, entries = self.undelivered.pop(0)
            after = self.progress.head
            self.progress.committed(position, [e._replace(after=after) for e in entries])

    def lose(self) -> None:
        if self.undelivered:
            self.progress.lost_through(self.undelivered[-1][0])
            self.undelivered.clear()

    def publish(self) -> None:
        if self.progress.backlog.waiting:
            taken = self.progress.backlog.take()
            assert taken.version >= self.retained.get(taken.key, 0), "a topic went back"
            self.retained[taken.key] = taken.version
            self.in_flight.append(taken)

    def confirm(self) -> None:
        if self.in_flight:
            self.progress.backlog.confirm(self.in_flight.pop(0))

    def read_page(self) -> None:
        if not self.filling and self.progress.wants_fill:
            self.filling, self.fill_from = True, self.progress.fill_begins()
        if self.filling and self.page is None and self.progress.has_room:
            self.progress.backlog.page_begins()
            changed = [(k, v, p) for k, (v, p) in self.journal.items() if p > self.fill_from]
            self.page = sorted(changed, key=lambda row: row[2])

    def offer_page(self) -> None:
        if self.page is None or self.progress.head < max((p for *_, p in self.page), default=0):
            return
        entries = [entry(key, version, self.fill_from) for key, version, _ in self.page]
        self.progress.backlog.page_ends(entries)
        self.page, self.filling = None, False
        self.progress.fill_ends()

    def check(self) -> None:
        through = self.progress.confirmed_through
        unconfirmed = {e.key: e.version for e in self.in_flight}
        for key, (version, position) in self.journal.items():
            if position <= through:
                assert self.retained.get(key) == version, f"{key} is missing at {through}"
                assert unconfirmed.get(key) != version, f"{key} is not confirmed at {through}"

    def settle(self) -> None:
        for _ in range(1_000):
            for step in (self.deliver, self.read_page, self.offer_page, self.publish, self.confirm):
                step()
        assert self.progress.confirmed_through == self.head
        assert self.retained == {key: version for key, (version, _) in self.journal.items()}


@settings(max_examples=300, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_no_interleaving_turns_a_topic_back_or_confirms_what_is_missing(seed: int) -> None:
    rng = random.Random(seed)
    world = World(rng)
    steps = [
        *(world.commit, world.deliver, world.deliver, world.lose, world.publish),
        *(world.publish, world.confirm, world.confirm, world.read_page, world.offer_page),
    ]
    for _ in range(rng.randint(1, 120)):
        rng.choice(steps)()
        world.check()
    world.settle()
