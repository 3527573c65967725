"""A shelf scale on Modbus TCP, and on RTU over a pseudo-terminal, with the habits of real ones.

It serves the register map of our `shelf_scale` devices: for shelf i, input registers 4i to 4i+3
hold status, the weight in grams (signed, 32 bits, high word first) and a reserved word; writing 1
to holding register i tares the shelf, and the register returns to 0. True loads come from the
world; under each shelf is a `LoadCell`. Runs in its caller's event loop.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from random import Random
from typing import Final

from simulators.devices.modbus import ExceptionCode, Refused, RtuFramer, TcpFramer, answer
from simulators.devices.modbus_lines import LineHabits, PtyLine, TcpLine
from simulators.world.load_cells import LoadCell, LoadCellSettings, Weighing

REGISTERS_PER_SHELF: Final = 4
SLOW_S: Final = 0.4
NOISE_BURST_SD_G: Final = 150.0
FAST_DRIFT_G_PER_S: Final = 1.0

_STABLE, _OVERLOAD, _FAULT = 1, 2, 4
_EXCEPTIONS: Final = {
    "busy": ExceptionCode.SERVER_DEVICE_BUSY,
    "broken": ExceptionCode.SERVER_DEVICE_FAILURE,
    "no_such_register": ExceptionCode.ILLEGAL_DATA_ADDRESS,
}
_FAULTS: Final[Mapping[str, str]] = {
    "stuck": "Every shelf shows the weight that it showed first, for ever.",
    "drift": f"The zero of every shelf runs away by {FAST_DRIFT_G_PER_S:g} g a second.",
    "noise_burst": f"Weights flutter by {NOISE_BURST_SD_G:g} g while the scale calls them stable.",
    "unplugged": "The load cells' plug is out: every shelf reports a fault.",
    "wrong_tare": "Somebody tares every shelf with all that lies on it; healing takes that back.",
    "word_order": "The low word of a weight comes first, as after a change of firmware.",
    "slow": f"Each answer comes {SLOW_S:g} s late.",
    "silent": "Nothing is answered, and no connection is accepted.",
    "garbled": "One byte of each answer arrives wrong.",
    "busy": "Every request is answered with exception 6, device busy.",
    "broken": "Every request is answered with exception 4, device failure.",
    "no_such_register": "Every request is answered with exception 2, illegal data address.",
}


def _monotonic_ms() -> int:
    return time.monotonic_ns() // 1_000_000


class ShelfScale:
    """One scale with `shelves` shelves; `loads(i)` is the true load of shelf i in grams.

    It listens on TCP, unless `port` is `None`, and with `is_serial` on a pseudo-terminal, to which
    `serial_link` is a symbolic link. It is a `FaultyDevice`.
    """

    faults: Mapping[str, str] = _FAULTS

    def __init__(
        self,
        *,
        loads: Callable[[int], float],
        shelves: int,
        rng: Random,
        name: str = "scale-1",
        host: str = "127.0.0.1",
        port: int | None = 0,
        is_serial: bool = False,
        serial_link: Path | None = None,
        unit_id: int = 1,
        settings: LoadCellSettings | None = None,
        clock_ms: Callable[[], int] = _monotonic_ms,
    ) -> None:
        self.name = name
        self._loads = loads
        self._shelves = shelves
        self._rng = rng
        self._clock_ms = clock_ms
        model = settings or LoadCellSettings()
        now_ms = clock_ms()
        self._cells = [LoadCell(model, rng, now_ms, loads(shelf)) for shelf in range(shelves)]
        self._faulty: set[int] = set()
        self._injected: dict[str, int] = {}
        self._stuck: dict[int, Weighing] = {}
        self._habits = LineHabits()
        serve = partial(answer, registers=self)
        self._tcp: TcpLine | None = None
        self._pty: PtyLine | None = None
        if port is not None:
            new_framer = partial(TcpFramer, unit_id, serve)
            self._tcp = TcpLine(host, port, new_framer, self._habits)
        if is_serial:
            self._pty = PtyLine(partial(RtuFramer, unit_id, serve), self._habits, serial_link)

    @property
    def port(self) -> int:
        """The TCP port that the scale listens on: the one asked for, until it was started."""
        if self._tcp is None:
            raise ValueError(f"{self.name} does not listen on TCP")
        return self._tcp.port

    @property
    def serial_port(self) -> str:
        """The terminal that the scale is at, once it was started."""
        if self._pty is None:
            raise ValueError(f"{self.name} is on no serial line")
        return self._pty.path

    async def start(self) -> None:
        """Listen. Raises `OSError` when the address cannot be bound."""
        for line in (self._tcp, self._pty):
            if line is not None:
                await line.start()

    async def stop(self) -> None:
        """Stop listening and close all connections; `start` listens on the same port again."""
        for line in (self._tcp, self._pty):
            if line is not None:
                await line.stop()

    def inject(self, kind: str) -> None:
        """See `FaultyDevice.inject`."""
        if kind not in self.faults:
            raise KeyError(kind)
        if kind in self._injected:
            return
        self._injected[kind] = self._clock_ms()
        if kind == "wrong_tare":
            for shelf in range(self._shelves):
                self.tare(shelf)
        self._set_habits()

    def heal(self, kind: str | None = None) -> None:
        """See `FaultyDevice.heal`."""
        for each in [kind] if kind is not None else list(self._injected):
            if self._injected.pop(each, None) is not None and each == "wrong_tare":
                for cell in self._cells:
                    cell.tare(0.0)
        if "stuck" not in self._injected:
            self._stuck.clear()
        self._set_habits()

    def set_fault(self, shelf: int, on: bool) -> None:
        """Report a broken load cell under a shelf, or a repaired one."""
        if on:
            self._faulty.add(shelf)
        else:
            self._faulty.discard(shelf)

    def tare(self, shelf: int) -> None:
        """Make the present load of a shelf its zero."""
        self._cells[shelf].tare(self._loads(shelf))

    # What Modbus asks for.

    def read_input(self, address: int, count: int) -> Sequence[int]:
        """Weigh the shelves of these registers and return the registers."""
        self._check(address, count, self._shelves * REGISTERS_PER_SHELF)
        first = address // REGISTERS_PER_SHELF
        last = (address + count - 1) // REGISTERS_PER_SHELF
        words = [word for shelf in range(first, last + 1) for word in self._words(shelf)]
        start = address - first * REGISTERS_PER_SHELF
        return words[start : start + count]

    def read_holding(self, address: int, count: int) -> Sequence[int]:
        """Return the tare registers, which are always done."""
        self._check(address, count, self._shelves)
        return [0] * count

    def write_holding(self, address: int, values: Sequence[int]) -> None:
        """Tare the shelves whose register is set to 1."""
        self._check(address, len(values), self._shelves)
        for shelf, value in enumerate(values, address):
            if value == 1:
                self.tare(shelf)

    def _check(self, address: int, count: int, registers: int) -> None:
        for kind, code in _EXCEPTIONS.items():
            if kind in self._injected:
                raise Refused(code)
        if address + count > registers:
            raise Refused(ExceptionCode.ILLEGAL_DATA_ADDRESS)

    def _words(self, shelf: int) -> list[int]:
        if shelf in self._faulty or "unplugged" in self._injected:
            return [_FAULT, 0, 0, 0]
        weighing = self._cells[shelf].weigh(self._loads(shelf), self._clock_ms())
        if "stuck" in self._injected:
            weighing = self._stuck.setdefault(shelf, weighing)
        weight_g = weighing.weight_g
        if "noise_burst" in self._injected:
            weight_g += self._rng.gauss(0.0, NOISE_BURST_SD_G)
        if (since_ms := self._injected.get("drift")) is not None:
            weight_g += FAST_DRIFT_G_PER_S * (self._clock_ms() - since_ms) / 1_000
        status = _OVERLOAD if weighing.is_overload else _STABLE * weighing.is_stable
        word = round(weight_g) & 0xFFFF_FFFF
        high, low = word >> 16, word & 0xFFFF
        swapped = "word_order" in self._injected
        return [status, low, high, 0] if swapped else [status, high, low, 0]

    def _set_habits(self) -> None:
        habits, injected = self._habits, self._injected
        habits.is_dead = "silent" in injected
        habits.delay_s = SLOW_S if "slow" in injected else 0.0
        habits.garble = self._garbled if "garbled" in injected else None
        if habits.is_dead and self._tcp is not None:
            self._tcp.drop()

    def _garbled(self, frame: bytes) -> bytes:
        """Return a frame with a wrong byte: one that says how long the answer is, or who speaks."""
        at = self._rng.randrange(2, min(6, len(frame)))
        return frame[:at] + bytes((frame[at] ^ 0x55,)) + frame[at + 1 :]
