"""What this reader can do, as it answers GET_READER_CAPABILITIES (LLRP 1.0.1 §9).

It is a fixed reader for the FCC's UHF band: 50 hopping channels, transmit power from 10 to 30 dBm.
"""

from typing import Any, Final

from llrpkit.protocol import params
from llrpkit.protocol.enums import (
    AirProtocols,
    C1G2ForwardLinkModulation,
    C1G2MValue,
    C1G2SpectralMaskIndicator,
    CommunicationsStandard,
    GetReaderCapabilitiesRequestedData,
)

from simulators.devices.llrp_reader.settings import ReaderSettings

MODEL: Final = 1
FIRMWARE: Final = "stocktruth-sim 1"
TRANSMIT_POWERS_DBM: Final = range(10, 31)
"""The transmit power table; its indices start at 1."""

HOP_TABLE_ID: Final = 1
CHANNELS_KHZ: Final = range(902_750, 927_751, 500)
SPECS_PER_RO_SPEC_MAX: Final = 8
OP_SPECS_PER_ACCESS_SPEC_MAX: Final = 8
TARGET_TAGS_MAX: Final = 2  # §15.2.1.3.1.
ANTENNA_GAIN_DBI100: Final = 600

_UNITED_STATES: Final = 840  # ISO 3166-1 numeric, as §9.2.4 asks for.
_RF_MODES: Final = (
    # Mode identifier, tag encoding, backscatter data rate in bit/s.
    (0, C1G2MValue.MV_FM0, 640_000),
    (1, C1G2MValue.MV_2, 640_000),
    (2, C1G2MValue.MV_4, 274_000),
    (3, C1G2MValue.MV_8, 170_600),
)
MODES: Final = frozenset(mode for mode, _, _ in _RF_MODES)
"""The identifiers that C1G2RFControl names a mode by, as clients do despite its name ModeIndex."""

_All = GetReaderCapabilitiesRequestedData.All


def power_dbm(index: int) -> float:
    """Return the transmit power at an index of the table."""
    return float(TRANSMIT_POWERS_DBM[index - 1])


def capabilities(requested: int, antennas: int, settings: ReaderSettings) -> dict[str, Any]:
    """The sections of GET_READER_CAPABILITIES_RESPONSE that were asked for."""
    wanted = GetReaderCapabilitiesRequestedData
    sections: dict[str, Any] = {}
    if requested in (_All, wanted.General_Device_Capabilities):
        sections["general_device_capabilities"] = _general(antennas, settings)
    if requested in (_All, wanted.LLRP_Capabilities):
        sections["llrp_capabilities"] = _llrp(settings)
    if requested in (_All, wanted.Regulatory_Capabilities):
        sections["regulatory_capabilities"] = _regulatory()
    if requested in (_All, wanted.LLRP_Air_Protocol_Capabilities):
        sections["air_protocol_llrp_capabilities"] = params.C1G2LLRPCapabilities(
            can_support_block_write=True
        )
    return sections


def _general(antennas: int, settings: ReaderSettings) -> params.GeneralDeviceCapabilities:
    protocol = bytes([AirProtocols.EPCGlobalClass1Gen2])
    return params.GeneralDeviceCapabilities(
        max_number_of_antenna_supported=antennas,
        has_utc_clock_capability=settings.has_utc_clock,
        device_manufacturer_name=settings.manufacturer,
        model_name=MODEL,
        reader_firmware_version=FIRMWARE,
        receive_sensitivity_table_entrys=[
            params.ReceiveSensitivityTableEntry(index=1, receive_sensitivity_value=0)
        ],
        gpio_capabilities=params.GPIOCapabilities(
            num_gp_is=settings.gpi_ports, num_gp_os=settings.gpo_ports
        ),
        per_antenna_air_protocols=[
            params.PerAntennaAirProtocol(antenna_id=antenna, protocol_id=protocol)
            for antenna in range(1, antennas + 1)
        ],
    )


def _llrp(settings: ReaderSettings) -> params.LLRPCapabilities:
    return params.LLRPCapabilities(
        supports_event_and_report_holding=True,
        max_num_priority_levels_supported=1,
        max_num_ro_specs=settings.ro_specs_max,
        max_num_specs_per_ro_spec=SPECS_PER_RO_SPEC_MAX,
        max_num_inventory_parameter_specs_per_ai_spec=1,
        max_num_access_specs=settings.access_specs_max,
        max_num_op_specs_per_access_spec=OP_SPECS_PER_ACCESS_SPEC_MAX,
    )


def _regulatory() -> params.RegulatoryCapabilities:
    hopping = params.FrequencyInformation(
        hopping=True,
        frequency_hop_tables=[
            params.FrequencyHopTable(hop_table_id=HOP_TABLE_ID, frequency=list(CHANNELS_KHZ))
        ],
    )
    modes = params.C1G2UHFRFModeTable(
        c1_g2_uhfrf_mode_table_entrys=[_rf_mode(*mode) for mode in _RF_MODES]
    )
    band = params.UHFBandCapabilities(
        transmit_power_level_table_entrys=[
            params.TransmitPowerLevelTableEntry(index=index, transmit_power_value=power_dbm * 100)
            for index, power_dbm in enumerate(TRANSMIT_POWERS_DBM, start=1)
        ],
        frequency_information=hopping,
        air_protocol_uhfrf_mode_tables=[modes],
    )
    return params.RegulatoryCapabilities(
        country_code=_UNITED_STATES,
        communications_standard=CommunicationsStandard.US_FCC_Part_15,
        uhf_band_capabilities=band,
    )


def _rf_mode(mode: int, m_value: int, bdr_bps: int) -> params.C1G2UHFRFModeTableEntry:
    return params.C1G2UHFRFModeTableEntry(
        mode_identifier=mode,
        dr_value=True,
        m_value=m_value,
        forward_link_modulation=C1G2ForwardLinkModulation.PR_ASK,
        spectral_mask_indicator=C1G2SpectralMaskIndicator.DI,
        bdr_value=bdr_bps,
        pie_value=1_500,
        min_tari_value=6_250,
        max_tari_value=25_000,
        step_tari_value=6_250,
    )
