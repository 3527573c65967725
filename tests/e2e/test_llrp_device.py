"""The supervised `llrp` device against the simulated reader, which has another codec, on TCP."""

import asyncio
import logging
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from llrpkit.client import LLRPClient

from simulators.devices.llrp_reader import LlrpReader, ReaderSettings, TagInField
from tests.supervised_reader import ANTENNAS, SupervisedReader, utc_ms

HOUR_US = 3_600_000_000
EPC_128 = bytes(range(16))


def epc_of(antenna: int, number: int) -> bytes:
    return b"\x30" + bytes([antenna]) + number.to_bytes(10, "big")


class Store:
    """A reader, what is in its fields, and the device that reads it."""

    def __init__(self, clock_us: Callable[[], int] | None = None, **settings: Any) -> None:
        self.tags = {
            antenna: [TagInField(epc_of(antenna, number), -50.0) for number in range(3)]
            for antenna in range(1, ANTENNAS + 1)
        }
        self.reader = LlrpReader(
            antennas=ANTENNAS,
            field=lambda antenna: self.tags[antenna],
            clock_us=clock_us or (lambda: time.time_ns() // 1_000),
            settings=ReaderSettings(round_ms=20, **settings),
        )
        self.device: SupervisedReader | None = None

    async def connect(self, *, sink_is_open: bool = True) -> SupervisedReader:
        self.device = SupervisedReader(self.reader.port, sink_is_open=sink_is_open)
        return self.device

    async def disconnect(self) -> None:
        if self.device is not None:
            await asyncio.to_thread(self.device.stop)
            self.device = None

    @property
    def epcs(self) -> set[bytes]:
        return {tag.epc for tags in self.tags.values() for tag in tags}


async def wait(device: SupervisedReader, condition: Callable[[], bool]) -> None:
    await asyncio.to_thread(device.wait_until, condition)


@asynccontextmanager
async def opened(store: Store) -> AsyncIterator[Store]:
    await store.reader.start()
    yield store
    await store.disconnect()
    await store.reader.stop()


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    async with opened(Store()) as opened_store:
        yield opened_store


async def test_every_tag_is_read_at_its_antenna(store: Store) -> None:
    store.tags[3].append(TagInField(EPC_128, -61.0))
    device = await store.connect()
    await wait(device, lambda: device.epcs == store.epcs)
    assert {(reading.antenna, bytes(reading.epc)) for reading in device.readings} == {
        (antenna, tag.epc) for antenna, tags in store.tags.items() for tag in tags
    }
    (longer,) = {reading.rssi_dbm for reading in device.readings if reading.epc == EPC_128}
    assert longer == -61.0
    assert {reading.reader for reading in device.readings} == {"dock-reader"}
    assert device.status.readings == len(device.readings)


async def test_tags_are_read_again_and_again_within_the_report_interval(store: Store) -> None:
    device = await store.connect()
    await wait(device, lambda: len(device.readings) > 200)
    now_ms = utc_ms()
    newest = device.readings[-1]
    assert now_ms - 2_000 < newest.first_seen_ms <= newest.last_seen_ms <= now_ms
    assert newest.seen_count >= 1


@pytest.mark.parametrize("ahead_us", [-HOUR_US, HOUR_US])
async def test_a_readers_clock_is_corrected_and_its_offset_told(ahead_us: int) -> None:
    async with opened(Store(lambda: time.time_ns() // 1_000 + ahead_us)) as store:
        started_ms = utc_ms()
        device = await store.connect()
        await wait(device, lambda: len(device.readings) > 50)
        detail = await asyncio.to_thread(device.wait_for_health, "healthy")
        told_ms = int(detail.removeprefix("reading; its clock is ").split()[0])
        assert abs(told_ms - ahead_us // 1_000) < 500
        now_ms = utc_ms()
        assert all(started_ms - 500 < each.last_seen_ms <= now_ms for each in device.readings)


async def test_a_lost_connection_is_made_again_and_reading_goes_on(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "edge")
    device = await store.connect()
    await wait(device, lambda: device.epcs == store.epcs)
    await store.reader.drop_connections()
    await asyncio.to_thread(device.wait_for_health, "lost", "the connection is lost")
    device.forget()
    await wait(device, lambda: device.epcs == store.epcs)
    await wait(device, lambda: device.status.health == "healthy")
    assert device.status.restarts == 1
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 2
    assert lines[0].endswith("trying again")
    assert lines[1] == "dock-reader is healthy again"


async def test_what_was_read_while_nobody_was_connected_arrives(store: Store) -> None:
    """A gateway is away while a delivery passes; its reader has kept the reports."""
    device = await store.connect()
    await wait(device, lambda: device.epcs == store.epcs)
    await store.disconnect()
    passer_by = epc_of(1, 77)
    store.tags[1].append(TagInField(passer_by, -50.0))
    await until(lambda: store.reader.stats.tag_reads, more_by=50)
    store.tags[1].pop()
    left_ms = utc_ms()
    await until(lambda: store.reader.stats.tag_reads, more_by=50)
    device = await store.connect()
    await wait(device, lambda: passer_by in device.epcs)
    seen_ms = [each.last_seen_ms for each in device.readings if each.epc == passer_by]
    assert max(seen_ms) <= left_ms + 50


async def test_reports_that_the_reader_lost_are_told_once_per_connection(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with opened(Store(buffer_tags_max=5)) as store:
        device = await store.connect()
        await wait(device, lambda: len(device.readings) > 50)
        await store.disconnect()
    lines = [record.getMessage() for record in caplog.records]
    assert lines == ["dock-reader: its buffer overflowed; reports are lost"]


async def until(counter: Callable[[], int], more_by: int) -> None:
    """Wait for the reader's own work, which notifies nobody."""
    goal = counter() + more_by
    async with asyncio.timeout(20.0):
        while counter() < goal:  # noqa: ASYNC110 # There is no event to wait for, see above.
            await asyncio.sleep(0.01)


async def test_a_reader_that_rebooted_gets_its_rospec_again(store: Store) -> None:
    device = await store.connect()
    await wait(device, lambda: device.epcs == store.epcs)
    await store.reader.reboot(down_ms=50)
    device.forget()
    await wait(device, lambda: device.epcs == store.epcs)


async def test_a_reader_that_closes_politely_is_lost_until_it_is_back(store: Store) -> None:
    device = await store.connect()
    await wait(device, lambda: device.epcs == store.epcs)
    await store.reader.stop()
    await asyncio.to_thread(device.wait_for_health, "lost", "closes the connection")
    device.forget()
    await store.reader.start()
    await wait(device, lambda: device.epcs == store.epcs)


async def test_a_reader_that_serves_somebody_else_is_waited_for(store: Store) -> None:
    other = LLRPClient("127.0.0.1", port=store.reader.port)
    await other.connect()
    device = await store.connect()
    detail = await asyncio.to_thread(device.wait_for_health, "lost")
    assert "it refuses the connection" in detail
    assert "already exists" in detail
    await other.close()
    await wait(device, lambda: device.epcs == store.epcs)


async def test_somebody_elses_attempt_does_not_disturb_the_session(store: Store) -> None:
    device = await store.connect()
    await wait(device, lambda: device.epcs == store.epcs)
    reader, writer = await asyncio.open_connection("127.0.0.1", store.reader.port)
    await reader.read()
    writer.close()
    await writer.wait_closed()
    assert store.reader.stats.connections_refused == 1
    device.forget()
    await wait(device, lambda: device.epcs == store.epcs)
    assert device.status.restarts == 0


async def test_an_antenna_that_is_unplugged_degrades_the_reader(store: Store) -> None:
    device = await store.connect()
    await asyncio.to_thread(device.wait_for_health, "healthy")
    store.reader.set_antenna_connected(2, False)
    await asyncio.to_thread(device.wait_for_health, "degraded", "antenna not connected: 2")
    device.forget()
    store.reader.set_antenna_connected(2, True)
    await asyncio.to_thread(device.wait_for_health, "healthy")


@pytest.mark.parametrize("already_reading", [False, True])
async def test_a_full_sink_is_no_fault_of_the_readers(already_reading: bool) -> None:
    """What holds the device up for longer than its watchdog's patience is ours."""
    async with opened(Store(keepalives_unanswered_max=1_000)) as store:
        device = await store.connect()
        await wait(device, lambda: device.epcs == store.epcs)
        if not already_reading:
            await store.disconnect()
            await until(lambda: store.reader.stats.tag_reads, more_by=50)
            device = await store.connect(sink_is_open=False)
        device.shut_sink()
        await until(lambda: store.reader.stats.rounds, more_by=75)
        device.open_sink()
        await until(lambda: store.reader.stats.keepalives_answered, more_by=5)
        device.forget()
        await wait(device, lambda: device.epcs == store.epcs)
        assert device.status.restarts == 0


async def test_keepalives_keep_a_reader_without_tags(store: Store) -> None:
    for tags in store.tags.values():
        tags.clear()
    device = await store.connect()
    await asyncio.to_thread(device.wait_for_health, "healthy")
    await until(lambda: store.reader.stats.keepalives_answered, more_by=10)
    assert device.status.restarts == 0
    assert device.status.health == "healthy"


async def test_an_antenna_that_the_reader_does_not_have_is_told() -> None:
    store = Store()
    narrow = LlrpReader(antennas=2, field=lambda antenna: store.tags[antenna], clock_us=lambda: 0)
    store.reader = narrow
    async with opened(store):
        device = await store.connect()
        detail = await asyncio.to_thread(device.wait_for_health, "lost")
        assert "requested=1,2,3,4, available=1,2" in detail


async def test_a_stop_is_prompt(store: Store) -> None:
    device = await store.connect()
    await wait(device, lambda: device.epcs == store.epcs)
    started_s = time.monotonic()
    await store.disconnect()
    assert time.monotonic() - started_s < 2.0
    assert device.status.health == "stopped"


def test_settings_and_supervisor_load_no_llrp_client() -> None:
    """A gateway without readers must not depend on the optional, GPL-licensed part."""
    code = (
        "import sys, edge.devices.llrp_settings, edge.devices.supervisor;"
        "sys.exit(any(name.split('.')[0] == 'sllurp' for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
