"""Each feature of the simulated reader, used by other people's clients on real sockets.

The table in docs/llrp-reader.md says which client uses which feature; this is where they do.
"""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path
from random import Random
from typing import Any

import pytest
from llrpkit.client import LLRPClient, check_status
from llrpkit.exceptions import LLRPStatusError, LLRPTimeoutError
from llrpkit.inventory import TagReport
from llrpkit.protocol import LLRPMessage, impinj, messages, params
from llrpkit.protocol.enums import (
    NotificationEventType,
    ROReportTriggerType,
    ROSpecStartTriggerType,
    ROSpecState,
)
from llrpkit.protocol.impinj import ImpinjInventorySearchType
from llrpkit.reader import Reader
from sllurp.llrp import C1G2Read, C1G2TargetTag, C1G2Write

from simulators.devices.llrp_reader import AntennaDrive, LlrpReader, ReaderSettings, TagInField
from simulators.devices.llrp_reader.link_budget import LinkBudget, PlacedTag
from simulators.devices.llrp_reader.settings import IMPINJ
from simulators.devices.llrp_reader.tag_memory import tid_of
from tests.llrp_clients import (
    ANTENNAS,
    DEADLINE_S,
    SllurpClient,
    Store,
    captured,
    connected,
    epc_of,
    everything_captured,
    tshark,
    until,
)
from tests.llrp_messages import (
    EVERYTHING,
    ai_lasting,
    ai_spec,
    lasting,
    report_spec,
    ro_spec,
)

ROUND_MS = 20
TARGET = epc_of(1, 1)
PHASES = {
    "EnableRFPhaseAngle": True,
    "EnablePeakRSSI": True,
    "EnableRFDopplerFrequency": True,
}


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
async def reader(store: Store) -> AsyncIterator[LlrpReader]:
    reader = store.reader(manufacturer=IMPINJ, late_ms=200, reboot_ms=100)
    await reader.start()
    yield reader
    reader.heal()
    await reader.stop()


async def client_of(reader: LlrpReader) -> Reader:
    client = Reader("127.0.0.1", reader.port)
    await client.connect()
    return client


async def first(client: Reader, wanted: Callable[[TagReport], bool], **how: Any) -> TagReport:
    """Read with llrpkit until a tag is as wanted."""
    async with asyncio.timeout(DEADLINE_S), aclosing(client.inventory(**how)) as tags:
        async for tag in tags:
            if wanted(tag):
                return tag
    raise AssertionError("the inventory ended")


async def next_events(client: LLRPClient, kinds: set[str]) -> list[str]:
    """Wait until each kind of event came; all that came, in order."""
    heard: list[str] = []
    async with asyncio.timeout(DEADLINE_S):
        while not kinds <= set(heard):
            event: Any = await client.events.get()
            data = event.reader_event_notification_data
            heard += [name for name in kinds if getattr(data, name) is not None]
    return heard


async def ask(client: LLRPClient, *requests: LLRPMessage) -> None:
    for request in requests:
        check_status(await client.transact(request))


def notify_all() -> messages.SET_READER_CONFIG:
    states = [
        params.EventNotificationState(event_type=each, notification_state=True)
        for each in NotificationEventType
    ]
    return messages.SET_READER_CONFIG(
        reader_event_notification_spec=params.ReaderEventNotificationSpec(
            event_notification_states=states
        )
    )


async def test_llrpkit_starts_by_null_trigger_and_stops_by_duration(reader: LlrpReader) -> None:
    client = await connected(reader)
    null = params.ROSpecStartTrigger(ro_spec_start_trigger_type=ROSpecStartTriggerType.Null)
    spec = ro_spec(start=null, stop=lasting(100), report=report_spec())
    await ask(
        client,
        notify_all(),
        messages.ADD_ROSPEC(ro_spec=spec),
        messages.ENABLE_ROSPEC(ro_spec_id=1),
    )
    assert client.reports.empty()
    await ask(client, messages.START_ROSPEC(ro_spec_id=1))
    heard = await next_events(client, {"ro_spec_event", "ai_spec_event"})
    while heard.count("ro_spec_event") < 2:
        heard += await next_events(client, {"ro_spec_event"})
    assert heard == ["ro_spec_event", "ai_spec_event", "ro_spec_event"]
    assert not client.reports.empty()
    await client.close()


