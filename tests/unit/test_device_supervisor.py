"""Real actors, virtual time: a restart's timer goes off when a test says so."""

import logging
import queue
import random
import threading
from collections.abc import Callable, Iterator

import pykka
import pytest

from edge.devices.driver import DeviceReport, Driver, Health
from edge.devices.status import StatusBoard
from edge.devices.supervisor import DeviceSpec, RestartPolicy, Supervisor
from edge.errors import DeviceFault, OutboxFull

DEADLINE_S = 10.0
SUPERVISOR_LOG = "edge.devices.supervisor"


class Script:
    """What the lives of one device do, and what they did. `poll` of life n is `polls[n]`."""

    def __init__(self, *polls: Callable[["ScriptedDriver"], None]) -> None:
        self.polls = polls
        self.lives: list[ScriptedDriver] = []

    def make(self) -> Driver:
        poll = self.polls[min(len(self.lives), len(self.polls) - 1)]
        self.lives.append(ScriptedDriver(poll))
        return self.lives[-1]


class ScriptedDriver:
    name = "device"
    kind = "scripted"

    def __init__(self, script: Callable[["ScriptedDriver"], None]) -> None:
        self._script = script
        self.threads = [threading.current_thread()]
        self.polled = threading.Event()
        self.closed = threading.Event()
        self.closes = 0

    def open(self, report: DeviceReport) -> None:
        self.threads.append(threading.current_thread())
        self.report = report
        if self._script is refuses_to_open:
            raise DeviceFault("device: nobody is there")

    def poll(self) -> None:
        self.threads.append(threading.current_thread())
        self._script(self)
        self.polled.set()

    def close(self) -> None:
        self.threads.append(threading.current_thread())
        self.closes += 1
        self.closed.set()


def works(driver: ScriptedDriver) -> None:
    driver.report.health("healthy")


def works_then_fails(driver: ScriptedDriver) -> None:
    driver.report.health("healthy")
    if driver.polled.is_set():
        raise DeviceFault("device: gone")


def faults(driver: ScriptedDriver) -> None:
    raise DeviceFault("device: it talks nonsense")


def fails_after(event: threading.Event, driver: ScriptedDriver) -> None:
    wait(event)
    faults(driver)


def faults_otherwise(driver: ScriptedDriver) -> None:
    raise DeviceFault("device: it is somebody else")


def refuses_to_open(driver: ScriptedDriver) -> None:
    raise AssertionError("it was never open")


def is_wrong(driver: ScriptedDriver) -> None:
    raise ZeroDivisionError("a bug of ours")


class Shop:
    """A supervisor with its board, a clock that stands still, and timers in the test's hands."""

    def __init__(self) -> None:
        self.now_ms = 0
        self.healths: queue.Queue[tuple[str, Health, str]] = queue.Queue()
        self.board = StatusBoard(lambda *change: self.healths.put(change))
        self._timers: queue.Queue[tuple[float, Callable[[], None]]] = queue.Queue()
        self.timers_cancelled = 0
        self._supervisor: pykka.ActorRef[Supervisor] | None = None

    def open(self, *specs: DeviceSpec, stop_timeout_s: float = DEADLINE_S, seed: int = 1) -> None:
        self._supervisor = Supervisor.start(
            specs,
            self.board,
            RestartPolicy(),
            random.Random(seed),
            lambda: self.now_ms,
            later=self._later,
            stop_timeout_s=stop_timeout_s,
        )

    def run(self, script: Script) -> None:
        self.open(DeviceSpec("device", "scripted", script.make))

    def _later(self, delay_s: float, call: Callable[[], None]) -> Callable[[], None]:
        self._timers.put((delay_s, call))
        return self._cancel

    def _cancel(self) -> None:
        self.timers_cancelled += 1

    def pause(self) -> tuple[float, Callable[[], None]]:
        """Wait for a device to fail; its pause in milliseconds, and what ends the pause."""
        delay_s, call = self._timers.get(timeout=DEADLINE_S)
        return delay_s * 1000, call

    def fail_and_restart(self) -> float:
        pause_ms, restart = self.pause()
        restart()
        return pause_ms

    def health(self) -> tuple[Health, str]:
        """Wait for the next change of health."""
        _, health, detail = self.healths.get(timeout=DEADLINE_S)
        return health, detail

    def close(self) -> None:
        if self._supervisor is not None:
            self._supervisor.stop(timeout=DEADLINE_S)


@pytest.fixture
def shop() -> Iterator[Shop]:
    shop = Shop()
    yield shop
    shop.close()


def wait(event: threading.Event) -> None:
    assert event.wait(DEADLINE_S)


