"""The simulated reader on real sockets: other people's clients, broken networks, hostile peers."""

import asyncio
import importlib.util
import logging
import os
import random
import signal
import socket
import struct
import sys
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from llrpkit.client import LLRPClient, check_status
from llrpkit.exceptions import LLRPConnectionError
from llrpkit.inventory import TagReport
from llrpkit.protocol import messages, params
from llrpkit.protocol.enums import KeepaliveTriggerType, ROReportTriggerType
from llrpkit.reader import Reader

from simulators.devices.llrp_reader import LlrpReader, TagInField
from simulators.devices.llrp_reader.connection import Connection
from simulators.errors import AddressUnavailable
from tests.llrp_clients import (
    ANTENNAS,
    BINARIES,
    DEADLINE_S,
    SllurpClient,
    Store,
    captured,
    connected,
    epc_of,
    everything_captured,
    run,
    tshark,
    until,
)
from tests.llrp_messages import ro_spec


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
async def reader(store: Store) -> AsyncIterator[LlrpReader]:
    reader = store.reader()
    await reader.start()
    yield reader
    await reader.stop()


async def test_llrpkit_prints_the_capabilities(reader: LlrpReader) -> None:
    status, output = await run(
        BINARIES / "llrpkit", "capabilities", "127.0.0.1", "--port", str(reader.port)
    )
    assert status == 0, output
    assert "antenna ports     4" in output
    assert "10.00 to 30.00 dBm (21 steps)" in output


async def test_llrpkit_prints_fifty_tags(reader: LlrpReader, store: Store) -> None:
    command = ("inventory", "127.0.0.1", "--port", str(reader.port), "--count", "50")
    status, output = await run(BINARIES / "llrpkit", *command)
    assert status == 0, output
    printed = [line.split()[0] for line in output.splitlines() if " ant " in line]
    assert len(printed) == 50
    assert {bytes.fromhex(epc) for epc in printed} == store.epcs


def sllurp_command() -> str:
    """The sllurp command line, from the environment or from here, if it is whole."""
    given = os.environ.get("STOCKTRUTH_SLLURP")
    if given:
        return given
    if importlib.util.find_spec("sllurp.verb") is None:
        pytest.skip(
            "this release of sllurp was published without sllurp.verb, which its command line"
            " needs; name a whole one (2.0.1) in STOCKTRUTH_SLLURP"
        )
    return str(BINARIES / "sllurp")


INTERRUPTIBLE = (
    "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL);"
    " os.execv(sys.argv[1], sys.argv[1:])"
)
"""Tests that run beside others ignore SIGINT, and so would a process that inherits from them."""


@pytest.mark.parametrize("options", [("-t", "3"), ("-n", "10"), ("--impinj-reports",)])
async def test_sllurp_prints_tags_until_interrupted(
    reader: LlrpReader, options: tuple[str, ...]
) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", INTERRUPTIBLE),
        *(sllurp_command(), "inventory", "127.0.0.1", "-p", str(reader.port)),
        *("-a", "1,2,3,4", *options),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    seen: Counter[str] = Counter()
    async with asyncio.timeout(DEADLINE_S):
        while len(seen) < ANTENNAS * 3 or min(seen.values()) < 3:
            line = (await process.stdout.readline()).decode()
            assert line, "sllurp ended by itself"
            if "'EPC': b'" in line:
                seen[line.split("'")[-2]] += 1
        draining = asyncio.create_task(process.communicate())
        while process.returncode is None:
            # Its disconnection may hang, see SllurpClient, and is then asked for again.
            process.send_signal(signal.SIGINT)
            await asyncio.wait([draining], timeout=2.0)
    assert process.returncode == 0


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"report_every_n_tags": 10},
        {"report_every_n_tags": 1_000, "report_timeout_ms": 100},
        {"duration": 60.0, "session": 1, "mode_identifier": 2, "tx_power": 5},
        {
            "impinj_search_mode": 2,
            "impinj_tag_content_selector": {
                "EnableRFPhaseAngle": True,
                "EnablePeakRSSI": True,
                "EnableRFDopplerFrequency": True,
            },
        },
        {"keepalive_interval": 20},
    ],
    ids=["defaults", "every-n", "timeout", "duration", "impinj", "keepalives"],
)
async def test_sllurp_client_hears_every_tag(
    reader: LlrpReader, store: Store, config: dict[str, Any]
) -> None:
    client = SllurpClient(reader, **config)
    await client.connect()
    await until(lambda: len(client.seen) == len(store.epcs) and min(client.seen.values()) >= 3)
    if "keepalive_interval" in config:
        await until(lambda: reader.stats.keepalives_answered >= 3)
    await client.disconnect()
    assert {epc for epc, _ in client.seen} == store.epcs
    assert all(antenna == epc[1] for epc, antenna in client.seen)
    assert reader.stats.errors_sent == 0


