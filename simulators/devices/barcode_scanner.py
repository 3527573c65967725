"""A hand scanner on a serial line, with the habits of real ones.

What it sees it sends as text, with the symbology identifier in front if it is set so, and CR, LF or
both behind. It builds barcodes with its own arithmetic and shares no code with the edge that reads
them. Its faults: `garbled` (bits fall over on the line), `wrong_check_digit` (a digit is misread),
`silent` (it sees nothing), `unplugged` (the line hangs up). Runs in its caller's event loop.
"""

from pathlib import Path
from random import Random
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from simulators.devices.fault_switch import FaultSwitch
from simulators.devices.serial_port import SerialPort

FAULTS: Final = {
    "garbled": "bits of what it sends fall over on the line",
    "wrong_check_digit": "it misreads one digit of each number",
    "silent": "it sees nothing",
    "unplugged": "its line hangs up until it is healed",
}
BEEPS_MAX: Final = 1_000

Carrier = Literal["ean", "gs1_128", "databar", "itf", "qr", "code_128"]
_AIM: Final[dict[Carrier, str]] = {
    "ean": "]E0",
    "gs1_128": "]C1",
    "databar": "]e0",
    "itf": "]I1",
    "qr": "]Q1",
    "code_128": "]C0",
}
_SUFFIXES: Final = {"cr": b"\r", "lf": b"\n", "crlf": b"\r\n"}


class ScannerSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a scanner is set up."""

    name: Annotated[str, Meta(min_length=1, max_length=64)] = "scanner-1"
    """Its name, among devices."""
    aim_prefix: bool = False
    """Whether it sends the AIM symbology identifier in front."""
    suffix: Literal["cr", "lf", "crlf"] = "cr"
    """What it sends behind."""


class BarcodeScanner(FaultSwitch):
    """One scanner. `link` is a path to its line that stays; without it `path` tells where it is."""

    def __init__(self, settings: ScannerSettings, rng: Random, link: Path | None = None) -> None:
        super().__init__(settings.name, FAULTS)
        self._settings = settings
        self._rng = rng
        self._port = SerialPort(link, self._hear)
        self.beeps = 0
        """How often the host sent it a BEL, at most `BEEPS_MAX`."""

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

    def scan(self, text: str, carrier: Carrier = "code_128") -> bool:
        """See a barcode; return whether the host was sent all of it."""
        if "silent" in self.active:
            return False
        if "wrong_check_digit" in self.active:
            text = misread(text)
        prefix = _AIM[carrier] if self._settings.aim_prefix else ""
        data = (prefix + text).encode("latin-1")
        if "garbled" in self.active:
            data = garbled(data, self._rng)
        return self._port.send(data + _SUFFIXES[self._settings.suffix])

    def scan_item(self, gtin: str, weight_g: int | None = None) -> bool:
        """See an item: an EAN-13 where its 14 digits allow, an ITF-14 else, DataBar with weight."""
        if weight_g is not None:
            return self.scan(f"01{gtin}3103{weight_g:06}", "databar")
        return self.scan(gtin[1:], "ean") if gtin[0] == "0" else self.scan(gtin, "itf")

    def began(self, kind: str) -> None:
        """See `FaultSwitch.began`."""
        if kind == "unplugged":
            self._port.pull()

    def ended(self, kind: str) -> None:
        """See `FaultSwitch.ended`."""
        if kind == "unplugged":
            self._port.plug()

    def _hear(self, data: bytes) -> None:
        self.beeps = min(BEEPS_MAX, self.beeps + data.count(b"\x07"))


def misread(text: str) -> str:
    """Return the text with its last digit one higher: what no check digit lets pass."""
    return next(
        (
            text[:at] + str((int(text[at]) + 1) % 10) + text[at + 1 :]
            for at in range(len(text) - 1, -1, -1)
            if text[at].isdecimal()
        ),
        text,
    )


def garbled(data: bytes, rng: Random) -> bytes:
    """Return data with the high bit of one byte set, and one other bit flipped."""
    at = rng.randrange(len(data)) if data else 0
    return data[:at] + bytes([data[at] ^ 0x80 ^ 1 << rng.randrange(7)]) + data[at + 1 :]