async def test_llrpkit_starts_periodically(reader: LlrpReader) -> None:
    client = await connected(reader)
    periodic = params.ROSpecStartTrigger(
        ro_spec_start_trigger_type=ROSpecStartTriggerType.Periodic,
        periodic_trigger_value=params.PeriodicTriggerValue(
            offset=50,
            period=100,
            utc_timestamp=params.UTCTimestamp(microseconds=time.time_ns() // 1_000),
        ),
    )
    once = [ai_spec(ai_lasting(40))]
    spec = ro_spec(start=periodic, ai_specs=once, report=report_spec(n=0))
    await ask(
        client,
        notify_all(),
        messages.ADD_ROSPEC(ro_spec=spec),
        messages.ENABLE_ROSPEC(ro_spec_id=1),
    )
    heard: list[str] = []
    while heard.count("ai_spec_event") < 3:
        heard += await next_events(client, {"ai_spec_event"})
    await client.close()


def is_armed(reader: LlrpReader) -> bool:
    specs = reader._engine._ro_specs.all()
    return [spec.current_state for spec in specs] == [ROSpecState.Inactive]


async def test_llrpkit_reads_one_window_per_trip_of_a_light_barrier(
    reader: LlrpReader, store: Store
) -> None:
    client = await client_of(reader)
    windows = client.windows(2, settle=0.1)
    async with asyncio.timeout(DEADLINE_S), aclosing(windows):
        waiting = asyncio.ensure_future(anext(windows))
        await until(lambda: is_armed(reader))
        assert reader.stats.rounds == 0
        reader.set_gpi(2, True)
        await until(lambda: reader.stats.rounds >= 3)
        reader.set_gpi(2, False)
        window = await waiting
    assert {tag.epc for tag in window.tags} == store.epcs
    await client.close()


async def test_llrpkit_drives_outputs_and_sees_inputs(reader: LlrpReader) -> None:
    client = await client_of(reader)
    await client.set_gpi_enabled(1, True)
    reader.set_gpi(1, True)
    await client.set_gpo(3, True)
    state = await client.get_gpio()
    assert state.gpis == {1: "high", 2: "disabled", 3: "disabled", 4: "disabled"}
    assert state.gpos == {1: False, 2: False, 3: True, 4: False}
    assert reader.gpo_levels[3]
    async with asyncio.timeout(DEADLINE_S):
        with pytest.raises(LLRPStatusError):
            await client.set_gpo(9, True)
    await client.close()


async def test_sllurp_hears_events_of_specs_inputs_and_antennas(
    reader: LlrpReader, store: Store
) -> None:
    client = SllurpClient(
        reader,
        report_every_n_tags=12,
        report_timeout_ms=500,
        gpi_ports_config={1: True},
        event_selector={
            "GPIEvent": True,
            "ROSpecEvent": True,
            "AISpecEvent": True,
            "AntennaEvent": True,
        },
    )
    await client.connect()
    await until(lambda: len(client.seen) == len(store.epcs))
    reader.set_gpi(1, True)
    reader.inject("antenna_unplugged")
    wanted = {"ROSpecEvent", "AISpecEvent", "GPIEvent", "AntennaEvent"}
    await until(lambda: wanted <= {name for event in client.events for name in event})
    reader.heal("antenna_unplugged")
    await client.disconnect()


async def test_llrpkit_reads_and_writes_memory(reader: LlrpReader) -> None:
    client = await client_of(reader)
    tid = await client.read_memory(bank="tid", target_epc=TARGET)
    assert (tid.epc, tid.status, tid.data) == (TARGET, "Success", tid_of(TARGET))
    written = await client.write_memory(
        bank="user", word_pointer=2, data=b"\xca\xfe\xbe\xef", target_epc=TARGET
    )
    assert (written.status, written.words_written) == ("Success", 2)
    user = await client.read_memory(bank="user", word_pointer=1, word_count=4, target_epc=TARGET)
    assert user.data == bytes.fromhex("0000cafebeef0000")
    refused = await client.write_epc(bytes(12), target_epc=TARGET)
    assert refused.status == "Tag_Memory_Locked_Error"
    with pytest.raises(LLRPStatusError, match="C1G2Kill is not supported"):
        await client.kill_tag(kill_password=1, target_epc=TARGET)
    await client.close()


@pytest.mark.parametrize(
    ("op", "result", "expected"),
    [
        (C1G2Read(MB=2, WordPtr=0, WordCount=6), "C1G2ReadOpSpecResult", tid_of(TARGET)),
        (
            C1G2Write(MB=3, WordPtr=0, WriteDataWordCount=1, WriteData=b"\xab\xcd"),
            "C1G2WriteOpSpecResult",
            1,
        ),
    ],
    ids=["read", "write"],
)
async def test_sllurp_accesses_tags(
    reader: LlrpReader, op: Any, result: str, expected: bytes | int
) -> None:
    client = SllurpClient(reader)
    target = C1G2TargetTag(MB=1, Pointer=0x20, TagMask="ff" * 12, TagData=TARGET.hex())
    client.in_its_thread.append(
        lambda sllurp: sllurp.start_access_spec(op, target, stop_after_count=1)
    )
    await client.connect()
    await until(lambda: any(result in tag for tag in client.tags))
    tag = next(tag for tag in client.tags if result in tag)
    assert bytes.fromhex(tag["EPC"].decode()) == TARGET
    assert tag[result].get("ReadData", tag[result].get("NumWordsWritten")) == expected
    await client.disconnect()


class Hall:
    """A reader with a hall of tags at growing distance, and how clients drove it."""

    def __init__(self) -> None:
        tags = [PlacedTag(epc_of(1, number), 30.0 + number) for number in range(20)]
        budget = LinkBudget(lambda antenna: tags if antenna == 1 else (), ROUND_MS, Random(1))
        self.drives: set[tuple[float, int, int, int, int]] = set()

        def reads(drive: AntennaDrive) -> list[TagInField]:
            self.drives.add(
                (
                    drive.power_dbm,
                    drive.mode,
                    drive.session,
                    drive.population,
                    drive.search_mode,
                )
            )
            return budget(drive)

        self.reader = LlrpReader(
            antennas=ANTENNAS,
            reads=reads,
            clock_us=lambda: time.time_ns() // 1_000,
            settings=ReaderSettings(round_ms=ROUND_MS, manufacturer=IMPINJ),
        )


@pytest.fixture
async def hall() -> AsyncIterator[Hall]:
    hall = Hall()
    await hall.reader.start()
    yield hall
    await hall.reader.stop()


async def llrpkit_reach(hall: Hall, **how: Any) -> int:
    """The number of the farthest tag that llrpkit hears of in some rounds."""
    client = await client_of(hall.reader)
    farthest = 0
    end = hall.reader.stats.rounds + 30
    async with asyncio.timeout(DEADLINE_S), aclosing(client.inventory(**how)) as tags:
        async for tag in tags:
            farthest = max(farthest, tag.epc[-1])
            if hall.reader.stats.rounds >= end:
                break
    await client.close()
    return farthest


async def test_llrpkit_reads_farther_with_more_power_and_slower_modes(hall: Hall) -> None:
    near = await llrpkit_reach(hall, tx_power_dbm=15.0, mode_index=0)
    far = await llrpkit_reach(hall, tx_power_dbm=30.0, mode_index=0)
    farthest = await llrpkit_reach(hall, tx_power_dbm=30.0, mode_index=3, tag_population=20)
    assert near < far < farthest


async def test_llrpkits_settings_reach_the_world(hall: Hall) -> None:
    await llrpkit_reach(
        hall,
        tx_power_dbm=21.0,
        mode_index=1,
        session=3,
        tag_population=77,
        search_mode=ImpinjInventorySearchType.Dual_Target,
    )
    assert hall.drives == {(21.0, 1, 3, 77, 2)}


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (
            {"tx_power": 3, "session": 1, "mode_identifier": 1, "tag_population": 9},
            (12, 1, 1, 9, 0),
        ),
        (
            {"tx_power_dbm": {1: 17.2}, "mode_identifier": 0, "impinj_search_mode": 2},
            (17, 0, 2, 4, 2),
        ),
    ],
    ids=["standard", "impinj"],
)
async def test_sllurps_settings_reach_the_world(
    hall: Hall, config: dict[str, Any], expected: tuple[int, ...]
) -> None:
    client = SllurpClient(hall.reader, antennas=[1], **config)
    await client.connect()
    await until(lambda: client.seen)
    await client.disconnect()
    assert hall.drives == {expected}


