"""A reader's configuration: GET_READER_CONFIG and SET_READER_CONFIG (LLRP 1.0.1 §12; pure).

It outlives a connection, as §12.1.5 allows, or holding reports upon reconnect would mean nothing;
a power cycle or ResetToFactoryDefault brings the factory's values back.
"""

from typing import Any, Final

from llrpkit.protocol import messages, params
from llrpkit.protocol.enums import (
    GetReaderConfigRequestedData,
    GPIPortState,
    IdentificationType,
    NotificationEventType,
    ROReportTriggerType,
)

from simulators.devices.llrp_reader.capabilities import (
    ANTENNA_GAIN_DBI100,
    HOP_TABLE_ID,
    TRANSMIT_POWERS_DBM,
)
from simulators.devices.llrp_reader.octane import configuration, requested, require_none
from simulators.devices.llrp_reader.rospec_rules import (
    ALL_ANTENNAS,
    require,
    require_antenna,
    require_antenna_configuration,
    require_known,
    require_report_spec,
)

_EUI64: Final = bytes.fromhex("00005efffe005300")
"""An address out of the block that RFC 9542 reserves for documentation."""

_ALL_PORTS: Final = 0
_Requested = GetReaderConfigRequestedData


class ReaderConfig:
    """All that SET_READER_CONFIG sets, and the levels and antennas that it cannot."""

    def __init__(
        self, antennas: int, gpi_ports: int, gpo_ports: int, temperature_c: int = 25
    ) -> None:
        self._antennas = antennas
        self._gpo_ports = gpo_ports
        self._temperature_c = temperature_c
        self.state_value = 0
        self.connected = dict.fromkeys(range(1, antennas + 1), True)
        self.gpi_levels = dict.fromkeys(range(1, gpi_ports + 1), False)
        self._reset()

    def _reset(self) -> None:
        self.keepalive = params.KeepaliveSpec()
        self.hold_upon_reconnect = False
        self._events = dict.fromkeys(NotificationEventType, False)
        # Of an input that a client has enabled it is told: llrpkit's windows rely on it.
        self._events[NotificationEventType.GPI_Event] = True
        self.ro_report = _factory_ro_report()
        self._access_report = params.AccessReportSpec()
        self._antenna_gains = dict.fromkeys(self.connected, ANTENNA_GAIN_DBI100)
        self._antenna_configs = {each: _factory_antenna(each) for each in self.connected}
        self._gpi_enabled = dict.fromkeys(self.gpi_levels, False)
        self._gpo_levels = dict.fromkeys(range(1, self._gpo_ports + 1), False)

    def plugged_as(self, old: "ReaderConfig") -> None:
        """Have the antennas and input levels of an earlier life: no power cycle changes those."""
        self.connected, self.gpi_levels = old.connected, old.gpi_levels

    def notifies(self, event: NotificationEventType) -> bool:
        """The client wants to hear of such events."""
        return self._events[event]

    def gpi_enabled(self, port: int) -> bool:
        """The client wants this input port to count."""
        return self._gpi_enabled[port]

    def antenna_configuration(self, antenna: int) -> params.AntennaConfiguration:
        """How an antenna is driven unless an AISpec says otherwise."""
        return self._antenna_configs[antenna]

    @property
    def gpo_levels(self) -> dict[int, bool]:
        """The output ports' levels."""
        return dict(self._gpo_levels)

    def changed(self) -> None:
        """The configuration, a ROSpec or an AccessSpec was changed by the client (§12.2.1)."""
        self.state_value = (self.state_value + 1) % 2**32

    def apply(self, message: messages.SET_READER_CONFIG, *, extensions: bool) -> None:
        """Take over all that a message sets, or nothing of it. Raises `RequestRefused`."""
        self._require_applicable(message, extensions=extensions)
        if message.reset_to_factory_default:
            self._reset()
        if message.reader_event_notification_spec is not None:
            for state in message.reader_event_notification_spec.event_notification_states:
                self._events[NotificationEventType(state.event_type)] = state.notification_state
        for antenna in message.antenna_properties:
            self._antenna_gains |= dict.fromkeys(self._each(antenna), antenna.antenna_gain)
        for changed in message.antenna_configurations:
            for antenna_id in self._each(changed):
                self._antenna_configs[antenna_id] = _merged(
                    self._antenna_configs[antenna_id], changed
                )
        self.ro_report = message.ro_report_spec or self.ro_report
        self._access_report = message.access_report_spec or self._access_report
        self.keepalive = message.keepalive_spec or self.keepalive
        for gpo in message.gpo_write_datas:
            self._gpo_levels[gpo.gpo_port_number] = gpo.gpo_data
        for gpi in message.gpi_port_current_states:
            self._gpi_enabled[gpi.gpi_port_num] = gpi.config
        if message.events_and_reports is not None:
            hold = message.events_and_reports.hold_events_and_reports_upon_reconnect
            self.hold_upon_reconnect = hold
        self.changed()

    def answer(self, message: messages.GET_READER_CONFIG, *, extensions: bool) -> dict[str, Any]:
        """The parts of GET_READER_CONFIG_RESPONSE asked for. Raises `RequestRefused`."""
        wanted = requested(message.custom, enabled=extensions)
        beyond = configuration(wanted, self._temperature_c)
        return self._parts(message) | ({"custom": beyond} if beyond else {})

    def _parts(self, message: messages.GET_READER_CONFIG) -> dict[str, Any]:
        require_antenna(message.antenna_id, self._antennas)
        antennas = _chosen(message.antenna_id, self.connected)
        gpis, gpos = message.gpi_port_num, message.gpo_port_num
        require(gpis == _ALL_PORTS or gpis in self.gpi_levels, f"there is no GPI port {gpis}")
        require(gpos == _ALL_PORTS or gpos in self._gpo_levels, f"there is no GPO port {gpos}")
        parts = {
            _Requested.Identification: ("identification", _identification()),
            _Requested.AntennaProperties: ("antenna_properties", self._properties(antennas)),
            _Requested.AntennaConfiguration: (
                "antenna_configurations",
                [self._antenna_config(antenna) for antenna in antennas],
            ),
            _Requested.ROReportSpec: ("ro_report_spec", self.ro_report),
            _Requested.ReaderEventNotificationSpec: (
                "reader_event_notification_spec",
                self._notifications(),
            ),
            _Requested.AccessReportSpec: ("access_report_spec", self._access_report),
            _Requested.LLRPConfigurationStateValue: (
                "llrp_configuration_state_value",
                params.LLRPConfigurationStateValue(llrp_configuration_state_value=self.state_value),
            ),
            _Requested.KeepaliveSpec: ("keepalive_spec", self.keepalive),
            _Requested.GPIPortCurrentState: ("gpi_port_current_states", self._gpis(gpis)),
            _Requested.GPOWriteData: ("gpo_write_datas", self._gpos(gpos)),
            _Requested.EventsAndReports: (
                "events_and_reports",
                params.EventsAndReports(
                    hold_events_and_reports_upon_reconnect=self.hold_upon_reconnect
                ),
            ),
        }
        wanted = message.requested_data
        if wanted == _Requested.All:
            # Identification is answered by name only: Wireshark 4.0 miscounts its length and calls
            # the message malformed, and stock clients ask for all on every connection.
            del parts[_Requested.Identification]
            return dict(parts.values())
        return dict([parts[GetReaderConfigRequestedData(wanted)]])

    def _require_applicable(self, message: messages.SET_READER_CONFIG, *, extensions: bool) -> None:
        require_none(message.custom)
        if message.reader_event_notification_spec is not None:
            for state in message.reader_event_notification_spec.event_notification_states:
                require_known(state.event_type, NotificationEventType)
        for antenna in message.antenna_properties:
            require_antenna(antenna.antenna_id, self._antennas)
        for changed in message.antenna_configurations:
            require_antenna_configuration(changed, self._antennas, extensions=extensions)
        if message.ro_report_spec is not None:
            require_report_spec(message.ro_report_spec, extensions=extensions)
        for gpo in message.gpo_write_datas:
            there = gpo.gpo_port_number in self._gpo_levels
            require(there, f"there is no GPO port {gpo.gpo_port_number}")
        for gpi in message.gpi_port_current_states:
            there = gpi.gpi_port_num in self.gpi_levels
            require(there, f"there is no GPI port {gpi.gpi_port_num}")

    def _each(self, of: params.AntennaProperties | params.AntennaConfiguration) -> list[int]:
        return _chosen(of.antenna_id, self.connected)

    def _antenna_config(self, antenna: int) -> params.AntennaConfiguration:
        given = self._antenna_configs[antenna]
        return params.AntennaConfiguration(
            antenna_id=antenna,
            rf_receiver=given.rf_receiver,
            rf_transmitter=given.rf_transmitter,
            air_protocol_inventory_command_settings=given.air_protocol_inventory_command_settings,
        )

    def _properties(self, antennas: list[int]) -> list[params.AntennaProperties]:
        return [
            params.AntennaProperties(
                antenna_connected=self.connected[antenna],
                antenna_id=antenna,
                antenna_gain=self._antenna_gains[antenna],
            )
            for antenna in antennas
        ]

    def _notifications(self) -> params.ReaderEventNotificationSpec:
        states = [
            params.EventNotificationState(event_type=event, notification_state=on)
            for event, on in self._events.items()
        ]
        return params.ReaderEventNotificationSpec(event_notification_states=states)

    def _gpis(self, port: int) -> list[params.GPIPortCurrentState]:
        return [
            params.GPIPortCurrentState(
                gpi_port_num=each,
                config=self._gpi_enabled[each],
                state=GPIPortState.High if self.gpi_levels[each] else GPIPortState.Low,
            )
            for each in _chosen(port, self.gpi_levels)
        ]

    def _gpos(self, port: int) -> list[params.GPOWriteData]:
        return [
            params.GPOWriteData(gpo_port_number=each, gpo_data=self._gpo_levels[each])
            for each in _chosen(port, self._gpo_levels)
        ]


