"""The `shelf_scale` device: reads shelf weights over Modbus TCP and tells counts that changed.

Register map, for shelf index i: input registers 4i status (bit 0 stable, bit 1 overload, bit 2
fault), 4i+1 and 4i+2 the weight in grams (signed, 32 bits, high word first), 4i+3 reserved.
Shelves that follow each other are read in one request. Whatever the scale does wrong is one
`DeviceFault`. Runs on its device actor's thread.
"""

import logging
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from pymodbus import ModbusException
from pymodbus.client import ModbusTcpClient

from edge.devices.driver import POLL_MAX_MS, DeviceReport
from edge.devices.shelf_scale_settings import ShelfScaleSettings, ShelfSettings
from edge.errors import DeviceFault, OutboxFull
from edge.outbox.port import Outbox
from edge.sensing.shelf import Shelf, WeightReading, sense_shelf, trouble
from protocol.facts import ShelfCounted
from protocol.ids import parse_gtin

REGISTERS_PER_SHELF: Final = 4
SHELVES_PER_READ_MAX: Final = 31
"""A Modbus response holds at most 125 registers (Modbus Application Protocol 1.1b3, 6.4)."""

_READ_INPUT_REGISTERS: Final = 4
_STABLE, _OVERLOAD, _FAULT = 1, 2, 4
_SIGN: Final = 0x8000_0000

_log = logging.getLogger(__name__)


class _Place(NamedTuple):
    number: int
    shelf: Shelf


class ShelfScaleDriver:
    """Polls one scale. Times come from `clock_ms`, pauses from `monotonic_ms` and `sleep`."""

    kind = "shelf_scale"

    def __init__(
        self,
        settings: ShelfScaleSettings,
        outbox: Outbox,
        clock_ms: Callable[[], int],
        *,
        monotonic_ms: Callable[[], int] = lambda: time.monotonic_ns() // 1_000_000,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.name = settings.name
        self._settings = settings
        self._outbox = outbox
        self._clock_ms = clock_ms
        self._monotonic_ms = monotonic_ms
        self._sleep = sleep
        self._runs = _runs(settings.shelves)
        self._next_run = 0
        self._due_ms = 0
        self._told: dict[str, int] = {}
        self._troubles: dict[str, str] = {}
        self._client: ModbusTcpClient | None = None

    def open(self, report: DeviceReport) -> None:
        """Connect. Raises `DeviceFault`."""
        self._report = report
        _silence_pymodbus()
        self._client = ModbusTcpClient(
            self._settings.host,
            port=self._settings.port,
            name=self.name,
            timeout=self._settings.timeout_ms / 1000,
            retries=0,
        )
        if not self._client.connect():  # type: ignore[no-untyped-call] # pymodbus leaves it untyped.
            raise self._fault("nothing answers")
        report.health("healthy")

    def poll(self) -> None:
        """Read one run of shelves when it is due, or wait for that. Raises `DeviceFault`."""
        wait_ms = self._due_ms - self._monotonic_ms()
        if wait_ms > 0:
            self._sleep(min(wait_ms, POLL_MAX_MS) / 1000)
            return
        places = self._runs[self._next_run]
        self._tell(places, self._read(places))
        self._next_run = (self._next_run + 1) % len(self._runs)
        if self._next_run == 0:
            self._due_ms = self._monotonic_ms() + self._settings.poll_ms

    def close(self) -> None:
        """Disconnect."""
        if self._client is not None:
            self._client.close()  # type: ignore[no-untyped-call] # pymodbus leaves it untyped.

    def _read(self, places: Sequence[_Place]) -> list[WeightReading]:
        assert self._client is not None, "poll before open"  # noqa: S101 # The caller's mistake.
        count = len(places) * REGISTERS_PER_SHELF
        try:
            response = self._client.read_input_registers(
                places[0].number * REGISTERS_PER_SHELF,
                count=count,
                device_id=self._settings.unit_id,
            )
        except (ModbusException, OSError) as error:
            raise self._fault(str(error)) from error
        if response.isError():
            raise self._fault(f"it answers with exception {response.exception_code}")
        if response.function_code != _READ_INPUT_REGISTERS:
            raise self._fault(f"it answers function 4 with function {response.function_code}")
        registers = response.registers
        if len(registers) != count:
            raise self._fault(f"it answers with {len(registers)} registers, not {count}")
        step = REGISTERS_PER_SHELF
        return [_reading(registers[at : at + step]) for at in range(0, count, step)]

    def _tell(self, places: Sequence[_Place], readings: Sequence[WeightReading]) -> None:
        at_ms = self._clock_ms()
        facts: list[ShelfCounted] = []
        for place, reading in zip(places, readings, strict=True):
            shelf = place.shelf
            told = self._told.get(shelf.name)
            fact = sense_shelf(told, shelf, reading, at_ms=at_ms, source=self.name)
            if fact is not None:
                facts.append(fact)
            self._note_trouble(shelf, reading)
        self._report.count(readings=len(readings))
        self._append(facts)
        self._tell_health()

    def _append(self, facts: list[ShelfCounted]) -> None:
        self._troubles.pop("", None)
        if not facts:
            return
        try:
            self._outbox.append(facts)
        except OutboxFull:
            # Not told: the same counts follow again from the next reading.
            self._troubles[""] = "the outbox is full; counts are told later"
            return
        self._told |= {fact.shelf: fact.quantity for fact in facts}
        self._report.count(facts=len(facts))

    def _note_trouble(self, shelf: Shelf, reading: WeightReading) -> None:
        found = trouble(shelf, reading)
        if found is None:
            self._troubles.pop(shelf.name, None)
            return
        if shelf.name not in self._troubles:
            _log.warning("%s: %s", self.name, found)
        self._troubles[shelf.name] = found

    def _tell_health(self) -> None:
        if self._troubles:
            self._report.health("degraded", "; ".join(self._troubles.values())[:200])
        else:
            self._report.health("healthy")

    def _fault(self, text: str) -> DeviceFault:
        line = " ".join(text.split())[:200]
        return DeviceFault(f"{self.name}: {self._settings.host}:{self._settings.port}: {line}")


def _runs(shelves: Sequence[ShelfSettings]) -> list[list[_Place]]:
    """Return the shelves in runs of indexes that follow each other, each one Modbus request."""
    places = sorted(map(_place, shelves))
    runs = [[places[0]]]
    for before, place in pairwise(places):
        if place.number != before.number + 1 or len(runs[-1]) == SHELVES_PER_READ_MAX:
            runs.append([])
        runs[-1].append(place)
    return runs


def _place(each: ShelfSettings) -> _Place:
    shelf = Shelf(each.shelf, parse_gtin(each.gtin), each.item_weight_g, each.tolerance)
    return _Place(each.index, shelf)


def _reading(registers: Sequence[int]) -> WeightReading:
    status, high, low, _ = registers
    raw = high << 16 | low
    return WeightReading(
        stable=bool(status & _STABLE),
        overload=bool(status & _OVERLOAD),
        fault=bool(status & _FAULT),
        weight_g=raw - 2 * (raw & _SIGN),
    )


def _silence_pymodbus() -> None:
    # It logs each failed exchange as an error, with a dump of the last frames. The DeviceFault
    # says the same in one line. Whoever has set a level for it keeps that level.
    logger = logging.getLogger("pymodbus.logging")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.CRITICAL)
