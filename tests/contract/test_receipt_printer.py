"""The printer driver and the simulated printer, over real TCP; python-escpos as another client."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from random import Random

import msgspec
import pytest
from escpos.printer import Network
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.devices.receipt_printer import FAILED_MAX, ReceiptPrinterDriver
from edge.devices.receipt_printer_settings import ReceiptPrinterSettings
from edge.devices.task_slips import Printed
from edge.devices.till_activity import NotedOutbox, TillActivity
from edge.errors import DeviceFault
from protocol.facts import UnitsSold
from protocol.updates import TaskSignal
from simulators.devices.escpos_parser import COMMAND_BYTES_MAX, LINE_CHARACTERS_MAX, EscposParser
from simulators.devices.peripherals import Peripherals, PeripheralSettings
from simulators.devices.receipt_printer import PrinterModel, ReceiptPrinter
from simulators.devices.till import TillItem
from tests.device_fakes import Crash, MemoryOutbox, RememberingReport
from tests.peripheral_rig import poll_until, polls

AT_MS = 1_773_500_000_000


def task(number: int) -> TaskSignal:
    return TaskSignal(
        store="S001",
        task_id=f"T{number:04}",
        kind="recount",
        gtin="00614141999996",
        measure="units",
        quantity=3,
        created_at_ms=AT_MS,
        detail="no sale for 9 days",
    )


class Rig:
    def __init__(self) -> None:
        self.printer = ReceiptPrinter(PrinterModel())
        self.outbox = MemoryOutbox()
        self.report = RememberingReport()
        self.tasks: list[TaskSignal] = []
        self.now_ms = 0
        self.activity = TillActivity(lambda: self.now_ms)
        self.driver: ReceiptPrinterDriver | None = None
        self.settings = ReceiptPrinterSettings(
            name="printer-1",
            host="127.0.0.1",
            poll_ms=250,
            timeout_ms=300,
            drawer="open_is_high",
            till="till-1",
            transaction_window_ms=5_000,
            prints_tasks=True,
        )

    async def connect(self, **changes: object) -> ReceiptPrinterDriver:
        self.disconnect()
        settings = msgspec.structs.replace(self.settings, port=self.printer.port, **changes)
        self.driver = ReceiptPrinterDriver(
            settings,
            "S001",
            self.outbox,
            lambda: self.tasks,
            self.activity,
            lambda: AT_MS,
            lambda: self.now_ms,
            sleep=self.sleep,
        )
        await asyncio.to_thread(self.driver.open, self.report)
        return self.driver

    def sleep(self, wait_s: float) -> None:
        self.now_ms += round(wait_s * 1000)

    def disconnect(self) -> None:
        if self.driver is not None:
            self.driver.close()
            self.driver = None

    async def visits(self, count: int = 1) -> None:
        """Let so many visits with an answer happen."""
        wanted = self.report.readings + count
        await self.until(lambda: self.report.readings >= wanted)

    async def until(self, condition: Callable[[], bool]) -> None:
        assert self.driver is not None
        await poll_until(self.driver, condition)

    @property
    def printed(self) -> Printed:
        return msgspec.msgpack.decode(self.outbox.stored["printed/printer-1"], type=Printed)


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    rig = Rig()
    await rig.printer.start()
    yield rig
    rig.disconnect()
    await rig.printer.stop()


async def test_a_printer_that_is_well_is_healthy(rig: Rig) -> None:
    await rig.connect()
    await rig.visits(3)
    assert rig.report.said == [("healthy", "")]


@pytest.mark.parametrize(
    ("fault", "trouble"),
    [
        ("paper_low", "the paper is low"),
        ("paper_out", "the paper is out"),
        ("cover_open", "the cover is open"),
        ("cutter_stuck", "the cutter is stuck"),
    ],
)
async def test_trouble_of_the_printer_is_told_until_it_is_over(
    rig: Rig, fault: str, trouble: str
) -> None:
    await rig.connect()
    rig.printer.inject(fault)
    await rig.visits(2)
    assert rig.report.said == [("degraded", trouble)]
    rig.printer.heal()
    await rig.visits(2)
    assert rig.report.now == "healthy"


@pytest.mark.parametrize(
    ("fault", "detail"),
    [
        ("silent", "it does not answer"),
        ("garbled", "its status is garbled"),
        ("unplugged", "it closed the connection|the connection is lost|cannot connect"),
    ],
)
async def test_a_printer_that_makes_no_sense_is_a_fault_after_a_few_visits(
    rig: Rig, fault: str, detail: str
) -> None:
    driver = await rig.connect()
    await rig.visits()
    rig.printer.inject(fault)

    def sleep_on() -> bool:
        rig.now_ms += 100
        return False

    with pytest.raises(DeviceFault, match=f"printer-1: printer at 127.0.0.1:.*({detail})"):
        await poll_until(driver, sleep_on)
    assert rig.report.said == [("healthy", "")], "the supervisor tells the rest"
    assert driver._failed == FAILED_MAX
    rig.printer.heal()
    await rig.connect()
    await rig.visits()


async def test_no_printer_at_all_is_a_fault_at_once(rig: Rig) -> None:
    driver = await rig.connect(host="127.0.0.1")
    await rig.printer.stop()
    with pytest.raises(DeviceFault, match="cannot connect"):
        await polls(driver, 2)
    await rig.printer.start()


async def test_the_till_can_print_between_visits(rig: Rig) -> None:
    await rig.connect()
    await rig.visits()
    await asyncio.to_thread(print_with_python_escpos, rig.printer.port)
    await rig.visits()
    assert "Total 4.99" in rig.printer.receipts[-1]


def print_with_python_escpos(port: int) -> tuple[bool, int]:
    client = Network("127.0.0.1", port=port, timeout=5)
    client.set(bold=True, align="center")
    client.text("Corner Shop\n")
    client.set(bold=False, align="left")
    client.textln("Total 4.99")
    client.barcode("4006381333931", "EAN13")
    client.qr("https://id.gs1.org/01/09506000134352", native=True)
    client.cut()
    client.cashdraw(2)
    answers = client.is_online(), client.paper_status()
    client.close()
    return answers


async def test_python_escpos_prints_kicks_the_drawer_and_asks_for_the_status(rig: Rig) -> None:
    answers = await asyncio.to_thread(print_with_python_escpos, rig.printer.port)
    assert answers == (True, 2)
    assert (rig.printer.kicks, rig.printer.is_drawer_open) == (1, True)
    (receipt,) = rig.printer.receipts
    assert receipt.startswith("Corner Shop\nTotal 4.99\n")
    for fault, online, paper in (("paper_low", True, 1), ("paper_out", False, 0)):
        rig.printer.inject(fault)
        answers = await asyncio.to_thread(print_with_python_escpos, rig.printer.port)
        assert answers == (online, paper)
    assert len(rig.printer.receipts) == 2, "what came without paper waits"
    rig.printer.heal()
    assert len(rig.printer.receipts) == 3


async def test_tasks_come_out_once_each_oldest_first(rig: Rig) -> None:
    await rig.connect()
    rig.tasks = []
    await rig.visits()
    rig.tasks = [task(2), task(1)]
    await rig.until(lambda: len(rig.printer.receipts) == 2)
    await rig.visits(3)
    first, second = rig.printer.receipts
    assert first == (
        "PLEASE COUNT\nGTIN 00614141999996\nwe believe there are: 3 pieces\nno sale for 9 days\n"
        "S001  2026-03-14 14:53 UTC\ntask T0001"
    )
    assert second.endswith("task T0002")
    assert rig.printed == Printed("T0002")


async def test_a_new_printer_does_not_begin_with_what_is_past_and_a_restart_prints_nothing_twice(
    rig: Rig,
) -> None:
    rig.tasks = [task(1)]
    for _ in range(3):
        await rig.connect()
        await rig.visits(2)
    assert not rig.printer.receipts
    rig.tasks.append(task(2))
    for _ in range(3):
        await rig.connect()
        await rig.visits(2)
    assert len(rig.printer.receipts) == 1


@pytest.mark.parametrize("crash", ["before", "after"])
async def test_a_power_cut_around_printing_loses_no_slip_and_says_what_may_be_a_copy(
    rig: Rig, crash: str
) -> None:
    await rig.connect()
    await rig.visits()
    rig.tasks = [task(1)]
    await rig.until(lambda: rig.printed.begun == "T0001")
    rig.outbox.crash = "before" if crash == "before" else "after"
    with pytest.raises(Crash):
        await rig.visits(5)
    rig.outbox.crash = None
    await rig.connect()
    await rig.visits(3)
    expected = 2 if crash == "before" else 1
    assert len(rig.printer.receipts) == expected
    assert ("REPEATED" in rig.printer.receipts[-1]) == (expected == 2)


async def test_a_slip_that_ran_out_of_paper_is_repeated_once_as_such(rig: Rig) -> None:
    await rig.connect()
    await rig.visits()
    rig.printer._lines_left = 2
    rig.tasks = [task(1)]

    def sleep_on() -> bool:
        rig.now_ms += 2_000
        return "did not come out" in rig.report.detail

    await rig.until(sleep_on)
    assert "the paper is out" in rig.report.detail
    rig.printer.change_roll()
    await rig.until(lambda: len(rig.printer.receipts) == 2)
    await rig.visits(3)
    assert "REPEATED" in rig.printer.receipts[1]
    assert len(rig.printer.receipts) == 2
    assert rig.report.now == "healthy"


async def test_while_the_outbox_is_full_nothing_is_printed(rig: Rig) -> None:
    await rig.connect()
    await rig.visits()
    rig.tasks = [task(1)]
    rig.outbox.full = True
    await rig.visits(3)
    assert not rig.printer.receipts
    assert rig.report.said[-1] == ("degraded", "the outbox is full; slips wait")
    rig.outbox.full = False
    await rig.until(lambda: len(rig.printer.receipts) == 1)


async def test_a_drawer_opened_with_its_key_is_told_and_a_sale_explains_one(rig: Rig) -> None:
    await rig.connect()
    await rig.visits()
    noted = NotedOutbox(rig.outbox, rig.activity)
    rig.printer.open_drawer()
    await rig.visits(2)
    rig.printer.shut_drawer()
    noted.append([sale("till-1")])
    await rig.visits(40)
    assert rig.report.said == [("healthy", "")]
    rig.printer.open_drawer()
    await rig.visits(2)
    rig.printer.shut_drawer()
    noted.append([sale("till-2")])
    await rig.visits(40)
    assert rig.report.said[-1] == (
        "degraded",
        "the drawer was opened without a transaction at the till",
    )
    assert rig.outbox.facts == [sale("till-1"), sale("till-2")], "no stock fact of its own"


async def test_a_drawer_that_is_stuck_open_is_told(rig: Rig) -> None:
    await rig.connect(till=None)
    rig.printer.inject("drawer_stuck")
    rig.printer.shut_drawer()
    await rig.visits()
    rig.now_ms += 300_001
    await rig.visits(2)
    assert rig.report.said[-1] == ("degraded", "the drawer is open for more than 5 minutes")
    rig.printer.heal()
    await rig.visits(2)
    assert rig.report.now == "healthy"


def sale(till: str) -> UnitsSold:
    return UnitsSold(
        occurred_at_ms=AT_MS,
        source=till,
        gtin="00614141999996",
        quantity=1,
        measure="units",
        transaction="t",
        line=1,
    )


@given(st.lists(st.binary(max_size=300), max_size=8))
def test_the_simulated_printer_survives_any_bytes_within_bounds(chunks: list[bytes]) -> None:
    parser = EscposParser()
    for chunk in chunks:
        list(parser.feed(chunk))
        assert len(parser._line) <= LINE_CHARACTERS_MAX
        assert len(parser._command) <= COMMAND_BYTES_MAX + 1


@settings(max_examples=20, deadline=None)
@given(answers=st.lists(st.binary(max_size=100), min_size=1, max_size=6))
def test_any_bytes_from_a_printer_are_skipped_or_a_fault(answers: list[bytes]) -> None:
    async def story() -> None:
        rig = Rig()
        hostile = iter(answers * FAILED_MAX)

        serving: set[asyncio.Task[None] | None] = set()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            serving.add(asyncio.current_task())
            writer.write(next(hostile, b""))
            with suppress(ConnectionError):
                await reader.read(100)
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        rig.printer.port = server.sockets[0].getsockname()[1]
        driver = await rig.connect(timeout_ms=20)
        with suppress(DeviceFault):
            for _ in range(30):
                rig.now_ms += 20
                await polls(driver, 1)
        rig.disconnect()
        server.close()
        await server.wait_closed()
        await asyncio.gather(*filter(None, serving))

    asyncio.run(story())


async def test_the_peripherals_of_a_scenario_move_with_the_till(tmp_path: Path) -> None:
    listed = msgspec.toml.decode(
        b'[[scanners]]\nmode = "till"\n[[scales]]\ndialect = "nci"\n[[printers]]\n',
        type=PeripheralSettings,
    )
    peripherals = Peripherals(listed, tmp_path, Random(1))
    await peripherals.start()
    items = [TillItem("00614141999996", 2), TillItem("95012345678903", 450, "grams")]
    peripherals.sold("till-1", items)
    peripherals.sold("till-9", items)
    assert peripherals.loads_g == {"counter-scale-1": 450.0}
    (receipt,) = peripherals.printers["printer-1"].receipts
    assert receipt == "     2 units 00614141999996\n   450 grams 95012345678903"
    assert set(peripherals.devices) == {"scanner-1", "counter-scale-1", "printer-1"}
    lines = "\n".join(peripherals.edge_config())
    assert f'serial_port = "{tmp_path}/scanner-1"' in lines
    await peripherals.stop()
