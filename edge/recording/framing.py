"""The bytes of a recording: a magic number, then frames of length, checksum and payload.

Pure. A frame is the payload's length and its CRC-32 (ISO-HDLC, as in zlib), 32 bits each in network
order, then the payload. A crash can only leave the last frame incomplete, or bytes that were never
written: *torn*. Anything else that does not fit is damage. Hostile bytes are bounded by
`RECORD_BYTES_MAX` before they are taken in.
"""

import struct
from typing import Final, NamedTuple
from zlib import crc32

import msgspec

from edge.recording.errors import RecordingInvalid
from edge.recording.records import FORMAT_VERSION, RECORD_BYTES_MAX, Header, Record

MAGIC: Final = b"\x93STREC\r\n"
"""Not text, and not the same after a transfer that changes line ends."""
FRAME_HEAD: Final = struct.Struct("!II")
FRAME_BYTES_MAX: Final = FRAME_HEAD.size + RECORD_BYTES_MAX

_encoder: Final = msgspec.msgpack.Encoder()
_header_decoder: Final = msgspec.msgpack.Decoder(Header)
_record_decoder: Final[msgspec.msgpack.Decoder[Record]] = msgspec.msgpack.Decoder(Record)


class Torn(NamedTuple):
    """The file ends in the middle of something, at this offset of the (uncompressed) content."""

    offset: int
    rest_bytes: int


def frame(payload: bytes) -> bytes:
    """Return a payload as it stands in the file."""
    return FRAME_HEAD.pack(len(payload), crc32(payload)) + payload


def encoded(content: Header | Record) -> bytes:
    """Return the payload of a header or a record."""
    return _encoder.encode(content)


def decoded_header(payload: bytes) -> Header:
    """Return the header, or raise `RecordingInvalid`, also for a format version we do not read."""
    version = _version_of(payload)
    if version != FORMAT_VERSION:
        raise RecordingInvalid(f"format version {version}; this program reads {FORMAT_VERSION}")
    try:
        return _header_decoder.decode(payload)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise RecordingInvalid(f"its header is malformed: {error}") from error


def decoded_record(payload: bytes) -> Record:
    """Return a record, or raise `RecordingInvalid`."""
    try:
        return _record_decoder.decode(payload)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise RecordingInvalid(f"a record is malformed: {error}") from error


def _version_of(payload: bytes) -> int:
    try:
        first: object = msgspec.msgpack.decode(payload)[0]
    except (msgspec.MsgspecError, RecursionError, ValueError, TypeError, LookupError) as error:
        raise RecordingInvalid("its header is malformed") from error
    if not isinstance(first, int):
        raise RecordingInvalid("its header is malformed: it has no format version")
    return first


class FrameCutter:
    """Cuts a stream of bytes into payloads. `offset` is where the next frame begins.

    Feed it, take all payloads out, and ask `finish` at the end of the stream.
    """

    def __init__(self) -> None:
        self.offset = 0
        self._pending = bytearray()
        self._is_begun = False
        self._unwritten_bytes = 0

    def feed(self, data: bytes) -> None:
        """Append what was read. Raises `RecordingInvalid`."""
        if self._unwritten_bytes:
            self._pass_over(data)
        else:
            self._pending += data

    def next_payload(self) -> bytes | None:
        """Take the next whole payload out, if there is one. Raises `RecordingInvalid`.

        A frame whose checksum is wrong is only left for `finish` to judge, since a crash may have
        left it so when nothing follows it.
        """
        if self._unwritten_bytes or (not self._is_begun and not self._begin()):
            return None
        if len(self._pending) < FRAME_HEAD.size:
            return None
        length, checksum = FRAME_HEAD.unpack_from(self._pending)
        if length > RECORD_BYTES_MAX:
            raise self._damaged(f"a record of {length} bytes; at most {RECORD_BYTES_MAX} are read")
        end = FRAME_HEAD.size + length
        if len(self._pending) < end:
            return None
        payload = bytes(self._pending[FRAME_HEAD.size : end])
        if length == 0 or crc32(payload) != checksum:
            self._unwritten_bytes = end
            rest = bytes(self._pending[end:])
            self._pending.clear()
            self._pass_over(rest)
            return None
        del self._pending[:end]
        self.offset += end
        return payload

    def finish(self) -> Torn | None:
        """Return what was torn off at the end, if anything. Raises `RecordingInvalid`."""
        if not self._is_begun:
            raise RecordingInvalid("it is no recording: it ends before it begins")
        rest_bytes = len(self._pending) + self._unwritten_bytes
        return Torn(self.offset, rest_bytes) if rest_bytes else None

    def _begin(self) -> bool:
        head = bytes(self._pending[: len(MAGIC)])
        if not MAGIC.startswith(head):
            raise RecordingInvalid("it is no recording: it does not begin like one")
        if len(head) < len(MAGIC):
            return False
        del self._pending[: len(MAGIC)]
        self.offset = len(MAGIC)
        self._is_begun = True
        return True

    def _pass_over(self, data: bytes) -> None:
        """After a bad frame nothing but zeros may follow: blocks that were never written."""
        if data.count(0) != len(data):
            raise self._damaged("a record with a wrong checksum, and more after it")
        self._unwritten_bytes += len(data)

    def _damaged(self, what: str) -> RecordingInvalid:
        return RecordingInvalid(f"it is damaged at byte {self.offset}: {what}")
