"""A serial line to one peripheral: bytes in and out, whatever goes wrong a `DeviceFault`.

Works alike on RS-232 ports, on USB adapters and on pseudo-terminals. Runs on its caller's thread.
"""

import termios
from typing import Final

import serial

from edge.devices.serial_settings import SerialSettings
from edge.errors import DeviceFault
from edge.recording.tap import NO_TAP, Tap

READ_BYTES_MAX: Final = 1_024
FAULT_CHARACTERS_MAX: Final = 200
WRITE_TIMEOUT_S: Final = 0.2

_PARITIES: Final = {
    "none": serial.PARITY_NONE,
    "even": serial.PARITY_EVEN,
    "odd": serial.PARITY_ODD,
}
# What pyserial lets through of the operating system; its own errors are OSErrors.
_ERRORS: Final = (OSError, ValueError, termios.error)


class SerialLine:
    """The line of the device `name`. Every method but `close` raises `DeviceFault`.

    A read waits for the first byte up to `wait_s`.
    """

    def __init__(
        self, name: str, settings: SerialSettings, wait_s: float, tap: Tap = NO_TAP
    ) -> None:
        self._name = name
        self._settings = settings
        self._wait_s = wait_s
        self._tap = tap
        self._port: serial.Serial | None = None

    def open(self) -> None:
        """Open the port for this process alone and forget what came before."""
        settings = self._settings
        try:
            self._port = serial.Serial(
                settings.serial_port,
                baudrate=settings.baud,
                bytesize=settings.data_bits,
                parity=_PARITIES[settings.parity],
                stopbits=settings.stop_bits,
                timeout=self._wait_s,
                write_timeout=WRITE_TIMEOUT_S,
                exclusive=True,
            )
        except _ERRORS as error:
            raise self.fault(f"cannot open it: {error}") from error

    def read(self) -> bytes:
        """Return what came; nothing if nothing did in time."""
        port = self._opened()
        try:
            first = port.read(1)
            rest = port.read(min(port.in_waiting, READ_BYTES_MAX - 1)) if first else b""
        except _ERRORS as error:
            raise self.fault(f"the line is lost: {error}") from error
        data: bytes = first + rest
        if data:
            self._tap.serial_bytes(self._name, data)
        return data

    def write(self, data: bytes) -> None:
        """Send; a device that takes nothing in for `WRITE_TIMEOUT_S` is a fault."""
        try:
            self._opened().write(data)
        except _ERRORS as error:
            raise self.fault(f"the line is lost: {error}") from error

    def close(self) -> None:
        """Release the port. Never raises."""
        if self._port is not None:
            try:
                self._port.close()
            except _ERRORS:
                self._port = None  # It is gone already: closing a lost line may fail.

    def fault(self, detail: str) -> DeviceFault:
        """Return a fault of this device, in one printable line."""
        line = " ".join(detail.split())[:FAULT_CHARACTERS_MAX]
        shown = "".join(each if each.isprintable() else "?" for each in line)
        return DeviceFault(f"{self._name}: {self._settings.serial_port}: {shown}")

    def _opened(self) -> serial.Serial:
        assert self._port is not None, "open comes first"  # noqa: S101 # The caller's mistake.
        return self._port
