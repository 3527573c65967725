"""Handing inputs to a shard that may be busy. Runs on the cloud's event loop."""

import asyncio
from typing import Final, Protocol

from cloud.shards.messages import ShardInput

RETRY_S: Final = 0.005
"""The inbox belongs to two threads and tells nobody when it has room, so we look again."""

PATIENCE_S: Final = 10.0


class ShardInbox(Protocol):
    """Where a shard takes its inputs."""

    def offer(self, item: ShardInput) -> bool:
        """Put an input into the inbox, or return `False` at once when there is no room."""


async def offer_patiently(inbox: ShardInbox, item: ShardInput) -> bool:
    """Wait for room, at most `PATIENCE_S`; `False` when the input was not taken."""
    loop = asyncio.get_running_loop()
    give_up_at_s = loop.time() + PATIENCE_S
    while not inbox.offer(item):
        if loop.time() >= give_up_at_s:
            return False
        await asyncio.sleep(RETRY_S)
    return True
