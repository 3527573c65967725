"""Sweeps: what a handheld reads is told once per GTIN, and the register follows in silence."""

import pytest

from edge.sensing.layout import (
    Layout,
    PortalAntenna,
    PortalSettings,
    SweepAntenna,
    ZoneAntenna,
)
from edge.sensing.readings import TagReading
from edge.sensing.register import (
    PREFIX,
    SWEPT_THROUGH,
    Entry,
    checkpoint_value,
    restore,
    restore_swept_through,
)
from edge.sensing.sweeps import MISSED_SWEEPS_MAX, ZONE_TAGS_MIN
from edge.sensing.tag_settings import TagSettings
from edge.sensing.tags import TagSensing
from protocol.codec import decode_fact, encode_fact
from protocol.facts import (
    EPCS_PER_FACT_MAX,
    AnyFact,
    GoodsReceived,
    TagsMoved,
    TagsSwept,
)
from protocol.ids import Epc, Gtin, parse_gtin, sgtin_tag

SHIRT, SOCKS = parse_gtin("00614141123452"), parse_gtin("00614141000012")
DOCK = PortalSettings(name="dock", outside="transit", inside="backroom")
DOOR = PortalSettings(name="door", outside="exit", inside="sales_floor")
LAYOUT: Layout = {
    ("dock", 1): PortalAntenna(DOCK, "outside"),
    ("dock", 2): PortalAntenna(DOCK, "inside"),
    ("exit", 1): PortalAntenna(DOOR, "inside"),
    ("exit", 2): PortalAntenna(DOOR, "outside"),
    ("handheld", 1): SweepAntenna(),
}
SETTINGS = TagSettings()
QUIET_MS = SETTINGS.sweep_quiet_ms
DAY_MS = 86_400_000


def shirts(first: int, end: int) -> list[Epc]:
    return [sgtin_tag(SHIRT, serial) for serial in range(first, end)]


def socks(first: int, end: int) -> list[Epc]:
    return [sgtin_tag(SOCKS, serial) for serial in range(first, end)]


class Store:
    def __init__(self, layout: Layout = LAYOUT) -> None:
        self.layout = layout
        self.now_ms = 1_700_000_000_000
        self.facts: list[AnyFact] = []
        self.checkpoints: dict[str, bytes] = {}
        self.restart()

    def restart(self) -> None:
        self.sensing = TagSensing(
            self.layout,
            SETTINGS,
            restore({n: v for n, v in self.checkpoints.items() if n.startswith(PREFIX)}),
            baseline_done=True,
            now_ms=self.now_ms,
            swept_through_ms=restore_swept_through(self.checkpoints),
        )

    def know(self, epcs: list[Epc], zone: str = "sales_floor", age_ms: int = 1) -> None:
        for epc in epcs:
            entry = Entry(zone, self.now_ms - age_ms)  # type: ignore[arg-type]  # A literal here.
            self.checkpoints[PREFIX + epc.hex()] = checkpoint_value(entry)
        self.restart()

    def observe(self, *readings: TagReading) -> None:
        decisions = self.sensing.observe(readings, self.now_ms)
        self.facts += [decode_fact(encode_fact(fact)) for fact in decisions.facts]
        for name, value in decisions.checkpoints.items():
            if value is None:
                self.checkpoints.pop(name, None)
            else:
                self.checkpoints[name] = value

    def read(self, reader: str, antenna: int, *epcs: Epc, later_ms: int = 500) -> None:
        self.now_ms += later_ms
        self.observe(
            *(TagReading(reader, antenna, e, -50.0, self.now_ms, self.now_ms, 1) for e in epcs)
        )

    def wait(self, duration_ms: int) -> None:
        self.now_ms += duration_ms
        self.observe()

    def sweep(self, *epcs: Epc) -> list[TagsSwept]:
        told = len(self.swept())
        self.read("handheld", 1, *epcs)
        self.wait(QUIET_MS)
        return self.swept()[told:]

    def swept(self) -> list[TagsSwept]:
        return [fact for fact in self.facts if isinstance(fact, TagsSwept)]

    def entries(self) -> dict[Epc, Entry]:
        return restore({n: v for n, v in self.checkpoints.items() if n.startswith(PREFIX)})


