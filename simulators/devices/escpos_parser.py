"""What hosts send to an ESC/POS printer, as jobs: bytes in, jobs out. Sans-IO.

Real-time commands (DLE) come out where they stand; everything else in the order of printing.
Parameters of commands that change nothing we show are skipped by their length. Sources: Epson
ESC/POS command reference; the lengths are those of its command formats.
"""

from collections.abc import Callable, Iterator
from typing import Final, Literal, NamedTuple

LINE_CHARACTERS_MAX: Final = 256
COMMAND_BYTES_MAX: Final = 4_096
"""Longer data of a command (images) is let pass without being kept."""

_ESC, _GS, _FS, _DLE = 0x1B, 0x1D, 0x1C, 0x10
_EOT, _DC4, _ENQ = 0x04, 0x14, 0x05
_LF, _FF, _NUL = 0x0A, 0x0C, 0x00

# Bytes of parameters after `ESC x`; what is not listed has one.
_ESC_PARAMETERS: Final = {
    **dict.fromkeys(b"@2<LSi", 0),
    **dict.fromkeys(b"$\\c", 2),
    ord("p"): 3,
    ord("W"): 8,
}
# Likewise after `GS x`.
_GS_PARAMETERS: Final = {**dict.fromkeys(b":", 0), **dict.fromkeys(b"LWP$\\", 2)}
_GS_CUT_FEEDS: Final = frozenset(b"ABab")
_GS_RASTER_HEAD: Final = 6

Kind = Literal["line", "cut", "kick", "status", "real_time_status", "real_time_kick"]


class Job(NamedTuple):
    """One thing to do. `text` of a line; `number` of a status."""

    kind: Kind
    text: str = ""
    number: int = 0


class EscposParser:
    """One connection's bytes. Holds at most one command's head and one line."""

    def __init__(self) -> None:
        self._line = bytearray()
        self._command = bytearray()
        self._skip = 0

    def feed(self, data: bytes) -> Iterator[Job]:
        """Yield what these bytes ask for."""
        for byte in data:
            if self._skip:
                self._skip -= 1
            elif self._command:
                self._command.append(byte)
                yield from self._try_command()
            elif byte in (_ESC, _GS, _FS, _DLE):
                self._command.append(byte)
            elif byte in (_LF, _FF):
                yield self._finished_line()
            elif byte >= 0x20 and len(self._line) < LINE_CHARACTERS_MAX:
                self._line.append(byte)

    def _finished_line(self) -> Job:
        text = self._line.decode("cp437")
        self._line.clear()
        return Job("line", text)

    def _try_command(self) -> Iterator[Job]:
        head = self._command[0]
        handle: Callable[[bytes], list[Job] | None] = {
            _ESC: self._esc,
            _GS: self._gs,
            _FS: self._fs,
            _DLE: self._dle,
        }[head]
        jobs = handle(bytes(self._command[1:]))
        if jobs is not None:
            self._command.clear()
            yield from jobs
        elif len(self._command) > COMMAND_BYTES_MAX:
            self._command.clear()

    def _esc(self, rest: bytes) -> list[Job] | None:
        code = rest[0]
        if code == ord("*"):
            return self._image(rest)
        if len(rest) < 1 + _ESC_PARAMETERS.get(code, 1):
            return None
        if code == ord("p"):
            return [Job("kick")]
        if code in b"im":
            return [Job("cut")]
        if code == ord("@"):
            self._line.clear()
        if code in b"dJ":
            return [self._finished_line(), *[Job("line")] * min(rest[1], 8)]
        return []

    def _image(self, rest: bytes) -> list[Job] | None:
        """Skip `ESC * m nL nH d…`: a column has one byte, or three with 24 dots."""
        if len(rest) < 4:  # Its head.
            return None
        self._skip = (rest[2] | rest[3] << 8) * (3 if rest[1] >= 32 else 1)
        return []

    def _gs(self, rest: bytes) -> list[Job] | None:
        code = rest[0]
        if code == ord("V"):
            if len(rest) < 2 or (rest[1] in _GS_CUT_FEEDS and len(rest) < 3):
                return None
            return [Job("cut")]
        if code in b"(8":
            return self._sized(rest)
        if code == ord("v"):
            if len(rest) < 1 + _GS_RASTER_HEAD:
                return None
            self._skip = (rest[3] | rest[4] << 8) * (rest[5] | rest[6] << 8)
            return []
        if code == ord("k"):
            return self._barcode(rest)
        if len(rest) < 1 + _GS_PARAMETERS.get(code, 1):
            return None
        return [Job("status", number=rest[1])] if code == ord("r") else []

    def _sized(self, rest: bytes) -> list[Job] | None:
        """Skip `GS ( x pL pH …` and `GS 8 x p1 p2 p3 p4 …`."""
        size_bytes = 2 if rest[0] == ord("(") else 4
        if len(rest) < 2 + size_bytes:
            return None
        self._skip = int.from_bytes(rest[2 : 2 + size_bytes], "little")
        return []

    def _barcode(self, rest: bytes) -> list[Job] | None:
        """Skip `GS k m d… NUL` and, for m above 64, `GS k m n d…`."""
        if len(rest) < 3:  # m, and what follows it.
            return None
        if rest[1] > 64:  # Function B.
            self._skip = rest[2]
            return [Job("line")]
        return [Job("line")] if rest[-1] == _NUL else None

    def _fs(self, rest: bytes) -> list[Job] | None:
        if rest[0] == ord("("):
            return self._sized(rest)
        return [] if rest[0] in b"&." or len(rest) > 1 else None

    def _dle(self, rest: bytes) -> list[Job] | None:
        if rest[0] == _EOT:
            if len(rest) < 2:  # n.
                return None
            return [Job("real_time_status", number=rest[1])]
        if rest[0] == _ENQ:
            return None if len(rest) < 2 else []  # n.
        if rest[0] == _DC4:
            if len(rest) < 4:  # fn, m and t.
                return None
            return [Job("real_time_kick")] if rest[1] == 1 else []
        return []
