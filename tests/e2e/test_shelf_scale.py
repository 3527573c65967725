"""The shelf scale driver against the simulated scale, over real Modbus TCP."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from random import Random

import msgspec
import pytest
from pymodbus.client import AsyncModbusTcpClient

from edge.devices.driver import POLL_MAX_MS
from edge.devices.shelf_scale import SHELVES_PER_READ_MAX, ShelfScaleDriver
from edge.devices.shelf_scale_settings import ShelfScaleSettings, ShelfSettings
from edge.errors import DeviceFault
from protocol.facts import ShelfCounted
from simulators.devices.shelf_scale import ShelfScale, ShelfScaleModel
from tests.device_fakes import MemoryOutbox, RememberingReport

ITEM_G = 250
SHELVES = 40
AT_MS = 1_773_500_000_000


class Rig:
    """A scale with its world, and the driver that reads it in a thread of its own."""

    def __init__(self) -> None:
        self.loads_g = [0.0] * SHELVES
        self.outbox = MemoryOutbox()
        self.report = RememberingReport()
        self.now_ms = 0
        self.slept_s: list[float] = []
        self.scale = self.make_scale()
        self.driver: ShelfScaleDriver | None = None

    def make_scale(self, **model: float) -> ShelfScale:
        return ShelfScale(
            loads=lambda index: self.loads_g[index],
            shelves=SHELVES,
            rng=Random(1),
            settings=ShelfScaleModel(**model),  # type: ignore[arg-type] # One field is an int.
        )

    def disconnect(self) -> None:
        if self.driver is not None:
            self.driver.close()

    async def connect(self, *indexes: int, **changes: object) -> None:
        self.disconnect()
        shelves = [
            ShelfSettings(shelf=f"A{index}", index=index, gtin="614141999996", item_weight_g=ITEM_G)
            for index in indexes
        ]
        settings = ShelfScaleSettings(
            name="scale-1", host="127.0.0.1", port=self.scale.port, shelves=shelves
        )
        settings = msgspec.structs.replace(settings, **changes)
        self.driver = ShelfScaleDriver(
            settings,
            self.outbox,
            lambda: AT_MS,
            monotonic_ms=lambda: self.now_ms,
            sleep=self.slept_s.append,
        )
        await asyncio.to_thread(self.driver.open, self.report)

    async def read(self) -> list[tuple[str, int]]:
        """Let one reading of all shelves become due; return the counts it told."""
        assert self.driver is not None
        self.now_ms += 1_000_000
        before = len(self.outbox.facts)
        for _ in self.driver._runs:
            await asyncio.to_thread(self.driver.poll)
        counts = self.outbox.facts[before:]
        assert all(isinstance(fact, ShelfCounted) for fact in counts)
        return [(fact.shelf, fact.quantity) for fact in counts if isinstance(fact, ShelfCounted)]


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    rig = Rig()
    await rig.scale.start()
    yield rig
    rig.disconnect()
    await rig.scale.stop()


async def test_a_count_is_told_when_the_load_has_come_to_rest(rig: Rig) -> None:
    await rig.connect(0)
    assert await rig.read() == [("A0", 0)]
    rig.loads_g[0] = 3 * ITEM_G
    assert await rig.read() == [], "the load has just changed: the scale is not stable"
    assert await rig.read() == [("A0", 3)]
    assert await rig.read() == []
    (_, counted) = rig.outbox.facts
    assert counted == ShelfCounted(
        occurred_at_ms=AT_MS,
        source="scale-1",
        gtin="00614141999996",
        shelf="A0",
        quantity=3,
        weight_g=750,
    )
    assert rig.report.readings == 4
    assert rig.report.facts == 2


async def test_shelves_that_follow_each_other_are_one_request(rig: Rig) -> None:
    indexes = [*range(3), *range(5, 5 + SHELVES_PER_READ_MAX + 1)]
    rig.loads_g = [index * ITEM_G for index in range(SHELVES)]
    rig.scale._last_loads_g = list(rig.loads_g)
    await rig.connect(*reversed(indexes))
    assert rig.driver is not None
    assert [len(run) for run in rig.driver._runs] == [3, SHELVES_PER_READ_MAX, 1]
    assert await rig.read() == [(f"A{index}", index) for index in indexes]


async def test_a_gain_error_and_noise_within_the_tolerance_change_no_count(rig: Rig) -> None:
    await rig.scale.stop()
    rig.scale = rig.make_scale(gain=1.01, noise_g=6.0)
    rig.loads_g[0] = 8 * ITEM_G
    await rig.scale.start()
    await rig.connect(0)
    told = [count for _ in range(50) for count in await rig.read()]
    assert told == [("A0", 8)]


async def test_a_negative_weight_crosses_the_wire(rig: Rig) -> None:
    rig.loads_g[0] = 2 * ITEM_G + 40
    rig.scale.tare(0)
    rig.loads_g[0] = 2 * ITEM_G
    await rig.connect(0)
    await rig.read()
    assert await rig.read() == [("A0", 0)]
    (counted,) = rig.outbox.facts
    assert isinstance(counted, ShelfCounted)
    assert counted.weight_g == -40


async def test_a_shelf_is_tared_over_modbus(rig: Rig) -> None:
    rig.loads_g[2] = 777.0
    async with AsyncModbusTcpClient("127.0.0.1", port=rig.scale.port) as client:
        await client.write_register(2, 1)
        holding = await client.read_holding_registers(2, count=1)
        weight = await client.read_input_registers(2 * 4 + 2, count=1)
    assert holding.registers == [0], "taring is done"
    assert weight.registers == [0]


@pytest.mark.parametrize(
    ("harm", "heal", "detail"),
    [
        (lambda rig: load(rig, 31_000), lambda rig: load(rig, 0), "shelf A1: overload"),
        (
            lambda rig: rig.scale.set_fault(1, True),
            lambda rig: rig.scale.set_fault(1, False),
            "shelf A1: the scale reports a fault",
        ),
    ],
)
async def test_trouble_of_a_shelf_degrades_the_device_until_it_is_over(
    rig: Rig,
    caplog: pytest.LogCaptureFixture,
    harm: Callable[[Rig], None],
    heal: Callable[[Rig], None],
    detail: str,
) -> None:
    await rig.connect(0, 1)
    await rig.read()
    harm(rig)
    for _ in range(3):
        assert await rig.read() == []
    assert rig.report.said[-1] == ("degraded", detail)
    assert caplog.messages == [f"scale-1: {detail}"], "once, not with each reading"
    heal(rig)
    await rig.read()
    assert rig.report.now == "healthy"


def load(rig: Rig, weight_g: float) -> None:
    rig.loads_g[1] = weight_g


async def test_a_count_that_the_outbox_refused_is_told_later(rig: Rig) -> None:
    await rig.connect(0)
    rig.outbox.full = True
    assert await rig.read() == []
    assert rig.report.said[-1] == ("degraded", "the outbox is full; counts are told later")
    rig.outbox.full = False
    assert await rig.read() == [("A0", 0)]
    assert rig.report.now == "healthy"


async def test_between_readings_a_poll_waits_within_its_bound(rig: Rig) -> None:
    await rig.connect(0, poll_ms=600)
    await rig.read()
    assert rig.driver is not None
    before = rig.report.readings
    for remaining_ms, slept_ms in ((600, POLL_MAX_MS), (100, 100)):
        rig.now_ms += 600 - remaining_ms if remaining_ms < 600 else 0
        rig.driver.poll()
        assert rig.slept_s[-1] == slept_ms / 1000
    assert rig.report.readings == before


async def test_a_scale_that_refuses_is_a_fault_and_works_again_later(rig: Rig) -> None:
    await rig.connect(0)
    rig.scale.refuse_with_exceptions(True)
    with pytest.raises(DeviceFault, match="it answers with exception 6"):
        await rig.read()
    rig.scale.refuse_with_exceptions(False)
    await rig.connect(0)
    assert await rig.read() == [("A0", 0)]


async def test_a_scale_that_restarts_is_a_fault_and_works_again_on_its_port(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    await rig.connect(0)
    port = rig.scale.port
    await rig.scale.stop()
    with pytest.raises(DeviceFault, match=f"scale-1: 127.0.0.1:{port}: "):
        await rig.read()
    with pytest.raises(DeviceFault, match="nothing answers"):
        await rig.connect(0)
    await rig.scale.start()
    assert rig.scale.port == port
    await rig.connect(0)
    assert await rig.read() == [("A0", 0)]
    assert caplog.records == [], "pymodbus adds no noise of its own"


async def test_a_shelf_that_the_scale_does_not_have_is_a_fault(rig: Rig) -> None:
    await rig.connect(SHELVES)
    with pytest.raises(DeviceFault, match="it answers with exception 2"):
        await rig.read()


SHELF = 'shelf = "A1"\nindex = 0\nitem_weight_g = 250\n'


@pytest.mark.parametrize(
    ("toml", "problem"),
    [
        (f'[[shelves]]\n{SHELF}gtin = "614141999997"', "check digit should be 6"),
        (f'[[shelves]]\n{SHELF}gtin = "614141999996"\nunits = 1', "unknown field `units`"),
        ("shelves = []", "length >= 1 - at `\\$.shelves`"),
        ("timeout_ms = 5000\nshelves = []", "timeout_ms"),
        (f'[[shelves]]\n{SHELF}gtin = "614141999996"\n' * 2, "shelf 'A1' is given twice"),
    ],
)
def test_a_wrong_setting_is_named(toml: str, problem: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=problem):
        msgspec.toml.decode(f'name = "s"\nhost = "h"\n{toml}', type=ShelfScaleSettings)
