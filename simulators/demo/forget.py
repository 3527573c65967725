"""Leaves somebody else's broker as it was: removes what it retains below a demo's root.

The embedded broker forgets by ending. Runs in the demo's event loop, when everybody has stopped.
"""

import asyncio
from typing import Final

from aiomqtt import Client, ProtocolVersion

from simulators.demo.broker import BrokerAddress

QUIET_S: Final = 0.5
"""Nothing more is retained when nothing has come for so long."""
CALL_TIMEOUT_S: Final = 5.0


async def forget_retained(broker: BrokerAddress, root: str) -> int:
    """Remove every retained message below `root`, and return how many. Raises `MqttError`."""
    removed = 0
    async with Client(*broker, protocol=ProtocolVersion.V5, timeout=CALL_TIMEOUT_S) as client:
        await client.subscribe(f"{root}/#", qos=0)
        messages = aiter(client.messages)
        while True:
            try:
                async with asyncio.timeout(QUIET_S):
                    message = await anext(messages)
            except TimeoutError:
                return removed
            if message.retain and message.payload:
                await client.publish(message.topic.value, b"", qos=1, retain=True)
                removed += 1
