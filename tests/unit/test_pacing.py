"""Long looks come in pieces, in order, and rest longer than they work."""

import asyncio
import time
from collections.abc import Iterator

from cloud.pacing import PIECE_ITEMS, RESTS, in_pieces


async def test_everything_comes_once_and_in_order() -> None:
    pieces = [piece async for piece in in_pieces(iter(range(2 * PIECE_ITEMS + 7)))]
    assert [len(piece) for piece in pieces] == [PIECE_ITEMS, PIECE_ITEMS, 7]
    assert [item for piece in pieces for item in piece] == list(range(2 * PIECE_ITEMS + 7))


async def test_nothing_is_no_piece() -> None:
    assert [piece async for piece in in_pieces(iter(()))] == []


async def test_a_piece_is_followed_by_a_rest_that_is_longer() -> None:
    worked_s = 0.0

    def work() -> Iterator[int]:
        nonlocal worked_s
        for item in range(3 * PIECE_ITEMS):
            begun_s = time.perf_counter()
            time.sleep(0.0002)
            worked_s += time.perf_counter() - begun_s
            yield item

    loop = asyncio.get_running_loop()
    begun_s = loop.time()
    async for _ in in_pieces(work()):
        pass
    assert loop.time() - begun_s >= (1 + RESTS) * worked_s
