import logging
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llrpkit.protocol import UnknownParameter, impinj, messages, params
from llrpkit.protocol.enums import (
    AirProtocols,
    AntennaEventType,
    ConnectionAttemptStatusType,
    GetReaderCapabilitiesRequestedData,
    GetReaderConfigRequestedData,
    GPIPortState,
    NotificationEventType,
    ROReportTriggerType,
    ROSpecEventType,
    ROSpecState,
    StatusCode,
)

from simulators.devices.llrp_reader.frames import FrameLengthInvalid, FrameSplitter
from tests.llrp_messages import (
    ListedLink,
    ai_lasting,
    ai_spec,
    epcs_in,
    events_in,
    lasting,
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


def driven_with(antenna: int, power: int) -> params.AntennaConfiguration:
    transmitter = params.RFTransmitter(hop_table_id=1, channel_index=1, transmit_power=power)
    return params.AntennaConfiguration(antenna_id=antenna, rf_transmitter=transmitter)


def test_connection_is_announced_with_the_readers_time() -> None:
    world = World()
    (announcement,) = events_in(world.connect())
    assert announcement.timestamp == params.UTCTimestamp(microseconds=CLOCK_US)
    attempt = announcement.connection_attempt_event
    assert attempt is not None
    assert attempt.status == ConnectionAttemptStatusType.Success


def test_second_client_is_refused_and_the_first_is_told(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    world.connect()
    second = ListedLink()
    world.engine.connect(second, 0)
    assert attempts_in(second.take()) == [
        ConnectionAttemptStatusType.Failed_A_Client_Initiated_Connection_Already_Exists
    ]
    assert second.closed
    assert attempts_in(world.link.take()) == [
        ConnectionAttemptStatusType.Another_Connection_Attempted
    ]
    world.engine.disconnected(second)
    succeeded(world.ask(messages.GET_ROSPECS()))
    assert len(caplog.records) == 1


def test_close_connection_is_answered_and_carried_out() -> None:
    world = World()
    world.connect()
    succeeded(world.ask(messages.CLOSE_CONNECTION()))
    assert world.link.closed
    assert attempts_in(world.connect()) == [ConnectionAttemptStatusType.Success]


def test_every_tag_in_the_field_is_reported_each_round() -> None:
    world = World()
    world.connect()
    world.start_inventory(ro_spec(report=report_spec(n=1)))
    received = world.pass_time(200)
    assert epcs_in(received) == EPCS[:3] * 3
    assert [len(tags_in([message])) for message in received] == [1] * 9
    assert world.stats.tag_reads == world.stats.tags_reported == 9


def test_reports_without_n_leave_at_the_end_of_each_round() -> None:
    world = World()
    world.connect()
    world.start_inventory(ro_spec(report=report_spec(n=0)))
    assert [len(tags_in([message])) for message in world.pass_time(200)] == [3, 3, 3]


def test_tags_short_of_n_are_reported_after_a_while() -> None:
    world = World(report_hold_max_ms=500)
    world.connect()
    world.start_inventory(ro_spec(report=report_spec(n=50)))
    assert epcs_in(world.pass_time(499)) == []
    tags = tags_in(world.pass_time(500))
    assert [tag.tag_seen_count.tag_count for tag in tags if tag.tag_seen_count] == [6, 6, 6]


def test_ai_spec_names_its_antennas() -> None:
    world = World()
    world.connect()
    world.start_inventory(ro_spec(ai_specs=[ai_spec(antennas=(2, 2))]))
    assert epcs_in(world.pass_time(99)) == EPCS[2:3]


def test_reports_precede_the_event_that_ends_their_ro_spec() -> None:
    world = World()
    world.connect()
    kinds = NotificationEventType
    world.configure(reader_event_notification_spec=notify(kinds.ROSpec_Event, kinds.AISpec_Event))
    trigger = ROReportTriggerType.Upon_N_Tags_Or_End_Of_ROSpec
    world.start_inventory(ro_spec(stop=lasting(150), report=report_spec(n=50, trigger=trigger)))
    received = world.pass_time(1_000)
    started, ai_ended, report, ended = received
    assert events_in([started])[0].ro_spec_event == params.ROSpecEvent(
        event_type=ROSpecEventType.Start_Of_ROSpec, ro_spec_id=1
    )
    assert events_in([ai_ended])[0].ai_spec_event == params.AISpecEvent(ro_spec_id=1, spec_index=1)
    assert len(tags_in([report])) == 3
    assert events_in([ended])[0].ro_spec_event == params.ROSpecEvent(
        event_type=ROSpecEventType.End_Of_ROSpec, ro_spec_id=1
    )


def test_reports_are_due_at_the_end_of_an_ai_spec() -> None:
    world = World()
    world.connect()
    parts = [ai_spec(ai_lasting(150)), ai_spec()]
    world.start_inventory(ro_spec(ai_specs=parts, report=report_spec(n=50)))
    assert len(tags_in(world.pass_time(150))) == 3


def test_get_report_fetches_what_has_accumulated() -> None:
    world = World()
    world.connect()
    world.start_inventory(ro_spec(report=report_spec(trigger=ROReportTriggerType.None_)))
    assert epcs_in(world.pass_time(2_000)) == []
    assert epcs_in(world.send(messages.GET_REPORT())) == EPCS[:3]
    assert world.send(messages.GET_REPORT()) == [messages.RO_ACCESS_REPORT()]


def test_reports_wait_for_the_client_and_come_first() -> None:
    world = World()
    world.connect()
    world.start_inventory(ro_spec(report=report_spec(n=1)))
    world.pass_time(50)
    world.lose_client()
    world.pass_time(550)
    received = world.connect()
    assert attempts_in(received[:1]) == [ConnectionAttemptStatusType.Success]
    tags = tags_in(received[1:])
    assert [tag.tag_seen_count.tag_count for tag in tags if tag.tag_seen_count] == [5, 5, 5]


def test_held_reports_wait_until_they_are_enabled() -> None:
    world = World()
    world.connect()
    world.configure(events_and_reports=hold())
    world.start_inventory(ro_spec(report=report_spec(n=1)))
    assert epcs_in(world.pass_time(50)) == EPCS[:3]
    world.lose_client()
    world.pass_time(550)
    assert len(world.connect()) == 1
    assert world.pass_time(850) == []
    tags = tags_in(world.send(messages.ENABLE_EVENTS_AND_REPORTS()))
    assert [tag.tag_seen_count.tag_count for tag in tags if tag.tag_seen_count] == [8, 8, 8]
    assert epcs_in(world.pass_time(900)) == EPCS[:3]


def test_lost_reports_are_told_before_the_rest_is_delivered() -> None:
    world = World(buffer_tags_max=2)
    world.connect()
    world.start_inventory()
    world.lose_client()
    world.pass_time(50)
    received = world.connect()
    overflow = events_in(received)[1]
    assert overflow.report_buffer_overflow_error_event is not None
    assert epcs_in(received[2:]) == EPCS[1:3]
    assert world.stats.tags_lost == 1
    assert len(events_in(world.connect())) == 1


def test_slow_client_gets_its_tags_accumulated() -> None:
    world = World()
    world.connect()
    world.start_inventory(ro_spec(report=report_spec(n=1)))
    world.link.writable = False
    assert world.pass_time(450) == []
    world.link.writable = True
    world.engine.deliver()
    tags = tags_in(world.link.take())
    assert [tag.tag_seen_count.tag_count for tag in tags if tag.tag_seen_count] == [5, 5, 5]


def test_keepalives_are_sent_as_configured_and_stop_at_a_silent_client() -> None:
    world = World(keepalives_unanswered_max=2)
    world.connect()
    world.configure(keepalive_spec=keepalive_each(1_000))
    for second in range(1, 6):
        received = world.pass_time(second * 1_000)
        assert received == [messages.KEEPALIVE()]
        world.send(messages.KEEPALIVE_ACK())
    assert world.stats.keepalives_answered == 5
    received = world.pass_time(20_000)
    assert received[:2] == [messages.KEEPALIVE()] * 2
    assert events_in(received)[-1].connection_close_event is not None
    assert world.link.closed


def test_keepalives_go_on_for_the_next_client() -> None:
    world = World()
    world.connect()
    world.configure(keepalive_spec=keepalive_each(1_000))
    world.lose_client()
    world.pass_time(5_500)
    world.connect()
    assert world.pass_time(6_499) == []
    assert world.pass_time(6_500) == [messages.KEEPALIVE()]
    world.configure(keepalive_spec=params.KeepaliveSpec())
    assert world.pass_time(60_000) == []


def test_antennas_are_plugged_in_and_out() -> None:
    world = World()
    world.connect()
    world.configure(reader_event_notification_spec=notify(NotificationEventType.Antenna_Event))
    world.start_inventory()
    world.engine.set_antenna_connected(1, False)
    (event,) = events_in(world.link.take())
    assert event.antenna_event == params.AntennaEvent(
        event_type=AntennaEventType.Antenna_Disconnected, antenna_id=1
    )
    assert epcs_in(world.pass_time(50)) == EPCS[2:3]
    response = world.ask(messages.GET_READER_CONFIG())
    assert [each.antenna_connected for each in response.antenna_properties] == [False, True]
    world.engine.set_antenna_connected(1, True)
    assert epcs_in(world.pass_time(150)) == EPCS[:3]


def test_inputs_count_once_they_are_enabled() -> None:
    world = World()
    world.connect()
    world.configure(reader_event_notification_spec=notify(NotificationEventType.GPI_Event))
    world.engine.set_gpi(3, True, 0)
    assert world.link.take() == []
    port = params.GPIPortCurrentState(gpi_port_num=3, config=True)
    world.configure(gpi_port_current_states=[port])
    world.engine.set_gpi(3, False, 0)
    world.engine.set_gpi(3, False, 0)
    (event,) = events_in(world.link.take())
    assert event.gpi_event == params.GPIEvent(gpi_port_number=3, gpi_event=False)
    only = messages.GET_READER_CONFIG(
        requested_data=GetReaderConfigRequestedData.GPIPortCurrentState, gpi_port_num=3
    )
    assert world.ask(only).gpi_port_current_states == [
        params.GPIPortCurrentState(gpi_port_num=3, config=True, state=GPIPortState.Low)
    ]


def test_configuration_is_set_got_and_reset() -> None:
    world = World()
    world.connect()
    factory = world.ask(messages.GET_READER_CONFIG())
    assert [each.antenna_id for each in factory.antenna_configurations] == [1, 2]
    world.configure(
        events_and_reports=hold(),
        gpo_write_datas=[params.GPOWriteData(gpo_port_number=2, gpo_data=True)],
        antenna_properties=[params.AntennaProperties(antenna_id=0, antenna_gain=700)],
        antenna_configurations=[driven_with(2, power=7)],
        ro_report_spec=report_spec(n=5),
        access_report_spec=params.AccessReportSpec(access_report_trigger=1),
    )
    changed = world.ask(messages.GET_READER_CONFIG())
    assert changed.events_and_reports == hold()
    assert [each.gpo_data for each in changed.gpo_write_datas] == [False, True, False, False]
    assert [each.antenna_gain for each in changed.antenna_properties] == [700, 700]
    assert changed.antenna_configurations[0] == factory.antenna_configurations[0]
    second = changed.antenna_configurations[1]
    assert second.rf_transmitter == driven_with(2, power=7).rf_transmitter
    assert second.rf_receiver == factory.antenna_configurations[1].rf_receiver
    assert changed.ro_report_spec == report_spec(n=5)
    value = changed.llrp_configuration_state_value
    assert value != factory.llrp_configuration_state_value
    assert world.ask(messages.GET_READER_CONFIG()).llrp_configuration_state_value == value
    world.configure(reset_to_factory_default=True)
    reset = world.ask(messages.GET_READER_CONFIG())
    reset.llrp_configuration_state_value = factory.llrp_configuration_state_value
    reset.message_id = factory.message_id
    assert reset == factory


@pytest.mark.parametrize("requested", list(GetReaderConfigRequestedData)[1:])
def test_one_part_of_the_configuration_is_answered_alone(requested: int) -> None:
    world = World()
    world.connect()
    response = world.ask(messages.GET_READER_CONFIG(requested_data=requested, antenna_id=1))
    parts = {name for name, value in vars(response).items() if value}
    assert len(parts - {"llrp_status", "message_id", "protocol_version"}) == 1


@pytest.mark.parametrize(
    "impossible",
    [
        {"gpo_write_datas": [params.GPOWriteData(gpo_port_number=9)]},
        {"gpi_port_current_states": [params.GPIPortCurrentState(gpi_port_num=9)]},
        {"antenna_properties": [params.AntennaProperties(antenna_id=3)]},
        {"antenna_configurations": [params.AntennaConfiguration(antenna_id=3)]},
        {"ro_report_spec": report_spec(trigger=9)},  # type: ignore[arg-type] # That is the point.
        {"reader_event_notification_spec": notify(99)},  # type: ignore[arg-type] # As above.
    ],
)
def test_impossible_configuration_changes_nothing(impossible: dict[str, Any]) -> None:
    world = World()
    world.connect()
    before = world.ask(messages.GET_READER_CONFIG())
    request = messages.SET_READER_CONFIG(events_and_reports=hold(), **impossible)
    assert world.ask(request).llrp_status.status_code == StatusCode.P_FieldError
    after = world.ask(messages.GET_READER_CONFIG())
    after.message_id = before.message_id
    assert after == before


def test_ro_specs_are_listed_with_their_states() -> None:
    world = World()
    world.connect()
    assert world.ask(messages.GET_ROSPECS()).ro_specs == []
    world.start_inventory(ro_spec(5))
    succeeded(world.ask(messages.ADD_ROSPEC(ro_spec=ro_spec(6))))
    world.pass_time(10)
    listed = world.ask(messages.GET_ROSPECS()).ro_specs
    assert [(each.ro_spec_id, each.current_state) for each in listed] == [
        (5, ROSpecState.Active),
        (6, ROSpecState.Disabled),
    ]
    again = world.ask(messages.ADD_ROSPEC(ro_spec=ro_spec(6)))
    assert again.llrp_status.error_description == "ROSpec 6 exists"


def test_ro_spec_without_a_report_spec_uses_the_configured_one() -> None:
    world = World()
    world.connect()
    selector = params.TagReportContentSelector(enable_antenna_id=True)
    world.configure(ro_report_spec=report_spec(n=1, selector=selector))
    world.start_inventory()
    tag = tags_in(world.pass_time(10))[0]
    assert tag.antenna_id == params.AntennaID(antenna_id=1)
    assert tag.peak_rssi is None


def access_spec(spec_id: int) -> params.AccessSpec:
    target = params.C1G2TargetTag(mb=1)
    return params.AccessSpec(
        access_spec_id=spec_id,
        protocol_id=AirProtocols.EPCGlobalClass1Gen2,
        access_spec_stop_trigger=params.AccessSpecStopTrigger(),
        access_command=params.AccessCommand(
            air_protocol_tag_spec=params.C1G2TagSpec(c1_g2_target_tags=[target]),
            access_command_op_specs=[params.C1G2Read(op_spec_id=1)],
        ),
    )


def test_access_specs_live_and_die() -> None:
    world = World(access_specs_max=2)
    world.connect()
    for spec_id in (4, 3):
        succeeded(world.ask(messages.ADD_ACCESSSPEC(access_spec=access_spec(spec_id))))
    refused = world.ask(messages.ADD_ACCESSSPEC(access_spec=access_spec(2)))
    assert refused.llrp_status.status_code == StatusCode.M_OverflowParameter
    succeeded(world.ask(messages.ENABLE_ACCESSSPEC(access_spec_id=3)))
    listed = world.ask(messages.GET_ACCESSSPECS()).access_specs
    states = [(each.access_spec_id, each.current_state) for each in listed]
    assert states == [(4, False), (3, True)]
    succeeded(world.ask(messages.DISABLE_ACCESSSPEC(access_spec_id=0)))
    succeeded(world.ask(messages.DELETE_ACCESSSPEC(access_spec_id=4)))
    unknown = world.ask(messages.DELETE_ACCESSSPEC(access_spec_id=4))
    assert unknown.llrp_status.status_code == StatusCode.M_FieldError
    succeeded(world.ask(messages.DELETE_ACCESSSPEC(access_spec_id=0)))
    succeeded(world.ask(messages.DELETE_ACCESSSPEC(access_spec_id=0)))
    assert world.ask(messages.GET_ACCESSSPECS()).access_specs == []


@pytest.mark.parametrize("requested", GetReaderCapabilitiesRequestedData)
def test_capabilities_are_answered_by_section(requested: int) -> None:
    world = World()
    world.connect()
    response = world.ask(messages.GET_READER_CAPABILITIES(requested_data=requested))
    sections = {
        1: response.general_device_capabilities,
        2: response.llrp_capabilities,
        3: response.regulatory_capabilities,
        4: response.air_protocol_llrp_capabilities,
    }
    given_sections = {section for section, value in sections.items() if value is not None}
    assert given_sections == ({requested} if requested else set(sections))


def test_extensions_are_enabled_and_other_custom_messages_are_not_supported() -> None:
    world = World()
    world.connect()
    succeeded(world.ask(impinj.IMPINJ_ENABLE_EXTENSIONS()))
    error = world.ask(impinj.IMPINJ_SAVE_SETTINGS(save_configuration=True))
    assert error.llrp_status.status_code == StatusCode.M_UnsupportedMessage


def with_unexpected_parameter() -> bytes:
    spec = ro_spec()
    spec.ro_boundary_spec.unbound_params.append(params.UTCTimestamp())
    return messages.ADD_ROSPEC(ro_spec=spec).to_bytes(message_id=9)


def nested(depth: int) -> bytes:
    """A parameter in a parameter in a parameter, as deep as a TLV's length allows."""
    payload = b""
    for _ in range(depth):
        payload = UnknownParameter(param_type=289, payload=b"\0\0\0\0" + payload).encode()
    body = b"\0" + payload  # SET_READER_CONFIG, no reset, and then that.
    return b"\x04\x03" + (10 + len(body)).to_bytes(4, "big") + b"\0\0\0\x09" + body


@pytest.mark.parametrize(
    ("frame", "status"),
    [
        (bytes.fromhex("0814 0000000a 00000009"), StatusCode.M_UnsupportedVersion),
        (bytes.fromhex("082e 0000000a 00000009"), StatusCode.M_UnsupportedVersion),
        (bytes.fromhex("0437 0000000a 00000009"), StatusCode.M_UnsupportedMessage),
        (bytes.fromhex("0464 0000000a 00000009"), StatusCode.M_UnsupportedMessage),
        (bytes.fromhex("0414 0000000a 00000009"), StatusCode.M_ParameterError),
        (bytes.fromhex("0415 0000000c 00000009 0000"), StatusCode.M_ParameterError),
        (bytes.fromhex("0416 00000012 00000009 00000001 00000000"), StatusCode.M_ParameterError),
        (with_unexpected_parameter(), StatusCode.M_UnexpectedParameter),
        (nested(100), StatusCode.M_UnexpectedParameter),
        (nested(8_000), StatusCode.M_ParameterError),
    ],
)
def test_unusable_message_is_answered_with_its_error(
    frame: bytes, status: StatusCode, caplog: pytest.LogCaptureFixture
) -> None:
    world = World()
    world.connect()
    (error,) = world.send_frame(frame)
    assert isinstance(error, messages.ERROR_MESSAGE)
    assert (error.message_id, error.llrp_status.status_code) == (9, status)
    succeeded(world.ask(messages.GET_ROSPECS()))
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert caplog.records[0].exc_info is None


def test_too_many_unusable_messages_in_a_row_end_the_connection() -> None:
    world = World(errors_in_a_row_max=3)
    world.connect()
    bad = bytes.fromhex("0464 0000000a 00000009")
    world.send_frame(bad)
    world.send_frame(bad)
    world.send(messages.GET_ROSPECS())
    world.send_frame(bad)
    succeeded(world.ask(messages.GET_ROSPECS()))
    world.send_frame(bad)
    world.send_frame(bad)
    received = world.send_frame(bad)
    assert events_in(received)[-1].connection_close_event is not None
    assert world.link.closed
    assert world.send_frame(bad) == []


def test_stream_that_cannot_be_followed_is_closed() -> None:
    world = World()
    world.connect()
    world.engine.stream_broken(world.link, "message length 4294967295")
    error, goodbye = world.link.take()
    assert isinstance(error, messages.ERROR_MESSAGE)
    assert events_in([goodbye])[0].connection_close_event is not None
    assert world.link.closed


@settings(max_examples=200, deadline=None)
@given(kind=st.integers(0, 1023), body=st.binary(max_size=200), seed=st.integers(0, 2**32))
def test_no_bytes_crash_the_reader(kind: int, body: bytes, seed: int) -> None:
    world = World(errors_in_a_row_max=1_000)
    world.connect()
    world.start_inventory()
    header = (1 << 10 | kind).to_bytes(2, "big")
    world.send_frame(header + (10 + len(body)).to_bytes(4, "big") + b"\0\0\0\1" + body)
    frame = bytearray(messages.ADD_ROSPEC(ro_spec=ro_spec(2)).to_bytes(message_id=1))
    rng = random.Random(seed)
    for _ in range(3):
        frame[rng.randrange(10, len(frame))] = rng.randrange(256)
    world.send_frame(bytes(frame))
    world.send(messages.ENABLE_ROSPEC(ro_spec_id=0))
    world.send(messages.GET_ROSPECS())
    world.pass_time(500)


def test_frames_are_cut_wherever_the_stream_was_split() -> None:
    stream = messages.GET_ROSPECS().to_bytes(1) + ro_add().to_bytes(2)
    for at in range(len(stream)):
        splitter = FrameSplitter(1_000)
        frames = []
        for piece in (stream[:at], stream[at:]):
            splitter.feed(piece)
            while frame := splitter.next_frame():
                frames.append(frame)
        assert frames == [messages.GET_ROSPECS().to_bytes(1), ro_add().to_bytes(2)]


def ro_add() -> messages.ADD_ROSPEC:
    return messages.ADD_ROSPEC(ro_spec=ro_spec())


@pytest.mark.parametrize("length", [0, 9, 1_001, 2**32 - 1])
def test_impossible_length_is_refused(length: int) -> None:
    splitter = FrameSplitter(1_000)
    splitter.feed(b"\x04\x01" + length.to_bytes(4, "big") + b"\0\0\0\1")
    with pytest.raises(FrameLengthInvalid, match=str(length)):
        splitter.next_frame()
