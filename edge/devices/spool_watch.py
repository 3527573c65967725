"""Waits until somebody puts a file into a directory, asleep until then: inotify(7) through libc.

A watch is a hint, and every wait ends: whoever waits looks for himself. So where the kernel has no
watch to give, or there is no inotify at all, a wait is only a pause. Runs on its caller's thread.
"""

import ctypes
import logging
import os
import select
import time
from pathlib import Path
from typing import Final

EVENTS_BYTES: Final = 65_536
"""What is read in one go; the events themselves say nothing that is wanted."""

_IN_CLOSE_WRITE, _IN_MOVED_TO, _IN_CREATE, _IN_ONLYDIR = 0x8, 0x80, 0x100, 0x0100_0000
_WANTED: Final = _IN_CLOSE_WRITE | _IN_MOVED_TO | _IN_CREATE | _IN_ONLYDIR

_log = logging.getLogger(__name__)


class SpoolWatch:
    """A watch of one directory, which has to exist."""

    def __init__(self, directory: Path) -> None:
        self._descriptor = _watch(directory)
        self._poll = select.poll()
        if self._descriptor is not None:
            self._poll.register(self._descriptor, select.POLLIN)

    def wait(self, timeout_ms: int, settle_ms: int) -> None:
        """Return when a file has come and nothing has followed for a moment, or after a time-out.

        What follows soon belongs together, but it does not hold up what was first for long.
        """
        if self._descriptor is None:
            time.sleep(timeout_ms / 1000)
        elif self._poll.poll(timeout_ms):
            time.sleep(settle_ms / 1000)
            self._forget(self._descriptor)

    def close(self) -> None:
        """Watch no more."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _forget(self, descriptor: int) -> None:
        try:
            while len(os.read(descriptor, EVENTS_BYTES)) > EVENTS_BYTES // 2:
                continue
        except BlockingIOError:
            return  # All that happened until now was read.


def _watch(directory: Path) -> int | None:
    """Return the descriptor of a watch, or `None` when none can be had."""
    descriptor = -1
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        descriptor = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if descriptor < 0 or libc.inotify_add_watch(descriptor, bytes(directory), _WANTED) < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    except (AttributeError, OSError) as error:
        if descriptor >= 0:
            os.close(descriptor)
        _log.warning("%s cannot be watched, it is looked at now and then: %s", directory, error)
        return None
    return int(descriptor)