async def test_second_client_is_refused_while_the_first_goes_on(reader: LlrpReader) -> None:
    first = SllurpClient(reader)
    await first.connect()
    await until(lambda: first.seen)
    status, output = await run(
        BINARIES / "llrpkit", "capabilities", "127.0.0.1", "--port", str(reader.port)
    )
    assert status != 0
    assert "Failed_A_Client_Initiated_Connection_Already_Exists" in output
    before = sum(first.seen.values())
    await until(lambda: sum(first.seen.values()) > before)
    await first.disconnect()
    async with Reader("127.0.0.1", reader.port) as second:
        assert second.max_antennas == ANTENNAS


async def start_inventory(client: LLRPClient) -> None:
    report = params.ROReportSpec(
        ro_report_trigger=ROReportTriggerType.Upon_N_Tags_Or_End_Of_ROSpec,
        n=1,
        tag_report_content_selector=params.TagReportContentSelector(enable_tag_seen_count=True),
    )
    spec = ro_spec(report=report)
    check_status(await client.transact(messages.ADD_ROSPEC(ro_spec=spec)))
    check_status(await client.transact(messages.ENABLE_ROSPEC(ro_spec_id=spec.ro_spec_id)))


async def next_tag(client: LLRPClient) -> TagReport:
    async with asyncio.timeout(DEADLINE_S):
        report = await client.reports.get()
    (tag,) = report.tag_report_datas
    return TagReport.from_param(tag)


async def test_tags_that_passed_while_the_network_was_down_are_delivered_first(
    reader: LlrpReader, store: Store
) -> None:
    client = await connected(reader)
    hold = params.EventsAndReports(hold_events_and_reports_upon_reconnect=True)
    check_status(await client.transact(messages.SET_READER_CONFIG(events_and_reports=hold)))
    await start_inventory(client)
    await next_tag(client)
    await reader.drop_connections()
    await until(lambda: not client.connected)
    await client.close()

    passing = TagInField(epc_of(1, 999), -50.0)
    store.tags = {antenna: [passing] if antenna == 1 else [] for antenna in store.tags}
    rounds = reader.stats.rounds
    await until(lambda: reader.stats.rounds >= rounds + 5)
    store.tags[1] = []
    rounds = reader.stats.rounds
    await until(lambda: reader.stats.rounds >= rounds + 2)

    client = await connected(reader)
    check_status(await client.transact(messages.GET_ROSPECS()))
    assert client.reports.empty()
    client.send(messages.ENABLE_EVENTS_AND_REPORTS())
    tag = await next_tag(client)
    while tag.epc != passing.epc:
        tag = await next_tag(client)
    assert (tag.seen_count or 0) >= 5
    await client.close()


async def test_keepalives_are_answered_by_a_stock_client(reader: LlrpReader) -> None:
    async with Reader("127.0.0.1", reader.port) as client:
        await client.set_keepalive(20)
        await until(lambda: reader.stats.keepalives_answered >= 5)


def silent_is_closed(client: socket.socket) -> bool:
    """Read what has arrived; true once the reader has closed the connection."""
    client.setblocking(False)
    try:
        while client.recv(65_536):
            pass
    except BlockingIOError:
        return False
    return True


