"""The bounded queue between the MQTT client and admission, both on the cloud's event loop."""

import asyncio
import logging
from typing import Final

from aiomqtt import Message

log = logging.getLogger(__name__)

DROP_LOG_INTERVAL_S: Final = 10.0


class Intake(asyncio.Queue[Message]):
    """What arrived and was not looked at yet, bounded in messages and bytes.

    At a bound the newest message is dropped and counted: it is the one whose sender is still
    waiting for an answer, so it comes again.
    """

    def __init__(self, messages_max: int, bytes_max: int) -> None:
        super().__init__(messages_max)
        self._bytes_max: Final = bytes_max
        self._bytes = 0
        self._dropped_untold = 0
        self._next_log_s = 0.0

    def put_nowait(self, item: Message) -> None:
        """Take in a message, or drop it."""
        size_bytes = _size_bytes(item)
        if self.full() or self._bytes + size_bytes > self._bytes_max:
            self._drop()
            return
        self._bytes += size_bytes
        super().put_nowait(item)

    def _drop(self) -> None:
        self._dropped_untold += 1
        now_s = asyncio.get_running_loop().time()
        if now_s >= self._next_log_s:
            log.warning("ingest: full; dropped %d messages, to be resent", self._dropped_untold)
            self._dropped_untold = 0
            self._next_log_s = now_s + DROP_LOG_INTERVAL_S

    def get_nowait(self) -> Message:
        """Return the oldest message."""
        item = super().get_nowait()
        self._bytes -= _size_bytes(item)
        return item


def _size_bytes(message: Message) -> int:
    return len(message.payload) + len(message.topic.value)
