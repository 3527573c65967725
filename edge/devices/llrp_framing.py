"""Cutting a TCP stream into LLRP messages, within limits, before anybody decodes them.

Pure. LLRP 1.0.1, section 16.1.1: 3 reserved bits, 3 bits of version, 10 bits of type, then the
length of the whole message and its id, 32 bits each, in network order.
"""

import struct
from typing import Final

HEADER_BYTES: Final = 10
MESSAGE_BYTES_MAX: Final = 1_048_576
"""A reader's longest honest message is a report of some thousand tags, far below this."""
_VERSIONS: Final = (1, 2)
_HEADER: Final = struct.Struct("!HII")


class NotLlrp(ValueError):
    """The peer sent bytes that cannot be an LLRP message."""


class LlrpFramer:
    """Collects bytes and gives whole messages. After `NotLlrp` the stream is lost."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes in and return the messages they complete. Raises `NotLlrp`."""
        self._buffer += data
        messages: list[bytes] = []
        start = 0
        while len(self._buffer) - start >= HEADER_BYTES:
            length = self._length_at(start)
            if len(self._buffer) - start < length:
                break
            messages.append(bytes(self._buffer[start : start + length]))
            start += length
        del self._buffer[:start]
        return messages

    @property
    def pending_bytes(self) -> int:
        """Bytes of a message that is not complete yet."""
        return len(self._buffer)

    def _length_at(self, start: int) -> int:
        kind, length, _ = _HEADER.unpack_from(self._buffer, start)
        version, reserved = (kind >> 10) & 0b111, kind >> 13
        if reserved or version not in _VERSIONS:
            raise NotLlrp(f"not LLRP: a message begins with {kind:#06x}")
        if not HEADER_BYTES <= length <= MESSAGE_BYTES_MAX:
            detail = (
                f"a message of {length} bytes; {HEADER_BYTES} to {MESSAGE_BYTES_MAX} are allowed"
            )
            raise NotLlrp(detail)
        return int(length)
