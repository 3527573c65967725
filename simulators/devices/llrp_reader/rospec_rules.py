"""Which ROSpecs this reader takes (LLRP 1.0.1 §10.2; pure).

A specification is refused as a whole when any part of it is impossible here, so that no client
believes in an inventory, a filter or a trigger that does not happen.
"""

from collections.abc import Callable
from enum import IntEnum
from typing import Final

from llrpkit.protocol import params
from llrpkit.protocol.enums import (
    AirProtocols,
    AISpecStopTriggerType,
    ROReportTriggerType,
    ROSpecStartTriggerType,
    ROSpecState,
    ROSpecStopTriggerType,
    StatusCode,
    TagObservationTriggerType,
)

from simulators.devices.llrp_reader.capabilities import (
    MODES,
    SPECS_PER_RO_SPEC_MAX,
    TRANSMIT_POWERS_DBM,
)
from simulators.devices.llrp_reader.octane import (
    require_command_extensions,
    require_none,
    require_report_extensions,
)
from simulators.devices.llrp_reader.statuses import RequestRefused

ALL_ANTENNAS: Final = 0


def require(holds: bool, text: str, code: StatusCode = StatusCode.P_FieldError) -> None:
    """Raise `RequestRefused` unless something that a request relies on holds."""
    if not holds:
        raise RequestRefused(code, text)


def require_known(value: int, values: type[IntEnum]) -> None:
    """Raise `RequestRefused` for a value that LLRP 1.0.1 does not define."""
    require(value in tuple(values), f"{value} is no {values.__name__}")


def require_usable(spec: params.ROSpec, antennas: int, gpi_ports: int, *, extensions: bool) -> None:
    """Raise `RequestRefused` for a ROSpec that this reader cannot execute."""
    require(spec.ro_spec_id != 0, "ROSpecID 0 means all ROSpecs")
    require(spec.priority == 0, f"priority {spec.priority}: there is only priority 0")
    require(spec.current_state == ROSpecState.Disabled, "a new ROSpec has to be disabled")

    def gpi(trigger: params.GPITriggerValue | None) -> None:
        if trigger is None:
            raise RequestRefused(StatusCode.P_MissingParameter, "GPITriggerValue is missing")
        port = trigger.gpi_port_num
        require(1 <= port <= gpi_ports, f"GPI port {port}: there are {gpi_ports}")

    _require_start(spec.ro_boundary_spec.ro_spec_start_trigger, gpi)
    _require_stop(spec.ro_boundary_spec.ro_spec_stop_trigger, gpi)
    count = len(spec.spec_parameters)
    text = f"{count} AISpecs: the most is {SPECS_PER_RO_SPEC_MAX}"
    require(count <= SPECS_PER_RO_SPEC_MAX, text, StatusCode.P_OverflowParameter)
    for part in spec.spec_parameters:
        if not isinstance(part, params.AISpec):
            text = f"{type(part).__name__} is not supported, only AISpec is"
            raise RequestRefused(StatusCode.P_UnsupportedParameter, text)
        _require_ai_spec(part, antennas, gpi, extensions=extensions)
    if spec.ro_report_spec is not None:
        require_report_spec(spec.ro_report_spec, extensions=extensions)


def require_report_spec(spec: params.ROReportSpec, *, extensions: bool) -> None:
    """Raise `RequestRefused` for a trigger or a content that this reader does not have."""
    require_known(spec.ro_report_trigger, ROReportTriggerType)
    require_report_extensions(spec.custom, enabled=extensions)


def require_antenna_configuration(
    configuration: params.AntennaConfiguration, antennas: int, *, extensions: bool
) -> None:
    """Raise `RequestRefused` for an antenna that cannot be driven so."""
    require_antenna(configuration.antenna_id, antennas)
    transmitter = configuration.rf_transmitter
    if transmitter is not None:
        powers = len(TRANSMIT_POWERS_DBM)
        text = f"transmit power {transmitter.transmit_power}: there are 1 to {powers}"
        require(1 <= transmitter.transmit_power <= powers, text)
    for command in configuration.air_protocol_inventory_command_settings:
        unfiltered = not command.c1_g2_filters
        text = "select filters are not supported"
        require(unfiltered, text, StatusCode.P_OverflowParameter)
        control = command.c1_g2_rf_control
        if control is not None:
            require(control.mode_index in MODES, f"there is no mode {control.mode_index}")
        require_command_extensions(command.custom, enabled=extensions)


_RequireGpi = Callable[[params.GPITriggerValue | None], None]


def _require_start(start: params.ROSpecStartTrigger, gpi: _RequireGpi) -> None:
    kind = start.ro_spec_start_trigger_type
    require_known(kind, ROSpecStartTriggerType)
    if kind == ROSpecStartTriggerType.Periodic:
        given = start.periodic_trigger_value is not None
        require(given, "PeriodicTriggerValue is missing", StatusCode.P_MissingParameter)
    if kind == ROSpecStartTriggerType.GPI:
        gpi(start.gpi_trigger_value)


def _require_stop(stop: params.ROSpecStopTrigger, gpi: _RequireGpi) -> None:
    kind = stop.ro_spec_stop_trigger_type
    require_known(kind, ROSpecStopTriggerType)
    if kind == ROSpecStopTriggerType.Duration:
        require(stop.duration_trigger_value > 0, "a ROSpec cannot last 0 ms")
    if kind == ROSpecStopTriggerType.GPI_With_Timeout:
        gpi(stop.gpi_trigger_value)


def _require_ai_spec(
    spec: params.AISpec, antennas: int, gpi: _RequireGpi, *, extensions: bool
) -> None:
    require(bool(spec.antenna_ids), "an AISpec without antennas")
    for antenna in spec.antenna_ids:
        require_antenna(antenna, antennas)
    stop = spec.ai_spec_stop_trigger
    kind = stop.ai_spec_stop_trigger_type
    require_known(kind, AISpecStopTriggerType)
    if kind == AISpecStopTriggerType.Duration:
        require(stop.duration_trigger > 0, "an AISpec cannot last 0 ms")
    if kind == AISpecStopTriggerType.GPI_With_Timeout:
        gpi(stop.gpi_trigger_value)
    if kind == AISpecStopTriggerType.Tag_Observation:
        _require_observation(stop.tag_observation_trigger)
    count = len(spec.inventory_parameter_specs)
    text = f"{count} InventoryParameterSpecs in an AISpec: the most is 1"
    require(count == 1, text, StatusCode.P_OverflowParameter)
    require_none(spec.custom)
    inventory = spec.inventory_parameter_specs[0]
    gen2 = inventory.protocol_id == AirProtocols.EPCGlobalClass1Gen2
    require(gen2, f"air protocol {inventory.protocol_id}: there is only Class 1 Gen 2")
    require_none(inventory.custom)
    for configuration in inventory.antenna_configurations:
        require_antenna_configuration(configuration, antennas, extensions=extensions)


def _require_observation(trigger: params.TagObservationTrigger | None) -> None:
    if trigger is None:
        raise RequestRefused(StatusCode.P_MissingParameter, "TagObservationTrigger is missing")
    require_known(trigger.trigger_type, TagObservationTriggerType)


def require_antenna(antenna: int, antennas: int) -> None:
    """Raise `RequestRefused` for an antenna that is not there; 0 stands for all."""
    there = antenna == ALL_ANTENNAS or 1 <= antenna <= antennas
    require(there, f"antenna {antenna}: there are {antennas}")
