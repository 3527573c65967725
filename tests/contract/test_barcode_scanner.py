"""The scanner driver against the simulated scanner, over a real pseudo-terminal."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from typing import Literal

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.devices.barcode_scanner import UNREADABLE_MAX, BarcodeScannerDriver
from edge.devices.barcode_scanner_settings import BarcodeScannerSettings
from edge.devices.weight_board import WeightBoard
from edge.errors import DeviceFault
from edge.sensing.placements import Placement
from protocol.facts import GoodsReceived, Measure, StockCounted
from simulators.devices.barcode_scanner import FAULTS, BarcodeScanner, ScannerSettings
from tests.device_fakes import Crash, MemoryOutbox, RememberingReport
from tests.peripheral_rig import monotonic_ms, poll_until, polls

AT_MS = 1_773_500_000_000
SHIRT, CHEESE = "00614141999996", "95012345678903"


class Rig:
    def __init__(self, folder: Path) -> None:
        self.scanner = BarcodeScanner(ScannerSettings(), Random(1), folder / "scanner")
        self.outbox = MemoryOutbox()
        self.report = RememberingReport()
        self.weights = WeightBoard(monotonic_ms)
        self.measures: dict[str, Measure] = {}
        self.now_ms = AT_MS
        self.driver: BarcodeScannerDriver | None = None

    async def connect(self, **changes: object) -> BarcodeScannerDriver:
        self.disconnect()
        base = BarcodeScannerSettings(
            name="scanner-1", serial_port=self.scanner.path, mode="count", beep_on_refusal=True
        )
        self.driver = BarcodeScannerDriver(
            msgspec.structs.replace(base, **changes),
            self.outbox,
            self.weights,
            self.measures.get,
            lambda: self.now_ms,
            monotonic_ms,
        )
        await asyncio.to_thread(self.driver.open, self.report)
        return self.driver

    def disconnect(self) -> None:
        if self.driver is not None:
            self.driver.close()
            self.driver = None

    async def scan(self, *texts: str) -> None:
        assert self.driver is not None
        for text in texts:
            assert self.scanner.scan(text)
            await self.read_one(self.driver)

    async def read_one(self, driver: BarcodeScannerDriver) -> None:
        wanted = self.report.readings + 1
        await poll_until(driver, lambda: self.report.readings >= wanted)

    def counts(self) -> dict[str, int]:
        facts = [fact for fact in self.outbox.facts if isinstance(fact, StockCounted)]
        return {fact.gtin: fact.quantity for fact in facts}


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    rig = Rig(tmp_path)
    await rig.scanner.start()
    yield rig
    rig.disconnect()
    await rig.scanner.stop()


@pytest.mark.parametrize("suffix", ["cr", "lf", "crlf"])
@pytest.mark.parametrize("aim_prefix", [True, False])
async def test_a_count_crosses_the_line_however_the_scanner_is_set_up(
    tmp_path: Path, suffix: str, *, aim_prefix: bool
) -> None:
    rig = Rig(tmp_path)
    set_up = msgspec.convert({"aim_prefix": aim_prefix, "suffix": suffix}, ScannerSettings)
    rig.scanner = BarcodeScanner(set_up, Random(1))
    await rig.scanner.start()
    driver = await rig.connect()
    rig.scanner.scan("DOC:A12")
    rig.scanner.scan_item(SHIRT)
    rig.scanner.scan_item(CHEESE, 1_234)
    rig.scanner.scan_item("10614141999993")
    rig.scanner.scan("https://id.gs1.org/01/00614141999996", "qr")
    rig.scanner.scan("END")
    await poll_until(driver, lambda: bool(rig.outbox.facts))
    assert rig.counts() == {SHIRT: 2, CHEESE: 1_234, "10614141999993": 1}
    assert rig.outbox.stored == {}, "a finished count leaves no steps behind"
    rig.disconnect()
    await rig.scanner.stop()


async def test_a_pulled_plug_is_a_fault_and_the_document_goes_on_afterwards(rig: Rig) -> None:
    driver = await rig.connect()
    await rig.scan("DOC:A12", SHIRT, SHIRT)
    rig.scanner.inject("unplugged")
    with pytest.raises(DeviceFault, match=r"scanner-1: .*: the line is lost"):
        await polls(driver, 3)
    with pytest.raises(DeviceFault, match="cannot open it"):
        await rig.connect()
    rig.scanner.heal()
    await rig.connect()
    assert rig.report.detail == "A12 is open"
    await rig.scan("QTY:10", SHIRT, "END")
    assert rig.counts() == {SHIRT: 12}


@pytest.mark.parametrize("crash", ["before", "after"])
async def test_a_power_cut_at_any_scan_loses_and_doubles_nothing_that_was_accepted(
    rig: Rig, crash: Literal["before", "after"]
) -> None:
    for at, text in enumerate(["DOC:A12", "QTY:5", SHIRT, CHEESE, "UNDO", "END"]):
        await rig.connect()
        rig.outbox.crash = crash
        with pytest.raises(Crash):
            await rig.scan(text)
        rig.outbox.crash = None
        driver = await rig.connect()
        if crash == "before":
            await rig.scan(text)
        else:
            await polls(driver, 1)
        assert bool(rig.outbox.facts) == (at == 5)
    assert rig.counts() == {SHIRT: 5}
    assert rig.outbox.stored == {}


async def test_a_delivery_is_received_once(rig: Rig) -> None:
    await rig.connect(mode="receive", zone="sales_floor")
    for _ in range(2):
        await rig.scan("DOC:ASN-1", SHIRT, SHIRT, "END")
    (received,) = rig.outbox.facts
    assert isinstance(received, GoodsReceived)
    assert (received.quantity, received.zone, received.document) == (2, "sales_floor", "ASN-1")
    assert rig.report.said[-1] == ("degraded", "ASN-1 was received before, with the same goods")
    await rig.scan("DOC:ASN-1", SHIRT, "END")
    assert len(rig.outbox.facts) == 2, "the rest of it, in a second part"


async def test_what_is_refused_beeps_and_degrades_until_the_next_good_scan(rig: Rig) -> None:
    driver = await rig.connect()
    await rig.scan("DOC:A12")
    rig.scanner.inject("wrong_check_digit")
    rig.scanner.scan_item(SHIRT)
    await poll_until(driver, lambda: rig.report.now == "degraded")
    assert "its check digit should be 6" in rig.report.detail
    rig.scanner.heal("wrong_check_digit")
    await rig.scan(SHIRT)
    assert rig.report.said[-1] == ("healthy", "A12 is open")
    await asyncio.to_thread(driver.poll)
    assert rig.scanner.beeps == 1


async def test_garbled_scans_are_skipped_and_too_many_are_a_fault(rig: Rig) -> None:
    driver = await rig.connect()
    await rig.scan("DOC:A12")
    rig.scanner.inject("garbled")
    rig.scanner.scan_item(SHIRT)
    await poll_until(driver, lambda: "unreadable scan" in rig.report.detail)
    rig.scanner.heal()
    await rig.scan(SHIRT)
    rig.scanner.inject("garbled")
    for _ in range(UNREADABLE_MAX):
        rig.scanner.scan_item(SHIRT)
    with pytest.raises(DeviceFault, match=f"{UNREADABLE_MAX} unreadable scans in a row"):
        await polls(driver, 2 * UNREADABLE_MAX)


async def test_while_the_outbox_is_full_scans_wait(rig: Rig) -> None:
    driver = await rig.connect()
    await rig.scan("DOC:A12")
    rig.outbox.full = True
    rig.scanner.scan_item(SHIRT)
    await poll_until(driver, lambda: "the outbox is full" in rig.report.detail)
    rig.scanner.scan("END")
    await polls(driver, 2)
    rig.outbox.full = False
    await poll_until(driver, lambda: bool(rig.outbox.facts))
    assert rig.counts() == {SHIRT: 1}


async def test_weighed_goods_wait_for_the_scale_and_then_for_no_longer(rig: Rig) -> None:
    rig.measures[CHEESE] = "grams"
    driver = await rig.connect(scale="counter-1", weighing_timeout_ms=1_000)
    await rig.scan("DOC:A12", CHEESE)
    rig.weights.put("counter-1", Placement(1, 320))
    await poll_until(driver, lambda: len(rig.outbox.stored) == 2)
    await rig.scan(CHEESE)
    assert rig.report.detail == "what lies on the scale was counted already; take it off first"
    rig.weights.put("counter-1", None)
    await rig.scan(CHEESE)
    await poll_until(
        driver, lambda: "was not laid on the scale counter-1 in time" in rig.report.detail
    )
    await rig.scan("END")
    assert rig.counts() == {CHEESE: 320}


async def test_a_till_scanner_makes_no_facts_and_tells_runs_of_one_item(rig: Rig) -> None:
    driver = await rig.connect(mode="till")
    for gtin in (SHIRT, SHIRT, SHIRT, CHEESE):
        rig.scanner.scan_item(gtin)
    await poll_until(driver, lambda: rig.report.readings == 4)
    assert rig.report.said[-1] == ("healthy", f"{SHIRT} was scanned 3 times in a row")
    assert rig.outbox.facts == []
    assert rig.outbox.stored == {}


async def test_a_silent_scanner_tells_nothing(rig: Rig) -> None:
    driver = await rig.connect()
    rig.scanner.inject("silent")
    assert not rig.scanner.scan_item(SHIRT)
    await polls(driver, 2)
    assert rig.report.said == [("healthy", "")]


async def test_a_port_that_is_none_is_a_fault_that_names_it(rig: Rig, tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_text("")
    for path in (tmp_path / "missing", plain):
        with pytest.raises(DeviceFault, match=f"scanner-1: {path}: cannot open it"):
            await rig.connect(serial_port=str(path))


async def test_each_fault_is_described_and_no_other_is_known(rig: Rig) -> None:
    assert all(rig.scanner.faults[kind] for kind in FAULTS)
    with pytest.raises(KeyError):
        rig.scanner.inject("on fire")
    with pytest.raises(KeyError):
        rig.scanner.heal("on fire")


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(noise=st.lists(st.binary(min_size=1, max_size=200), min_size=1, max_size=5))
def test_any_bytes_on_the_line_are_skipped_or_a_fault(tmp_path: Path, noise: list[bytes]) -> None:
    async def story() -> None:
        rig = Rig(tmp_path)
        await rig.scanner.start()
        driver = await rig.connect()
        try:
            for chunk in noise:
                rig.scanner._port.send(chunk)
                await polls(driver, 1)
            rig.scanner._port.send(b"\rCANCEL\rDOC:1\r7032069804988\rEND\r")
            await poll_until(driver, lambda: bool(rig.outbox.facts))
        except DeviceFault as fault:
            assert "unreadable scans in a row" in str(fault)  # noqa: PT017 # Either is right.
        finally:
            rig.disconnect()
            await rig.scanner.stop()

    asyncio.run(story())
