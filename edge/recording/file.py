"""The file of a recording: made anew, only ever appended to, and never longer than it may be.

What was appended reaches the disk with each `sync`. A crash loses what came after the last one and
tears at most the record that was being written. Raises `OSError`; the recorder judges it. Runs on
the recorder's thread.
"""

import os
import zlib
from pathlib import Path
from typing import Final

from edge.recording.framing import FRAME_HEAD, MAGIC, encoded, frame
from edge.recording.records import Ended, Header, Record

MAX_BYTES_LEAST: Final = 65_536
ENDING_BYTES: Final = 128
"""Room that is kept for the last records and for the end of the gzip data."""
CHUNK_BYTES: Final = 262_144
"""What is gathered in memory before it is given to the file system."""
_GZIP_WINDOW: Final = 31
_DEFLATE_BLOCK_BYTES: Final = 8_192
_DEFLATE_BLOCK_OVERHEAD: Final = 8


class RecordingFile:
    """One file with its header written. Raises `FileExistsError`: nothing is overwritten."""

    def __init__(self, path: Path, header: Header, *, max_bytes: int, is_gzip: bool) -> None:
        self._file = path.open("xb", buffering=0)
        self._max_bytes = max_bytes
        self._deflater = zlib.compressobj(6, zlib.DEFLATED, _GZIP_WINDOW) if is_gzip else None
        self._written_bytes = 0
        self._waiting = bytearray()
        self.is_full = False
        self._append(MAGIC + frame(encoded(header)))
        self.sync()

    @property
    def size_bytes(self) -> int:
        """Bytes that the file has at most, once everything appended is on disk."""
        return self._written_bytes + _bound(len(self._waiting), is_gzip=self._deflater is not None)

    def append(self, record: Record) -> bool:
        """Append a record, and say whether there was room for it. After the first no, never."""
        payload = encoded(record)
        if not self.is_full and not self._has_room(len(payload)):
            self._flush()  # What waits may turn out shorter than it could have been.
            self.is_full = not self._has_room(len(payload))
        if not self.is_full:
            self._append(frame(payload))
            if len(self._waiting) >= CHUNK_BYTES:
                self._flush()
        return not self.is_full

    def sync(self) -> None:
        """Bring to the disk what was appended."""
        self._flush()
        os.fdatasync(self._file.fileno())

    def close(self, ended: Ended) -> None:
        """Append the last record, for which there is always room, and close."""
        try:
            self._append(frame(encoded(ended)))
            self.sync()
            if self._deflater is not None:
                self._write(self._deflater.flush(zlib.Z_FINISH))
        finally:
            self._file.close()

    def abandon(self) -> None:
        """Close without a word, after an error."""
        self._file.close()

    def _flush(self) -> None:
        data = bytes(self._waiting)
        self._waiting.clear()
        if self._deflater is not None:
            data = self._deflater.compress(data) + self._deflater.flush(zlib.Z_SYNC_FLUSH)
        self._write(data)

    def _append(self, data: bytes) -> None:
        self._waiting += data

    def _has_room(self, payload_bytes: int) -> bool:
        added = len(self._waiting) + FRAME_HEAD.size + payload_bytes
        bound = _bound(added, is_gzip=self._deflater is not None)
        return self._written_bytes + bound + ENDING_BYTES <= self._max_bytes

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            count = self._file.write(view)
            self._written_bytes += count
            view = view[count:]


def _bound(size_bytes: int, *, is_gzip: bool) -> int:
    """Return what this many bytes take on disk at most: deflate stores what it cannot compress."""
    if not is_gzip:
        return size_bytes
    blocks = size_bytes // _DEFLATE_BLOCK_BYTES + 2
    return size_bytes + blocks * _DEFLATE_BLOCK_OVERHEAD
