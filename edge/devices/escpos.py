"""ESC/POS as far as we speak it: status questions and answers, and the bytes of a slip. Sans-IO.

Source: Epson, ESC/POS Application Programming Guide and command reference: DLE EOT n (real-time
status), GS r n (status, answered after what was sent before it), ESC @, ESC !, GS V. Text is
printable ASCII only: what comes from elsewhere can send no command to a printer.
"""

from typing import Final, NamedTuple

STATUS_REQUEST: Final = b"\x10\x04\x01\x10\x04\x02\x10\x04\x03\x10\x04\x04"
"""Asks for printer, off-line, error and paper status: four bytes come back, in this order."""
STATUS_BYTES: Final = 4
DONE_REQUEST: Final = b"\x1dr\x01"
"""Asks for the paper's status when everything before it was printed: one byte comes back."""

INITIALIZE: Final = b"\x1b@"
FEED_AND_CUT: Final = b"\x1dVB\x00"
"""Function B: feeds to the cutter and cuts, leaving one point uncut."""
_EMPHASIZED, _PLAIN = b"\x1b!\x18", b"\x1b!\x00"

# The fixed bits of a real-time status byte tell it from everything else a printer sends: bits 1
# and 4 are on, bits 0 and 7 off. Of an answer to GS r, bits 4 and 7 are off.
_FIXED_MASK, _FIXED_BITS = 0b1001_0011, 0b0001_0010
_GS_R_MASK: Final = 0b1001_0000
_GS_R_PAPER_OUT: Final = 0b0000_1100


class PrinterStatus(NamedTuple):
    """How a printer is. `is_drawer_high` is the level of its drawer's sensor."""

    is_offline: bool
    is_drawer_high: bool
    is_cover_open: bool
    is_paper_low: bool
    is_paper_out: bool
    error: str

    @property
    def can_print(self) -> bool:
        """Whether a slip would come out now."""
        return not (self.is_offline or self.is_cover_open or self.is_paper_out or self.error)

    @property
    def trouble(self) -> str | None:
        """What somebody should do something about, in words."""
        found = [
            (self.is_cover_open, "the cover is open"),
            (self.is_paper_out, "the paper is out"),
            (bool(self.error), self.error),
            (self.is_paper_low and not self.is_paper_out, "the paper is low"),
        ]
        texts = [text for holds, text in found if holds]
        if not texts and self.is_offline:
            texts = ["it is offline"]
        return ", ".join(texts) or None


def parse_status(answer: bytes) -> PrinterStatus | None:
    """Return what the answers to `STATUS_REQUEST` say, or `None` if they are not complete.

    What a printer sends unasked (automatic status, XON, XOFF) has other fixed bits and is skipped.
    """
    found = [byte for byte in answer if byte & _FIXED_MASK == _FIXED_BITS]
    if len(found) < STATUS_BYTES:
        return None
    printer, offline, error, paper = found[:STATUS_BYTES]
    return PrinterStatus(
        is_drawer_high=bool(printer & 0x04),
        is_offline=bool(printer & 0x08),
        is_cover_open=bool(offline & 0x04),
        is_paper_low=bool(paper & 0x0C),
        is_paper_out=bool(paper & 0x60 or offline & 0x20),
        error=_error(offline, error),
    )


def _error(offline: int, error: int) -> str:
    if error & 0x08:
        return "the cutter is stuck"
    if error & 0x20:
        return "an unrecoverable error"
    if error & 0x40:
        return "an error that passes by itself"  # Of heat, mostly.
    return "an error" if offline & 0x40 else ""


def parse_done(answer: bytes) -> bool | None:
    """Return what the answer to `DONE_REQUEST` says: whether there is still paper.

    `None` if it has not come.
    """
    found = [byte for byte in answer if not byte & _GS_R_MASK]
    return None if not found else not found[0] & _GS_R_PAPER_OUT


def slip(headline: str, lines: list[str]) -> bytes:
    """Return the bytes that print a slip and cut it, the headline in tall, emphasized letters."""
    body = b"".join(_line(line) for line in lines)
    return INITIALIZE + _EMPHASIZED + _line(headline) + _PLAIN + body + FEED_AND_CUT


def printable(text: str) -> str:
    """Return a text with everything replaced that is not printable ASCII."""
    return "".join(each if each.isascii() and each.isprintable() else "?" for each in text)


def _line(text: str) -> bytes:
    return printable(text).encode("ascii") + b"\n"