async def test_llrpkit_hears_phase_doppler_rssi_and_tid(reader: LlrpReader, store: Store) -> None:
    store.tags[1] = [TagInField(TARGET, -51.37, 225.0, 1.5)]
    client = await client_of(reader)
    assert client.impinj_extensions_enabled
    tag = await first(
        client,
        lambda tag: tag.epc == TARGET,
        include_phase=True,
        include_doppler=True,
        include_tid=True,
        search_mode=ImpinjInventorySearchType.Single_Target,
    )
    assert (tag.rssi_dbm, tag.phase_deg, tag.doppler_hz) == (-51.37, 225.0, 1.5)
    assert tag.tid == tid_of(TARGET)
    assert await client.get_temperature() == 38
    await client.close()


async def test_sllurp_hears_phase_doppler_and_rssi(reader: LlrpReader, store: Store) -> None:
    store.tags[1] = [TagInField(TARGET, -51.37, 225.0, 1.5)]
    client = SllurpClient(reader, impinj_search_mode=1, impinj_tag_content_selector=PHASES)
    await client.connect()
    await until(lambda: client.tags)
    tag = next(tag for tag in client.tags if bytes.fromhex(tag["EPC"].decode()) == TARGET)
    told = [
        tag[name] for name in ("ImpinjPeakRSSI", "ImpinjRFPhaseAngle", "ImpinjRFDopplerFrequency")
    ]
    assert told == [-5_137, 2_560, 24]
    await client.disconnect()


