"""A disk that keeps writes to itself until it is told to flush, served to the guest's own kernel.

A process in the guest speaks the kernel's network block device protocol over a socket pair, in
front of the disk that the host sees. What it has not written back is lost with the guest, as the
memory of a disk is with its power. Between flushes it writes back what it likes; a flush writes the
rest, in any order and in pieces, so that a cut in between tears it at 512 bytes.

Protocol: https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md, transmission phase.
"""

import os
import socket
import struct
from random import Random
from typing import Final

SECTOR_BYTES: Final = 512
_REQUEST: Final = struct.Struct(">IHHQQI")
_REPLY: Final = struct.Struct(">IIQ")
_REQUEST_MAGIC: Final = 0x25609513
_REPLY_MAGIC: Final = 0x67446698
_READ, _WRITE, _DISCONNECT, _FLUSH = range(4)
_FORCE_UNIT_ACCESS: Final = 1
_INVALID: Final = 22

WRITES_BACK: Final = 0.15
"""How likely it is, at a write, that the disk writes something back unasked."""
PIECE_SECTORS_MAX: Final = 24
SECTORS_KEPT_MAX: Final = 65_536
"""Of 32 MiB; a fuller cache is written back."""


class WriteCache:
    """The disk behind `descriptor`, through a cache. `flushes`: whether it does when told to."""

    def __init__(self, descriptor: int, rng: Random, *, flushes: bool) -> None:
        self._descriptor: Final = descriptor
        self._rng: Final = rng
        self._flushes: Final = flushes
        self._kept: Final[dict[int, bytes]] = {}

    def read(self, offset: int, length: int) -> bytes:
        """Return what was written last."""
        data = bytearray(os.pread(self._descriptor, length, offset))
        first = offset // SECTOR_BYTES
        for number in range(length // SECTOR_BYTES):
            kept = self._kept.get(first + number)
            if kept is not None:
                data[number * SECTOR_BYTES : (number + 1) * SECTOR_BYTES] = kept
        return bytes(data)

    def write(self, offset: int, data: bytes) -> None:
        """Keep it, and now and then write something back."""
        first = offset // SECTOR_BYTES
        for number in range(len(data) // SECTOR_BYTES):
            sector = data[number * SECTOR_BYTES : (number + 1) * SECTOR_BYTES]
            self._kept[first + number] = sector
        if len(self._kept) > SECTORS_KEPT_MAX:
            self._write_back(self._pieces())
        elif self._rng.random() < WRITES_BACK:
            pieces = self._pieces()
            self._write_back(pieces[: self._rng.randint(1, 4)])

    def flush(self) -> None:
        """Write everything back, unless it is a disk that only says so."""
        if self._flushes:
            self._write_back(self._pieces())

    def write_through(self, offset: int, data: bytes) -> None:
        """Write this at once: it must be on the platter when this returns."""
        self.write(offset, data)
        first = offset // SECTOR_BYTES
        sectors = [s for s in range(first, first + len(data) // SECTOR_BYTES) if s in self._kept]
        if self._flushes and sectors:
            self._write_back([sectors])

    def _pieces(self) -> list[list[int]]:
        """Return runs of sectors that are kept, cut in pieces, in any order."""
        pieces: list[list[int]] = []
        piece_max = self._rng.randint(1, PIECE_SECTORS_MAX)
        for sector in sorted(self._kept):
            if pieces and pieces[-1][-1] == sector - 1 and len(pieces[-1]) < piece_max:
                pieces[-1].append(sector)
            else:
                pieces.append([sector])
        self._rng.shuffle(pieces)
        return pieces

    def _write_back(self, pieces: list[list[int]]) -> None:
        for piece in pieces:
            data = b"".join(self._kept.pop(sector) for sector in piece)
            os.pwrite(self._descriptor, data, piece[0] * SECTOR_BYTES)


def serve(connection: socket.socket, cache: WriteCache) -> None:
    """Answer the kernel's requests until it disconnects."""
    while True:
        head = _receive(connection, _REQUEST.size)
        magic, flags, kind, handle, offset, length = _REQUEST.unpack(head)
        if magic != _REQUEST_MAGIC:
            raise ValueError(f"not a request: {head.hex()}")
        error, answer = 0, b""
        if kind == _READ:
            answer = cache.read(offset, length)
        elif kind == _WRITE:
            data = _receive(connection, length)
            forced = flags & _FORCE_UNIT_ACCESS
            (cache.write_through if forced else cache.write)(offset, data)
        elif kind == _FLUSH:
            cache.flush()
        elif kind == _DISCONNECT:
            return
        else:
            error = _INVALID
        connection.sendall(_REPLY.pack(_REPLY_MAGIC, error, handle) + answer)


def _receive(connection: socket.socket, length: int) -> bytes:
    data = bytearray()
    while len(data) < length:
        part = connection.recv(length - len(data))
        if not part:
            raise EOFError("the kernel has hung up")
        data += part
    return bytes(data)
