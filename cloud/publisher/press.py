"""The press: states into the documents that brokers retain, in a process of its own.

What is believed of a count is worked out when it is told, which costs more than the commit that it
follows; beside the shard both would share one interpreter. States go over a pipe as the journal
carries them, and documents come back in the same order. The process ends with its input, however
its parent ends. Its parent's event loop owns `Press`.
"""

import asyncio
import contextlib
import logging
import sys
from asyncio.subprocess import PIPE, Process
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import BinaryIO, Final

import msgspec

from cloud.journal.rows import decode_state, encode_state
from cloud.publisher.documents import stock_document
from cloud.sku_location.belief import Estimator
from cloud.sku_location.state import SkuLocation
from protocol.documents import encode_document

LENGTH_BYTES: Final = 4
END_DEADLINE_S: Final = 2.0

log = logging.getLogger(__name__)

_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(list[bytes])


class PressLost(Exception):
    """The process has ended; documents have to be made without it."""


class Press:
    """A running press. Documents come in the order in which they were asked for."""

    def __init__(self, process: Process) -> None:
        self._process: Final = process
        self._asked: Final[deque[asyncio.Future[list[bytes]]]] = deque()
        self._is_lost = False
        self._reading: Final = asyncio.create_task(self._read())

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    @property
    def is_lost(self) -> bool:
        """Say whether there is nobody left to ask."""
        return self._is_lost

    def documents(self, states: Sequence[SkuLocation]) -> "asyncio.Future[list[bytes]]":
        """Ask for the documents of states; the future raises `PressLost`."""
        answer: asyncio.Future[list[bytes]] = asyncio.get_running_loop().create_future()
        if self._is_lost or self._process.stdin is None:
            answer.set_exception(PressLost())
            return answer
        self._asked.append(answer)
        self._process.stdin.write(_framed([encode_state(state) for state in states]))
        return answer

    async def _read(self) -> None:
        out = self._process.stdout
        if out is None:
            raise AssertionError("a press is started with pipes")
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                size_bytes = int.from_bytes(await out.readexactly(LENGTH_BYTES))
                documents = _decoder.decode(await out.readexactly(size_bytes))
                answer = self._asked.popleft()
                if not answer.done():
                    answer.set_result(documents)
        self._lose()

    def _lose(self) -> None:
        self._is_lost = True
        while self._asked:
            answer = self._asked.popleft()
            if not answer.done():
                answer.set_exception(PressLost())
                answer.exception()  # Whoever was going to ask may be gone.

    async def stop(self) -> None:
        """End the process, also when whoever waits for that is cancelled."""
        ending = asyncio.create_task(self._end())
        try:
            await asyncio.shield(ending)
        except asyncio.CancelledError:
            await ending
            raise

    async def _end(self) -> None:
        self._reading.cancel()
        self._lose()
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            async with asyncio.timeout(END_DEADLINE_S):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()


@asynccontextmanager
async def running_press() -> AsyncIterator[Press]:
    """Start a press, and end it afterwards."""
    starting = asyncio.create_task(
        asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "cloud.publisher.press"),
            stdin=PIPE,
            stdout=PIPE,
            start_new_session=True,  # A Ctrl-C is for its parent, which then ends it in order.
        )
    )
    try:
        press = Press(await asyncio.shield(starting))
    except asyncio.CancelledError:
        # Half a start would leave a process and pipes that nobody knows.
        await Press(await starting).stop()
        raise
    try:
        yield press
    finally:
        await press.stop()


def _framed(parts: list[bytes]) -> bytes:
    body = _encoder.encode(parts)
    return len(body).to_bytes(LENGTH_BYTES) + body


def serve(source: BinaryIO, sink: BinaryIO) -> None:
    """Answer until the input ends. Runs in the press's own process."""
    estimator = Estimator()
    while len(head := source.read(LENGTH_BYTES)) == LENGTH_BYTES:
        rows = _decoder.decode(source.read(int.from_bytes(head)))
        documents = [
            encode_document(stock_document(decode_state(row), estimator.estimate)) for row in rows
        ]
        sink.write(_framed(documents))
        sink.flush()


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError, KeyboardInterrupt):
        serve(sys.stdin.buffer, sys.stdout.buffer)
