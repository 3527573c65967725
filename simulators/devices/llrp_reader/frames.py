"""Cuts a client's byte stream into LLRP messages, within limits (LLRP 1.0.1 §16.1; pure).

A message starts with a 10-byte header: version and type, length including the header, message id.
A length outside the limits leaves no way to find the next message, so it ends the connection.
"""

from typing import Final

from simulators.errors import SimulatorError

HEADER_BYTES: Final = 10
_LENGTH: Final = slice(2, 6)


class FrameLengthInvalid(SimulatorError):
    """The client announced a message that is shorter than a header or longer than we take."""


class FrameSplitter:
    """The part of a stream that was received and not yet taken out as messages."""

    def __init__(self, frame_bytes_max: int) -> None:
        self._frame_bytes_max = frame_bytes_max
        self._pending = bytearray()

    def feed(self, data: bytes) -> None:
        """Append what was received."""
        self._pending += data

    def next_frame(self) -> bytes | None:
        """Take the next whole message out, if there is one. Raises `FrameLengthInvalid`."""
        if len(self._pending) < HEADER_BYTES:
            return None
        length = int.from_bytes(self._pending[_LENGTH], "big")
        if not HEADER_BYTES <= length <= self._frame_bytes_max:
            allowed = f"{HEADER_BYTES} to {self._frame_bytes_max}"
            raise FrameLengthInvalid(f"message length {length}, allowed are {allowed}")
        if len(self._pending) < length:
            return None
        frame = bytes(self._pending[:length])
        del self._pending[:length]
        return frame
