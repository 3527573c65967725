"""The counter scale driver against the simulated scale, over a real pseudo-terminal."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest

from edge.devices.counter_scale import GARBLED_MAX, UNANSWERED_MAX, CounterScaleDriver
from edge.devices.counter_scale_settings import CounterScaleSettings
from edge.devices.weight_board import FRESH_MS, WeightBoard
from edge.errors import DeviceFault
from edge.sensing.placements import Placement
from simulators.devices.counter_scale import CounterScale, CounterScaleModel
from tests.device_fakes import RememberingReport
from tests.peripheral_rig import monotonic_ms, poll_until, polls


class Rig:
    def __init__(self, folder: Path, dialect: str, unit: str = "kg") -> None:
        self.load_g = 0.0
        model = CounterScaleModel(
            dialect="nci" if dialect == "nci" else "toledo_8217",
            unit="lb" if unit == "lb" else "kg",
            settling_ms=0,
        )
        self.scale = CounterScale(model, lambda: self.load_g, Random(1), folder / "scale")
        self.weights = WeightBoard(monotonic_ms)
        self.report = RememberingReport()
        self.settings = CounterScaleSettings(
            name="counter-1",
            serial_port=self.scale.path,
            dialect=model.dialect,
            unit=model.unit,
            data_bits=8,
            parity="none",
            poll_ms=100,
            timeout_ms=150,
        )
        self.driver = self.new_driver()

    def new_driver(self) -> CounterScaleDriver:
        return CounterScaleDriver(self.settings, self.weights, lambda: 1_000, monotonic_ms)

    async def start(self) -> None:
        await self.scale.start()
        await asyncio.to_thread(self.driver.open, self.report)

    async def until(self, condition: Callable[[], bool]) -> None:
        await poll_until(self.driver, condition)

    @property
    def weight_g(self) -> int | None:
        placement = self.weights.on("counter-1")
        return None if placement is None else placement.weight_g


@pytest.fixture(params=["toledo_8217", "nci"])
async def rig(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Rig]:
    rig = Rig(tmp_path, request.param)
    await rig.start()
    await rig.until(lambda: rig.report.said == [("healthy", "")])
    yield rig
    rig.driver.close()
    await rig.scale.stop()


async def test_goods_at_rest_come_to_the_board_and_leave_it(rig: Rig) -> None:
    rig.load_g = 1_252.0
    await rig.until(lambda: rig.weight_g == 1_250)
    rig.load_g = 0.0
    await rig.until(lambda: rig.weight_g is None)
    rig.load_g = 300.0
    await rig.until(lambda: rig.weight_g == 300)
    placement = rig.weights.on("counter-1")
    assert placement is not None
    assert placement.number == 1_001, "the second placement"
    assert rig.report.readings > 2


@pytest.mark.parametrize(
    ("fault", "trouble"),
    [("overweight", "overload"), ("zero_error", "it needs zeroing")],
)
async def test_trouble_is_told_when_it_lasts_and_no_weight_with_it(
    rig: Rig, fault: str, trouble: str
) -> None:
    rig.load_g = 500.0
    rig.scale.inject(fault)
    await rig.until(lambda: rig.report.said[-1] == ("degraded", trouble))
    if fault == "overweight":
        assert rig.weight_g is None
    rig.scale.heal()
    await rig.until(lambda: rig.report.now == "healthy")
    await rig.until(lambda: rig.weight_g == 500)


async def test_goods_in_motion_have_no_weight(rig: Rig) -> None:
    rig.scale.inject("unstable")
    rig.load_g = 500.0
    before = rig.report.readings
    await rig.until(lambda: rig.report.readings >= before + 3)
    assert rig.weight_g is None
    assert rig.report.now == "healthy", "motion is no trouble, for a while"
    rig.scale.heal()
    await rig.until(lambda: rig.weight_g == 500)


async def test_a_silent_scale_is_a_fault(rig: Rig) -> None:
    rig.scale.inject("silent")
    with pytest.raises(DeviceFault, match=f"silent: no answer to {UNANSWERED_MAX} questions"):
        await polls(rig.driver, 60)
    assert rig.weight_g is None


async def test_garbled_answers_are_told_and_never_become_a_weight(rig: Rig) -> None:
    rig.load_g = 500.0
    rig.scale.inject("garbled")
    seen: set[int | None] = set()
    with suppress(DeviceFault):  # Many in a row may be one.
        for _ in range(60):
            await polls(rig.driver, 1)
            seen.add(rig.weight_g)
    assert seen <= {None, 500}
    assert any("garbled answer" in detail for _, detail in rig.report.said) or rig.driver._garbled


async def test_nothing_but_garbled_answers_is_a_fault(rig: Rig) -> None:
    rig.scale._rng.random = lambda: 0.0  # type: ignore[method-assign] # Every answer, not half.
    rig.scale.inject("garbled")
    with pytest.raises(DeviceFault, match=f"{GARBLED_MAX} garbled answers in a row|silent"):
        await polls(rig.driver, 60)


async def test_a_pulled_plug_is_a_fault_and_the_scale_works_again_afterwards(rig: Rig) -> None:
    rig.scale.inject("unplugged")
    with pytest.raises(DeviceFault, match="the line is lost"):
        await polls(rig.driver, 5)
    rig.driver.close()
    rig.scale.heal()
    rig.driver = rig.new_driver()
    await asyncio.to_thread(rig.driver.open, rig.report)
    rig.load_g = 0.0
    before = rig.report.readings
    await rig.until(lambda: rig.report.readings > before)
    rig.load_g = 700.0
    await rig.until(lambda: rig.weight_g == 700)


async def test_what_lay_there_before_was_perhaps_counted_and_is_no_placement(rig: Rig) -> None:
    rig.load_g = 700.0
    rig.driver.close()
    rig.driver = rig.new_driver()
    await asyncio.to_thread(rig.driver.open, rig.report)
    before = rig.report.readings
    await rig.until(lambda: rig.report.readings >= before + 2)
    assert rig.weight_g is None


async def test_an_nci_scale_says_what_is_broken(tmp_path: Path) -> None:
    rig = Rig(tmp_path, "nci")
    await rig.start()
    rig.scale.inject("broken")
    await rig.until(lambda: rig.report.said[-1:] == [("degraded", "RAM error")])
    rig.driver.close()
    await rig.scale.stop()


@pytest.mark.parametrize("dialect", ["toledo_8217", "nci"])
async def test_pounds_become_grams(tmp_path: Path, dialect: str) -> None:
    rig = Rig(tmp_path, dialect, unit="lb")
    await rig.start()
    await rig.until(lambda: rig.report.readings > 0)
    rig.load_g = 1_000.0
    await rig.until(lambda: rig.weight_g is not None)
    assert rig.weight_g in (998, 1_000), "2.20 lb, two decimals"
    rig.driver.close()
    await rig.scale.stop()


async def test_a_scale_set_to_the_other_dialect_is_a_fault_that_says_so(tmp_path: Path) -> None:
    rig = Rig(tmp_path, "toledo_8217")
    rig.settings = CounterScaleSettings(
        name="counter-1",
        serial_port=rig.scale.path,
        dialect="nci",
        data_bits=8,
        parity="none",
        poll_ms=100,
        timeout_ms=100,
    )
    rig.driver = rig.new_driver()
    await rig.start()
    with pytest.raises(DeviceFault, match="garbled answers in a row"):
        await polls(rig.driver, 60)
    rig.driver.close()
    await rig.scale.stop()


def test_a_weight_that_is_not_fresh_is_not_there() -> None:
    now_ms = 0
    board = WeightBoard(lambda: now_ms)
    board.put("s", Placement(1, 10))
    now_ms = FRESH_MS
    assert board.on("s") == Placement(1, 10)
    now_ms = FRESH_MS + 1
    assert board.on("s") is None
