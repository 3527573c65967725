"""The bench's client: asks for availability over one kept connection, one request after the other.

Run as a process of its own, so that it does not share the server's interpreter. Its input is the
token and the GTINs, a line each; its output is one JSON document.
"""

import http.client
import sys
import time
from collections.abc import Sequence

import msgspec
from msgspec import Struct


class Asked(Struct, frozen=True, kw_only=True):
    """How long each request took, in milliseconds, and how large the last answer was."""

    times_ms: list[float]
    answer_bytes: int


def ask(port: int, channel: str, token: str, gtins: Sequence[str]) -> Asked:
    """Ask for each GTIN everywhere, explained."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {"Authorization": f"Bearer {token}"}
    times_ms: list[float] = []
    answer = b""
    for gtin in gtins:
        path = f"/v1/availability?gtin={gtin}&channel={channel}&explain=true"
        started_s = time.perf_counter()
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        answer = response.read()
        times_ms.append((time.perf_counter() - started_s) * 1_000)
        if response.status != http.client.OK:
            raise SystemExit(f"{response.status}: {answer[:500]!r}")
    return Asked(times_ms=times_ms, answer_bytes=len(answer))


def main() -> None:
    """Ask as the command line and the input say."""
    token, *gtins = sys.stdin.read().split()
    asked = ask(int(sys.argv[1]), sys.argv[2], token, gtins)
    sys.stdout.buffer.write(msgspec.json.encode(asked))


if __name__ == "__main__":
    main()
