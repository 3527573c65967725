"""What `store.toml` says of a reader reaches its antennas, and more of each read comes back."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from edge.devices.llrp_settings import LlrpSettings
from simulators.devices.llrp_reader import AntennaDrive, LlrpReader, ReaderSettings, TagInField
from simulators.devices.llrp_reader.settings import IMPINJ
from tests.supervised_reader import ANTENNAS, SupervisedReader, reader_settings, utc_ms

EPC = b"\x30" + bytes(11)
HOUR_MS = 3_600_000


class Rig:
    """A reader with one tag at antenna 1, the drives it saw, and the device that reads it."""

    def __init__(self) -> None:
        self.drives: set[AntennaDrive] = set()
        self.reader = LlrpReader(
            antennas=ANTENNAS,
            reads=self._reads,
            clock_us=lambda: time.time_ns() // 1_000,
            settings=ReaderSettings(round_ms=20, manufacturer=IMPINJ, late_ms=300, reboot_ms=200),
        )

    def _reads(self, drive: AntennaDrive) -> Sequence[TagInField]:
        self.drives.add(drive._replace(antenna=0, at_us=0, channel_khz=0))
        return [TagInField(EPC, -50.25, 90.0, -2.5)] if drive.antenna == 1 else []


@asynccontextmanager
async def supervised(rig: Rig, **settings: Any) -> AsyncIterator[SupervisedReader]:
    await rig.reader.start()
    given = msgspec.structs.replace(reader_settings(rig.reader.port), **settings)
    device = SupervisedReader(rig.reader.port, settings=given)
    try:
        yield device
    finally:
        await asyncio.to_thread(device.stop)
        rig.reader.heal()
        await rig.reader.stop()


async def until_read(device: SupervisedReader, reads: int = 1) -> None:
    await asyncio.to_thread(device.wait_until, lambda: len(device.readings) >= reads)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, (30.0, 0, 1, 4, 0)),
        ({"tx_power_index": 6, "mode": 2, "session": 2, "tag_population": 50}, (15, 2, 2, 50, 0)),
        ({"tx_power_dbm": 21.6, "search_mode": "dual"}, (21.0, 0, 1, 4, 2)),
    ],
    ids=["defaults", "standard", "impinj"],
)
async def test_settings_drive_the_antennas(
    settings: dict[str, Any], expected: tuple[float, ...]
) -> None:
    rig = Rig()
    async with supervised(rig, **settings) as device:
        await until_read(device)
    (drive,) = rig.drives
    found = (drive.power_dbm, drive.mode, drive.session, drive.population, drive.search_mode)
    assert found == expected


@pytest.mark.parametrize("phase", [False, True])
@pytest.mark.parametrize("doppler", [False, True])
@pytest.mark.parametrize("precise_rssi", [False, True])
async def test_readings_have_what_the_settings_ask_for(
    phase: bool, doppler: bool, precise_rssi: bool
) -> None:
    async with supervised(Rig(), phase=phase, doppler=doppler, precise_rssi=precise_rssi) as device:
        await until_read(device)
    reading = device.readings[0]
    assert reading.rssi_dbm == (-50.25 if precise_rssi else -50.0)
    assert reading.phase_deg == (90.0 if phase else None)
    assert reading.doppler_hz == (-2.5 if doppler else None)


async def test_a_mode_that_the_reader_does_not_have_is_told() -> None:
    async with supervised(Rig(), mode=9) as device:
        await asyncio.to_thread(device.wait_for_health, "lost", "no session is possible")


def test_settings_know_whether_they_need_extensions() -> None:
    plain = reader_settings(5084)
    assert not plain.needs_extensions
    for given in ({"search_mode": "single"}, {"phase": True}, {"precise_rssi": True}):
        assert msgspec.structs.replace(plain, **given).needs_extensions
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(
            {"name": "r", "host": "h", "antennas": [{"id": 1}], "search_mode": "triple"},
            LlrpSettings,
        )


@pytest.mark.parametrize("kind", ["reboot", "drop_connection"])
async def test_the_device_reads_on_after_what_is_over_at_once(kind: str) -> None:
    rig = Rig()
    async with supervised(rig) as device:
        await until_read(device)
        rig.reader.inject(kind)
        await asyncio.to_thread(device.wait_for_health, "lost")
        device.forget()
        await until_read(device)


async def test_a_half_open_connection_is_found_and_made_anew() -> None:
    rig = Rig()
    async with supervised(rig) as device:
        await until_read(device)
        rig.reader.inject("half_open")
        await asyncio.to_thread(device.wait_for_health, "lost", "half-open")
        rig.reader.heal("half_open")
        device.forget()
        await until_read(device)


async def test_a_reader_without_keepalives_is_not_half_open_while_it_reads() -> None:
    rig = Rig()
    async with supervised(rig) as device:
        await until_read(device)
        rig.reader.inject("no_keepalives")
        began_ms = utc_ms()
        await asyncio.to_thread(
            device.wait_until, lambda: device.readings[-1].last_seen_ms > began_ms + 1_200
        )
        assert device.status.restarts == 0


async def test_late_and_duplicate_reports_carry_the_time_of_the_read() -> None:
    rig = Rig()
    async with supervised(rig) as device:
        await until_read(device)
        rig.reader.inject("late_reports")
        rig.reader.inject("duplicate_reports")
        device.forget()
        await until_read(device, 40)
    seen = [reading.last_seen_ms for reading in device.readings]
    assert any(later < earlier for earlier, later in itertools.pairwise(seen))
    assert len(set(seen)) < len(seen)
    assert all(utc_ms() - 60_000 < each <= utc_ms() for each in seen)


async def test_a_clock_that_jumps_does_not_move_readings() -> None:
    rig = Rig()
    async with supervised(rig) as device:
        await until_read(device)
        rig.reader.inject("clock_jump")
        device.forget()
        await until_read(device, 20)
    assert all(abs(utc_ms() - each.last_seen_ms) < 60_000 for each in device.readings)


async def test_a_dead_antenna_reads_nothing_and_is_not_told() -> None:
    rig = Rig()
    async with supervised(rig) as device:
        await until_read(device)
        rig.reader.inject("antenna_dead")
        rounds = rig.reader.stats.rounds
        async with asyncio.timeout(20):
            while rig.reader.stats.rounds < rounds + 5:  # noqa: ASYNC110 # It notifies nobody.
                await asyncio.sleep(0.01)
        reads = rig.reader.stats.tag_reads
        async with asyncio.timeout(20):
            while rig.reader.stats.rounds < rounds + 10:  # noqa: ASYNC110 # See above.
                await asyncio.sleep(0.01)
        assert rig.reader.stats.tag_reads == reads
        assert device.status.health == "healthy"


async def test_each_read_is_counted() -> None:
    rig = Rig()
    async with supervised(rig) as device:
        await until_read(device, 3)
    assert device.status.readings == sum(reading.seen_count for reading in device.readings)


def test_each_fault_says_what_it_does_and_unknown_ones_are_refused() -> None:
    reader = Rig().reader
    assert all(reader.faults.values())
    for act in (reader.inject, reader.heal):
        with pytest.raises(KeyError):
            act("no-such-fault")
