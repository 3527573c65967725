"""RFID truth by tag (decision 3): every tag counts once, however its readings come."""

import itertools
import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.sensing.decisions import Decisions
from edge.sensing.readings import TagReading
from edge.sensing.register import BASELINE, PREFIX, restore
from edge.sensing.tags import (
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

    def __init__(self, layout: Layout = LAYOUT) -> None:
        self.now_ms = 1_000_000
        self.layout = layout
        self.facts: list[AnyFact] = []
        self.checkpoints: dict[str, bytes] = {}
        self.readings: list[TagReading] = []
        self.restart()

    def restart(self) -> None:
        known = {n: v for n, v in self.checkpoints.items() if n.startswith(PREFIX)}
        self.sensing = TagSensing(
            self.layout,
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
        self.readings += readings
        self.commit(self.sensing.observe(readings, self.now_ms))

    def replay(self) -> None:
        """Let every reading so far come again."""
        self.commit(self.sensing.observe(self.readings, self.now_ms))

    def zones(self) -> dict[Epc, str]:
        known = {n: v for n, v in self.checkpoints.items() if n.startswith(PREFIX)}
        return {epc: entry.zone for epc, entry in restore(known).items()}

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


def test_facts_say_when_it_happened_not_when_it_was_told(store: Store) -> None:
    seen_ms = store.now_ms + 500
    store.now_ms += 60_000
    store.observe(
        read(OUTSIDE, tag(9), seen_ms),
        read(INSIDE, tag(9), seen_ms + 1_000),
    )
    (received,) = store.stock_facts()
    assert received.occurred_at_ms == seen_ms + 1_000


def test_a_portal_that_reports_late_does_not_undo_what_a_zone_saw_later(store: Store) -> None:
    came_ms = store.now_ms
    store.pass_time(5_000, (FLOOR, tag(9)))
    store.pass_time(5_000, (FLOOR, tag(1)))
    assert store.zones()[tag(1)] == store.zones()[tag(9)] == "sales_floor"
    for epc in (tag(1), tag(9)):
        store.observe(read(OUTSIDE, epc, came_ms), read(INSIDE, epc, came_ms + 500))
    store.pass_time(5_000)
    assert store.zones()[tag(1)] == store.zones()[tag(9)] == "sales_floor"
    assert store.on_hand() == 1


def test_a_portal_that_reports_late_still_tells_of_what_came_after(store: Store) -> None:
    left_ms = store.now_ms + 500
    store.pass_time(60_000, (FLOOR, tag(2)))
    store.observe(read(INSIDE, tag(1), left_ms), read(OUTSIDE, tag(1), left_ms + 1_000))
    store.pass_time(1_000, (FLOOR, tag(2)))
    assert store.zones()[tag(1)] == "transit"
    assert store.on_hand() == -1


def test_readings_that_come_again_change_nothing(store: Store) -> None:
    store.pass_time(1_000, (OUTSIDE, tag(9)))
    store.pass_time(1_000, (INSIDE, tag(9)))
    store.pass_time(4_000, (BACKROOM, tag(9)))
    store.pass_time(4_000, (FLOOR, tag(9)))
    store.pass_time(1_000, (INSIDE, tag(1)))
    store.pass_time(1_000, (OUTSIDE, tag(1)))
    store.pass_time(1_000)
    told, zones = len(store.stock_facts()), store.zones()
    for _ in range(2):
        store.replay()
        store.pass_time(5_000)
        assert (len(store.stock_facts()), store.zones()) == (told, zones)
        store.restart()
        store.replay()
        store.pass_time(5_000)
        assert (len(store.stock_facts()), store.zones()) == (told, zones)


def test_one_stray_reading_by_another_zone_moves_nothing(store: Store) -> None:
    store.pass_time(5_000)
    store.see(FLOOR, tag(1))
    store.pass_time(5_000)
    assert not store.stock_facts()


def test_a_zone_that_reads_a_tag_for_less_than_the_grace_moves_nothing(store: Store) -> None:
    store.pass_time(5_000)
    store.pass_time(1_000, (FLOOR, tag(1)))
    assert not store.stock_facts()
    store.pass_time(1_000, (FLOOR, tag(1)))
    assert store.zones()[tag(1)] == "sales_floor"


def test_what_a_zone_read_before_a_crossing_does_not_pull_the_tag_back(store: Store) -> None:
    out_ms = store.now_ms + 10_000
    store.now_ms += 30_000
    zone = [read(BACKROOM, tag(1), out_ms - 2_000 + step * 100, -40.0) for step in range(20)]
    portal = [read(INSIDE, tag(1), out_ms - 500), read(OUTSIDE, tag(1), out_ms)]
    store.observe(*zone, *portal)
    store.observe(read(FLOOR, tag(1), out_ms + 100, -60.0))
    store.observe(read(FLOOR, tag(1), out_ms + 2_000, -60.0))
    assert store.zones()[tag(1)] == "sales_floor"
    told = [(f.from_zone, f.to_zone) for f in store.facts if isinstance(f, TagsMoved)]
    assert told == [("backroom", "transit"), ("transit", "sales_floor")]


def test_a_tag_that_goes_the_same_way_twice_in_one_report_is_in_two_facts(store: Store) -> None:
    start_ms = store.now_ms
    store.now_ms += 60_000
    way = [FLOOR] * 60 + [BACKROOM] * 60 + [FLOOR] * 60
    store.observe(
        *(read(antenna, tag(1), start_ms + 100 * step) for step, antenna in enumerate(way, 1))
    )
    moves = [fact for fact in store.facts if isinstance(fact, TagsMoved)]
    assert sorted((fact.to_zone, fact.epcs) for fact in moves) == [
        ("backroom", [tag(1)]),
        ("sales_floor", [tag(1)]),
        ("sales_floor", [tag(1)]),
    ]


def test_old_readings_do_not_bring_a_tag_back_that_has_left(store: Store) -> None:
    store.pass_time(15_000, (FLOOR, tag(2)), (BACKROOM, tag(9)))
    store.facts.clear()
    store.replay()
    assert not store.facts


def test_a_register_with_tags_and_no_mark_has_had_its_baseline(store: Store) -> None:
    del store.checkpoints[BASELINE]
    store.restart()
    store.pass_time(15_000, (BACKROOM, tag(1)), (FLOOR, tag(2)), (FLOOR, tag(3)))
    assert [type(fact) for fact in store.stock_facts()] == [GoodsReceived]


def test_two_zones_reading_one_tag_after_a_restart_do_not_move_it(store: Store) -> None:
    store.restart()
    for _ in range(30):
        store.now_ms += 100
        store.observe(read(FLOOR, tag(1), store.now_ms, -55.0))
        store.now_ms += 100
        store.observe(read(BACKROOM, tag(1), store.now_ms, -50.0))
    assert not store.stock_facts()


def test_a_restart_takes_nothing_for_gone_or_back(store: Store) -> None:
    store.restart()
    store.pass_time(15_000, (BACKROOM, tag(1)), (FLOOR, tag(2)))
    assert not store.facts


def test_a_reader_that_comes_back_does_not_make_every_tag_leave_and_appear(store: Store) -> None:
    store.pass_time(60_000)
    store.pass_time(3_000, (BACKROOM, tag(9)), (FLOOR, tag(2)))
    store.pass_time(5_000, (BACKROOM, tag(1)), (FLOOR, tag(2)))
    assert not [fact for fact in store.facts if isinstance(fact, TagsLeft | TagsAppeared)]


def test_a_clock_that_was_set_back_does_not_stop_the_tracking(store: Store) -> None:
    store.now_ms = 10_000  # A gateway without a battery, before its clock is set.
    store.restart()
    store.pass_time(5_000, (FLOOR, tag(1)))
    assert store.zones()[tag(1)] == "sales_floor"
    store.now_ms += 10**9
    store.pass_time(5_000, (BACKROOM, tag(1)))
    assert store.zones()[tag(1)] == "backroom"
    store.now_ms -= 10**8
    store.pass_time(5_000, (FLOOR, tag(1)), (FLOOR, tag(9)))
    assert store.zones()[tag(1)] == store.zones()[tag(9)] == "sales_floor"


def test_a_store_without_zone_antennas_has_an_empty_baseline() -> None:
    portals: Layout = {
        ("r", OUTSIDE): PortalAntenna(DOCK, "outside"),
        ("r", INSIDE): PortalAntenna(DOCK, "inside"),
    }
    store = Store(portals)
    store.pass_time(100)
    assert BASELINE in store.checkpoints
    assert not store.facts
    store.pass_time(500, (OUTSIDE, tag(9)))
    store.pass_time(1_000, (INSIDE, tag(9)))
    assert [type(fact) for fact in store.facts] == [GoodsReceived]
    store.layout = LAYOUT  # Antennas were added later: what is known must not be swept again.
    store.restart()
    store.pass_time(15_000, (BACKROOM, tag(9)), (FLOOR, tag(10)))
    assert store.on_hand() == 2
    assert not [fact for fact in store.facts if isinstance(fact, StockCounted)]


def test_a_customer_who_brings_a_tag_through_the_exit_delivers_nothing() -> None:
    door = PortalSettings(name="door", outside="exit", inside="sales_floor")
    store = Store(
        {("r", 1): PortalAntenna(door, "outside"), ("r", 2): PortalAntenna(door, "inside")}
    )
    store.pass_time(500, (1, tag(9)))
    store.pass_time(4_000, (2, tag(9)))
    assert not store.facts


def test_a_sold_tag_that_leaves_by_the_exit_has_moved_there() -> None:
    door = PortalSettings(name="door", outside="exit", inside="sales_floor")
    store = Store(
        {
            **LAYOUT,
            ("r", 5): PortalAntenna(door, "outside"),
            ("r", 6): PortalAntenna(door, "inside"),
        }
    )
    store.pass_time(5_000, (BACKROOM, tag(1)), (FLOOR, tag(2)))
    store.facts.clear()
    store.pass_time(500, (6, tag(2)))
    store.pass_time(1_000, (5, tag(2)))
    (moved,) = store.stock_facts()
    assert isinstance(moved, TagsMoved)
    assert (moved.from_zone, moved.to_zone) == ("sales_floor", "exit")


def test_tags_that_only_pass_outside_are_forgotten(store: Store) -> None:
    before = len(store.sensing._tracks)
    for serial in range(1_000, 3_000):
        store.now_ms += 10
        store.observe(read(OUTSIDE, tag(serial), store.now_ms))
    store.pass_time(20_000, (BACKROOM, tag(1)))
    assert len(store.sensing._tracks) <= before


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


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), tags=st.integers(1, 5))
def test_every_tag_counts_once_when_readings_are_buffered_repeated_and_a_portal_lags(
    seed: int, tags: int
) -> None:
    rng = random.Random(seed)
    store = Store()
    store.pass_time(5_000, (BACKROOM, tag(1)), (FLOOR, tag(2)))
    arrivals = {tag(100 + number): rng.randrange(0, 20) for number in range(tags)}
    held: list[TagReading] = []  # What the dock's reader buffers while nobody is connected.
    for step in range(100):
        store.now_ms += 250
        live = [read(BACKROOM, tag(1), store.now_ms), read(FLOOR, tag(2), store.now_ms)]
        for epc, arrives in arrivals.items():
            age = step - arrives
            if 0 <= age < 8:
                held.append(read(OUTSIDE if age < 4 else INSIDE, epc, store.now_ms))
            elif age >= 8:
                live.append(read(BACKROOM if age < 40 else FLOOR, epc, store.now_ms))
        if rng.random() < 0.1:
            live, held = live + held, []
        store.observe(*live)
        if rng.random() < 0.05:
            store.replay()
        if rng.random() < 0.03:
            store.restart()
    store.observe(*held)
    store.pass_time(5_000)
    received = [fact for fact in store.facts if isinstance(fact, GoodsReceived)]
    counted = Counter(itertools.chain.from_iterable(fact.epcs for fact in received))
    assert counted == Counter(arrivals.keys())
    assert store.on_hand() == 2 + tags
    assert {store.zones()[epc] for epc in arrivals} == {"sales_floor"}
    told = len(store.stock_facts())
    store.replay()
    store.pass_time(5_000)
    assert len(store.stock_facts()) == told