@pytest.fixture
def store() -> Store:
    return Store()


def told(facts: list[TagsSwept]) -> dict[Gtin, int]:
    return {Gtin(fact.gtin): fact.quantity for fact in facts}


def test_a_sweep_is_told_once_per_gtin_when_the_handheld_falls_silent(store: Store) -> None:
    store.read("handheld", 1, *shirts(0, 3))
    store.read("handheld", 1, *shirts(0, 5), *socks(0, 2), later_ms=QUIET_MS - 1)
    last_ms = store.now_ms
    store.wait(QUIET_MS - 1)
    assert not store.facts
    store.wait(1)
    assert told(store.swept()) == {SHIRT: 5, SOCKS: 2}
    assert {fact.occurred_at_ms for fact in store.swept()} == {last_ms}
    assert len({fact.sweep for fact in store.swept()}) == 1
    assert len(store.swept()) == len(store.facts) == 2
    assert sorted(store.swept()[0].epcs) == sorted(shirts(0, 5))
    store.wait(10 * QUIET_MS)
    assert len(store.facts) == 2


def test_an_explicit_sweep_has_its_name_and_ends_when_it_is_told(store: Store) -> None:
    store.sensing.sweep_started("monday", store.now_ms)
    store.read("handheld", 1, *shirts(0, 3))
    store.sensing.sweep_ended(store.now_ms)
    store.read("handheld", 1, *shirts(3, 4), later_ms=0)  # The report was under way.
    assert [(f.sweep, f.quantity) for f in store.swept()] == [("monday", 4)]


def test_a_new_start_ends_the_sweep_before(store: Store) -> None:
    store.sensing.sweep_started("floor", store.now_ms)
    store.read("handheld", 1, *shirts(0, 3))
    store.sensing.sweep_started("backroom", store.now_ms)
    store.read("handheld", 1, *shirts(3, 5))
    store.wait(QUIET_MS)
    assert [(f.sweep, f.quantity) for f in store.swept()] == [("floor", 3), ("backroom", 2)]