async def test_a_reboot_amid_a_rospec_ends_what_llrpkit_reads(reader: LlrpReader) -> None:
    client = await client_of(reader)
    await first(client, lambda _tag: True)
    reader.inject("reboot")
    await until(lambda: not client.client.connected)
    await client.close()
    await until(lambda: reader.stats.reboots and reader.is_listening)
    again = await client_of(reader)
    await first(again, lambda _tag: True)
    await again.close()


async def test_a_half_open_connection_is_silent_until_it_heals(reader: LlrpReader) -> None:
    client = await connected(reader)
    spec = ro_spec(report=report_spec())
    await ask(client, messages.ADD_ROSPEC(ro_spec=spec), messages.ENABLE_ROSPEC(ro_spec_id=1))
    reader.inject("half_open")
    with pytest.raises(LLRPTimeoutError):
        await client.transact(messages.GET_ROSPECS(), timeout=0.2)
    while not client.reports.empty():
        client.reports.get_nowait()
    rounds = reader.stats.rounds
    await until(lambda: reader.stats.rounds >= rounds + 3)
    assert client.reports.empty()
    assert client.connected
    reader.heal("half_open")
    await until(lambda: not client.connected)
    await client.close()
    client = await connected(reader)
    check_status(await client.transact(messages.GET_ROSPECS()))
    await client.close()


@pytest.mark.parametrize("fault", ["duplicate_reports", "lose_reports", "late_reports"])
async def test_sllurp_lives_with_what_happens_to_reports(
    reader: LlrpReader, store: Store, fault: str
) -> None:
    client = SllurpClient(reader, report_every_n_tags=12, report_timeout_ms=500)
    await client.connect()
    await until(lambda: client.seen)
    reader.inject(fault)
    sent = reader.stats.reports_sent
    await until(lambda: reader.stats.reports_sent >= sent + 12)
    reader.heal()
    client.seen.clear()
    await until(lambda: len(client.seen) == len(store.epcs))
    await client.disconnect()
    assert (reader.stats.reads_dropped > 0) == (fault == "lose_reports")


async def test_an_overflow_is_told_to_llrpkit(reader: LlrpReader) -> None:
    client = await connected(reader)
    spec = ro_spec(report=report_spec())
    await ask(client, messages.ADD_ROSPEC(ro_spec=spec), messages.ENABLE_ROSPEC(ro_spec_id=1))
    reader.inject("buffer_overflow")
    await next_events(client, {"report_buffer_overflow_error_event"})
    await client.close()


