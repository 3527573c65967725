"""The plug of a simulated serial peripheral: a pseudo-terminal, bytes in and bytes out.

`path` stays the same however often the plug is pulled, if there is a folder for a link to it.
Pulling the plug hangs the line up, as a USB adapter does. Runs in its caller's event loop.
"""

import asyncio
import os
import tty
from collections.abc import Callable
from pathlib import Path
from typing import Final

READ_BYTES: Final = 4_096


class SerialPort:
    """One end of a line. `received` is called with what the other end sends."""

    def __init__(self, link: Path | None, received: Callable[[bytes], None]) -> None:
        self._link = link
        self._received = received
        self._fds: tuple[int, int] | None = None
        self._near_path = ""

    @property
    def path(self) -> str:
        """Where a client opens the line."""
        return self._near_path if self._link is None else str(self._link)

    @property
    def is_plugged(self) -> bool:
        """Whether there is a line."""
        return self._fds is not None

    def plug(self) -> None:
        """Make the line. Raises `OSError`."""
        if self._fds is not None:
            return
        far, near = os.openpty()
        tty.setraw(near)
        os.set_blocking(far, False)
        # The near end stays open here, or the far end would fail while no client has it open.
        self._fds = (far, near)
        self._near_path = os.ttyname(near)
        if self._link is not None:
            self._link.parent.mkdir(parents=True, exist_ok=True)
            self._link.unlink(missing_ok=True)
            self._link.symlink_to(self._near_path)
        asyncio.get_running_loop().add_reader(far, self._read)

    def pull(self) -> None:
        """Hang up: a client's next read or write fails, and so does opening it again."""
        if self._fds is None:
            return
        far, near = self._fds
        self._fds = None
        asyncio.get_running_loop().remove_reader(far)
        if self._link is not None:
            self._link.unlink(missing_ok=True)
        os.close(near)
        os.close(far)

    def send(self, data: bytes) -> bool:
        """Send; return whether all of it went out. A line that nobody reads drops bytes."""
        if self._fds is None:
            return False
        try:
            return os.write(self._fds[0], data) == len(data)
        except BlockingIOError:
            return False

    def _read(self) -> None:
        assert self._fds is not None, "a pulled plug has no reader"  # noqa: S101 # As it says.
        try:
            data = os.read(self._fds[0], READ_BYTES)
        except BlockingIOError:
            return
        self._received(data)
