"""What a device driver is given in tests: an outbox in memory and a report that remembers."""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from edge.devices.driver import Driver, Health
from edge.errors import OutboxFull
from protocol.codec import decode_fact
from protocol.facts import AnyFact
from tests import memory_outbox

POLLS_MAX = 200
"""A driver that has not done what a test waits for after so many polls never will."""


class MemoryOutbox(memory_outbox.MemoryOutbox):
    """The outbox of the contract suite, which can be full, or lose the power, around an append."""

    def __init__(self) -> None:
        super().__init__()
        self.appends = 0
        self.full = False
        self.crash: Literal["before", "after"] | None = None

    @property
    def facts(self) -> list[AnyFact]:
        """What was appended, in order."""
        return [decode_fact(data) for data in self._facts]

    @property
    def stored(self) -> dict[str, bytes]:
        """All checkpoints."""
        return self.checkpoints("")

    def append(
        self, facts: Sequence[AnyFact], checkpoints: Mapping[str, bytes | None] | None = None
    ) -> None:
        if self.full:
            raise OutboxFull("no room")
        if self.crash == "before":
            raise Crash
        super().append(facts, checkpoints)
        self.appends += 1
        if self.crash == "after":
            raise Crash


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
