"""RFID truth by tag (decision 3): every tag counts once, however its readings come."""

import itertools
import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.sensing.readings import TagReading
from edge.sensing.register import BASELINE, PREFIX, restore
from edge.sensing.tags import (
    Decisions,
    Layout,
    PortalAntenna,
    PortalSettings,
    TagSensing,
    TagSettings,
    ZoneAntenna,
)
from protocol.facts import (
    AnyFact,
    GoodsReceived,
    StockCounted,
    TagsAppeared,
    TagsLeft,
    TagsMoved,
)
from protocol.ids import Epc, parse_gtin, sgtin_tag

GTIN = parse_gtin("00614141123452")
DOCK = PortalSettings(name="dock", outside="transit", inside="backroom")
OUTSIDE, INSIDE, BACKROOM, FLOOR = 1, 2, 3, 4
LAYOUT: Layout = {
    ("r", OUTSIDE): PortalAntenna(DOCK, "outside"),
    ("r", INSIDE): PortalAntenna(DOCK, "inside"),
    ("r", BACKROOM): ZoneAntenna("backroom"),
    ("r", FLOOR): ZoneAntenna("sales_floor"),
}
FOREIGN = Epc(bytes.fromhex("E2801160600002054E2D1C2A"))


def tag(serial: int) -> Epc:
    return sgtin_tag(GTIN, serial)


def read(antenna: int, epc: Epc, at_ms: int, rssi_dbm: float = -50.0) -> TagReading:
    return TagReading("r", antenna, epc, rssi_dbm, at_ms, at_ms, 1)


