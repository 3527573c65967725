"""The shelf scale driver against the simulated scale, over real Modbus TCP and over a terminal."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from random import Random
from typing import Any

import msgspec
import pytest

from edge.devices.driver import POLL_MAX_MS
from edge.devices.shelf_scale import SHELVES_PER_READ_MAX, ShelfScaleDriver
from edge.devices.shelf_scale_settings import ShelfScaleSettings, ShelfSettings
from edge.errors import DeviceFault
from protocol.facts import ShelfCounted
from simulators.devices.shelf_scale import ShelfScale
from simulators.world.load_cells import LoadCellSettings
from tests.device_fakes import MemoryOutbox, RememberingReport

ITEM_G = 250
SHELVES = 40
AT_MS = 1_773_500_000_000
POLL_MS = 500
REST_READINGS = 5


class Rig:
    """A scale with its world, and the driver that reads it in a thread of its own."""

    def __init__(self, link: str) -> None:
        self.link = link
        self.loads_g = [0.0] * SHELVES
        self.outbox = MemoryOutbox()
        self.report = RememberingReport()
        self.now_ms = 0
        self.slept_s: list[float] = []
        self.scale = self.make_scale()
        self.driver: ShelfScaleDriver | None = None

    def make_scale(self, **model: Any) -> ShelfScale:
        return ShelfScale(
            loads=lambda index: self.loads_g[index],
            shelves=SHELVES,
            rng=Random(1),
            is_serial=True,
            clock_ms=lambda: self.now_ms,
            settings=LoadCellSettings(**model),
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
        # A pseudo-terminal has no parity bit to set.
        serial = {"serial_port": self.scale.serial_port, "baud": 115_200, "parity": "none"}
        address: dict[str, Any] = serial
        if self.link == "tcp":
            address = {"host": "127.0.0.1", "port": self.scale.port}
        settings = ShelfScaleSettings(name="scale-1", shelves=shelves, poll_ms=POLL_MS, **address)
        settings = msgspec.structs.replace(settings, **changes)
        self.driver = ShelfScaleDriver(
            settings,
            self.outbox,
            lambda: AT_MS + self.now_ms,
            monotonic_ms=lambda: self.now_ms,
            sleep=self.slept_s.append,
        )
        await asyncio.to_thread(self.driver.open, self.report)

    async def read(self, times: int = REST_READINGS + 2) -> list[tuple[str, int]]:
        """Let readings of all shelves become due, enough for rest; return the counts they told."""
        assert self.driver is not None
        before = len(self.outbox.facts)
        for _ in range(times):
            self.now_ms += 2 * POLL_MS
            for _ in self.driver._runs:
                await asyncio.to_thread(self.driver.poll)
        counts = self.outbox.facts[before:]
        assert all(isinstance(fact, ShelfCounted) for fact in counts)
        return [(fact.shelf, fact.quantity) for fact in counts if isinstance(fact, ShelfCounted)]


@pytest.fixture(params=["tcp", "rtu"])
async def rig(request: pytest.FixtureRequest) -> AsyncIterator[Rig]:
    rig = Rig(request.param)
    await rig.scale.start()
    yield rig
    rig.disconnect()
    await rig.scale.stop()


async def test_a_count_is_told_when_the_load_has_come_to_rest(rig: Rig) -> None:
    await rig.connect(0)
    assert await rig.read() == [("A0", 0)]
    rig.loads_g[0] = 3 * ITEM_G
    assert await rig.read(REST_READINGS) == [], "the load has just changed: not at rest yet"
    assert await rig.read() == [("A0", 3)]
    assert await rig.read() == []
    (_, counted) = rig.outbox.facts
    assert isinstance(counted, ShelfCounted)
    assert (counted.gtin, counted.source, counted.weight_g) == ("00614141999996", "scale-1", 750)
    assert 0 < counted.error_units < 0.2
    assert counted.basis.startswith("750 g at rest")
    assert rig.report.facts == 2


async def test_shelves_that_follow_each_other_are_one_request(rig: Rig) -> None:
    indexes = [*range(3), *range(5, 5 + SHELVES_PER_READ_MAX + 1)]
    rig.loads_g = [index * ITEM_G for index in range(SHELVES)]
    await rig.connect(*reversed(indexes))
    assert rig.driver is not None
    assert [len(run) for run in rig.driver._runs] == [3, SHELVES_PER_READ_MAX, 1]
    assert await rig.read() == [(f"A{index}", index) for index in indexes]


async def test_a_gain_error_and_noise_change_no_count(rig: Rig) -> None:
    await rig.scale.stop()
    rig.scale = rig.make_scale(gain=1.01, noise_g=6.0)
    rig.loads_g[0] = 8 * ITEM_G
    await rig.scale.start()
    await rig.connect(0)
    assert set(await rig.read(50)) == {("A0", 8)}


async def test_a_negative_weight_crosses_the_wire(rig: Rig) -> None:
    rig.loads_g[0] = 40
    await rig.connect(0)
    rig.scale.tare(0)
    rig.loads_g[0] = 0
    assert await rig.read() == [("A0", 0)]
    (counted,) = rig.outbox.facts
    assert isinstance(counted, ShelfCounted)
    assert counted.weight_g == -40


@pytest.mark.parametrize(
    ("harm", "heal", "detail"),
    [
        (lambda rig: load(rig, 31_000), lambda rig: load(rig, 0), "shelf A1: overload"),
        (
            lambda rig: rig.scale.set_fault(1, True),
            lambda rig: rig.scale.set_fault(1, False),
            "shelf A1: the scale reports a fault",
        ),
        (
            lambda rig: load(rig, 612),
            lambda rig: load(rig, 0),
            "shelf A1: 612 g that are no whole units lie there; not counted",
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
    assert await rig.read(20) == []
    assert rig.report.said[-1] == ("degraded", detail)
    assert caplog.messages == [f"scale-1: {detail}"], "once, not with each reading"
    heal(rig)
    assert await rig.read() == [], "nothing was taken or put"
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


async def test_a_new_driver_knows_what_was_told_and_learnt(rig: Rig) -> None:
    rig.loads_g[0] = 4 * ITEM_G
    await rig.connect(0)
    assert await rig.read() == [("A0", 4)]
    await rig.connect(0)
    assert await rig.read() == [], "nothing changed"
    rig.loads_g[0] -= ITEM_G
    await rig.connect(0)
    assert await rig.read() == [("A0", 3)], "a unit went while nobody looked"


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


@pytest.mark.parametrize(
    ("kind", "fault"),
    [
        ("busy", "it answers with exception 6"),
        ("broken", "it answers with exception 4"),
        ("no_such_register", "it answers with exception 2"),
        ("slow", "scale-1: "),
        ("silent", "scale-1: "),
        ("garbled", "scale-1: "),
    ],
)
async def test_an_answer_that_is_refused_late_or_garbled_is_a_fault_until_it_is_healed(
    rig: Rig, caplog: pytest.LogCaptureFixture, kind: str, fault: str
) -> None:
    caplog.set_level(logging.INFO)
    await rig.connect(0)
    rig.scale.inject(kind)
    with pytest.raises(DeviceFault, match=fault):
        await rig.read(50)
    rig.scale.heal()
    await rig.connect(0)
    assert await rig.read() == [("A0", 0)]
    assert not [record for record in caplog.records if record.name.startswith("pymodbus")]


@pytest.mark.parametrize(
    ("kind", "readings", "trouble"),
    [
        ("unplugged", 3, "shelf A0: the scale reports a fault"),
        ("word_order", 3, "g is no weight: is the word order right?"),
        ("noise_burst", 80, "shelf A0: it does not come to rest"),
        ("drift", 80, "shelf A0: "),
    ],
)
async def test_a_scale_that_misleads_is_in_trouble_and_counts_nothing_wrong(
    rig: Rig, kind: str, readings: int, trouble: str
) -> None:
    rig.loads_g[0] = 5 * ITEM_G
    await rig.connect(0)
    assert await rig.read() == [("A0", 5)]
    rig.scale.inject(kind)
    told = await rig.read(readings)
    assert [count for count in told if count != ("A0", 5)] == []
    if kind != "drift":
        assert rig.report.now == "degraded"
        assert trouble in rig.report.detail
    rig.scale.heal(kind)
    assert [count for count in await rig.read(100) if count != ("A0", 5)] == []
    assert rig.report.now == "healthy"


async def test_a_wrong_tare_is_no_sale(rig: Rig) -> None:
    rig.loads_g[0] = 5 * ITEM_G
    await rig.connect(0)
    await rig.read()
    rig.scale.inject("wrong_tare")
    await rig.read(20)
    rig.loads_g[0] -= ITEM_G
    assert (await rig.read(20))[-1] == ("A0", 4), "250 g below nothing: it was tared"


async def test_the_low_word_may_come_first(rig: Rig) -> None:
    rig.loads_g[0] = 5 * ITEM_G
    rig.scale.inject("word_order")
    await rig.connect(0, word_order="low_first")
    assert await rig.read() == [("A0", 5)]


async def test_a_scale_that_restarts_is_a_fault_and_works_again_on_its_port(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rig = Rig("tcp")
    await rig.scale.start()
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
    rig.disconnect()
    await rig.scale.stop()


async def test_a_serial_line_that_is_pulled_is_a_fault() -> None:
    rig = Rig("rtu")
    await rig.scale.start()
    await rig.connect(0)
    await rig.scale.stop()
    with pytest.raises(DeviceFault, match="scale-1: /dev/"):
        await rig.read()
    rig.disconnect()


async def test_a_serial_port_that_does_not_exist_is_a_fault(rig: Rig) -> None:
    rig.link = "rtu"
    with pytest.raises(DeviceFault, match="scale-1: /dev/no-such-port: nothing answers"):
        await rig.connect(0, serial_port="/dev/no-such-port")


async def test_a_shelf_that_the_scale_does_not_have_is_a_fault(rig: Rig) -> None:
    await rig.connect(SHELVES)
    with pytest.raises(DeviceFault, match="it answers with exception 2"):
        await rig.read()


SHELF = 'shelf = "A1"\nindex = 0\nitem_weight_g = 250\n'
GOOD = f'[[shelves]]\n{SHELF}gtin = "614141999996"'
TWO = """[[shelves]]
shelf = "A1"
index = 0
products = [
  { gtin = "614141999996", item_weight_g = 250 },
  { gtin = "614141999996", item_weight_g = 300 },
]
"""


@pytest.mark.parametrize(
    ("toml", "problem"),
    [
        (f'[[shelves]]\n{SHELF}gtin = "614141999997"', "check digit should be 6"),
        (f'[[shelves]]\n{SHELF}gtin = "614141999996"\nunits = 1', "unknown field `units`"),
        ("shelves = []", "length >= 1 - at `\\$.shelves`"),
        ("timeout_ms = 5000\nshelves = []", "timeout_ms"),
        (f'[[shelves]]\n{SHELF}gtin = "614141999996"\n' * 2, "shelf 'A1' is given twice"),
        (f"[[shelves]]\n{SHELF}", "expected either gtin with item_weight_g, or products"),
        ('[[shelves]]\nshelf = "A"\nindex = 0\ngtin = "614141999996"', "belong together"),
        (TWO, "is given twice"),
        (f'serial_port = "/dev/ttyS0"\n{GOOD}', "expected either host, or serial_port"),
        (f"baud = 300\n{GOOD}", "baud"),
        (f'parity = "mark"\n{GOOD}', "parity"),
    ],
)
def test_a_wrong_setting_is_named(toml: str, problem: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=problem):
        msgspec.toml.decode(f'name = "s"\nhost = "h"\n{toml}', type=ShelfScaleSettings)


def test_on_a_slow_line_one_request_reads_no_more_than_fits_its_time() -> None:
    shelves = [
        ShelfSettings(shelf=f"A{at}", index=at, gtin="614141999996", item_weight_g=ITEM_G)
        for at in range(10)
    ]
    settings = ShelfScaleSettings(name="s", serial_port="/dev/x", baud=9_600, shelves=shelves)
    driver = ShelfScaleDriver(settings, MemoryOutbox(), lambda: 0)
    longest = max(map(len, driver._runs))
    assert (5 + longest * 8) * 11 / 9_600 < 0.6 * settings.timeout_ms / 1_000
    assert sum(map(len, driver._runs)) == 10