async def test_a_reader_without_a_calendar_is_read_by_both() -> None:
    store = Store()
    reader = store.reader(has_utc_clock=False)
    await reader.start()
    sllurp = SllurpClient(
        reader,
        tag_content_selector={"EnableAntennaID": True, "EnableLastSeenTimestamp": True},
    )
    await sllurp.connect()
    await until(lambda: sllurp.tags)
    await sllurp.disconnect()
    assert "LastSeenTimestampUptime" in sllurp.tags[0]
    client = await client_of(reader)
    tag = await first(client, lambda _tag: True)
    assert tag.raw is not None
    assert tag.raw.last_seen_timestamp_uptime is not None
    await client.close()
    await reader.stop()


async def talk_about_features(reader: LlrpReader) -> None:
    """One session with every kind of parameter that the other sessions do not have."""
    client = await client_of(reader)
    await ask(client.client, notify_all())
    await client.set_gpi_enabled(1, True)
    await client.set_gpo(2, True)
    await client.get_gpio()
    await client.read_memory(bank="tid", target_epc=TARGET)
    await client.write_memory(bank="user", data=b"\1\2", target_epc=TARGET)
    reader.set_gpi(1, True)
    await client.get_temperature()
    await first(
        client,
        lambda tag: tag.epc == TARGET,
        include_phase=True,
        search_mode=1,
        mode_index=2,
        tx_power_dbm=20.0,
    )
    report = report_spec(
        n=3, trigger=ROReportTriggerType.Upon_N_Tags_Or_End_Of_ROSpec, selector=EVERYTHING
    )
    spec = ro_spec(stop=lasting(100), ai_specs=[ai_spec(ai_lasting(50))], report=report)
    await ask(
        client.client,
        messages.ADD_ROSPEC(ro_spec=spec),
        messages.ENABLE_ROSPEC(ro_spec_id=1),
        messages.GET_ROSPECS(),
    )
    await next_events(client.client, {"ai_spec_event", "ro_spec_event"})
    check_status(
        await client.client.transact(
            messages.GET_READER_CONFIG(custom=[impinj.ImpinjRequestedData(requested_data=2_000)])
        )
    )
    await client.close()


@pytest.mark.parametrize("has_utc_clock", [True, False])
async def test_tshark_finds_no_feature_malformed(
    has_utc_clock: bool, store: Store, tmp_path: Path
) -> None:
    reader = store.reader(manufacturer=IMPINJ, has_utc_clock=has_utc_clock)
    await reader.start()
    file = tmp_path / "features.pcapng"
    capture = await captured(reader, file)
    await talk_about_features(reader)
    content = PHASES | {"EnableRFDopplerFrequency": False}
    client = SllurpClient(reader, impinj_search_mode=1, impinj_tag_content_selector=content)
    await client.connect()
    await until(lambda: len(client.seen) == len(store.epcs))
    await client.disconnect()
    await everything_captured(reader, file)
    capture.send_signal(signal.SIGINT)
    await capture.wait()
    await reader.stop()
    decode = ("-r", str(file), "-d", f"tcp.port=={reader.port},llrp")
    types = await tshark(*decode, "-Y", "llrp", "-T", "fields", "-e", "llrp.type")
    sent = {int(each) for line in types.split() for each in line.split(",")}
    assert sent >= {12, 13, 30, 36, 50, 61, 63, 1023}
    # What clients send is not ours: Wireshark 4.0 does not know Doppler's parameters, of which
    # sllurp sends one. Reports with Doppler shifts and TIDs it calls malformed; see the table.
    ours = f"tcp.srcport == {reader.port} && llrp"
    assert await tshark(*decode, "-Y", f"{ours} && _ws.malformed") == ""
    assert await tshark(*decode, "-Y", f"{ours} && _ws.expert.severity >= warning") == ""
    told = await tshark(*decode, "-Y", f"{ours} && llrp.type == 61", "-V")
    assert "Impinj - RF phase angle" in told
    assert "Impinj - Peak RSSI" in told
    assert "C1G2 Read Op Spec Result" in told
