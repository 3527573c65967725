"""The tag tracker: nothing is decided past what the outbox has taken."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

import pytest

from edge.devices import tag_tracker
from edge.devices.tag_tracker import TagTracker
from edge.errors import OutboxFailed, OutboxFull
from edge.sensing.readings import TagReading
from edge.sensing.register import BASELINE, PREFIX
from edge.sensing.tags import Layout, PortalAntenna, PortalSettings, TagSettings, ZoneAntenna
from protocol.facts import AnyFact, GoodsReceived, StockCounted, TagsAppeared, TagsLeft
from protocol.ids import Epc, parse_gtin, sgtin_tag
from tests.device_fakes import MemoryOutbox

DOCK = PortalSettings(name="dock", outside="transit", inside="backroom")
LAYOUT: Layout = {
    ("r", 1): PortalAntenna(DOCK, "outside"),
    ("r", 2): PortalAntenna(DOCK, "inside"),
    ("r", 3): ZoneAntenna("backroom"),
}
SETTINGS = TagSettings(
    baseline_min_ms=0, baseline_quiet_ms=0, presence_grace_ms=0, portal_settle_ms=0
)
HOUR_MS = 3_600_000


class Outbox(MemoryOutbox):
    """An outbox that may refuse telemetry, everything, or for ever."""

    def __init__(self) -> None:
        super().__init__()
        self.refuses_telemetry = False
        self.has_failed = False
        self.refusals = threading.Semaphore(0)

    def append(
        self, facts: Sequence[AnyFact], checkpoints: Mapping[str, bytes | None] | None = None
    ) -> None:
        if self.has_failed:
            raise OutboxFailed("the disk is broken")
        telemetry = any(isinstance(fact, TagsAppeared | TagsLeft) for fact in facts)
        if self.full or (self.refuses_telemetry and telemetry):
            self.refusals.release()
            raise OutboxFull("no room")
        super().append(facts, checkpoints)


def tag(serial: int) -> Epc:
    return sgtin_tag(parse_gtin("00614141123452"), serial)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    moment = threading.Event()
    while not condition():
        assert time.monotonic() < deadline
        moment.wait(0.005)


class Store:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(tag_tracker, "TICK_S", 0.005)
        monkeypatch.setattr(tag_tracker, "RETRY_S", 0.005)
        self.outbox = Outbox()
        self.now_ms = HOUR_MS
        self.failures: list[str] = []
        self.start()

    def start(self) -> None:
        self.tracker = TagTracker(
            LAYOUT, SETTINGS, self.outbox, lambda: self.now_ms, self.failures.append
        )
        self.tracker.start()

    def see(self, antenna: int, *epcs: Epc, later_ms: int = 1_000) -> None:
        self.now_ms += later_ms
        at_ms = self.now_ms
        self.tracker.observe([TagReading("r", antenna, e, -50.0, at_ms, at_ms, 1) for e in epcs])

    def quantities(self, kind: type[GoodsReceived] | type[StockCounted]) -> list[int]:
        return [fact.quantity for fact in self.outbox.facts if isinstance(fact, kind)]

    def finish_baseline(self) -> None:
        self.see(3, tag(1), tag(2))
        wait_until(lambda: BASELINE in self.outbox.stored)


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    store = Store(monkeypatch)
    yield store
    store.tracker.stop()


def test_facts_are_appended_together_with_the_tags_they_count(store: Store) -> None:
    store.finish_baseline()
    assert store.quantities(StockCounted) == [2]
    assert store.outbox.appends == 1
    assert len(store.outbox.checkpoints(PREFIX)) == 2


def test_what_was_counted_is_not_counted_by_the_next_life(store: Store) -> None:
    store.finish_baseline()
    store.tracker.stop()
    store.start()
    assert store.tracker.known_tags == 2
    store.see(3, tag(1), tag(2), tag(3))
    wait_until(lambda: store.quantities(GoodsReceived) == [1])
    assert store.quantities(StockCounted) == [2]


def test_a_stock_fact_waits_for_room_and_is_recorded_once(store: Store) -> None:
    store.finish_baseline()
    store.outbox.full = True
    store.see(3, tag(3))
    for _ in range(3):
        assert store.outbox.refusals.acquire(timeout=10)
    store.see(3, tag(4))
    assert store.quantities(GoodsReceived) == []
    store.outbox.full = False
    wait_until(lambda: store.quantities(GoodsReceived) == [1, 1])
    assert len(store.outbox.checkpoints(PREFIX)) == 4


def test_readers_wait_while_the_outbox_is_full(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.finish_baseline()
    store.outbox.full = True
    store.see(3, tag(3))
    assert store.outbox.refusals.acquire(timeout=10)
    reports_max = tag_tracker.REPORTS_WAITING_MAX

    def report_too_much() -> None:
        for _ in range(reports_max + 1):
            store.see(3, tag(3), later_ms=1)

    reader = threading.Thread(target=report_too_much)
    reader.start()
    wait_until(lambda: store.now_ms >= HOUR_MS + 2_000 + reports_max + 1)
    assert reader.is_alive()
    store.outbox.full = False
    reader.join(10)
    assert not reader.is_alive()


def test_telemetry_that_is_refused_is_dropped_and_nothing_else(store: Store) -> None:
    store.finish_baseline()
    store.outbox.refuses_telemetry = True
    deadline = time.monotonic() + 10
    while not store.outbox.refusals.acquire(timeout=0.02):
        assert time.monotonic() < deadline
        store.see(3, tag(2))  # And tag 1 no more: it has left after ten seconds.
    store.see(3, tag(3))
    wait_until(lambda: store.quantities(GoodsReceived) == [1])
    assert not [fact for fact in store.outbox.facts if isinstance(fact, TagsLeft)]


def test_a_failed_outbox_ends_the_tracker_and_is_told_once(store: Store) -> None:
    store.finish_baseline()
    store.outbox.has_failed = True
    store.see(3, tag(3))
    wait_until(lambda: bool(store.failures))
    store.tracker.stop()
    assert store.failures == ["the disk is broken"]


def test_a_stopped_tracker_keeps_no_reader_waiting(store: Store) -> None:
    store.tracker.stop()
    for _ in range(tag_tracker.REPORTS_WAITING_MAX + 1):
        store.see(3, tag(3))


def test_what_was_reported_before_the_stop_is_decided(store: Store) -> None:
    store.finish_baseline()
    store.see(1, tag(3))
    store.see(2, tag(3))
    store.tracker.stop()
    assert store.quantities(GoodsReceived) == [1]


def test_stopping_does_not_wait_for_room(store: Store) -> None:
    store.finish_baseline()
    store.outbox.full = True
    store.see(3, tag(3))
    assert store.outbox.refusals.acquire(timeout=10)
    store.tracker.stop()
    store.outbox.full = False
    store.start()  # What was not durable was never decided: the tag is read again and counts.
    store.see(3, tag(3))
    wait_until(lambda: store.quantities(GoodsReceived) == [1])
