"""One client's TCP connection to a simulated LLRP reader. Runs in the reader's event loop."""

import asyncio
import socket
import struct
import time
from collections.abc import Callable
from typing import Final, cast

from simulators.devices.llrp_reader.engine import ReaderEngine
from simulators.devices.llrp_reader.frames import FrameLengthInvalid, FrameSplitter
from simulators.devices.llrp_reader.settings import ReaderSettings

CLOSE_GRACE_S: Final = 1.0
"""A client that does not take its last messages within this time is cut off."""

_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)  # struct linger: on, for no time at all.


def now_ms() -> int:
    """Monotonic milliseconds, as the engine counts them."""
    return time.monotonic_ns() // 1_000_000


class Connection(asyncio.Protocol):
    """Carries frames between a socket and the engine; the engine's `Link`.

    While the client does not take what it is sent, its requests are not read either, so that the
    answers to them stay bounded too. A muted connection is half-open: nothing gets through, and
    neither end hears that the other is gone.
    """

    def __init__(
        self,
        engine: ReaderEngine,
        settings: ReaderSettings,
        connections: "set[Connection]",
        on_traffic: Callable[[], None],
        *,
        muted: bool = False,
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._connections = connections
        self._on_traffic = on_traffic
        self._frames = FrameSplitter(settings.frame_bytes_max)
        self._closing = False
        self._cut_off: asyncio.TimerHandle | None = None
        self._muted = muted
        self._offered = False
        self.closed = asyncio.Event()
        self.writable = True
        self.peer = "?"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Offer the connection to the reader, which may refuse it."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=self._settings.send_buffer_bytes_max)
        host, port = self._transport.get_extra_info("peername")[:2]
        self.peer = f"{host}:{port}"
        self._connections.add(self)
        if not self._muted:
            self._offered = True
            self._engine.connect(self, now_ms())
            self._on_traffic()

    def data_received(self, data: bytes) -> None:
        """Hand whole frames to the reader."""
        if self._muted:
            return
        self._frames.feed(data)
        self._handle_frames()

    def pause_writing(self) -> None:
        """The client is slow: the bound on what is queued to it is reached."""
        self.writable = False
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """The client has caught up."""
        self.writable = True
        self._engine.deliver()
        self._handle_frames()
        if self.writable:
            self._transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 # asyncio's signature.
        """The connection is gone; why does not matter to a reader."""
        if self._cut_off is not None:
            self._cut_off.cancel()
        self._connections.discard(self)
        if self._offered and not self._muted:
            self._engine.disconnected(self)
        self.closed.set()

    def mute(self) -> None:
        """Make the connection half-open."""
        self._muted = True

    def unmute(self) -> None:
        """End a half-open connection: what was lost on it does not come back."""
        if self._muted:
            self._muted = False
            if self._offered:
                self._engine.disconnected(self)
            self.reset()

    def send(self, frame: bytes) -> None:
        """Queue a frame."""
        if not self._closing and not self._muted:
            self._transport.write(frame)

    def close(self) -> None:
        """Close once everything queued was sent, or the grace time is over."""
        self._closing = True
        if self._muted:
            return
        self._transport.close()
        loop = asyncio.get_running_loop()
        self._cut_off = loop.call_later(CLOSE_GRACE_S, self._transport.abort)

    def _handle_frames(self) -> None:
        try:
            while self.writable and not self._closing:
                frame = self._frames.next_frame()
                if frame is None:
                    break
                self._engine.receive(self, frame, now_ms())
        except FrameLengthInvalid as error:
            self._engine.stream_broken(self, str(error))
        self._on_traffic()

    def reset(self) -> None:
        """Break the connection off with a TCP reset."""
        self._closing = True
        if self.closed.is_set():
            return
        sock = self._transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self._transport.abort()
