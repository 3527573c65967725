"""Where a simulated Modbus device listens: a TCP port, or the far end of a pseudo-terminal.

A line hands bytes to a framer of its own and writes the answers, after `delay_s()` when that is
more than nothing; an answer that is garbled passes `garble` first. Runs in its caller's event loop.
"""

import asyncio
import errno
import os
import tty
from collections.abc import Callable
from pathlib import Path
from typing import Final

from simulators.devices.modbus import Framer, Hopeless

READ_BYTES: Final = 4_096
CONNECTIONS_MAX: Final = 16
ACCEPT_TURNS: Final = 4
"""Turns of the event loop from accepting a connection until its peer is known."""
SILENCE_S: Final = 0.05
"""A frame that is begun and not finished for so long never will be."""


class LineHabits:
    """How a line answers now. `is_dead`: not at all."""

    def __init__(self) -> None:
        self.is_dead = False
        self.delay_s = 0.0
        self.garble: Callable[[bytes], bytes] | None = None

    def spoken(self, answer: bytes) -> bytes:
        """Return an answer as it goes out."""
        return answer if self.garble is None else self.garble(answer)


class TcpLine:
    """A listener on `host` and `port`; 0 takes a free port, which a restart keeps."""

    def __init__(
        self, host: str, port: int, new_framer: Callable[[], Framer], habits: LineHabits
    ) -> None:
        self._host = host
        self.port = port
        self._new_framer = new_framer
        self._habits = habits
        self._server: asyncio.Server | None = None
        self._peers: dict[asyncio.StreamWriter, asyncio.Task[None]] = {}

    async def start(self) -> None:
        """Listen. Raises `OSError` when the address cannot be bound."""
        self._server = await asyncio.start_server(self._serve, self._host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening and close all connections."""
        if self._server is None:
            return
        # A connection that asyncio is accepting while its listener closes is never closed itself
        # (CPython 3.11), so accepting stops first and what was accepted becomes known.
        for listening in self._server.sockets:
            asyncio.get_running_loop().remove_reader(listening.fileno())
        for _ in range(ACCEPT_TURNS):
            await asyncio.sleep(0)
        self.drop()
        tasks = tuple(self._peers.values())
        await asyncio.gather(*tasks, return_exceptions=True)
        self._server.close()
        await self._server.wait_closed()
        self._server = None

    def drop(self) -> None:
        """Close all connections."""
        for writer, task in self._peers.items():
            writer.transport.abort()
            task.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if self._habits.is_dead or len(self._peers) >= CONNECTIONS_MAX or task is None:
            writer.transport.abort()
            return
        self._peers[writer] = task
        try:
            await self._converse(reader, writer)
        except (OSError, Hopeless, asyncio.CancelledError):
            # The peer is gone, or makes no sense, or the scale was stopped: all end the same way.
            writer.transport.abort()
        finally:
            del self._peers[writer]
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        framer = self._new_framer()
        while data := await reader.read(READ_BYTES):
            for answer in framer.feed(data):
                if self._habits.delay_s:
                    await asyncio.sleep(self._habits.delay_s)
                if not self._habits.is_dead:
                    writer.write(self._habits.spoken(answer))
            await writer.drain()


class PtyLine:
    """A pseudo-terminal: `path` is its near end, which a client opens like any serial port.

    `link` is a symbolic link to it, for a name that stays.
    """

    def __init__(
        self, new_framer: Callable[[], Framer], habits: LineHabits, link: Path | None = None
    ) -> None:
        self._framer = new_framer()
        self._habits = habits
        self._link = link
        self._fds: tuple[int, int] | None = None
        self._silence: asyncio.TimerHandle | None = None
        self._answering: set[asyncio.TimerHandle] = set()
        self.path = ""

    async def start(self) -> None:
        """Make the terminal. Raises `OSError`."""
        far, near = os.openpty()
        tty.setraw(near)
        os.set_blocking(far, False)
        # The near end stays open here, or the far end would fail whenever no client has it open.
        self._fds = (far, near)
        self.path = os.ttyname(near)
        if self._link is not None:
            self._link.unlink(missing_ok=True)
            self._link.symlink_to(self.path)
        asyncio.get_running_loop().add_reader(far, self._read)

    async def stop(self) -> None:
        """Take the terminal away."""
        if self._fds is None:
            return
        asyncio.get_running_loop().remove_reader(self._fds[0])
        for timer in (*self._answering, *([self._silence] if self._silence else [])):
            timer.cancel()
        self._answering.clear()
        if self._link is not None:
            self._link.unlink(missing_ok=True)
        for fd in self._fds:
            os.close(fd)
        self._fds = None

    def _read(self) -> None:
        assert self._fds is not None, "a stopped line has no reader"  # noqa: S101 # As it says.
        loop = asyncio.get_running_loop()
        try:
            data = os.read(self._fds[0], READ_BYTES)
        except BlockingIOError:
            return
        if self._silence is not None:
            self._silence.cancel()
        self._silence = loop.call_later(SILENCE_S, self._framer.silence)
        for answer in self._framer.feed(data):
            if self._habits.delay_s:
                self._answer_later(loop, answer)
            else:
                self._write(answer)

    def _answer_later(self, loop: asyncio.AbstractEventLoop, answer: bytes) -> None:
        def write() -> None:
            self._answering.discard(timer)
            self._write(answer)

        timer = loop.call_later(self._habits.delay_s, write)
        self._answering.add(timer)

    def _write(self, answer: bytes) -> None:
        if self._fds is None or self._habits.is_dead:
            return
        try:
            os.write(self._fds[0], self._habits.spoken(answer))
        except OSError as error:
            # Nobody reads and the terminal's buffer is full: a serial line drops bytes, too.
            if error.errno != errno.EAGAIN:
                raise
