"""Reports are encoded by llrpkit and decoded by sllurp, as they are between reader and gateway."""

from typing import Any

import pytest
from llrpkit.protocol import BitStr, impinj, messages, params
from sllurp.llrp import LLRPMessage

from edge.devices.llrp_clock import Received
from edge.devices.llrp_framing import LlrpViolation
from edge.devices.llrp_tags import ReaderClocks, tag_readings
from edge.sensing.readings import TagReading

NOW = Received(monotonic_ms=50_000, utc_ms=1_795_600_000_000)
READER_US = 1_795_596_400_000_000
"""What the reader's clock says now: it is an hour behind."""

EPC_96 = bytes.fromhex("30395dfa8355adc000000001")


def decoded(*tags: params.TagReportData) -> list[dict[str, Any]]:
    data = messages.RO_ACCESS_REPORT(tag_report_datas=list(tags)).to_bytes(message_id=1)
    content: dict[str, Any] = LLRPMessage(msgbytes=data).msgdict["RO_ACCESS_REPORT"]
    found: list[dict[str, Any]] = content.get("TagReportData", [])
    return found


def tag(epc: bytes = EPC_96, **fields: Any) -> params.TagReportData:
    parameter = (
        params.EPC_96(epc=epc) if len(epc) == 12 else params.EPCData(epc=BitStr.from_bytes(epc))
    )
    return params.TagReportData(epc_parameter=parameter, **fields)


def antenna(number: int) -> dict[str, Any]:
    return {"antenna_id": params.AntennaID(antenna_id=number)}


def utc_clocks() -> ReaderClocks:
    clocks = ReaderClocks()
    clocks.hear_event({"UTCTimestamp": {"Microseconds": READER_US}}, NOW)
    return clocks


def readings(report: list[dict[str, Any]], clocks: ReaderClocks | None = None) -> list[TagReading]:
    return tag_readings("dock", report, clocks or utc_clocks(), NOW)


def test_every_field_of_a_tag_arrives_on_the_gateways_clock() -> None:
    report = decoded(
        tag(
            **antenna(3),
            peak_rssi=params.PeakRSSI(peak_rssi=-61),
            first_seen_timestamp_utc=params.FirstSeenTimestampUTC(microseconds=READER_US - 250_000),
            last_seen_timestamp_utc=params.LastSeenTimestampUTC(microseconds=READER_US - 50_000),
            tag_seen_count=params.TagSeenCount(tag_count=17),
        )
    )
    assert readings(report) == [
        TagReading(
            reader="dock",
            antenna=3,
            epc=EPC_96,  # type: ignore[arg-type] # An Epc, as far as the test is concerned.
            rssi_dbm=-61.0,
            first_seen_ms=NOW.utc_ms - 250,
            last_seen_ms=NOW.utc_ms - 50,
            seen_count=17,
        )
    ]


def test_impinjs_extensions_tell_more_of_a_read() -> None:
    (reading,) = readings(
        decoded(
            tag(
                **antenna(1),
                peak_rssi=params.PeakRSSI(peak_rssi=-61),
                custom=[
                    impinj.ImpinjRFPhaseAngle(phase_angle=1_024),
                    impinj.ImpinjPeakRSSI(rssi=-6_075),
                    impinj.ImpinjRFDopplerFrequency(doppler_frequency=-40),
                ],
            )
        )
    )
    assert (reading.rssi_dbm, reading.phase_deg, reading.doppler_hz) == (-60.75, 90.0, -2.5)


def test_a_read_without_extensions_has_neither_phase_nor_doppler() -> None:
    (reading,) = readings(decoded(tag(**antenna(1))))
    assert (reading.phase_deg, reading.doppler_hz) == (None, None)


@pytest.mark.parametrize("length", [2, 12, 16, 25, 62])
def test_epcs_of_all_lengths_are_read(length: int) -> None:
    epc = bytes(range(1, length + 1))
    assert [reading.epc for reading in readings(decoded(tag(epc, **antenna(1))))] == [epc]


def test_a_reader_without_a_calendar_stamps_its_uptime() -> None:
    clocks = ReaderClocks()
    clocks.hear_event({"Uptime": {"Microseconds": 9_000_000}}, NOW)
    report = decoded(
        tag(
            **antenna(1),
            first_seen_timestamp_uptime=params.FirstSeenTimestampUptime(microseconds=8_000_000),
            last_seen_timestamp_uptime=params.LastSeenTimestampUptime(microseconds=8_900_000),
        )
    )
    (reading,) = readings(report, clocks)
    assert reading.first_seen_ms == NOW.utc_ms - 1_000
    assert reading.last_seen_ms == NOW.utc_ms - 100


def test_a_tag_without_stamps_was_seen_when_it_was_reported() -> None:
    (reading,) = readings(decoded(tag(**antenna(1))), ReaderClocks())
    assert (reading.first_seen_ms, reading.last_seen_ms) == (NOW.utc_ms, NOW.utc_ms)
    assert reading.seen_count == 1


def test_the_freshest_tag_of_a_report_teaches_the_clock() -> None:
    clocks = ReaderClocks()
    report = decoded(
        *(
            tag(
                **antenna(1),
                last_seen_timestamp_utc=params.LastSeenTimestampUTC(
                    microseconds=READER_US - age_us
                ),
            )
            for age_us in (900_000, 0, 400_000)
        )
    )
    found = readings(report, clocks)
    assert [NOW.utc_ms - reading.last_seen_ms for reading in found] == [900, 0, 400]
    assert clocks.utc.ahead_ms(NOW) == -3_600_000


def test_what_cannot_be_placed_is_left_out() -> None:
    report = decoded(tag(), tag(b"", **antenna(1)), tag(**antenna(2)))
    assert [reading.antenna for reading in readings(report)] == [2]


def test_an_empty_report_has_no_readings() -> None:
    assert readings(decoded()) == []


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ({"AntennaID": 1}, "a tag without an EPC"),
        ({"AntennaID": 1, "EPC": b"00" * 5, "EPC-96": b"00" * 5}, "cut off"),
        ({"AntennaID": 1, "EPC": b"00" * 63}, "an EPC of 63 bytes"),
    ],
)
def test_a_tag_that_no_reader_can_have_seen_is_a_violation(
    content: dict[str, Any], problem: str
) -> None:
    with pytest.raises(LlrpViolation, match=problem):
        readings([content])
