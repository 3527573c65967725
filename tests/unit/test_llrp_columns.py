"""The fast way through a report says what sllurp and `llrp_tags` say, or leaves it to them."""

import struct
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llrpkit.protocol import BitStr, impinj, messages, params

from edge.devices.llrp import decoded_by_sllurp
from edge.devices.llrp_clock import ReaderClock, Received
from edge.devices.llrp_columns import LAYOUTS_MAX, RUN_MAX, TagColumns
from edge.devices.llrp_framing import HEADER_BYTES, parts
from edge.devices.llrp_tags import ReaderClocks, tag_readings
from edge.sensing.readings import TagReading

NOW = Received(monotonic_ms=50_000, utc_ms=1_795_600_000_000)
READER_US = 1_795_596_400_000_000
EPC_96 = bytes.fromhex("30395dfa8355adc000000001")

stamps = st.integers(READER_US - 90_000_000, READER_US + 10_000_000) | st.integers(0, 2**64 - 1)
small = st.integers(0, 65_535)
signed = st.integers(-32_768, 32_767)
epcs = st.binary(min_size=12, max_size=12) | st.binary(max_size=64)


def tag(epc: bytes = EPC_96, **fields: Any) -> params.TagReportData:
    parameter = (
        params.EPC_96(epc=epc) if len(epc) == 12 else params.EPCData(epc=BitStr.from_bytes(epc))
    )
    return params.TagReportData(epc_parameter=parameter, **fields)


def usual(epc: bytes = EPC_96, *, last_us: int = READER_US, seen: int = 1) -> params.TagReportData:
    """A tag as our ROSpec asks for it."""
    return tag(
        epc,
        antenna_id=params.AntennaID(antenna_id=2),
        peak_rssi=params.PeakRSSI(peak_rssi=-61),
        first_seen_timestamp_utc=params.FirstSeenTimestampUTC(microseconds=last_us - 250_000),
        last_seen_timestamp_utc=params.LastSeenTimestampUTC(microseconds=last_us),
        tag_seen_count=params.TagSeenCount(tag_count=seen),
    )


FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "ro_spec_id": st.builds(params.ROSpecID, ro_spec_id=small),
    "spec_index": st.builds(params.SpecIndex, spec_index=small),
    "inventory_parameter_spec_id": st.builds(
        params.InventoryParameterSpecID, inventory_parameter_spec_id=small
    ),
    "antenna_id": st.builds(params.AntennaID, antenna_id=small),
    "peak_rssi": st.builds(params.PeakRSSI, peak_rssi=st.integers(-128, 127)),
    "channel_index": st.builds(params.ChannelIndex, channel_index=small),
    "first_seen_timestamp_utc": st.builds(params.FirstSeenTimestampUTC, microseconds=stamps),
    "first_seen_timestamp_uptime": st.builds(params.FirstSeenTimestampUptime, microseconds=stamps),
    "last_seen_timestamp_utc": st.builds(params.LastSeenTimestampUTC, microseconds=stamps),
    "last_seen_timestamp_uptime": st.builds(params.LastSeenTimestampUptime, microseconds=stamps),
    "tag_seen_count": st.builds(params.TagSeenCount, tag_count=small),
    "access_spec_id": st.builds(params.AccessSpecID, access_spec_id=small),
    "air_protocol_tag_datas": st.lists(
        st.builds(params.C1G2_PC, pc_bits=small) | st.builds(params.C1G2_CRC, crc=small), max_size=2
    ),
    "custom": st.lists(
        st.builds(impinj.ImpinjRFPhaseAngle, phase_angle=small)
        | st.builds(impinj.ImpinjPeakRSSI, rssi=signed)
        | st.builds(impinj.ImpinjRFDopplerFrequency, doppler_frequency=signed),
        max_size=3,
    ),
}
usual_tags = st.builds(
    usual,
    epcs.filter(lambda epc: 1 <= len(epc) <= 62),
    last_us=st.integers(READER_US - 90_000_000, READER_US + 10_000_000),
    seen=small,
)
any_tags = st.builds(
    lambda epc, fields: tag(epc, **fields), epcs, st.fixed_dictionaries({}, optional=FIELDS)
)


def report(*tags: params.TagReportData) -> bytes:
    return messages.RO_ACCESS_REPORT(tag_report_datas=list(tags)).to_bytes(message_id=1)


