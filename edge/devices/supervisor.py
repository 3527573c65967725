"""The supervisor: starts each device's actor, and starts it anew when it ends, for ever.

A Pykka actor. Device actors tell it that they ended; timers tell it that a restart is due. The
restart policy is data: the pause doubles from `pause_min_ms` to `pause_max_ms`, is drawn at random
between half and all of it, and begins again after a device has run for `healthy_after_ms`.
"""

import logging
import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import pykka
from msgspec import Struct

from edge.devices.actor import DeviceActor
from edge.devices.driver import Driver
from edge.devices.status import DeviceLine, StatusBoard
from edge.errors import DeviceFault

STOP_TIMEOUT_S: Final = 5.0

_log = logging.getLogger(__name__)


class RestartPolicy(Struct, frozen=True, kw_only=True):
    """How long to pause before a failed device is started again."""

    pause_min_ms: int = 50
    pause_max_ms: int = 30_000
    healthy_after_ms: int = 10_000


class DeviceSpec(NamedTuple):
    """A device to run; `make` builds a fresh driver for each of its lives."""

    name: str
    kind: str
    make: Callable[[], Driver]


@dataclass(slots=True)
class _Device:
    spec: DeviceSpec
    line: DeviceLine
    failures: int = 0
    started_ms: int = 0
    life: int = 0
    actor: "pykka.ActorRef[DeviceActor] | None" = None
    timer: threading.Timer | None = None


class _Ended(NamedTuple):
    name: str
    life: int
    error: Exception | None


class _RestartDue(NamedTuple):
    name: str


class Supervisor(pykka.ThreadingActor):
    """Keeps the devices of a store running."""

    use_daemon_thread = True

    def __init__(
        self,
        specs: Sequence[DeviceSpec],
        board: StatusBoard,
        policy: RestartPolicy,
        rng: random.Random,
        monotonic_ms: Callable[[], int],
    ) -> None:
        super().__init__()
        self._policy = policy
        self._rng = rng
        self._monotonic_ms = monotonic_ms
        self._devices = {s.name: _Device(s, board.add(s.name, s.kind)) for s in specs}

    def on_start(self) -> None:
        """Start every device."""
        for device in self._devices.values():
            self._start(device)

    def on_receive(self, message: object) -> None:
        """Hear of an end, or restart what is due."""
        if isinstance(message, _Ended):
            device = self._devices[message.name]
            if message.life == device.life:
                self._restart_later(device, message.error)
        elif isinstance(message, _RestartDue):
            device = self._devices[message.name]
            device.timer = None
            device.line.restarted()
            self._start(device)

    def on_stop(self) -> None:
        """Stop every device: all are asked first, then each is waited for, within a bound."""
        running = []
        for device in self._devices.values():
            device.life += 1  # What ends from now on ends because we asked.
            if device.timer is not None:
                device.timer.cancel()
            if device.actor is not None and device.actor.is_alive():
                running.append((device, device.actor.stop(block=False)))
        for device, stopped in running:
            try:
                stopped.get(timeout=STOP_TIMEOUT_S)
            except pykka.Timeout:
                _log.warning("%s did not stop within %.0f s", device.spec.name, STOP_TIMEOUT_S)
        for device in self._devices.values():
            device.line.health("stopped")

    def _start(self, device: _Device) -> None:
        device.life += 1
        device.started_ms = self._monotonic_ms()
        device.line.health("starting")
        name, life, ref = device.spec.name, device.life, self.actor_ref

        def ended(error: Exception | None) -> None:
            # After the supervisor has stopped nobody needs to know.
            if ref.is_alive():
                ref.tell(_Ended(name, life, error))

        device.actor = DeviceActor.start(device.spec.make(), device.line, ended)

    def _restart_later(self, device: _Device, error: Exception | None) -> None:
        if self._monotonic_ms() - device.started_ms >= self._policy.healthy_after_ms:
            device.failures = 0
        pause_ms = self._pause_ms(device.failures)
        device.failures += 1
        self._say(device, error, pause_ms)
        name, ref = device.spec.name, self.actor_ref
        device.timer = threading.Timer(pause_ms / 1000, _tell_if_alive, (ref, _RestartDue(name)))
        device.timer.daemon = True
        device.timer.start()

    def _pause_ms(self, failures: int) -> int:
        # Past twenty doublings every bound is reached; the shift stays small.
        longest_ms = self._policy.pause_min_ms << min(failures, 20)
        bound_ms = min(self._policy.pause_max_ms, longest_ms)
        return self._rng.randint(bound_ms // 2, bound_ms)

    def _say(self, device: _Device, error: Exception | None, pause_ms: int) -> None:
        name = device.spec.name
        if isinstance(error, DeviceFault):
            _log.warning("%s; restarting it in %d ms", error, pause_ms)
        else:
            _log.error("%s failed; restarting it in %d ms", name, pause_ms, exc_info=error)
        device.line.health("lost", str(error) if error is not None else "ended by itself")


def _tell_if_alive(ref: "pykka.ActorRef[Supervisor]", message: object) -> None:
    if ref.is_alive():
        ref.tell(message)
