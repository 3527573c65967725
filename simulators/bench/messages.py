"""What the bench's processes are told and tell, a JSON document a line on their pipes. Pure."""

from typing import Final

import msgspec
from msgspec import Struct

from simulators.demo.processes import Child
from simulators.errors import BenchmarkFailed


class Phase(Struct, frozen=True, kw_only=True, tag="phase"):
    """To a store: make facts for so long, at a rate, or as fast as they are taken (0).

    `lines` are the facts of one append. `log` names the file that each sale is noted in.
    """

    seconds: float
    rate_per_s: float = 0.0
    lines: float = 0.0
    log: str | None = None


class PhaseDone(Struct, frozen=True, kw_only=True):
    """From a store: what it has made of a phase, all of it durable."""

    facts: int


class Listen(Struct, frozen=True, kw_only=True, tag="listen"):
    """To a subscriber: begin a file in which each state is noted as it comes, or end it."""

    log: str | None = None


class Ask(Struct, frozen=True, kw_only=True, tag="ask"):
    """To a subscriber: how many facts were heard of by now."""


class Heard(Struct, frozen=True, kw_only=True):
    """From a subscriber: what it has heard so far. Times are seconds of the monotonic clock."""

    facts: int = 0
    articles: int = 0
    messages: int = 0
    states: int = 0
    payload_bytes: int = 0
    last_s: float = 0.0


class Sale(Struct, frozen=True, array_like=True):
    """The `ordinal`-th fact about an article, and when it was due."""

    gtin: str
    ordinal: int
    due_ns: int


class Noted(Struct, frozen=True, array_like=True):
    """A state said that so many facts about an article are in it."""

    gtin: str
    facts: int
    at_ns: int


Told = Phase | Listen | Ask
READY: Final = b"ready\n"


async def tell(child: Child, message: Told) -> None:
    """Send a message to a piped child."""
    writer, _ = child.pipes
    writer.write(msgspec.json.encode(message) + b"\n")
    await writer.drain()


async def line_of(child: Child) -> bytes:
    """Return the next line that a piped child says."""
    _, reader = child.pipes
    line = await reader.readline()
    if not line:
        raise BenchmarkFailed(f"{child.name} has ended: {child.last_words()}")
    return line


async def ready(child: Child) -> None:
    """Wait until a piped child has said that it can begin."""
    line = await line_of(child)
    if line != READY:
        raise BenchmarkFailed(f"{child.name} says {line!r}")
