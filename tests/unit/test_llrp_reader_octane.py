"""Impinj's extensions, as a client in virtual time asks for them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llrpkit.inventory import TagReport
from llrpkit.protocol import impinj, messages, params
from llrpkit.protocol.enums import StatusCode

from simulators.devices.llrp_reader.settings import TagInField
from simulators.devices.llrp_reader.tag_memory import tid_of
from tests.llrp_messages import EVERYTHING, ai_spec, report_spec, ro_spec, tags_in
from tests.llrp_world import EPCS, World, succeeded


def selector(**on: bool) -> impinj.ImpinjTagReportContentSelector:
    return impinj.ImpinjTagReportContentSelector(
        impinj_enable_rf_phase_angle=impinj.ImpinjEnableRFPhaseAngle(
            rf_phase_angle_mode=on.get("phase", False)
        ),
        impinj_enable_peak_rssi=impinj.ImpinjEnablePeakRSSI(peak_rssi_mode=on.get("rssi", False)),
        impinj_enable_rf_doppler_frequency=impinj.ImpinjEnableRFDopplerFrequency(
            rf_doppler_frequency_mode=on.get("doppler", False)
        ),
        impinj_enable_serialized_t_id=impinj.ImpinjEnableSerializedTID(
            serialized_t_id_mode=on.get("tid", False)
        ),
    )


def extended_report(*extensions: Any) -> params.ROReportSpec:
    report = report_spec(selector=EVERYTHING)
    report.custom.extend(extensions)
    return report


def extended_world() -> World:
    world = World()
    world.connect()
    succeeded(world.ask(impinj.IMPINJ_ENABLE_EXTENSIONS()))
    return world


@pytest.mark.parametrize("phase", [False, True])
@pytest.mark.parametrize("rssi", [False, True])
@pytest.mark.parametrize("doppler", [False, True])
@pytest.mark.parametrize("tid", [False, True])
def test_each_read_tells_what_was_selected(
    phase: bool, rssi: bool, doppler: bool, tid: bool
) -> None:
    world = extended_world()
    world.read_as = TagInField(b"", -50.27, 90.0, -2.5)
    world.start_inventory(
        ro_spec(report=extended_report(selector(phase=phase, rssi=rssi, doppler=doppler, tid=tid)))
    )
    tag = TagReport.from_param(tags_in(world.pass_time(50))[0])
    assert tag.phase_deg == (90.0 if phase else None)
    assert tag.rssi_dbm == (-50.27 if rssi else -50)
    assert tag.doppler_hz == (-2.5 if doppler else None)
    assert tag.tid == (tid_of(EPCS[0]) if tid else None)


@given(
    phase_deg=st.floats(-720, 720),
    rssi_dbm=st.floats(-1_000, 1_000),
    doppler_hz=st.floats(-1e6, 1e6),
)
def test_no_reading_is_beyond_what_a_report_can_say(
    phase_deg: float, rssi_dbm: float, doppler_hz: float
) -> None:
    world = extended_world()
    world.read_as = TagInField(b"", rssi_dbm, phase_deg, doppler_hz)
    wanted = selector(phase=True, rssi=True, doppler=True)
    world.start_inventory(ro_spec(report=extended_report(wanted)))
    tag = TagReport.from_param(tags_in(world.pass_time(50))[0])
    assert tag.phase_deg is not None
    assert 0 <= tag.phase_deg < 360
    assert abs((tag.phase_deg - phase_deg + 180) % 360 - 180) <= 0.05


def test_the_extensions_of_an_accumulated_tag_are_those_of_the_last_read() -> None:
    world = extended_world()
    report = extended_report(selector(phase=True, rssi=True))
    report.n = 1_000
    world.start_inventory(ro_spec(report=report))
    for at_ms, (rssi_dbm, phase_deg) in enumerate([(-60.0, 10.0), (-40.5, 20.0), (-70.0, 90.0)]):
        world.read_as = TagInField(b"", rssi_dbm, phase_deg)
        world.pass_time(at_ms * 100 + 50)
    tag = TagReport.from_param(tags_in(world.send(messages.GET_REPORT()))[0])
    assert (tag.rssi_dbm, tag.phase_deg) == (-40.5, 90.0)


def searching(mode: int) -> Any:
    command = params.C1G2InventoryCommand(
        custom=[impinj.ImpinjInventorySearchMode(inventory_search_mode=mode)]
    )
    spec = ai_spec()
    spec.inventory_parameter_specs[0].antenna_configurations = [
        params.AntennaConfiguration(air_protocol_inventory_command_settings=[command])
    ]
    return spec


@pytest.mark.parametrize(
    "spec",
    [
        ro_spec(report=extended_report(selector(phase=True))),
        ro_spec(ai_specs=[searching(1)]),
        ro_spec(
            report=extended_report(
                impinj.ImpinjTagReportContentSelector(
                    impinj_enable_gps_coordinates=impinj.ImpinjEnableGPSCoordinates()
                )
            )
        ),
    ],
    ids=["content", "search-mode", "gps"],
)
def test_extensions_have_to_be_enabled_on_each_connection(spec: params.ROSpec) -> None:
    world = extended_world()
    world.lose_client()
    world.connect()
    response = world.ask(messages.ADD_ROSPEC(ro_spec=spec))
    assert response.llrp_status.status_code == StatusCode.P_UnsupportedParameter
    assert world.ask(messages.GET_ROSPECS()).ro_specs == []


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (
            messages.ADD_ROSPEC(
                ro_spec=ro_spec(
                    report=extended_report(
                        impinj.ImpinjTagReportContentSelector(
                            impinj_enable_optimized_read=impinj.ImpinjEnableOptimizedRead()
                        )
                    )
                )
            ),
            StatusCode.P_UnsupportedParameter,
        ),
        (messages.ADD_ROSPEC(ro_spec=ro_spec(ai_specs=[searching(9)])), StatusCode.P_FieldError),
        (
            messages.SET_READER_CONFIG(custom=[impinj.ImpinjReaderTemperature()]),
            StatusCode.P_UnsupportedParameter,
        ),
        (
            messages.GET_READER_CONFIG(custom=[impinj.ImpinjRequestedData(requested_data=2_012)]),
            StatusCode.P_FieldError,
        ),
    ],
    ids=["optimized-read", "search-mode", "set", "get"],
)
def test_extensions_that_the_reader_does_not_have_are_refused(
    message: Any, code: StatusCode
) -> None:
    assert extended_world().ask(message).llrp_status.status_code == code


@pytest.mark.parametrize("requested", [2_000, 2_004])
def test_the_reader_tells_its_temperature(requested: int) -> None:
    request = messages.GET_READER_CONFIG(
        custom=[impinj.ImpinjRequestedData(requested_data=requested)]
    )
    response = extended_world().ask(request)
    assert response.custom == [impinj.ImpinjReaderTemperature(temperature=38)]


@pytest.mark.parametrize("mode", [0, 1, 2, 3])
def test_the_search_mode_reaches_the_world(mode: int) -> None:
    world = extended_world()
    world.start_inventory(ro_spec(ai_specs=[searching(mode)]))
    world.pass_time(10)
    assert [drive.search_mode for drive in world.drives] == [mode, mode]
