"""The portal bench's reader: greets, then sends its reports as fast as they are taken.

Run as a process of its own, so that it does not share the agent's interpreter. Its input is the
traffic, as JSON; its output is the port that it listens on, once everything is ready to be sent.
It never answers: reports count before a session is set up, since a reader may have buffered them.
"""

import socket
import sys
import time
from struct import Struct
from typing import Final

import msgspec

from edge.bench.portal_traffic import Traffic, reports, stamp

HOST: Final = "127.0.0.1"
CONNECT_TIMEOUT_S: Final = 60.0
SENT_AHEAD_BYTES: Final = 262_144
"""What the kernel holds of ours: more would be seen long before it is heard of."""

_GREETING: Final = Struct("!HIIHHHHQHHH")


def greeting(now_us: int) -> bytes:
    """Return a READER_EVENT_NOTIFICATION: the connection is made (LLRP 1.0.1, 16.1.33)."""
    event = (246, 22, 128, 12, now_us, 256, 6, 0)
    return _GREETING.pack(1 << 10 | 63, _GREETING.size, 0, *event)


def main() -> None:
    """Serve one client until it closes the connection."""
    traffic = msgspec.json.decode(sys.stdin.buffer.readline(), type=Traffic)
    ready = list(reports(traffic))
    with socket.create_server((HOST, 0)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SENT_AHEAD_BYTES)
        listener.settimeout(CONNECT_TIMEOUT_S)
        sys.stdout.write(f"{listener.getsockname()[1]}\n")
        sys.stdout.flush()
        client, _ = listener.accept()
    with client:
        client.sendall(greeting(time.time_ns() // 1_000))
        for report in ready:
            stamp(report, time.time_ns() // 1_000)
            client.sendall(report)
        while client.recv(65_536):
            pass


if __name__ == "__main__":
    main()
