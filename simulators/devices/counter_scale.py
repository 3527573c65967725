"""A weighing scale at a counter, on a serial line, with the habits of real ones.

It answers in the Toledo 8217 or in the NCI dialect, built from the manuals and sharing no code with
the edge. After the load changed it is in motion for a while. Its faults: `garbled`, `silent`,
`unplugged`, `unstable` (always in motion), `overweight`, `zero_error` (it was switched on with
goods on the plate), `broken` (its memory fails; NCI only can say so, Toledo falls silent). Runs in
its caller's event loop.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from simulators.devices.fault_switch import FaultSwitch
from simulators.devices.serial_port import SerialPort

FAULTS: Final = {
    "garbled": "half of its answers are mutilated",
    "silent": "it answers nothing",
    "unplugged": "its line hangs up until it is healed",
    "unstable": "it never comes to rest",
    "overweight": "more lies on it than it can weigh",
    "zero_error": "its zero is lost",
    "broken": "its memory fails",
}
COMMAND_BYTES_MAX: Final = 32
_GRAMS_PER_POUND: Final = 453.59237


class CounterScaleModel(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a scale is built and set up."""

    name: Annotated[str, Meta(min_length=1, max_length=64)] = "counter-scale-1"
    """Its name, among devices."""
    dialect: Literal["toledo_8217", "nci"] = "toledo_8217"
    """What it speaks."""
    unit: Literal["kg", "lb"] = "kg"
    """What it weighs in: kilograms to three, pounds to two decimals."""
    capacity_g: Annotated[int, Meta(ge=100, le=600_000)] = 15_000
    """More than this is too much for it, in grams."""
    division_g: Annotated[int, Meta(ge=1, le=100)] = 5
    """Its smallest step, in grams, when it weighs in kilograms."""
    settling_ms: Annotated[int, Meta(ge=0, le=60_000)] = 600
    """How long it is in motion after its load changed."""


class CounterScale(FaultSwitch):
    """One scale; `load_g()` is what truly lies on it. `link` is a path to its line that stays."""

    def __init__(
        self,
        model: CounterScaleModel,
        load_g: Callable[[], float],
        rng: Random,
        link: Path | None = None,
    ) -> None:
        super().__init__(model.name, FAULTS)
        self._model = model
        self._load_g = load_g
        self._rng = rng
        self._port = SerialPort(link, self._hear)
        self._heard = bytearray()
        self._tare_g = 0.0
        self._last_load_g = load_g()
        self._settled_s = 0.0

    @property
    def path(self) -> str:
        """Where a client opens its line."""
        return self._port.path

    async def start(self) -> None:
        """Plug it in. Raises `OSError`."""
        self._port.plug()

    async def stop(self) -> None:
        """Pull the plug."""
        self._port.pull()

    def began(self, kind: str) -> None:
        """See `FaultSwitch.began`."""
        if kind == "unplugged":
            self._port.pull()

    def ended(self, kind: str) -> None:
        """See `FaultSwitch.ended`."""
        if kind == "unplugged":
            self._port.plug()

    def _hear(self, data: bytes) -> None:
        if self._model.dialect == "toledo_8217":
            for byte in data:
                self._answer(chr(byte & 0x7F))
            return
        self._heard += data
        while (end := self._heard.find(b"\r")) >= 0:
            command = bytes(self._heard[:end]).decode("ascii", "replace")
            del self._heard[: end + 1]
            self._answer(command)
        del self._heard[:-COMMAND_BYTES_MAX]

    def _answer(self, command: str) -> None:
        if "silent" in self.active:
            return
        speak = self._toledo if self._model.dialect == "toledo_8217" else self._nci
        answer = speak(command)
        if "garbled" in self.active and self._rng.random() < 0.5:
            at = self._rng.randrange(len(answer)) if answer else 0
            answer = answer[:at] + bytes(b ^ 0x2A for b in answer[at:])
        if answer:
            self._port.send(answer)

    def _toledo(self, command: str) -> bytes:
        if "broken" in self.active or command not in ("W", "Z"):
            return b""
        if command == "Z":
            self._zero()
        weight_g = self._weight_g()
        bits = (
            self._is_moving()
            | self._is_over() << 1
            | (weight_g < 0) << 2
            | ("zero_error" in self.active) << 3
            | (weight_g == 0) << 4
        )
        if command == "Z" or bits & 0b1111:
            return b"\x02?" + bytes([0x40 | bits]) + b"\r"
        shown = self._shown(weight_g).zfill(6 if self._model.unit == "kg" else 5)
        return b"\x02" + shown.encode("ascii") + b"\r"

    def _nci(self, command: str) -> bytes:
        if command not in ("W", "S", "Z"):
            return b"\n?\r\x03"
        if command == "Z":
            self._zero()
        weight_g = self._weight_g()
        first = 0x30 | self._is_moving() | (weight_g == 0) << 1 | ("broken" in self.active) << 2
        second = 0x30 | (weight_g < 0) | self._is_over() << 1
        status = bytes([first, second])
        if "zero_error" in self.active:
            status = bytes([first, second | 0x40, 0x38])
        if command != "W":
            return b"\n" + status + b"\r\x03"
        weight = f"{self._shown(weight_g):>7}"
        if self._is_over():
            weight = "^" * 7
        elif "zero_error" in self.active:
            weight = "-" * 7
        unit = self._model.unit.upper()
        return b"\n" + f"{weight}{unit}".encode("ascii") + b"\r\n" + status + b"\r\x03"

    def _zero(self) -> None:
        if not self._is_moving():
            self._tare_g = self._load_g()

    def _weight_g(self) -> int:
        step = self._model.division_g
        return round((self._load_g() - self._tare_g) / step) * step

    def _shown(self, weight_g: int) -> str:
        if self._model.unit == "kg":
            return f"{weight_g / 1000:.3f}"
        return f"{weight_g / _GRAMS_PER_POUND:.2f}"

    def _is_moving(self) -> bool:
        now_s = asyncio.get_running_loop().time()
        load_g = self._load_g()
        if abs(load_g - self._last_load_g) >= self._model.division_g:
            self._last_load_g = load_g
            self._settled_s = now_s + self._model.settling_ms / 1000
        return now_s < self._settled_s or "unstable" in self.active

    def _is_over(self) -> bool:
        return self._load_g() > self._model.capacity_g or "overweight" in self.active