async def test_client_that_answers_no_keepalives_makes_room_for_another(
    reader: LlrpReader,
) -> None:
    with socket.create_connection(("127.0.0.1", reader.port)) as silent:
        periodic = params.KeepaliveSpec(
            keepalive_trigger_type=KeepaliveTriggerType.Periodic, periodic_trigger_value=20
        )
        silent.sendall(messages.SET_READER_CONFIG(keepalive_spec=periodic).to_bytes(1))
        await until(lambda: reader.stats.keepalives_sent >= 3)

        await until(lambda: silent_is_closed(silent))
    client = await connected(reader)
    await client.close()


async def test_reboot_forgets_specifications_and_refuses_connections_meanwhile(
    reader: LlrpReader,
) -> None:
    client = await connected(reader)
    await start_inventory(client)
    port = reader.port
    rebooting = asyncio.create_task(reader.reboot(200))
    await until(lambda: not client.connected)
    await client.close()
    with pytest.raises(LLRPConnectionError):
        await connected(reader)
    await rebooting
    assert reader.port == port
    client = await connected(reader)
    response: Any = check_status(await client.transact(messages.GET_ROSPECS()))
    assert response.ro_specs == []
    await client.close()


def random_bytes() -> bytes:
    return random.Random(5).randbytes(20_000)


HOSTILE = {
    "random": random_bytes(),
    "huge-length": struct.pack(">HII", 0x0403, 0xFFFF_FFFF, 1) + b"x" * 1_000,
    "zero-length": struct.pack(">HII", 0x0403, 0, 1),
    "truncated": struct.pack(">HII", 0x0403, 500, 1) + b"x" * 10,
    "unsupported": struct.pack(">HII", 0x0437, 10, 1) * 1_000,
    "http": b"GET / HTTP/1.1\r\nHost: reader\r\n\r\n",
}


@pytest.mark.parametrize("sent", HOSTILE.values(), ids=HOSTILE.keys())
async def test_hostile_client_harms_nobody(
    reader: LlrpReader, sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    from_reader, to_reader = await asyncio.open_connection("127.0.0.1", reader.port)
    to_reader.write(sent)
    to_reader.write_eof()
    async with asyncio.timeout(DEADLINE_S):
        received = await from_reader.read()
    to_reader.close()
    await to_reader.wait_closed()
    assert received
    assert all(record.exc_info is None for record in caplog.records)
    assert len([each for each in caplog.records if each.levelno >= logging.WARNING]) <= 8
    client = await connected(reader)
    check_status(await client.transact(messages.GET_ROSPECS()))
    await client.close()


async def connected_socket(reader: LlrpReader) -> tuple[socket.socket, Connection]:
    """A bare client, and the reader's end of its connection with a small buffer in the kernel.

    By default the kernel takes megabytes before a sender notices that nobody reads.
    """
    client = socket.create_connection(("127.0.0.1", reader.port))
    await until(lambda: reader._connections)
    (connection,) = reader._connections
    sending = connection._transport.get_extra_info("socket")
    sending.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8_192)
    client.setblocking(False)
    return client, connection


async def test_slow_client_costs_no_memory_and_gets_everything_in_the_end() -> None:
    store = Store(tags_per_antenna=50)
    reader = store.reader(send_buffer_bytes_max=10_000)
    await reader.start()
    slow, connection = await connected_socket(reader)
    with slow:
        slow.send(messages.ADD_ROSPEC(ro_spec=ro_spec()).to_bytes(1))
        slow.send(messages.ENABLE_ROSPEC(ro_spec_id=1).to_bytes(2))
        await until(lambda: not connection.writable)
        reported, rounds = reader.stats.tags_reported, reader.stats.rounds
        await until(lambda: reader.stats.rounds >= rounds + 5)
        assert reader.stats.tags_reported == reported
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(DEADLINE_S):
            while reader.stats.tags_reported < reported + 5 * len(store.epcs):
                await loop.sock_recv(slow, 65_536)
        assert reader.stats.tags_lost == 0
    await reader.stop()