def test_a_device_is_polled_until_it_is_stopped_and_closed_once(shop: Shop) -> None:
    script = Script(works)
    shop.run(script)
    assert shop.health() == ("healthy", "")
    wait(script.lives[0].polled)
    shop.close()
    assert script.lives[0].closes == 1
    assert shop.health() == ("stopped", "")
    assert [device.health for device in shop.board.snapshot()] == ["stopped"]


def test_a_driver_lives_on_one_thread_from_making_to_closing(shop: Shop) -> None:
    script = Script(works)
    shop.run(script)
    shop.health()
    shop.close()
    assert len(set(script.lives[0].threads)) == 1
    assert script.lives[0].threads[0] is not threading.current_thread()


@pytest.mark.parametrize("failing", [faults, refuses_to_open, is_wrong])
def test_whatever_fails_is_closed_and_replaced(
    shop: Shop, failing: Callable[[ScriptedDriver], None]
) -> None:
    script = Script(failing, works)
    shop.run(script)
    shop.fail_and_restart()
    assert shop.health()[0] == "lost"
    assert shop.health() == ("healthy", "")
    assert script.lives[0].closes == 1
    assert len(script.lives) == 2
    assert shop.board.snapshot()[0].restarts == 1


def test_a_driver_that_cannot_be_made_is_tried_again(shop: Shop) -> None:
    attempts = iter([OSError("no such library")])

    def make() -> Driver:
        for error in attempts:
            raise error
        return ScriptedDriver(works)

    shop.open(DeviceSpec("device", "scripted", make))
    shop.fail_and_restart()
    assert shop.health() == ("lost", "device: OSError('no such library')")
    assert shop.health() == ("healthy", "")


def test_pauses_double_from_50_ms_to_30_s_and_half_of_each_is_random(shop: Shop) -> None:
    shop.run(Script(faults))
    pauses_ms = [shop.fail_and_restart() for _ in range(40)]
    ceilings_ms = [min(30_000, 50 * 2**attempt) for attempt in range(40)]
    for pause_ms, ceiling_ms in zip(pauses_ms, ceilings_ms, strict=True):
        assert ceiling_ms / 2 <= pause_ms <= ceiling_ms
    assert len(set(pauses_ms[-20:])) > 10, "gateways that failed together would return together"


def test_the_same_seed_gives_the_same_pauses() -> None:
    pauses = []
    for _ in range(2):
        shop = Shop()
        shop.open(DeviceSpec("device", "scripted", Script(faults).make), seed=7)
        pauses.append([shop.fail_and_restart() for _ in range(5)])
        shop.close()
    assert pauses[0] == pauses[1]


def test_it_never_gives_up(shop: Shop) -> None:
    script = Script(*[faults] * 300, works)
    shop.run(script)
    for _ in range(300):
        shop.fail_and_restart()
    while shop.health()[0] != "healthy":
        pass
    assert shop.board.snapshot()[0].restarts == 300


@pytest.mark.parametrize(("worked_ms", "begins_again"), [(9_999, False), (10_000, True)])
def test_pauses_begin_again_after_a_life_that_worked_long_enough(
    shop: Shop, worked_ms: int, begins_again: bool
) -> None:
    ending = threading.Event()

    def works_until_told(driver: ScriptedDriver) -> None:
        driver.report.health("healthy")
        if ending.wait(0.01):
            raise DeviceFault("device: gone")

    shop.run(Script(*[faults] * 6, works_until_told))
    for _ in range(6):
        shop.fail_and_restart()
    while shop.health()[0] != "healthy":
        pass
    shop.now_ms += worked_ms
    ending.set()
    pause_ms, _ = shop.pause()
    assert (pause_ms <= 50) == begins_again


def test_a_life_that_was_long_in_failing_does_not_count_as_healthy(shop: Shop) -> None:
    def fails_after_a_minute(_: ScriptedDriver) -> None:
        shop.now_ms += 60_000
        raise DeviceFault("device: it does not answer")

    shop.run(Script(fails_after_a_minute))
    pauses_ms = [shop.fail_and_restart() for _ in range(8)]
    assert pauses_ms[-1] >= 50 * 2**6


