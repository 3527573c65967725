"""Modbus as a server speaks it: requests and responses as bytes, on TCP and on a serial line. Pure.

Written from the standards alone (MODBUS Application Protocol V1.1b3, sections 6.3, 6.4, 6.6, 6.12
and 7; MODBUS over Serial Line V1.02, 2.5.1 and 6.2.2; MODBUS Messaging on TCP/IP V1.0b, 3.1), so
that it shares no mistake with the client that our drivers use. A *unit* answers one PDU (function
code and data) with another; framers find PDUs in bytes and wrap the answers.
"""

import struct
from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import Final, Protocol

READ_HOLDING: Final = 3
READ_INPUT: Final = 4
WRITE_ONE: Final = 6
WRITE_MANY: Final = 16
REGISTERS_READ_MAX: Final = 125
REGISTERS_WRITTEN_MAX: Final = 123
ADU_BYTES_MAX: Final = 260
BROADCAST: Final = 0

_EXCEPTION: Final = 0x80
_MBAP: Final = struct.Struct(">HHHB")
_TWO_WORDS: Final = struct.Struct(">HH")
_POLYNOMIAL: Final = 0xA001


class ExceptionCode(IntEnum):
    """Why a request is not served (V1.1b3, 7)."""

    ILLEGAL_FUNCTION = 1
    ILLEGAL_DATA_ADDRESS = 2
    ILLEGAL_DATA_VALUE = 3
    SERVER_DEVICE_FAILURE = 4
    SERVER_DEVICE_BUSY = 6


class Refused(Exception):
    """A request that is answered with an exception code."""

    def __init__(self, code: ExceptionCode) -> None:
        super().__init__(code.name)
        self.code = code


class Registers(Protocol):
    """What a device has to read and to write. Each may raise `Refused`."""

    def read_input(self, address: int, count: int) -> Sequence[int]:
        """Return input registers."""

    def read_holding(self, address: int, count: int) -> Sequence[int]:
        """Return holding registers."""

    def write_holding(self, address: int, values: Sequence[int]) -> None:
        """Set holding registers."""


def answer(pdu: bytes, registers: Registers) -> bytes:
    """Return the response to a request, an exception response included."""
    function = pdu[0] if pdu else 0
    try:
        return _serve(function, pdu[1:], registers)
    except Refused as refused:
        return bytes((function | _EXCEPTION, refused.code))


def _serve(function: int, data: bytes, registers: Registers) -> bytes:
    if function in (READ_HOLDING, READ_INPUT):
        address, count = _two_words(data, 4)
        if not 1 <= count <= REGISTERS_READ_MAX:
            raise Refused(ExceptionCode.ILLEGAL_DATA_VALUE)
        read = registers.read_input if function == READ_INPUT else registers.read_holding
        values = read(address, count)
        return struct.pack(f">BB{count}H", function, 2 * count, *values)
    if function == WRITE_ONE:
        address, value = _two_words(data, 4)
        registers.write_holding(address, [value])
        return bytes((function,)) + data
    if function == WRITE_MANY:
        address, count = _two_words(data[:4], 4)
        size = data[4] if len(data) > 4 else 0
        if not (1 <= count <= REGISTERS_WRITTEN_MAX and size == 2 * count == len(data) - 5):
            raise Refused(ExceptionCode.ILLEGAL_DATA_VALUE)
        registers.write_holding(address, struct.unpack(f">{count}H", data[5:]))
        return bytes((function,)) + data[:4]
    raise Refused(ExceptionCode.ILLEGAL_FUNCTION)


def _two_words(data: bytes, size: int) -> tuple[int, int]:
    if len(data) != size:
        raise Refused(ExceptionCode.ILLEGAL_DATA_VALUE)
    first, second = _TWO_WORDS.unpack(data)
    return first, second


class Framer(Protocol):
    """Finds requests in what one peer sends. `feed` returns whole answers."""

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes; return the answers to the requests that they end. Raises `Hopeless`."""

    def silence(self) -> None:
        """Nothing came for longer than within a frame: what is begun is not finished any more."""


class Hopeless(Exception):
    """Bytes in which no further request can be found: the connection is closed."""


Serve = Callable[[bytes], bytes]
"""From a request's PDU to its response's."""


class TcpFramer:
    """The MBAP header before each PDU: transaction, protocol 0, length, unit."""

    def __init__(self, unit_id: int, serve: Serve) -> None:
        self._unit_id = unit_id
        self._serve = serve
        self._pending = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """See `Framer.feed`."""
        self._pending += data
        answers: list[bytes] = []
        while len(self._pending) >= _MBAP.size:
            transaction, protocol, length, unit_id = _MBAP.unpack_from(self._pending)
            if protocol != 0 or not 2 <= length <= ADU_BYTES_MAX - 6:
                raise Hopeless
            end = _MBAP.size + length - 1
            if len(self._pending) < end:
                break
            pdu = bytes(self._pending[_MBAP.size : end])
            del self._pending[:end]
            # A scale at the end of a TCP connection answers for itself, as unit 0 or 255 too
            # (MODBUS Messaging on TCP/IP V1.0b, 4.4.2.3).
            if unit_id in (self._unit_id, 0, 255):
                response = self._serve(pdu)
                answers.append(_MBAP.pack(transaction, 0, len(response) + 1, unit_id) + response)
        return answers

    def silence(self) -> None:
        """See `Framer.silence`: TCP has none."""


class RtuFramer:
    """Unit, PDU and CRC. A frame's length follows from its function; silence ends what is begun."""

    def __init__(self, unit_id: int, serve: Serve) -> None:
        self._unit_id = unit_id
        self._serve = serve
        self._pending = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """See `Framer.feed`."""
        self._pending += data
        size = self._frame_bytes()
        if size is None or len(self._pending) < size:
            if len(self._pending) > ADU_BYTES_MAX:
                self._pending.clear()
            return []
        frame = bytes(self._pending[:size])
        # The client waits for an answer before it goes on, so what follows is no frame.
        self._pending.clear()
        if not is_sound(frame):
            return []
        unit_id, pdu = frame[0], frame[1:-2]
        if unit_id not in (self._unit_id, BROADCAST):
            return []
        response = self._serve(pdu)
        return [] if unit_id == BROADCAST else [with_crc(bytes((unit_id,)) + response)]

    def silence(self) -> None:
        """See `Framer.silence`."""
        self._pending.clear()

    def _frame_bytes(self) -> int | None:
        """Return how long the frame is that has begun, or `None` while that is not known."""
        if len(self._pending) < 2:
            return None
        if self._pending[1] != WRITE_MANY:
            return 8
        return 9 + self._pending[6] if len(self._pending) > 6 else None


def crc16(data: bytes) -> int:
    """Return the CRC of a serial frame (MODBUS over Serial Line V1.02, 6.2.2)."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ _POLYNOMIAL if crc & 1 else crc >> 1
    return crc


def with_crc(frame: bytes) -> bytes:
    """Return a frame with its CRC, the low byte first."""
    return frame + crc16(frame).to_bytes(2, "little")


def is_sound(frame: bytes) -> bool:
    """Return whether a frame ends with its CRC."""
    return len(frame) >= 4 and with_crc(frame[:-2]) == frame
