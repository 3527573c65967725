"""Faults of a reader in virtual time, and its power cycles."""

import pytest
from llrpkit.protocol import messages, params
from llrpkit.protocol.enums import NotificationEventType, ROReportTriggerType, ROSpecState

from tests.llrp_messages import (
    EVERYTHING,
    epcs_in,
    events_in,
    report_spec,
    ro_spec,
    tags_in,
)
from tests.llrp_world import (
    CLOCK_US,
    EPCS,
    World,
    attempts_in,
    hold,
    keepalive_each,
    notify,
    succeeded,
)

LATE_MS = 3_000


def reading_world(**changed: object) -> World:
    world = World(**changed)
    world.connect()
    world.start_inventory(ro_spec(report=report_spec()))
    return world


def last_seen_ms(tag: params.TagReportData) -> int:
    assert tag.last_seen_timestamp_utc is not None
    return (tag.last_seen_timestamp_utc.microseconds - CLOCK_US) // 1_000


def test_duplicate_reports_come_twice() -> None:
    world = reading_world()
    world.faults.add("duplicate_reports")
    assert epcs_in(world.pass_time(50)) == EPCS[:3] * 2
    assert (world.stats.reads_reported, world.stats.tag_reads) == (6, 3)


def test_every_second_report_is_lost_and_counted() -> None:
    world = reading_world()
    world.faults.add("lose_reports")
    assert len(tags_in(world.pass_time(350))) == 6
    assert world.stats.reads_dropped == 6


def test_late_reports_come_after_younger_ones() -> None:
    world = reading_world()
    world.faults.add("late_reports")
    seen = [last_seen_ms(tag) for tag in tags_in(world.pass_time(LATE_MS + 150))]
    assert seen[:6] == [0, 0, 0, 200, 200, 200]
    assert seen[-3:] == [100, 100, 100]
    assert seen.count(100) == 3


def test_late_reports_come_when_the_fault_is_over() -> None:
    world = reading_world()
    world.faults.add("late_reports")
    world.pass_time(350)
    world.faults.clear()
    assert {last_seen_ms(tag) for tag in tags_in(world.pass_time(400))} == {100, 300, 400}


def test_late_reports_are_bounded_and_none_is_lost() -> None:
    world = reading_world(late_reports_max=2, late_ms=1_000_000)
    world.faults.add("late_reports")
    world.pass_time(2_050)
    world.faults.clear()
    world.pass_time(2_060)
    assert world.stats.reads_reported == world.stats.tag_reads == 3 * 21


def test_a_small_buffer_overflows_and_tells() -> None:
    world = reading_world(buffer_tags_max_at_overflow=1)
    world.faults.add("buffer_overflow")
    received = world.pass_time(50)
    assert epcs_in(received) == EPCS[2:3]
    assert [each for each in events_in(received) if each.report_buffer_overflow_error_event]
    assert world.stats.reads_overflowed == 2


def test_a_reader_without_keepalives_reads_on() -> None:
    world = reading_world()
    world.configure(keepalive_spec=keepalive_each(100))
    world.faults.add("no_keepalives")
    received = world.pass_time(1_000)
    assert not [each for each in received if isinstance(each, messages.KEEPALIVE)]
    assert tags_in(received)
    assert not world.link.closed


def test_a_power_cycle_forgets_everything_but_how_it_is_plugged() -> None:
    world = reading_world()
    world.configure(events_and_reports=hold(), keepalive_spec=keepalive_each(50))
    world.engine.set_antenna_connected(2, False)
    world.reboot()
    assert attempts_in(world.connect()) == [0]
    assert world.ask(messages.GET_ROSPECS()).ro_specs == []
    config = world.ask(messages.GET_READER_CONFIG())
    assert config.events_and_reports == hold(False)
    assert [each.antenna_connected for each in config.antenna_properties] == [True, False]


def test_a_reader_that_keeps_its_specs_reads_on_after_a_power_cycle() -> None:
    world = World(keeps_specs=True)
    world.connect()
    world.start_inventory(ro_spec(report=report_spec()))
    succeeded(world.ask(messages.ADD_ROSPEC(ro_spec=ro_spec(2))))
    world.configure(reader_event_notification_spec=notify(NotificationEventType.ROSpec_Event))
    world.pass_time(50)
    world.reboot()
    assert attempts_in(world.connect()) == [0]
    received = world.pass_time(150)
    assert epcs_in(received)[:3] == EPCS[:3]
    assert [each for each in events_in(received) if each.ro_spec_event]
    listed = world.ask(messages.GET_ROSPECS()).ro_specs
    states = {each.ro_spec_id: each.current_state for each in listed}
    assert states == {1: ROSpecState.Active, 2: ROSpecState.Disabled}


@pytest.mark.parametrize("keeps_specs", [False, True])
def test_unsent_reads_are_lost_with_the_power_and_counted(keeps_specs: bool) -> None:
    world = World(keeps_specs=keeps_specs)
    world.connect()
    on_request = report_spec(trigger=ROReportTriggerType.None_, selector=EVERYTHING)
    world.start_inventory(ro_spec(report=on_request))
    world.pass_time(250)
    world.reboot()
    assert world.stats.reads_forgotten == world.stats.tag_reads == 9


def test_a_reader_without_a_calendar_stamps_its_uptime() -> None:
    world = World(has_utc_clock=False)
    world.pass_time(5_000)
    world.reboot()
    world.pass_time(6_000)
    (announcement,) = events_in(world.connect())
    assert announcement.timestamp == params.Uptime(microseconds=1_000_000)
    world.start_inventory(ro_spec(report=report_spec()))
    tag = tags_in(world.pass_time(6_050))[0]
    assert tag.first_seen_timestamp_uptime == params.FirstSeenTimestampUptime(
        microseconds=1_000_000
    )
    assert tag.last_seen_timestamp_uptime == params.LastSeenTimestampUptime(microseconds=1_000_000)
    assert tag.last_seen_timestamp_utc is None
    capabilities = world.ask(messages.GET_READER_CAPABILITIES()).general_device_capabilities
    assert not capabilities.has_utc_clock_capability
