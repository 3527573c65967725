"""What weighing scales at counters answer, in two dialects: bytes in, readings out. Sans-IO.

Toledo 8217: `W` is answered with `STX weight CR`, or `STX ? status CR` when there is no weight to
sell by: in motion, below zero, over capacity (METTLER TOLEDO, DIVA Service Manual, 6.1.3.2 and
6.1.4.3). NCI, also called SCP-01 and ECR: `W CR` is answered with `LF weight unit CR LF status CR
ETX`, by some models without the second LF, or with the status alone (NCI General Serial
Communications Protocol, Weigh-Tronix 8408-14788-01). Bit 7 of a byte is parity and ignored. What
is no answer is skipped and told as `Garbled`.
"""

import re
from decimal import Decimal
from typing import Final, NamedTuple, Protocol

from edge.devices.counter_scale_settings import WeightUnit
from edge.sensing.barcodes import GRAMS_PER_POUND, whole_grams
from edge.sensing.placements import CounterReading

ANSWER_BYTES_MAX: Final = 64
"""No answer of either dialect is half as long."""
WEIGHT_G_MAX: Final = 1_000_000

_STX, _ETX, _CR, _LF = 0x02, 0x03, 0x0D, 0x0A
_GRAMS: Final[dict[str, Decimal]] = {
    "kg": Decimal(1000),
    "g": Decimal(1),
    "lb": GRAMS_PER_POUND,
    "oz": GRAMS_PER_POUND / 16,
}
_TOLEDO_WEIGHT: Final = re.compile(rb"([0-9]{1,7}(?:\.[0-9]{1,4})?)N?")
_TOLEDO_STATUS: Final = re.compile(rb"\?([\x40-\x7f])")
_NCI_STATUS: Final = re.compile(rb"S?([\x30-\x3f][\x30-\x3f\x70-\x7f][\x30-\x7f]{0,2})")
_NCI_WEIGHT: Final = re.compile(rb" *(-?) *([0-9]{1,7}(?:\.[0-9]{1,4})?) *(lb|kg|oz|g) *")
_NCI_POUNDS: Final = re.compile(rb" *([0-9]{1,5})lb *([0-9]{1,2}(?:\.[0-9]{1,4})?)oz *")
_NCI_FILLED: Final = re.compile(rb" *([\^_-])[\^_-]* *(?:lb|kg|oz|g)? *")


class Garbled(NamedTuple):
    """Bytes that are no answer, and why."""

    reason: str


Answer = CounterReading | Garbled


class ScaleDialect(Protocol):
    """One scale's language. `request` asks for the weight."""

    request: bytes

    def feed(self, data: bytes) -> list[Answer]:
        """Return the answers that these bytes complete."""


class Toledo8217:
    """The 8217's language. Its answers do not say their unit."""

    request: bytes = b"W"

    def __init__(self, unit: WeightUnit) -> None:
        self._grams = _GRAMS[unit]
        self._answer: bytearray | None = None

    def feed(self, data: bytes) -> list[Answer]:
        """See `ScaleDialect.feed`."""
        answers: list[Answer] = []
        for each in data:
            byte = each & 0x7F
            if byte == _STX:
                if self._answer:
                    answers.append(Garbled("an answer without an end"))
                self._answer = bytearray()
            elif self._answer is None:
                answers.extend(_noise(answers))
            elif byte == _CR:
                answers.append(self._meaning(bytes(self._answer)))
                self._answer = None
            elif len(self._answer) >= ANSWER_BYTES_MAX:
                self._answer = None
                answers.append(Garbled(f"more than {ANSWER_BYTES_MAX} bytes without an end"))
            else:
                self._answer.append(byte)
        return answers

    def _meaning(self, answer: bytes) -> Answer:
        if status := _TOLEDO_STATUS.fullmatch(answer):
            bits = status[1][0]
            return CounterReading(
                is_moving=bool(bits & 1),
                is_over=bool(bits & 2),
                is_under=bool(bits & 4),
                needs_zero=bool(bits & 8),
                is_zero=bool(bits & 16),
            )
        if weight := _TOLEDO_WEIGHT.fullmatch(answer.strip(b" ")):
            return _weighed(Decimal(weight[1].decode()) * self._grams)
        return Garbled(f"{answer[:16]!r} is neither a weight nor a status")


class Nci:
    """NCI's language."""

    request: bytes = b"W\r"

    def __init__(self) -> None:
        self._answer = bytearray()

    def feed(self, data: bytes) -> list[Answer]:
        """See `ScaleDialect.feed`."""
        answers: list[Answer] = []
        for each in data:
            byte = each & 0x7F
            if byte == _ETX:
                answers.append(self._meaning(bytes(self._answer)))
                self._answer.clear()
            elif len(self._answer) >= ANSWER_BYTES_MAX:
                self._answer.clear()
                answers.append(Garbled(f"more than {ANSWER_BYTES_MAX} bytes without an end"))
            elif self._answer or byte == _LF:
                self._answer.append(byte)
            else:
                answers.extend(_noise(answers))
        return answers

    def _meaning(self, answer: bytes) -> Answer:
        parts = [part for part in re.split(rb"[\r\n]+", answer) if part]
        status = _NCI_STATUS.fullmatch(parts[-1]) if parts else None
        if parts == [b"?"]:
            return Garbled("it does not know the question; is it set to NCI?")
        if status is None or len(parts) > 2:
            return Garbled(f"{answer[:16]!r} ends with no status")
        reading = _nci_status(status[1])
        return reading if len(parts) == 1 else _with_weight(reading, parts[0].lower())


def _noise(answers: list[Answer]) -> list[Answer]:
    """Return what noise between answers is told as: once for each run of it."""
    noise = Garbled("bytes that belong to no answer")
    return [] if answers and answers[-1] == noise else [noise]


def _nci_status(status: bytes) -> CounterReading:
    first, second, *more = status
    third = more[0] if more and second & 0x40 else 0
    broken = {
        "RAM error": first & 4,
        "EEPROM error": first & 8,
        "ROM error": second & 4,
        "faulty calibration": second & 8,
    }
    return CounterReading(
        is_moving=bool(first & 1),
        is_zero=bool(first & 2),
        is_under=bool(second & 1),
        is_over=bool(second & 2),
        needs_zero=bool(third & 8),
        fault=", ".join(name for name, is_set in broken.items() if is_set),
    )


def _with_weight(reading: CounterReading, text: bytes) -> Answer:
    if pounds := _NCI_POUNDS.fullmatch(text):
        grams = Decimal(pounds[1].decode()) * _GRAMS["lb"]
        return _weighed(grams + Decimal(pounds[2].decode()) * _GRAMS["oz"], reading)
    if weight := _NCI_WEIGHT.fullmatch(text):
        grams = Decimal(weight[2].decode()) * _GRAMS[weight[3].decode()]
        return _weighed(-grams if weight[1] else grams, reading)
    if filled := _NCI_FILLED.fullmatch(text):
        # A display of bars instead of digits: upper, lower, or in the middle.
        return reading._replace(
            is_over=reading.is_over or filled[1] == b"^",
            is_under=reading.is_under or filled[1] == b"_",
            needs_zero=reading.needs_zero or filled[1] == b"-",
        )
    return Garbled(f"{text[:16]!r} is no weight")


def _weighed(grams: Decimal, reading: CounterReading | None = None) -> Answer:
    weight_g = whole_grams(grams)
    if abs(weight_g) > WEIGHT_G_MAX:
        return Garbled(f"{weight_g} g is more than a counter scale weighs")
    reading = reading or CounterReading(is_zero=weight_g == 0)
    return reading._replace(weight_g=weight_g)