def _chosen(number: int, of: dict[int, bool]) -> list[int]:
    """The antenna or port with this number, or all for number 0."""
    return list(of) if number in (ALL_ANTENNAS, _ALL_PORTS) else [number]


def _identification() -> params.Identification:
    return params.Identification(id_type=IdentificationType.MAC_Address, reader_id=_EUI64)


def _factory_ro_report() -> params.ROReportSpec:
    return params.ROReportSpec(
        ro_report_trigger=ROReportTriggerType.Upon_N_Tags_Or_End_Of_ROSpec,
        tag_report_content_selector=params.TagReportContentSelector(
            enable_ro_spec_id=True,
            enable_antenna_id=True,
            enable_peak_rssi=True,
            enable_first_seen_timestamp=True,
            enable_last_seen_timestamp=True,
            enable_tag_seen_count=True,
        ),
    )


def _merged(
    old: params.AntennaConfiguration, new: params.AntennaConfiguration
) -> params.AntennaConfiguration:
    """A message changes what it has, and leaves the rest as it was (§12.1.2)."""
    commands = new.air_protocol_inventory_command_settings
    if commands and old.air_protocol_inventory_command_settings:
        commands = [_merged_command(old.air_protocol_inventory_command_settings[0], commands[0])]
    return params.AntennaConfiguration(
        antenna_id=old.antenna_id,
        rf_receiver=new.rf_receiver or old.rf_receiver,
        rf_transmitter=new.rf_transmitter or old.rf_transmitter,
        air_protocol_inventory_command_settings=commands
        or old.air_protocol_inventory_command_settings,
    )


def _merged_command(
    old: params.C1G2InventoryCommand, new: params.C1G2InventoryCommand
) -> params.C1G2InventoryCommand:
    return params.C1G2InventoryCommand(
        tag_inventory_state_aware=new.tag_inventory_state_aware,
        c1_g2_rf_control=new.c1_g2_rf_control or old.c1_g2_rf_control,
        c1_g2_singulation_control=new.c1_g2_singulation_control or old.c1_g2_singulation_control,
        custom=new.custom or old.custom,
    )


def _factory_antenna(antenna: int) -> params.AntennaConfiguration:
    singulation = params.C1G2SingulationControl(session=2, tag_population=32)
    command = params.C1G2InventoryCommand(
        c1_g2_rf_control=params.C1G2RFControl(),
        c1_g2_singulation_control=singulation,
    )
    return params.AntennaConfiguration(
        antenna_id=antenna,
        rf_receiver=params.RFReceiver(receiver_sensitivity=1),
        rf_transmitter=params.RFTransmitter(
            hop_table_id=HOP_TABLE_ID,
            channel_index=1,
            transmit_power=len(TRANSMIT_POWERS_DBM),
        ),
        air_protocol_inventory_command_settings=[command],
    )
