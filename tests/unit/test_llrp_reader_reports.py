import binascii
import struct

from hypothesis import given
from hypothesis import strategies as st
from llrpkit.protocol import BitStr, decode_message, messages, params
from llrpkit.protocol.enums import ROReportTriggerType

from simulators.devices.llrp_reader.reports import ReportPlan, TagBuffer
from simulators.devices.llrp_reader.settings import ReaderStats, TagInField
from simulators.devices.llrp_reader.tag_memory import stored_crc
from tests.llrp_messages import EVERYTHING, ai_spec, report_spec

EPC = bytes.fromhex("30342500d40ab0c000000001")
OTHER = bytes.fromhex("30342500d40ab0c000000002")


def plan_of(report: params.ROReportSpec) -> ReportPlan:
    return ReportPlan.of(7, 2, ai_spec(), report)


def observe(
    buffer: TagBuffer, plan: ReportPlan, tags: list[tuple[bytes, float]], at: int, antenna: int = 3
) -> None:
    in_field = [TagInField(epc, rssi) for epc, rssi in tags]
    buffer.observe(plan, antenna, at, in_field, now_ms=at, clock_us=at * 1_000)


def framed(body: bytes) -> bytes:
    return struct.pack(">HII", 1 << 10 | 61, 10 + len(body), 1) + body


def take(buffer: TagBuffer) -> list[params.TagReportData]:
    message = decode_message(framed(buffer.take(100).body))
    assert isinstance(message, messages.RO_ACCESS_REPORT)
    return message.tag_report_datas


selectors = st.builds(
    params.TagReportContentSelector,
    **{
        name: st.booleans()
        for name in vars(params.TagReportContentSelector())
        if name.startswith("enable_")
    },
    air_protocol_epc_memory_selectors=st.lists(
        st.builds(
            params.C1G2EPCMemorySelector, enable_crc=st.booleans(), enable_pc_bits=st.booleans()
        ),
        max_size=1,
    ),
)


