"""What a device driver is given in tests: an outbox in memory and a report that remembers."""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from edge.devices.driver import Driver, Health
from edge.errors import OutboxFull
from edge.outbox.port import OutboxStatus, PendingFact
from protocol.codec import encode_fact
from protocol.facts import AnyFact
from protocol.ids import Epoch, Seq

POLLS_MAX = 200
"""A driver that has not done what a test waits for after so many polls never will."""


class MemoryOutbox:
    """The part of an outbox that devices use. The uplink's part is not there."""

    def __init__(self) -> None:
        self.facts: list[AnyFact] = []
        self.appends = 0
        self.stored: dict[str, bytes] = {}
        self.full = False
        self.crash: Literal["before", "after"] | None = None

    def append(
        self, facts: Sequence[AnyFact], checkpoints: Mapping[str, bytes | None] | None = None
    ) -> None:
        if self.full:
            raise OutboxFull("no room")
        if self.crash == "before":
            raise Crash
        for fact in facts:
            encode_fact(fact)
        self.facts += facts
        self.appends += 1
        for name, value in (checkpoints or {}).items():
            if value is None:
                self.stored.pop(name, None)
            else:
                self.stored[name] = value
        if self.crash == "after":
            raise Crash

    def checkpoints(self, prefix: str) -> dict[str, bytes]:
        return {name: value for name, value in self.stored.items() if name.startswith(prefix)}

    def status(self) -> OutboxStatus:
        return OutboxStatus(Epoch(1), Seq(1), Seq(len(self.facts) + 1), 0, 0, 0)

    def read(self, after: Seq, facts_max: int, bytes_max: int) -> list[PendingFact]:
        raise NotImplementedError

    def trim(self, epoch: Epoch, through: Seq) -> None:
        raise NotImplementedError

    def start_epoch(self, keep_from: Seq) -> Epoch:
        raise NotImplementedError

    def on_append(self, notify: Callable[[], None]) -> None:
        raise NotImplementedError

    def close(self) -> None: ...


class Crash(BaseException):
    """The power fails here."""


class RememberingReport:
    """A `DeviceReport` that keeps what it was told."""

    def __init__(self) -> None:
        self.said: list[tuple[Health, str]] = []
        self.readings = 0
        self.facts = 0

    def health(self, health: Health, detail: str = "") -> None:
        if not self.said or self.said[-1] != (health, detail):
            self.said.append((health, detail))

    def count(self, *, readings: int = 0, facts: int = 0) -> None:
        self.readings += readings
        self.facts += facts

    @property
    def now(self) -> Health:
        return self.said[-1][0]

    @property
    def detail(self) -> str:
        return self.said[-1][1]


def poll_until(driver: Driver, condition: Callable[[], bool]) -> None:
    """Poll a driver until the condition holds; every poll is bounded, and so is their number."""
    for _ in range(POLLS_MAX):
        if condition():
            return
        driver.poll()
    raise AssertionError(f"not so after {POLLS_MAX} polls of {driver.name}")
