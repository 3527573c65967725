"""Clients of the HTTP API that cost little: kept connections, requests made by hand.

Run as a process of its own, so that it does not share the server's interpreter. Its input is a
`Task` as JSON, its output the times that requests took.
"""

import asyncio
import sys
import time
from typing import Final

import msgspec
from msgspec import Struct

BODY: Final = (
    '{"order_id":"%s","channel":"web","location":"%s",'
    '"lines":[{"gtin":"%s","quantity":1}],"hold_s":3600}'
)
HEAD: Final = (
    "POST /v1/reservations HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %s\r\n"
    "Content-Type: application/json\r\nIdempotency-Key: %s\r\nContent-Length: %d\r\n\r\n"
)
CREATED: Final = b"201"


class Task(Struct, frozen=True, kw_only=True):
    """Who asks for what: `requests` reservations of one unit each, by so many clients."""

    port: int
    token: str
    clients: int
    requests: int
    store: str
    gtins: list[str]
    name: str


class Asked(Struct, frozen=True, kw_only=True):
    """How long all took together, and each of them; and the first answer that was no grant."""

    seconds: float
    times_ms: list[float]
    refusal: str = ""


async def ask(task: Task) -> Asked:
    """Let the clients ask, each for one reservation at a time."""
    numbers = iter(range(task.requests))
    times_ms: list[float] = []
    refusals: list[str] = []

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", task.port)
        for number in numbers:
            begun_s = time.perf_counter()
            writer.write(_request(task, number))
            status, body = await _answer(reader)
            times_ms.append((time.perf_counter() - begun_s) * 1_000)
            if status != CREATED:
                refusals.append(body.decode(errors="replace"))
                break
        writer.close()

    begun_s = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(task.clients)))
    seconds = time.perf_counter() - begun_s
    return Asked(seconds=seconds, times_ms=times_ms, refusal=next(iter(refusals), ""))


def _request(task: Task, number: int) -> bytes:
    name = f"{task.name}-{number}"
    body = BODY % (name, task.store, task.gtins[number % len(task.gtins)])
    return (HEAD % (task.token, name, len(body)) + body).encode()


async def _answer(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    return head[9:12], await reader.readexactly(length)


def main() -> None:
    """Ask as the input says."""
    task = msgspec.json.decode(sys.stdin.buffer.read(), type=Task)
    asked = asyncio.run(ask(task))
    sys.stdout.buffer.write(msgspec.json.encode(asked))


if __name__ == "__main__":
    main()
