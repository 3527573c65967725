"""Machines of the simulation and the processes on them: who starts, dies, and is started again.

A site has a disk and a clock, and at most one process. What ends by itself is started again after
a pause, as systemd does; what ends of something that its code does not foresee is a violation.
"""

import asyncio
import contextvars
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any, Final, Generic, Protocol, TypeVar

from cloud.errors import CloudError
from edge.errors import EdgeError
from simulators.harness.broker import SimulatedBroker
from simulators.harness.clocks import Clock
from simulators.harness.disk import Machine
from simulators.harness.lives import Life

RESTART_S: Final = (0.2, 5.0)
"""How long a supervisor waits before it starts again what has ended."""

FORESEEN: Final = (EdgeError, CloudError)
"""What a process may end of; anything else is a bug."""


class Program(Protocol):
    """What runs on a site."""

    def run(self) -> Coroutine[Any, Any, None]:
        """Run until it ends."""

    def stop(self) -> None:
        """SIGTERM."""

    def release(self) -> None:
        """Give back what an operating system takes from the dead."""


P = TypeVar("P", bound=Program)


class Surroundings(Protocol):
    """What sites need of the run they are in."""

    loop: asyncio.AbstractEventLoop
    root: contextvars.Context
    broker: SimulatedBroker
    violations: list[str]
    ended: list[Life]

    def trace(self, text: str) -> None:
        """Add to what the run's hash is made of."""


class Site(Generic[P]):
    """One machine. `make` builds its program for each life."""

    def __init__(
        self,
        host: str,
        around: Surroundings,
        *,
        disk: Machine,
        make: Callable[[], P],
        rng: Random,
    ) -> None:
        self.host: Final = host
        self.disk: Final = disk
        self.clock: Final = Clock(around.loop)
        self.program: P | None = None
        self.last_program: P | None = None
        self.life: Life | None = None
        self.restarts = 0
        self.is_retired = False
        self.on_death: Callable[[bool], None] | None = None
        self._around: Final = around
        self._make: Final = make
        self._rng: Final = rng
        self._starting: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin a life, unless there is one or the site has no more."""
        self._starting = None
        if self.life is not None or self.is_retired:
            return
        self._around.trace(f"start {self.host}")
        life = self.life = Life(self.host, self._around.loop)
        life.on_fuse = self.kill
        program = self.program = life.context.run(self._make)
        life.begin(self._guarded(life, program))

    def start_in(self, delay_s: float) -> None:
        """Begin a life later."""
        if self._starting is not None:
            self._starting.cancel()
        self._starting = self._around.loop.call_later(
            delay_s, self.start, context=self._around.root
        )

    async def _guarded(self, life: Life, program: P) -> None:
        error: BaseException | None = None
        try:
            await program.run()
        except FORESEEN as foreseen:
            error = foreseen
        except Exception as unforeseen:  # noqa: BLE001 # Reported as what it is.
            error = unforeseen
            self._around.violations.append(f"bug: {self.host} ended of {unforeseen!r}")
        self._around.loop.call_soon(self._ended, life, error, context=self._around.root)

    def _ended(self, life: Life, error: BaseException | None) -> None:
        if self.life is not life:
            return
        self._around.trace(f"ended {self.host} {type(error).__name__}")
        self._bury(life)
        self.start_in(self._rng.uniform(*RESTART_S))

    def kill(self, down_s: float | None = None) -> None:
        """SIGKILL, at this instant."""
        self._die(self.disk.kill, down_s, is_power_cut=False)

    def cut_power(self, down_s: float | None = None) -> None:
        """Everything stops, and what was not synced may be gone."""
        self._die(self.disk.power_cut, down_s, is_power_cut=True)

    def _die(
        self, fail_disk: Callable[[], None], down_s: float | None, *, is_power_cut: bool
    ) -> None:
        self._around.trace(f"{'power cut' if is_power_cut else 'kill'} {self.host}")
        fail_disk()
        if self.life is not None:
            self._bury(self.life)
        self.disk.restore()
        if self.on_death is not None:
            self.on_death(is_power_cut)
        self.start_in(self._rng.uniform(*RESTART_S) if down_s is None else down_s)

    def _bury(self, life: Life) -> None:
        self.life = None
        life.end()
        self._around.ended.append(life)
        if self.program is not None:
            self.program.release()
            self.last_program = self.program
        self.program = None
        self.restarts += 1
        self._around.broker.reset(self.host)

    def stop(self) -> None:
        """SIGTERM: it ends in order, and is started again after a moment."""
        if self.program is not None:
            self.program.stop()

    def retire(self) -> None:
        """Die and never start again."""
        self.is_retired = True
        if self._starting is not None:
            self._starting.cancel()
        if self.life is not None:
            self.disk.kill()
            self._bury(self.life)
            self.disk.restore()
