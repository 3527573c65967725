"""An `llrp` device under its supervisor, as an agent runs it, with its sink in the test's hands."""

import random
import threading
import time
from collections.abc import Callable

import pykka

from edge.devices.driver import Health
from edge.devices.llrp import LlrpDriver
from edge.devices.llrp_settings import AntennaSettings, LlrpSettings
from edge.devices.status import StatusBoard
from edge.devices.supervisor import DeviceSpec, RestartPolicy, Supervisor
from edge.sensing.readings import TagReading
from protocol.documents import DeviceStatus

DEADLINE_S = 20.0
ANTENNAS = 4


def utc_ms() -> int:
    return time.time_ns() // 1_000_000


def monotonic_ms() -> int:
    return time.monotonic_ns() // 1_000_000


class IgnoringSink:
    def observe(self, readings: list[TagReading]) -> None: ...


def reader_settings(port: int, host: str = "127.0.0.1") -> LlrpSettings:
    return LlrpSettings(
        name="dock-reader",
        host=host,
        port=port,
        antennas=[AntennaSettings(id=each + 1, zone="backroom") for each in range(ANTENNAS)],
        keepalive_ms=100,
        silence_timeout_ms=1_000,
    )


class SupervisedReader:
    """Everything it was told is kept; `wait_until` waits for more of it."""

    def __init__(
        self, port: int, *, sink_is_open: bool = True, settings: LlrpSettings | None = None
    ) -> None:
        self._changed = threading.Condition()
        self._is_open = threading.Event()
        if sink_is_open:
            self._is_open.set()
        self.readings: list[TagReading] = []
        self.healths: list[tuple[Health, str]] = []
        self.board = StatusBoard(self._hear)
        given = settings or reader_settings(port)
        spec = DeviceSpec(given.name, "llrp", lambda: LlrpDriver(given, self, utc_ms, monotonic_ms))
        policy = RestartPolicy(pause_min_ms=10, pause_max_ms=100)
        self._supervisor: pykka.ActorRef[Supervisor] = Supervisor.start(
            [spec], self.board, policy, random.Random(1), monotonic_ms
        )

    @property
    def status(self) -> DeviceStatus:
        return self.board.snapshot()[0]

    @property
    def epcs(self) -> set[bytes]:
        return {bytes(reading.epc) for reading in self.readings}

    def observe(self, readings: list[TagReading]) -> None:
        """The driver's sink; blocks while it is shut."""
        assert self._is_open.wait(DEADLINE_S)
        with self._changed:
            self.readings += readings
            self._changed.notify_all()

    def shut_sink(self) -> None:
        self._is_open.clear()

    def open_sink(self) -> None:
        self._is_open.set()

    def wait_until(self, condition: Callable[[], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(condition, DEADLINE_S), self.healths

    def wait_for_health(self, health: Health, containing: str = "") -> str:
        """Wait until this health was told; its detail."""

        def details() -> list[str]:
            return [text for told, text in self.healths if told == health and containing in text]

        self.wait_until(lambda: bool(details()))
        return details()[0]

    def forget(self) -> None:
        with self._changed:
            self.readings.clear()
            self.healths.clear()

    def stop(self) -> None:
        self.open_sink()
        self._supervisor.stop(timeout=DEADLINE_S)

    def _hear(self, name: str, health: Health, detail: str) -> None:
        assert name == "dock-reader"
        with self._changed:
            self.healths.append((health, detail))
            self._changed.notify_all()
