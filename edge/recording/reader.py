"""Reads a recording, gzip or not: the header at once, then record by record in constant memory.

Raises `RecordingInvalid`, whose text begins with the file's name, and nothing else. A torn tail is
no error: all before it is read, and `torn` says where it begins.
"""

import zlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self

from edge.recording.errors import RecordingInvalid
from edge.recording.framing import FrameCutter, Torn, decoded_header, decoded_record
from edge.recording.records import Header, Record

CHUNK_BYTES: Final = 262_144
GZIP_MAGIC: Final = b"\x1f\x8b"
_GZIP_WINDOW: Final = 31
"""zlib's `wbits` for a gzip wrapper with the largest window."""


class RecordingReader:
    """A context manager around one file. `records` may be iterated once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._cutter = FrameCutter()
        self.torn: Torn | None = None
        """Set when the last record has been read."""
        self.size_bytes = 0
        """Bytes read so far, as on disk."""
        try:
            self._file: BinaryIO = path.open("rb")
        except OSError as error:
            raise RecordingInvalid(f"{path}: {error.strerror or error}") from error
        self._chunks = self._content()
        try:
            self.header: Header = self._read_header()
        except RecordingInvalid:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file."""
        self._file.close()

    def records(self) -> Iterator[Record]:
        """Yield what follows the header. Raises `RecordingInvalid`."""
        try:
            while (payload := self._next_payload()) is not None:
                yield decoded_record(payload)
            self.torn = self._cutter.finish()
        except RecordingInvalid as error:
            raise self._named(error) from error

    def _read_header(self) -> Header:
        try:
            payload = self._next_payload()
            if payload is None:
                self._cutter.finish()
                raise RecordingInvalid("it is no recording: it ends within its header")
            return decoded_header(payload)
        except RecordingInvalid as error:
            raise self._named(error) from error

    def _next_payload(self) -> bytes | None:
        while (payload := self._cutter.next_payload()) is None:
            data = next(self._chunks, None)
            if data is None:
                return None
            self._cutter.feed(data)
        return payload

    def _content(self) -> Iterator[bytes]:
        first = self._read()
        yield from self._inflated(first) if first.startswith(GZIP_MAGIC) else self._plain(first)

    def _plain(self, data: bytes) -> Iterator[bytes]:
        while data:
            yield data
            data = self._read()

    def _inflated(self, data: bytes) -> Iterator[bytes]:
        # By hand, since the gzip module throws away what comes before a torn tail. Each step is
        # bounded, so that a bomb costs time and never memory.
        inflater = zlib.decompressobj(_GZIP_WINDOW)
        while data and not inflater.eof:
            try:
                piece = inflater.decompress(data, CHUNK_BYTES)
            except zlib.error as error:
                raise RecordingInvalid(f"its gzip data is damaged: {error}") from error
            if piece:
                yield piece
            data = inflater.unconsumed_tail or self._read()
        if data or inflater.unused_data:
            raise RecordingInvalid("something follows the end of its gzip data")

    def _read(self) -> bytes:
        try:
            data = self._file.read(CHUNK_BYTES)
        except OSError as error:
            raise RecordingInvalid(error.strerror or str(error)) from error
        self.size_bytes += len(data)
        return data

    def _named(self, error: RecordingInvalid) -> RecordingInvalid:
        return RecordingInvalid(f"{self._path}: {error}")