def clocks() -> ReaderClocks:
    heard = ReaderClocks()
    heard.hear_event({"UTCTimestamp": {"Microseconds": READER_US}}, NOW)
    return heard


def judged(data: bytes, heard: ReaderClocks) -> list[TagReading]:
    tags: list[dict[str, Any]] = []
    for part in parts(data):
        tags += decoded_by_sllurp(part).msgdict["RO_ACCESS_REPORT"].get("TagReportData", ())
    return tag_readings("dock", tags, heard, NOW)


def state(clock: ReaderClock) -> tuple[bool, int]:
    return clock.is_known, clock.ahead_ms(NOW)


def check(data: bytes, columns: TagColumns | None = None) -> bool:
    """Hold an answer against the judges', and say whether there was one."""
    heard, judges = clocks(), clocks()
    found = (columns or TagColumns("dock")).readings(data, heard, NOW)
    if found is None:
        assert state(heard.utc) == state(judges.utc), "it must have heard nothing"
        assert not heard.uptime.is_known
        return False
    assert found == judged(data, judges)
    assert [type(value) for reading in found for value in reading] == [
        type(value) for reading in judged(data, clocks()) for value in reading
    ]
    assert state(heard.utc) == state(judges.utc)
    assert state(heard.uptime) == state(judges.uptime)
    return True


@given(st.lists(usual_tags, max_size=30))
def test_what_our_rospec_asks_for_goes_the_fast_way(tags: list[params.TagReportData]) -> None:
    assert check(report(*tags))


@given(st.lists(any_tags | usual_tags, max_size=12))
def test_whatever_a_report_holds_the_answers_agree(tags: list[params.TagReportData]) -> None:
    check(report(*tags))


@settings(max_examples=500)
@given(st.lists(usual_tags, min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_of_damaged_reports_the_answers_agree(
    tags: list[params.TagReportData], rng: Random
) -> None:
    data = bytearray(report(*tags))
    for _ in range(rng.randint(1, 4)):
        data[rng.randrange(HEADER_BYTES, len(data))] = rng.choice((0, 1, 255, rng.randrange(256)))
    del data[len(data) - rng.choice((0, 0, 1, 2, rng.randrange(len(data) - HEADER_BYTES))) :]
    struct.pack_into("!I", data, 2, len(data))
    check(bytes(data))


def test_extensions_and_stamps_of_uptime_go_the_fast_way() -> None:
    extended = tag(
        antenna_id=params.AntennaID(antenna_id=1),
        first_seen_timestamp_uptime=params.FirstSeenTimestampUptime(microseconds=7),
        last_seen_timestamp_uptime=params.LastSeenTimestampUptime(microseconds=9_000_000),
        custom=[
            impinj.ImpinjRFPhaseAngle(phase_angle=1_024),
            impinj.ImpinjPeakRSSI(rssi=-6_075),
            impinj.ImpinjRFDopplerFrequency(doppler_frequency=-40),
        ],
    )
    assert check(report(extended, usual(), extended))


def test_one_long_report_of_several_layouts_is_read_whole() -> None:
    lengths = (12, 12, 12, 25, 12, 16)
    tags = [
        usual(number.to_bytes(lengths[number % 6 if number > 1_500 else 0], "big"))
        for number in range(1, 2_000)
    ]
    assert len(tags) > 5 * RUN_MAX
    assert check(report(*tags))


def test_a_reader_that_changes_its_layouts_all_the_time_fills_no_memory() -> None:
    columns = TagColumns("dock")
    for length in range(1, 63):
        for fields in ({}, {"ro_spec_id": params.ROSpecID(ro_spec_id=1)}):
            data = usual(bytes([1]) * length)
            assert check(report(params.TagReportData(**_fields(data) | fields)), columns)
    assert len(columns._layouts) <= LAYOUTS_MAX


def _fields(data: params.TagReportData) -> dict[str, Any]:
    names = (
        *("epc_parameter", "antenna_id", "peak_rssi", "first_seen_timestamp_utc"),
        *("last_seen_timestamp_utc", "tag_seen_count"),
    )
    return {name: getattr(data, name) for name in names}


@pytest.mark.parametrize(
    "odd",
    [
        tag(),
        tag(b"", antenna_id=params.AntennaID(antenna_id=1)),
        tag(antenna_id=params.AntennaID(antenna_id=1)),
    ],
)
def test_what_is_not_plain_is_left_to_the_judges(odd: params.TagReportData) -> None:
    assert not check(report(usual(), odd))