class Store:
    """Tag sensing with the checkpoints it has committed, able to crash and come back."""

    def __init__(self) -> None:
        self.now_ms = 1_000_000
        self.facts: list[AnyFact] = []
        self.checkpoints: dict[str, bytes] = {}
        self.restart()

    def restart(self) -> None:
        known = {n: v for n, v in self.checkpoints.items() if n.startswith(PREFIX)}
        self.sensing = TagSensing(
            LAYOUT,
            TagSettings(),
            restore(known),
            baseline_done=BASELINE in self.checkpoints,
            now_ms=self.now_ms,
        )

    def commit(self, decisions: Decisions) -> None:
        self.facts += decisions.facts
        for name, value in decisions.checkpoints.items():
            assert value is not None
            self.checkpoints[name] = value

    def observe(self, *readings: TagReading) -> None:
        self.commit(self.sensing.observe(readings, self.now_ms))

    def see(self, antenna: int, *epcs: Epc) -> None:
        self.observe(*(read(antenna, epc, self.now_ms) for epc in epcs))

    def pass_time(self, duration_ms: int, *sights: tuple[int, Epc]) -> None:
        for _ in range(duration_ms // 100):
            self.now_ms += 100
            self.observe(*(read(antenna, epc, self.now_ms) for antenna, epc in sights))

    def on_hand(self) -> int:
        count = 0
        for fact in self.facts:
            match fact:
                case StockCounted():
                    count = fact.quantity
                case GoodsReceived():
                    count += fact.quantity
                case TagsMoved(to_zone="transit"):
                    count -= len(fact.epcs)
                case TagsMoved(from_zone="transit"):
                    count += len(fact.epcs)
        return count

    def stock_facts(self) -> list[AnyFact]:
        return [fact for fact in self.facts if not isinstance(fact, TagsAppeared | TagsLeft)]


@pytest.fixture
def store() -> Store:
    """A store after its baseline, with one tag in the backroom and one on the sales floor."""
    store = Store()
    store.pass_time(5_000, (BACKROOM, tag(1)), (FLOOR, tag(2)))
    assert store.on_hand() == 2
    store.facts.clear()
    return store


def test_the_first_start_counts_what_is_there_once() -> None:
    store = Store()
    store.pass_time(6_000, (BACKROOM, tag(1)), (BACKROOM, tag(2)), (FLOOR, tag(3)))
    (counted,) = store.stock_facts()
    assert isinstance(counted, StockCounted)
    assert (counted.quantity, counted.evidence) == (3, "sweep")


def test_the_baseline_waits_for_every_zone_to_be_read() -> None:
    store = Store()
    store.pass_time(6_000, (BACKROOM, tag(1)))
    assert not store.stock_facts()
    store.pass_time(6_000, (BACKROOM, tag(1)), (FLOOR, tag(2)))
    assert store.on_hand() == 2


def test_a_delivery_through_the_dock_is_received_by_portal(store: Store) -> None:
    store.pass_time(1_000, (OUTSIDE, tag(9)))
    store.pass_time(1_000, (INSIDE, tag(9)))
    (received,) = store.stock_facts()
    assert isinstance(received, GoodsReceived)
    assert (received.evidence, received.zone, received.epcs) == ("portal", "backroom", [tag(9)])
    store.pass_time(5_000, (BACKROOM, tag(9)))
    assert len(store.stock_facts()) == 1


def test_a_delivery_whose_crossing_was_missed_is_received_by_presence(store: Store) -> None:
    store.pass_time(3_000, (BACKROOM, tag(9)))
    (received,) = store.stock_facts()
    assert isinstance(received, GoodsReceived)
    assert received.evidence == "presence"


def test_a_tag_that_only_waits_outside_is_not_received(store: Store) -> None:
    store.pass_time(20_000, (OUTSIDE, tag(9)))
    assert not store.stock_facts()


def test_a_known_tag_in_another_zone_has_moved_and_counts_no_more(store: Store) -> None:
    store.pass_time(5_000, (FLOOR, tag(1)))
    (moved,) = store.stock_facts()
    assert isinstance(moved, TagsMoved)
    assert (moved.from_zone, moved.to_zone) == ("backroom", "sales_floor")


def test_a_tag_that_two_zones_read_stays_where_it_is(store: Store) -> None:
    for number in range(100):
        store.now_ms += 100
        wobble_db = 3.0 if number % 2 else -3.0
        store.observe(
            read(BACKROOM, tag(1), store.now_ms, -50.0),
            read(FLOOR, tag(1), store.now_ms, -50.0 + wobble_db),
        )
    assert not store.stock_facts()


def test_a_known_tag_that_goes_out_by_the_dock_has_moved_to_transit_and_back(
    store: Store,
) -> None:
    store.pass_time(1_000, (INSIDE, tag(1)))
    store.pass_time(1_000, (OUTSIDE, tag(1)))
    assert store.on_hand() == -1
    store.pass_time(5_000)
    store.pass_time(1_000, (OUTSIDE, tag(1)))
    store.pass_time(1_000, (INSIDE, tag(1)))
    assert store.on_hand() == 0


def test_leaving_and_appearing_again_is_telemetry(store: Store) -> None:
    store.pass_time(15_000, (FLOOR, tag(2)), (BACKROOM, tag(9)))
    left = [fact for fact in store.facts if isinstance(fact, TagsLeft)]
    assert [fact.epcs for fact in left] == [[tag(1)]]
    store.facts.clear()
    store.pass_time(1_000, (BACKROOM, tag(1)))
    assert [type(fact) for fact in store.facts] == [TagsAppeared]


def test_a_silent_reader_is_not_taken_for_an_empty_store(store: Store) -> None:
    store.pass_time(60_000)
    assert not store.facts


def test_a_tag_without_a_gtin_makes_no_fact(store: Store) -> None:
    store.pass_time(5_000, (BACKROOM, FOREIGN), (OUTSIDE, FOREIGN))
    assert not store.facts
    assert store.sensing.foreign_tags == 100


def test_readings_that_were_buffered_for_a_while_count_by_their_own_times(store: Store) -> None:
    late_ms = store.now_ms
    store.now_ms += 60_000
    readings = [read(INSIDE, tag(9), late_ms + 2_000), read(OUTSIDE, tag(9), late_ms + 1_000)]
    store.observe(*readings)
    (received,) = store.stock_facts()
    assert isinstance(received, GoodsReceived)
    assert received.evidence == "portal"


def test_more_tags_than_a_fact_may_hold_make_several_facts(store: Store) -> None:
    arrived = [tag(serial) for serial in range(100, 1_200)]
    store.pass_time(3_000, *((BACKROOM, epc) for epc in arrived))
    assert store.on_hand() == len(arrived)
    assert max(f.quantity for f in store.facts if isinstance(f, GoodsReceived)) == 512


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    tags=st.integers(1, 6),
    crashes=st.sets(st.integers(0, 120), max_size=4),
)
def test_every_tag_counts_once_whatever_is_lost_repeated_reordered_or_crashes(
    seed: int, tags: int, crashes: set[int]
) -> None:
    rng = random.Random(seed)
    store = Store()
    store.pass_time(5_000, (BACKROOM, tag(1)), (FLOOR, tag(2)))
    arrivals = {tag(100 + number): rng.randrange(0, 30) for number in range(tags)}
    for step in range(121):
        store.now_ms += 250
        sights = [(BACKROOM, tag(1)), (FLOOR, tag(2))]
        for epc, arrives in arrivals.items():
            age = step - arrives
            if age >= 0:
                place = OUTSIDE if age < 4 else INSIDE if age < 8 else BACKROOM
                sights.append((FLOOR if age > 40 and place == BACKROOM else place, epc))
        readings = [
            read(antenna, epc, store.now_ms - rng.randrange(0, 250))
            for antenna, epc in sights
            for _ in range(rng.randrange(0, 3))
        ]
        rng.shuffle(readings)
        decisions = store.sensing.observe(readings, store.now_ms)
        if step in crashes and rng.random() < 0.5:
            store.restart()  # Before the commit: the decisions never happened.
            continue
        store.commit(decisions)
        if step in crashes:
            store.restart()
    store.pass_time(5_000, *((FLOOR, epc) for epc in arrivals))
    counted = Counter(
        itertools.chain.from_iterable(
            fact.epcs for fact in store.facts if isinstance(fact, GoodsReceived)
        )
    )
    assert counted == Counter(arrivals.keys())
    assert store.on_hand() == 2 + tags
