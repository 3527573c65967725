"""The supervisor: starts each device's actor, and starts it anew when it ends, for ever.

A Pykka actor. Device actors tell it that they ended, timers that a restart is due: never more than
one of the two waits per device, which bounds its inbox. The rules:

- The restart policy is data. The pause doubles from `pause_min_ms` to `pause_max_ms`, half of it
  is random, and it begins again after a life that worked for `healthy_after_ms`.
- A device is `lost` from its failure until its driver reports again. So a reader that is switched
  off for a night is one change of health and one line in the log, not one per attempt.
- What a device did wrong (`DeviceFault`) is one line. What nobody foresaw has its traceback.
"""

import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Final, NamedTuple

import pykka
from msgspec import Struct

from edge.backoff import backoff_ms
from edge.devices.actor import DeviceActor
from edge.devices.driver import Driver, Health
from edge.devices.status import DeviceLine, StatusBoard
from edge.errors import DeviceFault, EdgeError

STOP_TIMEOUT_S: Final = 5.0
"""All devices together are waited for so long; what has not ended by then is left behind."""

_log = logging.getLogger(__name__)

Cancel = Callable[[], None]
Later = Callable[[float, Callable[[], None]], Cancel]
"""Calls something once after some seconds, on any thread, unless it is cancelled before."""


class RestartPolicy(Struct, frozen=True, kw_only=True):
    """How long to pause before a failed device is started again."""

    pause_min_ms: int = 50
    pause_max_ms: int = 30_000
    healthy_after_ms: int = 10_000


class DeviceSpec(NamedTuple):
    """A device to run; `make` builds a fresh driver for each of its lives, on its own thread."""

    name: str
    kind: str
    make: Callable[[], Driver]


def later(delay_s: float, call: Callable[[], None]) -> Cancel:
    """Call after a delay, on a thread of its own."""
    timer = threading.Timer(delay_s, call)
    timer.daemon = True
    timer.start()
    return timer.cancel


class _Life:
    """One life of a device: the report its driver is given, deaf once that life is over."""

    def __init__(self, device: "_Device", monotonic_ms: Callable[[], int]) -> None:
        self._device = device
        self._monotonic_ms = monotonic_ms
        self.works_since_ms: int | None = None
        self.is_over = False

    def health(self, health: Health, detail: str = "") -> None:
        if self.is_over:
            return
        if self.works_since_ms is None and health in ("healthy", "degraded"):
            self.works_since_ms = self._monotonic_ms()
            if self._device.told_fault is not None:
                _log.info("%s is %s again", self._device.spec.name, health)
        self._device.line.health(health, detail)

    def count(self, *, readings: int = 0, facts: int = 0) -> None:
        self._device.line.count(readings=readings, facts=facts)


@dataclass(slots=True)
class _Device:
    spec: DeviceSpec
    line: DeviceLine
    failures: int = 0
    told_fault: str | None = None
    life: _Life | None = None
    actor: "pykka.ActorRef[DeviceActor] | None" = None
    cancel_restart: Cancel | None = None


class _Ended(NamedTuple):
    name: str
    error: Exception | None


class _RestartDue(NamedTuple):
    name: str


class Supervisor(pykka.ThreadingActor):
    """Keeps the devices of a store running. How they are stands on `board`."""

    use_daemon_thread = True

    def __init__(
        self,
        specs: Sequence[DeviceSpec],
        board: StatusBoard,
        policy: RestartPolicy,
        rng: random.Random,
        monotonic_ms: Callable[[], int],
        *,
        later: Later = later,
        stop_timeout_s: float = STOP_TIMEOUT_S,
    ) -> None:
        super().__init__()
        self._policy = policy
        self._rng = rng
        self._monotonic_ms = monotonic_ms
        self._later = later
        self._stop_timeout_s = stop_timeout_s
        self._devices = {
            spec.name: _Device(spec, board.add(spec.name, spec.kind)) for spec in specs
        }

    def on_start(self) -> None:
        """Start every device."""
        for device in self._devices.values():
            self._start_device(device)

    def on_receive(self, message: object) -> None:
        """Hear of an end, or restart what is due."""
        if isinstance(message, _Ended):
            self._restart_later(self._devices[message.name], message.error)
        elif isinstance(message, _RestartDue):
            device = self._devices[message.name]
            device.line.restarted()
            self._start_device(device)

    def on_stop(self) -> None:
        """Stop every device: all are asked first, then all are waited for, within one bound."""
        self._stop_devices()

    def on_failure(
        self,
        exception_type: type[BaseException] | None,
        exception_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Leave no device running unsupervised. Pykka has logged the failure."""
        del exception_type, exception_value, traceback
        self._stop_devices()

    def _stop_devices(self) -> None:
        running = []
        for device in self._devices.values():
            if device.cancel_restart is not None:
                device.cancel_restart()
            if device.life is not None:
                device.life.is_over = True
            if device.actor is not None:
                running.append((device, device.actor.stop(block=False)))
        ends_s = time.monotonic() + self._stop_timeout_s
        for device, stopped in running:
            try:
                stopped.get(timeout=max(0.0, ends_s - time.monotonic()))
            except pykka.Timeout:
                _log.warning("%s does not stop; it is left behind", device.spec.name)
        for device in self._devices.values():
            device.line.health("stopped")

    def _start_device(self, device: _Device) -> None:
        device.life = _Life(device, self._monotonic_ms)
        name = device.spec.name

        def ended(error: Exception | None) -> None:
            self._tell(_Ended(name, error))

        device.actor = DeviceActor.start(device.spec.make, device.life, ended)

    def _restart_later(self, device: _Device, error: Exception | None) -> None:
        assert device.life is not None, "it ended, so it was started"  # noqa: S101 # Our own rule.
        works_since_ms = device.life.works_since_ms
        device.life.is_over = True
        device.actor = None
        if works_since_ms is not None:
            device.told_fault = None
            if self._monotonic_ms() - works_since_ms >= self._policy.healthy_after_ms:
                device.failures = 0
        self._tell_fault(device, error)
        policy = self._policy
        pause_ms = backoff_ms(
            device.failures, policy.pause_min_ms, policy.pause_max_ms, self._rng.random
        )
        device.failures += 1
        due = _RestartDue(device.spec.name)
        device.cancel_restart = self._later(pause_ms / 1000, lambda: self._tell(due))

    def _tell_fault(self, device: _Device, error: Exception | None) -> None:
        name = device.spec.name
        fault = f"{name}: it ended by itself" if error is None else _described(name, error)
        if fault != device.told_fault:
            foreseen = error is None or isinstance(error, EdgeError)
            level = logging.WARNING if foreseen else logging.ERROR
            _log.log(level, "%s; trying again", fault, exc_info=None if foreseen else error)
        device.told_fault = fault
        device.line.health("lost", fault)

    def _tell(self, message: _Ended | _RestartDue) -> None:
        # Once the supervisor has stopped, nobody needs to know.
        with suppress(pykka.ActorDeadError):
            self.actor_ref.tell(message)


def _described(name: str, error: Exception) -> str:
    if isinstance(error, DeviceFault):
        return str(error)  # It names the device itself.
    return f"{name}: {error}" if isinstance(error, EdgeError) else f"{name}: {error!r}"