def by_the_codec(epc: bytes, selector: params.TagReportContentSelector) -> params.TagReportData:
    """What was observed in the test below, as the codec's own objects."""
    chosen = selector
    memory = chosen.air_protocol_epc_memory_selectors
    air: list[params.C1G2_PC | params.C1G2_CRC] = []
    if memory and memory[0].enable_pc_bits:
        air.append(params.C1G2_PC(pc_bits=len(epc) // 2 << 11))
    if memory and memory[0].enable_crc:
        air.append(params.C1G2_CRC(crc=stored_crc(epc)))
    epc_data = params.EPCData(epc=BitStr.from_bytes(epc))
    first, last = params.FirstSeenTimestampUTC, params.LastSeenTimestampUTC
    return params.TagReportData(
        epc_parameter=params.EPC_96(epc=epc) if len(epc) == 12 else epc_data,
        ro_spec_id=params.ROSpecID(ro_spec_id=7) if chosen.enable_ro_spec_id else None,
        spec_index=params.SpecIndex(spec_index=2) if chosen.enable_spec_index else None,
        inventory_parameter_spec_id=params.InventoryParameterSpecID(inventory_parameter_spec_id=1)
        if chosen.enable_inventory_parameter_spec_id
        else None,
        antenna_id=params.AntennaID(antenna_id=3) if chosen.enable_antenna_id else None,
        peak_rssi=params.PeakRSSI(peak_rssi=-40) if chosen.enable_peak_rssi else None,
        channel_index=params.ChannelIndex(channel_index=5) if chosen.enable_channel_index else None,
        first_seen_timestamp_utc=first(microseconds=5_000)
        if chosen.enable_first_seen_timestamp
        else None,
        last_seen_timestamp_utc=last(microseconds=9_000)
        if chosen.enable_last_seen_timestamp
        else None,
        tag_seen_count=params.TagSeenCount(tag_count=2) if chosen.enable_tag_seen_count else None,
        air_protocol_tag_datas=air,
        access_spec_id=params.AccessSpecID() if chosen.enable_access_spec_id else None,
    )


@given(selector=selectors, words=st.integers(1, 31))
def test_reports_are_encoded_as_the_codec_encodes_them(
    selector: params.TagReportContentSelector, words: int
) -> None:
    epc = bytes(range(words * 2))
    buffer = TagBuffer(10, ReaderStats())
    plan = plan_of(report_spec(selector=selector))
    observe(buffer, plan, [(epc, -55.4)], 5)
    observe(buffer, plan, [(epc, -40.2)], 9)
    buffer.make_ready(plan)
    expected = messages.RO_ACCESS_REPORT(tag_report_datas=[by_the_codec(epc, selector)])
    assert framed(buffer.take(100).body) == expected.to_bytes(message_id=1)


def test_stored_crc_is_that_of_the_gen2_standard() -> None:
    # A CRC-16 is right when the check over data and CRC leaves the standard's residue, 0x1D0F.
    memory = bytes.fromhex("3000") + EPC
    residue = binascii.crc_hqx(memory + stored_crc(EPC).to_bytes(2, "big"), 0xFFFF)
    assert residue == 0x1D0F


def test_observations_accumulate_per_epc_and_antenna() -> None:
    buffer = TagBuffer(10, ReaderStats())
    plan = plan_of(report_spec())
    observe(buffer, plan, [(EPC, -60.0), (OTHER, -50.0)], 1)
    observe(buffer, plan, [(EPC, -40.0)], 2)
    observe(buffer, plan, [(EPC, -70.0)], 3)
    observe(buffer, plan, [(EPC, -30.0)], 4, antenna=1)
    buffer.make_ready(plan)
    first, second, third = take(buffer)
    assert first.tag_seen_count == params.TagSeenCount(tag_count=3)
    assert first.peak_rssi == params.PeakRSSI(peak_rssi=-40)
    assert first.channel_index == params.ChannelIndex(channel_index=1)
    assert first.first_seen_timestamp_utc == params.FirstSeenTimestampUTC(microseconds=1_000)
    assert first.last_seen_timestamp_utc == params.LastSeenTimestampUTC(microseconds=3_000)
    assert second.epc_parameter == params.EPC_96(epc=OTHER)
    assert third.antenna_id == params.AntennaID(antenna_id=1)


def test_seen_count_stops_at_its_largest_value() -> None:
    buffer = TagBuffer(10, ReaderStats())
    plan = plan_of(report_spec())
    for _ in range(70_000):
        observe(buffer, plan, [(EPC, -60.0)], 1)
    buffer.make_all_ready()
    assert take(buffer)[0].tag_seen_count == params.TagSeenCount(tag_count=65_535)


def test_rssi_is_kept_within_its_byte() -> None:
    buffer = TagBuffer(10, ReaderStats())
    plan = plan_of(report_spec())
    observe(buffer, plan, [(EPC, -400.0), (OTHER, 400.0)], 1)
    buffer.make_all_ready()
    rssi = [tag.peak_rssi.peak_rssi for tag in take(buffer) if tag.peak_rssi]
    assert rssi == [-128, 127]


def test_reports_of_n_tags_leave_the_rest_accumulating() -> None:
    buffer = TagBuffer(100, ReaderStats())
    plan = plan_of(report_spec(n=4))
    observe(buffer, plan, [(bytes([i, 0]), -60.0) for i in range(10)], 1)
    buffer.make_ready(plan)
    assert [len(take(buffer)), len(take(buffer)), buffer.ready] == [4, 4, 0]
    assert buffer.oldest_ms() == 1
    observe(buffer, plan, [(bytes([9, 0]), -60.0)], 2)
    buffer.make_all_ready()
    assert [tag.tag_seen_count for tag in take(buffer)] == [
        params.TagSeenCount(tag_count=1),
        params.TagSeenCount(tag_count=2),
    ]


def test_reports_without_a_trigger_wait_to_be_fetched() -> None:
    buffer = TagBuffer(100, ReaderStats())
    plan = plan_of(report_spec(trigger=ROReportTriggerType.None_, selector=EVERYTHING))
    observe(buffer, plan, [(EPC, -60.0)], 1)
    buffer.make_ready(plan)
    assert buffer.ready == 0
    assert buffer.oldest_ms() is None


def test_oldest_tags_are_lost_and_counted_when_the_buffer_is_full() -> None:
    stats = ReaderStats()
    buffer = TagBuffer(3, stats)
    plan = plan_of(report_spec())
    observe(buffer, plan, [(bytes([i, 0]), -60.0) for i in range(3)], 1)
    buffer.make_ready(plan)
    assert (stats.tags_lost, buffer.overflowed) == (0, False)
    observe(buffer, plan, [(bytes([i, 0]), -60.0) for i in range(3, 5)], 2)
    assert (stats.tags_lost, buffer.overflowed) == (2, True)
    buffer.make_all_ready()
    assert [tag.epc_parameter.epc for tag in take(buffer)] == [
        BitStr.from_bytes(bytes([i, 0])) for i in range(2, 5)
    ]