def test_a_device_fault_is_one_warning_without_a_traceback(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    shop.run(Script(faults))
    shop.pause()
    assert shop.health() == ("lost", "device: it talks nonsense")
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage() == "device: it talks nonsense; trying again"
    assert record.exc_info is None


def test_an_unforeseen_error_has_its_traceback(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    shop.run(Script(is_wrong))
    shop.pause()
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.exc_info is not None
    assert record.exc_info[0] is ZeroDivisionError


def test_our_own_foreseen_errors_have_no_traceback(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    def finds_the_outbox_full(_: ScriptedDriver) -> None:
        raise OutboxFull("no room for 3 facts")

    shop.run(Script(finds_the_outbox_full))
    shop.pause()
    assert [record.getMessage() for record in caplog.records] == [
        "device: no room for 3 facts; trying again"
    ]
    assert caplog.records[0].exc_info is None


def test_the_same_fault_again_and_again_is_told_once(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, SUPERVISOR_LOG)
    shop.run(Script(*[faults] * 10, faults_otherwise, works))
    for _ in range(11):
        shop.fail_and_restart()
    assert [shop.health()[0] for _ in range(3)] == ["lost", "lost", "healthy"]
    assert [record.getMessage() for record in caplog.records] == [
        "device: it talks nonsense; trying again",
        "device: it is somebody else; trying again",
        "device is healthy again",
    ]


def test_the_same_fault_after_it_has_worked_is_told_again(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    shop.run(Script(works_then_fails))
    for _ in range(3):
        shop.fail_and_restart()
    shop.pause()
    assert len(caplog.records) == 4


def test_a_device_that_fails_leaves_the_others_alone(shop: Shop) -> None:
    good, bad = Script(works), Script(faults)
    shop.open(DeviceSpec("good", "scripted", good.make), DeviceSpec("bad", "scripted", bad.make))
    for _ in range(5):
        shop.fail_and_restart()
    shop.pause()
    assert len(good.lives) == 1
    assert not good.lives[0].closed.is_set()
    statuses = {device.name: device for device in shop.board.snapshot()}
    assert statuses["good"].health == "healthy"
    assert (statuses["bad"].health, statuses["bad"].restarts) == ("lost", 5)


def test_counters_outlive_a_restart(shop: Shop) -> None:
    def counts_then_faults(driver: ScriptedDriver) -> None:
        driver.report.count(readings=3, facts=1)
        raise DeviceFault("device: gone")

    shop.run(Script(counts_then_faults))
    shop.fail_and_restart()
    shop.pause()
    (device,) = shop.board.snapshot()
    assert (device.readings, device.facts, device.restarts) == (6, 2, 1)


def test_nothing_is_restarted_once_the_supervisor_has_stopped(shop: Shop) -> None:
    script = Script(faults)
    shop.run(script)
    _, restart = shop.pause()
    shop.close()
    assert shop.timers_cancelled == 1
    restart()  # A timer that had gone off already when it was cancelled.
    assert len(script.lives) == 1
    assert shop.board.snapshot()[0].health == "stopped"


def test_a_device_that_hangs_delays_neither_the_snapshot_nor_the_stop_for_long(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    hanging, released = threading.Event(), threading.Event()

    def hangs(driver: ScriptedDriver) -> None:
        hanging.set()
        wait(released)
        driver.report.health("healthy", "too late")

    stuck, good = Script(hangs), Script(works)
    shop.open(
        DeviceSpec("stuck", "scripted", stuck.make),
        DeviceSpec("good", "scripted", good.make),
        stop_timeout_s=0.2,
    )
    wait(hanging)
    assert [device.name for device in shop.board.snapshot()] == ["good", "stuck"]
    shop.close()
    assert good.lives[0].closes == 1
    assert [record.getMessage() for record in caplog.records] == [
        "stuck does not stop; it is left behind"
    ]
    released.set()
    wait(stuck.lives[0].closed)
    assert {device.health for device in shop.board.snapshot()} == {"stopped"}


def test_a_present_health_told_again_is_no_change(shop: Shop) -> None:
    script = Script(works)
    shop.run(script)
    shop.health()
    wait(script.lives[0].polled)
    shop.close()
    assert shop.health() == ("stopped", "")
    assert shop.healths.empty()


def test_a_supervisor_that_fails_leaves_no_device_unsupervised(
    caplog: pytest.LogCaptureFixture,
) -> None:
    works_now = threading.Event()

    def refuse(_: str, health: Health, __: str) -> None:
        if health == "healthy":
            works_now.set()
        if health == "lost":
            raise RuntimeError("the health callback broke its promise")

    good = Script(works)
    board = StatusBoard(refuse)
    specs = [
        DeviceSpec("good", "scripted", good.make),
        DeviceSpec("bad", "scripted", Script(lambda driver: fails_after(works_now, driver)).make),
    ]
    supervisor = Supervisor.start(
        specs, board, RestartPolicy(), random.Random(1), lambda: 0, stop_timeout_s=DEADLINE_S
    )
    wait(supervisor.actor_stopped)
    wait(works_now)
    wait(good.lives[0].closed)
    assert "broke its promise" in caplog.text
