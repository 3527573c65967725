"""The `shelf_scale` device: reads shelf weights over Modbus and tells what lies on the shelves.

Register map, for shelf index i: input registers 4i status (bit 0 stable, bit 1 overload, bit 2
fault), 4i+1 and 4i+2 the weight in grams (signed, 32 bits, high word first unless `word_order`
says otherwise), 4i+3 reserved. Shelves that follow each other are read in one request. Whatever the
scale does wrong is one `DeviceFault`. Runs on its device actor's thread.
"""

import logging
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from edge.devices.driver import POLL_MAX_MS, DeviceReport
from edge.devices.modbus import REGISTERS_PER_READ_MAX, ModbusLink, registers_in_time
from edge.devices.shelf_scale_settings import ShelfScaleSettings, WordOrder
from edge.errors import OutboxFull
from edge.outbox.port import Outbox
from edge.recording.tap import NO_TAP, Tap
from edge.sensing.decisions import Decisions
from edge.sensing.shelf import ShelfSensing
from edge.sensing.shelf_checkpoint import PREFIX
from edge.sensing.shelf_traits import WeightReading

REGISTERS_PER_SHELF: Final = 4
SHELVES_PER_READ_MAX: Final = REGISTERS_PER_READ_MAX // REGISTERS_PER_SHELF

_STABLE, _OVERLOAD, _FAULT = 1, 2, 4
_SIGN: Final = 0x8000_0000

_log = logging.getLogger(__name__)


class _Place(NamedTuple):
    number: int
    shelf: str


class ShelfScaleDriver:
    """Polls one scale. Times come from `clock_ms`, pauses from `monotonic_ms` and `sleep`.

    What earlier drivers learnt of the shelves is in the outbox.
    """

    kind = "shelf_scale"

    def __init__(
        self,
        settings: ShelfScaleSettings,
        outbox: Outbox,
        clock_ms: Callable[[], int],
        *,
        monotonic_ms: Callable[[], int] = lambda: time.monotonic_ns() // 1_000_000,
        sleep: Callable[[float], None] = time.sleep,
        tap: Tap = NO_TAP,
    ) -> None:
        self.name = settings.name
        self._settings = settings
        self._outbox = outbox
        self._clock_ms = clock_ms
        self._monotonic_ms = monotonic_ms
        self._sleep = sleep
        self._tap = tap
        self._runs = _runs(settings)
        self._places = {place.number: place for run in self._runs for place in run}
        self._next_run = 0
        self._due_ms = 0
        shelves = [settings.sensed(shelf) for shelf in settings.shelves]
        stored = outbox.checkpoints(f"{PREFIX}{settings.name}/")
        self._sensing = ShelfSensing(settings.name, shelves, stored)
        self._troubles: dict[str, str] = {}
        self._link: ModbusLink | None = None

    def open(self, report: DeviceReport) -> None:
        """Connect. Raises `DeviceFault`."""
        self.listen(report)
        self._link = ModbusLink(self._settings)
        self._link.open()
        report.health("healthy")
        self._tap.opened(self.name, self._monotonic_ms(), self._clock_ms())

    def listen(self, report: DeviceReport) -> None:
        """Report there. A replay calls it in place of `open`, and `take` in place of `poll`."""
        self._report = report

    def poll(self) -> None:
        """Read one run of shelves when it is due, or wait for that. Raises `DeviceFault`."""
        wait_ms = self._due_ms - self._monotonic_ms()
        if wait_ms > 0:
            self._sleep(min(wait_ms, POLL_MAX_MS) / 1000)
            return
        assert self._link is not None, "poll before open"  # noqa: S101 # The caller's mistake.
        places = self._runs[self._next_run]
        first = places[0].number * REGISTERS_PER_SHELF
        registers = self._link.read(first, len(places) * REGISTERS_PER_SHELF)
        at_ms = self._clock_ms()
        self._tap.registers(self.name, first, registers, self._monotonic_ms(), at_ms)
        self.take(first, registers, at_ms)
        self._next_run = (self._next_run + 1) % len(self._runs)
        if self._next_run == 0:
            self._due_ms = self._monotonic_ms() + self._settings.poll_ms

    def take(self, address: int, registers: Sequence[int], at_ms: int) -> None:
        """Sense input registers, from `address` on, that were read at `at_ms`."""
        step = REGISTERS_PER_SHELF
        numbers = range(-(-address // step), (address + len(registers)) // step)
        readings: dict[str, WeightReading] = {}
        for place in (self._places[number] for number in numbers if number in self._places):
            start = place.number * step - address
            words = registers[start : start + step]
            readings[place.shelf] = _reading(words, self._settings.word_order)
        decisions = self._sensing.observe(readings, at_ms)
        self._report.count(readings=len(readings))
        self._append(decisions, at_ms)
        for shelf in readings:
            self._note_trouble(shelf)
        self._tell_health()

    def close(self) -> None:
        """Disconnect."""
        if self._link is not None:
            self._link.close()

    def _append(self, decisions: Decisions, at_ms: int) -> None:
        self._troubles.pop("", None)
        if not decisions.checkpoints:
            return
        try:
            self._outbox.append(decisions.facts, decisions.checkpoints)
        except OutboxFull:
            # Not told: the same counts follow again from the next reading.
            self._troubles[""] = "the outbox is full; counts are told later"
            return
        self._sensing.confirm(at_ms)
        self._report.count(facts=len(decisions.facts))

    def _note_trouble(self, shelf: str) -> None:
        found = self._sensing.trouble(shelf)
        if found is None:
            self._troubles.pop(shelf, None)
            return
        if shelf not in self._troubles:
            _log.warning("%s: %s", self.name, found)
        self._troubles[shelf] = found

    def _tell_health(self) -> None:
        if self._troubles:
            self._report.health("degraded", "; ".join(self._troubles.values())[:200])
        else:
            self._report.health("healthy")


def _runs(settings: ShelfScaleSettings) -> list[list[_Place]]:
    """Return the shelves in runs of indexes that follow each other, each one Modbus request."""
    shelves_max = max(1, registers_in_time(settings) // REGISTERS_PER_SHELF)
    places = sorted(_Place(shelf.index, shelf.shelf) for shelf in settings.shelves)
    runs = [[places[0]]]
    for before, place in pairwise(places):
        if place.number != before.number + 1 or len(runs[-1]) == shelves_max:
            runs.append([])
        runs[-1].append(place)
    return runs


def _reading(registers: Sequence[int], word_order: WordOrder) -> WeightReading:
    status, first, second, _ = registers
    raw = first << 16 | second if word_order == "high_first" else second << 16 | first
    return WeightReading(
        stable=bool(status & _STABLE),
        overload=bool(status & _OVERLOAD),
        fault=bool(status & _FAULT),
        weight_g=raw - 2 * (raw & _SIGN),
    )
