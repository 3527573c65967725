"""A receipt printer on the network, ESC/POS over TCP, and the cash drawer plugged into it.

It takes the commands that tills send: text, cuts, pulses to the drawer, raster images, real-time
and buffered status. It serves one connection at a time, as small printers do, and refuses others.
Paper is a roll of lines. Its faults: `garbled` (status with wrong fixed bits), `silent`,
`unplugged`, `paper_low`, `paper_out`, `cover_open`, `cutter_stuck`, `drawer_stuck` (it springs open
and stays so). It shares no code with the edge. Runs in its caller's event loop.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Annotated, Final

from msgspec import Meta, Struct

from simulators.devices.escpos_parser import EscposParser, Job
from simulators.devices.fault_switch import FaultSwitch

FAULTS: Final = {
    "garbled": "its status bytes have wrong fixed bits",
    "silent": "it takes everything in and answers nothing",
    "unplugged": "it drops its connection and can not be reached until it is healed",
    "paper_low": "the roll is near its end",
    "paper_out": "the roll is empty: it prints nothing and is offline",
    "cover_open": "its cover is open: it prints nothing and is offline",
    "cutter_stuck": "its cutter is stuck: it prints nothing and is offline",
    "drawer_stuck": "the drawer is open and stays so",
}
RECEIPTS_MAX: Final = 1_000
"""The newest receipts are remembered."""
BUFFER_JOBS_MAX: Final = 10_000
"""What comes while so much waits for paper is lost."""
READ_BYTES: Final = 4_096
_NEAR_END_LINES: Final = 200
_STOPPING: Final = frozenset(("paper_out", "cover_open", "cutter_stuck"))


class PrinterModel(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a printer is set up."""

    name: Annotated[str, Meta(min_length=1, max_length=64)] = "printer-1"
    """Its name, among devices."""
    host: Annotated[str, Meta(min_length=1, max_length=255)] = "127.0.0.1"
    """Address that it listens on."""
    port: Annotated[int, Meta(ge=0, le=65_535)] = 0
    """TCP port; 0 takes a free one. Real printers use 9100."""
    roll_lines: Annotated[int, Meta(ge=1, le=10_000_000)] = 20_000
    """Lines on a new roll of paper."""


class ReceiptPrinter(FaultSwitch):
    """One printer with a drawer whose sensor is high while it is open."""

    def __init__(self, model: PrinterModel) -> None:
        super().__init__(model.name, FAULTS)
        self._model = model
        self.port: int = model.port
        self.receipts: deque[str] = deque(maxlen=RECEIPTS_MAX)
        """What was printed and cut, the newest last."""
        self.kicks = 0
        """How often the drawer was kicked open."""
        self.is_drawer_open = False
        self._lines_left = model.roll_lines
        self._unfinished: list[str] = []
        self._waiting: deque[Job] = deque()
        self._server: asyncio.Server | None = None
        self._peer: asyncio.StreamWriter | None = None

    async def start(self) -> None:
        """Listen. Raises `OSError` when the address cannot be bound."""
        self._server = await asyncio.start_server(self._serve, self._model.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening and close the connection; `start` listens on the same port again."""
        if self._server is None:
            return
        self._server.close()
        await asyncio.sleep(0)
        if self._peer is not None:
            self._peer.transport.abort()
        await self._server.wait_closed()
        self._server = None

    def open_drawer(self) -> None:
        """Open the drawer with its key."""
        self.is_drawer_open = True

    def shut_drawer(self) -> None:
        """Push the drawer shut."""
        self.is_drawer_open = "drawer_stuck" in self.active

    def kick(self) -> None:
        """Kick the drawer open, as a pulse on its connector does."""
        self.kicks += 1
        self.is_drawer_open = True

    def print_here(self, lines: Sequence[str]) -> None:
        """Print what the till sends over its own connection, and cut."""
        for line in lines:
            self._take(Job("line", line))
        self._take(Job("cut"))

    def change_roll(self) -> None:
        """Put a new roll in."""
        self._lines_left = self._model.roll_lines
        self._print_waiting()

    def began(self, kind: str) -> None:
        """See `FaultSwitch.began`."""
        if kind == "drawer_stuck":
            self.is_drawer_open = True
        if kind == "unplugged" and self._peer is not None:
            self._peer.transport.abort()

    def ended(self, kind: str) -> None:
        """See `FaultSwitch.ended`."""
        if kind == "drawer_stuck":
            self.is_drawer_open = False
        self._print_waiting()

    @property
    def _is_stopped(self) -> bool:
        return self._lines_left <= 0 or bool(self.active & _STOPPING)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if "unplugged" in self.active or self._peer is not None:
            writer.transport.abort()
            return
        self._peer = writer
        parser = EscposParser()
        try:
            while data := await reader.read(READ_BYTES):
                for job in parser.feed(data):
                    self._take(job)
                await writer.drain()
        except OSError:
            writer.transport.abort()  # The peer is gone; what it sent is printed all the same.
        finally:
            self._peer = None
            writer.close()

    def _take(self, job: Job) -> None:
        if job.kind == "real_time_status":
            self._say(self._real_time_status(job.number))
        elif job.kind == "real_time_kick":
            self.kick()
        elif len(self._waiting) < BUFFER_JOBS_MAX:
            self._waiting.append(job)
            self._print_waiting()

    def _print_waiting(self) -> None:
        while self._waiting and not self._is_stopped:
            self._print(self._waiting.popleft())

    def _print(self, job: Job) -> None:
        if job.kind == "line":
            self._unfinished.append(job.text)
            self._lines_left -= 1
        elif job.kind == "cut":
            self.receipts.append("\n".join(self._unfinished))
            self._unfinished.clear()
        elif job.kind == "kick":
            self.kick()
        elif job.kind == "status":
            self._say(self._buffered_status(job.number))

    def _say(self, status: int | None) -> None:
        if self._peer is None or status is None or "silent" in self.active:
            return
        if "garbled" in self.active:
            status ^= 0x93
        self._peer.write(bytes([status]))

    def _real_time_status(self, number: int) -> int | None:
        """Return a status byte: bits 1 and 4 are on, 0 and 7 off (DLE EOT n)."""
        is_out = self._lines_left <= 0 or "paper_out" in self.active
        is_low = is_out or self._lines_left < _NEAR_END_LINES or "paper_low" in self.active
        is_stuck = "cutter_stuck" in self.active
        bits = {
            1: self.is_drawer_open << 2 | self._is_stopped << 3,
            2: ("cover_open" in self.active) << 2 | is_out << 5 | is_stuck << 6,
            3: is_stuck << 3,
            4: is_low * 0x0C | is_out * 0x60,
        }.get(number)
        return None if bits is None else 0x12 | bits

    def _buffered_status(self, number: int) -> int | None:
        """Return the answer to GS r n: bits 4 and 7 are off."""
        is_low = self._lines_left < _NEAR_END_LINES or "paper_low" in self.active
        bits = {1: is_low * 0x03, 2: int(self.is_drawer_open)}
        return bits.get(number % 48)
