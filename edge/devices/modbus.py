"""A Modbus client for one device: TCP or RTU on a serial line, whatever goes wrong a `DeviceFault`.

Only reading input registers (function 4) is spoken. One exchange takes at most twice the timeout.
Standards: MODBUS Application Protocol V1.1b3; MODBUS over Serial Line V1.02. Runs on its caller's
thread.
"""

import logging
from typing import Final

from pymodbus import ModbusException
from pymodbus.client import ModbusSerialClient, ModbusTcpClient

from edge.devices.shelf_scale_settings import ShelfScaleSettings
from edge.errors import DeviceFault

REGISTERS_PER_READ_MAX: Final = 125
"""Modbus Application Protocol 1.1b3, 6.4."""

_READ_INPUT_REGISTERS: Final = 4
_PARITIES: Final = {"even": "E", "odd": "O", "none": "N"}
_CHARACTER_BITS: Final = 11
"""Start, eight data bits, and two of parity and stop (MODBUS over Serial Line V1.02, 2.5.1)."""
_REQUEST_BYTES: Final = 8
_RESPONSE_OVERHEAD_BYTES: Final = 5
_SILENCE_CHARACTERS: Final = 7
_WIRE_SHARE: Final = 0.6
"""Part of the timeout that the bytes may take; the rest is the device's, to think."""


class ModbusLink:
    """The line to one device. Every method raises `DeviceFault`, which names device and address."""

    def __init__(self, settings: ShelfScaleSettings) -> None:
        self._settings = settings
        self._client: ModbusTcpClient | ModbusSerialClient = _client(settings)

    def open(self) -> None:
        """Connect."""
        _silence_pymodbus()
        if not self._client.connect():
            raise self.fault("nothing answers")

    def read(self, address: int, count: int) -> list[int]:
        """Return input registers from `address` on."""
        try:
            response = self._client.read_input_registers(
                address, count=count, device_id=self._settings.unit_id
            )
        except (ModbusException, OSError) as error:
            raise self.fault(str(error)) from error
        if response.isError():
            raise self.fault(f"it answers with exception {response.exception_code}")
        if response.function_code != _READ_INPUT_REGISTERS:
            raise self.fault(f"it answers function 4 with function {response.function_code}")
        registers = list(response.registers)
        if len(registers) != count:
            raise self.fault(f"it answers with {len(registers)} registers, not {count}")
        return registers

    def close(self) -> None:
        """Disconnect."""
        self._client.close()  # type: ignore[no-untyped-call] # pymodbus leaves it untyped.

    def fault(self, text: str) -> DeviceFault:
        """Return a fault of this device."""
        line = " ".join(text.split())[:200]
        return DeviceFault(f"{self._settings.name}: {self._settings.address}: {line}")


def registers_in_time(settings: ShelfScaleSettings) -> int:
    """Return how many registers one response may hold to be over before the timeout."""
    if settings.serial_port is None:
        return REGISTERS_PER_READ_MAX
    characters = settings.timeout_ms / 1000 * settings.baud / _CHARACTER_BITS * _WIRE_SHARE
    fixed = _REQUEST_BYTES + _RESPONSE_OVERHEAD_BYTES + _SILENCE_CHARACTERS
    return max(1, min(REGISTERS_PER_READ_MAX, int(characters - fixed) // 2))


def _client(settings: ShelfScaleSettings) -> ModbusTcpClient | ModbusSerialClient:
    timeout_s = settings.timeout_ms / 1000
    if settings.host is not None:
        return ModbusTcpClient(
            settings.host, port=settings.port, name=settings.name, timeout=timeout_s, retries=0
        )
    assert settings.serial_port is not None, "settings have either"  # noqa: S101 # They check it.
    return ModbusSerialClient(
        settings.serial_port,
        baudrate=settings.baud,
        parity=_PARITIES[settings.parity],
        # Without parity a second stop bit takes its place (V1.02, 2.5.1).
        stopbits=2 if settings.parity == "none" else 1,
        name=settings.name,
        timeout=timeout_s,
        retries=0,
    )


def _silence_pymodbus() -> None:
    # It logs each failed exchange as an error, with a dump of the last frames. The DeviceFault
    # says the same in one line. Whoever has set a level for it keeps that level.
    logger = logging.getLogger("pymodbus.logging")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.CRITICAL)
