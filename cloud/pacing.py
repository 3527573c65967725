"""Long looks through a journal that leave the interpreter to whoever waits for an answer.

Reviews of a million SKU-locations take a processor for a minute. They are not urgent, and run
beside requests that are: so they are cut into short pieces, and rest after each.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from itertools import islice
from typing import Final, TypeVar

T = TypeVar("T")

PIECE_ITEMS: Final = 100
"""A few milliseconds of work."""

RESTS: Final = 4
"""Each as long as a piece took: a fifth of a processor at most."""


async def in_pieces(items: Iterator[T]) -> AsyncIterator[list[T]]:
    """Go through items a piece at a time, on a worker thread, with rests between the pieces."""
    loop = asyncio.get_running_loop()
    while True:
        begun_s = loop.time()
        piece = await asyncio.to_thread(lambda: list(islice(items, PIECE_ITEMS)))
        if not piece:
            return
        rest_s = RESTS * (loop.time() - begun_s)
        yield piece
        await asyncio.sleep(rest_s)
