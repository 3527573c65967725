"""The trap in a victim: counts the calls of one armed point, and ends the process at one of them.

Orders come as lines on standard input, `arm POINT CALL` or an empty line; what happened is told on
the descriptor that was standard output, as `hit POINT NANOSECONDS` (the machine's monotonic clock).
Points may be passed on any thread of the product.
"""

import os
import signal
import sys
import threading
import time
from typing import Final


class Trap:
    """Knows which point is armed. `testimony` is the descriptor to tell on."""

    def __init__(self, testimony: int) -> None:
        self._testimony: Final = testimony
        self._lock: Final = threading.Lock()
        self._point = ""
        self._calls_left = 0

    def obey(self, order: str) -> None:
        """Take an order in. An empty one disarms."""
        words = order.split()
        with self._lock:
            self._point, self._calls_left = (words[1], int(words[2])) if words else ("", 0)

    def passes(self, point: str) -> bool:
        """Say whether this call is the one to die at; each call counts."""
        if point != self._point:
            return False
        with self._lock:
            self._calls_left -= 1
            return self._calls_left <= 0

    def die(self, point: str) -> None:
        """Tell where and when, and end the process: nothing is flushed, nobody else is told."""
        os.write(self._testimony, f"hit {point} {time.monotonic_ns()}\n".encode())
        os.kill(os.getpid(), signal.SIGKILL)

    def reached(self, point: str) -> None:
        """Die here if this call is the one."""
        if self.passes(point):
            self.die(point)


def listen(trap: Trap) -> None:
    """Obey the first line now, and all others from a thread of their own, until the input ends."""
    trap.obey(sys.stdin.readline())

    def obey_all() -> None:
        for order in sys.stdin:
            trap.obey(order)

    threading.Thread(target=obey_all, name="trap", daemon=True).start()