def test_what_is_still_read_after_an_explicit_end_begins_no_sweep_until_silence(
    store: Store,
) -> None:
    store.sensing.sweep_started("monday", store.now_ms)
    store.read("handheld", 1, *shirts(0, 3))
    store.sensing.sweep_ended(store.now_ms)
    store.wait(0)
    for _ in range(5):
        store.read("handheld", 1, *shirts(0, 3), later_ms=QUIET_MS // 2)
    store.wait(3 * QUIET_MS)
    assert [fact.sweep for fact in store.swept()] == ["monday"]
    assert len(store.sweep(*shirts(0, 3))) == 1


def test_a_sweep_of_tags_nobody_knew_is_not_complete(store: Store) -> None:
    (first,) = store.sweep(*shirts(0, 5))
    assert not first.is_complete
    (second,) = store.sweep(*shirts(0, 5))
    assert second.is_complete
    assert second.basis == "read 5 of 5 tags expected, 5 in all"


def test_a_complete_sweep_tells_what_it_did_not_find(store: Store) -> None:
    store.know(shirts(0, 8) + socks(0, 2))
    swept = store.sweep(*shirts(0, 8))
    assert told(swept) == {SHIRT: 8, SOCKS: 0}
    assert all(fact.is_complete for fact in swept)


def test_a_partial_sweep_says_only_what_it_saw(store: Store) -> None:
    store.know(shirts(0, 8) + socks(0, 8))
    swept = store.sweep(*shirts(0, 8))
    assert told(swept) == {SHIRT: 8}
    assert not swept[0].is_complete


def test_a_sweep_of_the_sales_floor_is_no_sweep_of_a_small_backroom(store: Store) -> None:
    store.know(shirts(0, 200))
    store.know(socks(0, ZONE_TAGS_MIN), zone="backroom")
    swept = store.sweep(*shirts(0, 200))
    assert told(swept) == {SHIRT: 200}
    assert not swept[0].is_complete


def test_unknown_tags_enter_the_register_and_are_not_received(store: Store) -> None:
    store.sweep(*shirts(0, 5))
    assert {entry.zone for entry in store.entries().values()} == {"sales_floor"}
    assert len(store.entries()) == 5
    assert not [fact for fact in store.facts if isinstance(fact, GoodsReceived)]


def test_tags_that_were_taken_for_gone_come_back_in_silence(store: Store) -> None:
    store.know(shirts(0, 10))
    store.know(shirts(10, 12), zone="exit")
    store.know(shirts(12, 14), zone="transit")
    assert told(store.sweep(*shirts(0, 14))) == {SHIRT: 14}
    assert {entry.zone for entry in store.entries().values()} == {"sales_floor"}
    assert not [fact for fact in store.facts if isinstance(fact, TagsMoved)]


def leave(store: Store, *epcs: Epc) -> None:
    store.read("exit", 1, *epcs)
    store.read("exit", 2, *epcs)
    store.read("exit", 2, *epcs)
    store.wait(SETTINGS.portal_window_ms + 1)


def test_a_tag_that_leaves_in_the_middle_of_a_sweep_is_not_in_it(store: Store) -> None:
    store.know(shirts(0, 10))
    store.read("handheld", 1, *shirts(0, 11))  # The last is unknown: the register forgot it.
    leave(store, *shirts(9, 11))
    assert [fact.to_zone for fact in store.facts if isinstance(fact, TagsMoved)] == ["exit"]
    store.wait(QUIET_MS)
    assert told(store.swept()) == {SHIRT: 9}
    assert store.entries()[shirts(9, 10)[0]].zone == "exit"
    assert shirts(10, 11)[0] not in store.entries()


def test_a_delivery_in_the_middle_of_a_sweep_is_received_and_swept(store: Store) -> None:
    store.know(shirts(0, 5))
    store.read("handheld", 1, *shirts(0, 6))
    store.read("dock", 1, *shirts(5, 7))
    store.read("dock", 2, *shirts(5, 7))
    store.read("dock", 2, *shirts(5, 7))
    store.wait(SETTINGS.portal_window_ms + 1)
    (received,) = (fact for fact in store.facts if isinstance(fact, GoodsReceived))
    assert received.quantity == 2
    store.wait(QUIET_MS)
    assert told(store.swept()) == {SHIRT: 6}


def test_a_tag_that_complete_sweeps_miss_again_and_again_is_forgotten(store: Store) -> None:
    store.know(shirts(0, 10))
    for number in range(1, MISSED_SWEEPS_MAX):
        store.sweep(*shirts(0, 9))
        store.restart()
        assert store.entries()[shirts(9, 10)[0]].missed == number
    store.sweep(*shirts(0, 9))
    assert len(store.entries()) == 9
    assert told(store.sweep(*shirts(0, 9))) == {SHIRT: 9}


def test_a_tag_that_is_read_again_has_missed_nothing(store: Store) -> None:
    store.know(shirts(0, 10))
    for number in range(3 * MISSED_SWEEPS_MAX):
        store.sweep(*shirts(0, 9 + (number % MISSED_SWEEPS_MAX == 0)))
    assert len(store.entries()) == 10


def test_a_partial_sweep_is_not_held_against_a_tag(store: Store) -> None:
    store.know(shirts(0, 20))
    for _ in range(2 * MISSED_SWEEPS_MAX):
        store.sweep(*shirts(0, 5))
    assert {entry.missed for entry in store.entries().values()} == {0}


def test_tags_that_left_unseen_do_not_make_later_sweeps_look_partial(store: Store) -> None:
    store.know(shirts(0, 100))
    for week in range(1, 20):
        store.know(shirts(90 + 10 * week, 100 + 10 * week))
        swept = store.sweep(*shirts(10 * week, 100 + 10 * week))
        assert swept[0].is_complete, week
        assert len(store.entries()) <= 100 + 10 * MISSED_SWEEPS_MAX


def test_a_tag_that_a_fixed_antenna_reads_is_not_missed() -> None:
    store = Store({**LAYOUT, ("shelf", 1): ZoneAntenna("sales_floor")})
    store.know(shirts(0, 10))
    for _ in range(2 * MISSED_SWEEPS_MAX):
        store.read("handheld", 1, *shirts(0, 9))
        store.read("shelf", 1, *shirts(9, 10))
        store.wait(QUIET_MS)
    assert len(store.swept()) == 2 * MISSED_SWEEPS_MAX
    assert len(store.entries()) == 10


def test_tags_that_left_long_ago_are_forgotten(store: Store) -> None:
    store.know(shirts(0, 2), zone="exit", age_ms=61 * DAY_MS)
    store.know(shirts(2, 4), zone="transit", age_ms=61 * DAY_MS)
    store.know(shirts(4, 6), zone="sales_floor", age_ms=61 * DAY_MS)
    store.know(shirts(6, 8), zone="exit", age_ms=59 * DAY_MS)
    store.wait(1)
    assert sorted(store.entries()) == sorted(shirts(4, 8))
    store.wait(2 * DAY_MS)
    assert sorted(store.entries()) == sorted(shirts(4, 6))


def test_a_crash_in_the_middle_of_a_sweep_forgets_what_nobody_was_told(store: Store) -> None:
    store.know(shirts(0, 10))
    store.read("handheld", 1, *shirts(0, 7), *socks(0, 1))
    store.restart()
    assert len(store.entries()) == 10
    swept = store.sweep(*shirts(7, 10))
    assert told(swept) == {SHIRT: 3}
    assert not swept[0].is_complete


def test_readings_that_come_again_after_a_sweep_begin_no_other(store: Store) -> None:
    store.sweep(*shirts(0, 3))
    at_ms = store.now_ms - QUIET_MS
    for _ in range(2):
        store.observe(TagReading("handheld", 1, shirts(0, 1)[0], -50.0, at_ms, at_ms, 1))
        store.wait(2 * QUIET_MS)
        assert len(store.swept()) == 1
        store.restart()
    assert SWEPT_THROUGH in store.checkpoints


def test_a_clock_that_was_set_back_does_not_stop_the_sweeps(store: Store) -> None:
    store.sweep(*shirts(0, 3))
    store.now_ms -= DAY_MS
    assert len(store.sweep(*shirts(0, 3))) == 1
    store.now_ms -= DAY_MS
    store.restart()
    assert len(store.sweep(*shirts(0, 3))) == 1


def test_a_gtin_with_more_tags_than_a_fact_may_hold_is_one_fact_with_the_first_of_them(
    store: Store,
) -> None:
    (fact,) = store.sweep(*shirts(0, EPCS_PER_FACT_MAX + 88))
    assert (fact.quantity, len(fact.epcs)) == (EPCS_PER_FACT_MAX + 88, EPCS_PER_FACT_MAX)


def test_entries_of_older_agents_are_understood() -> None:
    epc = shirts(0, 1)[0]
    assert restore({PREFIX + epc.hex(): b"\x92\x01\x2a"}) == {epc: Entry("backroom", 42)}
    for entry in (Entry("exit", 42), Entry("sales_floor", 42, 3)):
        assert restore({PREFIX + epc.hex(): checkpoint_value(entry)}) == {epc: entry}
