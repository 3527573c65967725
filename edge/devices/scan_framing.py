"""What a serial scanner sends, cut into scans: bytes in, texts out. Sans-IO.

A scan ends with CR, LF or both. Bytes outside printable ASCII and the group separator of GS1 were
garbled on the line: their scan is unreadable, told as such and never guessed at.
"""

from typing import Final

SCAN_BYTES_MAX: Final = 2_048
"""The longest symbols in retail hold fewer characters; what is longer is no scan."""

_ENDS: Final = b"\r\n"
_GROUP_SEPARATOR: Final = 0x1D
_PRINTABLE: Final = range(0x20, 0x7F)


class Unreadable(str):
    """Why a scan could not be read."""

    __slots__ = ()


class ScanFramer:
    """Holds at most one unfinished scan, bounded by `SCAN_BYTES_MAX`."""

    def __init__(self) -> None:
        self._unfinished = bytearray()
        self._is_too_long = False

    def feed(self, data: bytes) -> list[str | Unreadable]:
        """Return the scans that these bytes complete."""
        scans: list[str | Unreadable] = []
        for byte in data:
            if byte in _ENDS:
                if self._unfinished:
                    scans.append(self._finished())
                continue
            if len(self._unfinished) < SCAN_BYTES_MAX:
                self._unfinished.append(byte)
            else:
                self._is_too_long = True
        return scans

    def _finished(self) -> str | Unreadable:
        scan, is_too_long = bytes(self._unfinished), self._is_too_long
        self._unfinished.clear()
        self._is_too_long = False
        if is_too_long:
            return Unreadable(f"more than {SCAN_BYTES_MAX} bytes without an end")
        odd = sum(byte not in _PRINTABLE and byte != _GROUP_SEPARATOR for byte in scan)
        if odd:
            return Unreadable(f"{odd} of {len(scan)} bytes are garbled")
        return scan.decode("ascii")