async def test_requests_of_a_client_that_reads_no_answers_wait() -> None:
    buffer_bytes_max = 10_000
    reader = Store().reader(send_buffer_bytes_max=buffer_bytes_max)
    await reader.start()
    loop = asyncio.get_running_loop()
    request = messages.GET_READER_CAPABILITIES()
    greedy, connection = await connected_socket(reader)
    with greedy:
        flood = asyncio.create_task(loop.sock_sendall(greedy, request.to_bytes(1) * 50_000))
        await until(lambda: not connection.writable)
        for _ in range(50):
            await loop.sock_recv(greedy, 4_096)
            assert connection._transport.get_write_buffer_size() <= buffer_bytes_max + 2_000
        flood.cancel()
        await asyncio.gather(flood, return_exceptions=True)
    await reader.stop()


async def test_reader_whose_world_fails_dies_visibly(caplog: pytest.LogCaptureFixture) -> None:
    def broken_field(_antenna: int) -> list[TagInField]:
        raise ZeroDivisionError("the world's fault")

    reader = LlrpReader(antennas=1, field=broken_field, clock_us=lambda: 0)
    await reader.start()
    client = await connected(reader)
    await start_inventory(client)
    await until(lambda: not client.connected)
    await client.close()
    with pytest.raises(ZeroDivisionError):
        await reader.stop()
    assert "failed: ZeroDivisionError" in caplog.text


async def test_taken_port_is_named(reader: LlrpReader, store: Store) -> None:
    other = LlrpReader(
        port=reader.port, antennas=1, field=lambda antenna: store.tags[antenna], clock_us=lambda: 0
    )
    with pytest.raises(AddressUnavailable, match=f"127.0.0.1:{reader.port}"):
        await other.start()


async def talk_about_everything(reader: LlrpReader) -> None:
    """One session with every kind of message the reader sends."""
    client = await connected(reader)
    events = [
        params.EventNotificationState(event_type=each, notification_state=True) for each in range(9)
    ]
    for message in (
        messages.GET_READER_CAPABILITIES(),
        messages.GET_READER_CONFIG(),
        messages.SET_READER_CONFIG(
            reader_event_notification_spec=params.ReaderEventNotificationSpec(
                event_notification_states=events
            ),
            keepalive_spec=params.KeepaliveSpec(
                keepalive_trigger_type=KeepaliveTriggerType.Periodic, periodic_trigger_value=50
            ),
        ),
        messages.ADD_ROSPEC(ro_spec=ro_spec()),
        messages.ENABLE_ROSPEC(ro_spec_id=1),
        messages.GET_ROSPECS(),
        messages.DELETE_ROSPEC(ro_spec_id=99),
        messages.GET_ACCESSSPECS(),
    ):
        await client.transact(message)
    client.send(messages.GET_REPORT())
    client.send(messages.ENABLE_EVENTS_AND_REPORTS())
    await client.transact(messages.RO_ACCESS_REPORT())
    reader.set_antenna_connected(2, False)
    reader.set_antenna_connected(2, True)
    with pytest.raises(LLRPConnectionError):
        await connected(reader)
    await until(lambda: reader.stats.keepalives_answered > 2 and not client.reports.empty())
    await client.transact(messages.STOP_ROSPEC(ro_spec_id=1))
    await client.close()


async def test_tshark_finds_nothing_malformed(
    reader: LlrpReader, store: Store, tmp_path: Path
) -> None:
    store.tags[3].append(TagInField(bytes(range(16)), -60.0))
    file = tmp_path / "session.pcapng"
    capture = await captured(reader, file)
    await talk_about_everything(reader)
    client = SllurpClient(reader)
    await client.connect()
    await until(lambda: len(client.seen) == len(store.epcs))
    await client.disconnect()
    await everything_captured(reader, file)
    capture.send_signal(signal.SIGINT)
    await capture.wait()
    decode = ("-r", str(file), "-d", f"tcp.port=={reader.port},llrp")
    types = await tshark(*decode, "-Y", "llrp", "-T", "fields", "-e", "llrp.type")
    sent = {int(each) for line in types.split() for each in line.split(",")}
    assert sent >= {4, 11, 12, 13, 30, 31, 33, 34, 36, 54, 61, 62, 63, 100}
    assert await tshark(*decode, "-Y", "_ws.malformed") == ""
    assert await tshark(*decode, "-Y", "llrp && _ws.expert.severity >= warning") == ""
