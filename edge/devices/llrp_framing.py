"""Cuts a reader's TCP stream into LLRP messages, within limits, before anybody decodes them.

Pure. LLRP 1.0.1, section 16.1.1: 3 reserved bits, 3 bits of version, 10 bits of type, then the
length of the whole message and its id, 32 bits each, in network order.
"""

import struct
from collections.abc import Iterator
from typing import Final

from edge.errors import EdgeError

HEADER_BYTES: Final = 10
MESSAGE_BYTES_MAX: Final = 262_144
"""A report of 2,000 tags with the longest EPCs fits.

The decoder behind needs time that grows with the square of a message's length. Reports are given
to it in parts; for the worst other message of this size it needs about half a second.
"""
PART_BYTES: Final = 8_192
"""A part of a report is no longer than this, unless one parameter is."""

_VERSIONS: Final = (1, 2)
_HEADER: Final = struct.Struct("!HI")
_TYPE_BITS: Final = 10
_PARAMETER: Final = struct.Struct("!HH")
_TV_BIT: Final = 0x8000


class LlrpViolation(EdgeError):
    """A reader sent what LLRP does not allow, or more than we take. Its stream is lost."""


class LlrpFramer:
    """The part of a stream that was received and not yet taken out as messages.

    Holds at most one incomplete message and what came with it in the last `feed`.
    """

    def __init__(self) -> None:
        self._pending = bytearray()

    @property
    def pending_bytes(self) -> int:
        """Bytes of a message that is not complete yet."""
        return len(self._pending)

    def feed(self, data: bytes) -> None:
        """Append what was received; take the messages out before more is fed."""
        self._pending += data

    def next_message(self) -> bytes | None:
        """Take the next whole message out, if there is one. Raises `LlrpViolation`."""
        if len(self._pending) < HEADER_BYTES:
            return None
        length = self._length()
        if len(self._pending) < length:
            return None
        message = bytes(self._pending[:length])
        del self._pending[:length]
        return message

    def _length(self) -> int:
        head, length = _HEADER.unpack_from(self._pending)
        version = head >> _TYPE_BITS  # The reserved bits above it have to be zero.
        if version not in _VERSIONS:
            raise LlrpViolation(f"this is not LLRP: a message begins with 0x{head:04x}")
        if not HEADER_BYTES <= length <= MESSAGE_BYTES_MAX:
            allowed = f"{HEADER_BYTES} to {MESSAGE_BYTES_MAX}"
            raise LlrpViolation(f"it announces a message of {length} bytes; allowed are {allowed}")
        return int(length)


def parts(message: bytes) -> Iterator[bytes]:
    """Yield a message as several of its type, cut between parameters, so that each is short.

    What cannot be cut, because its parameters' lengths make no sense, is left whole for the decoder
    to refuse.
    """
    start, at, end = HEADER_BYTES, HEADER_BYTES, len(message)
    head, message_id = message[:2], message[6:HEADER_BYTES]
    while end - start > PART_BYTES:
        length = _parameter_bytes(message, at)
        if length is None:
            break
        if at > start and at + length - start > PART_BYTES:
            yield _part(head, message_id, message[start:at])
            start = at
        at += length
        if at == end:
            break
    yield _part(head, message_id, message[start:end])


def _part(head: bytes, message_id: bytes, body: bytes) -> bytes:
    return head + (HEADER_BYTES + len(body)).to_bytes(4, "big") + message_id + body


def _parameter_bytes(message: bytes, at: int) -> int | None:
    """Return the length of the TLV parameter at an offset (section 16.1.2), if it is one."""
    if at + _PARAMETER.size > len(message):
        return None
    kind, length = _PARAMETER.unpack_from(message, at)
    is_whole = _PARAMETER.size <= length <= len(message) - at
    return int(length) if is_whole and not kind & _TV_BIT else None


def message_type(message: bytes) -> int:
    """Return the type number in a whole message's header."""
    return int.from_bytes(message[:2], "big") & (1 << _TYPE_BITS) - 1
