"""The independent listener: what a warehouse system would run to know the stock of all stores.

It shares nothing with cloud and edge but the published topics and types. Retained states,
reorders and agents are read with QoS 0, since the embedded broker cuts retained messages short on
QoS 1; the full-rate arrays with QoS 1. It connects again for ever. Runs in the demo's event loop.
"""

import asyncio
import logging
import time
from typing import Final

from aiomqtt import Client, MqttError, ProtocolVersion

from protocol.topics import Topics
from simulators.demo.heard import Heard

RETRY_S: Final = 0.2
CALL_TIMEOUT_S: Final = 5.0
KEEPALIVE_S: Final = 10

log = logging.getLogger(__name__)


class Subscriber:
    """Listens to one broker and tells `heard`."""

    def __init__(self, host: str, port: int, topics: Topics, heard: Heard) -> None:
        self._host = host
        self._port = port
        self._topics = topics
        self._heard = heard
        self.connections = 0

    async def run(self) -> None:
        """Listen until cancelled."""
        while True:
            try:
                await self._listen()
            except MqttError as error:
                log.info("subscriber: %s", error)
            await asyncio.sleep(RETRY_S)

    async def _listen(self) -> None:
        root = self._topics.root
        async with self._new_client() as client:
            # First the full-rate arrays: what they miss from here on, the retained states bring.
            await client.subscribe(f"{root}/+/stock", qos=1)
            await client.subscribe(
                [(f"{root}/+/stock/+", 0), (f"{root}/+/reorders/+", 0), (f"{root}/+/agent", 0)]
            )
            self.connections += 1
            async for message in client.messages:
                if isinstance(message.payload, bytes):
                    self._heard.take(message.topic.value, message.payload, time.monotonic_ns())

    def _new_client(self) -> Client:
        client = Client(
            self._host,
            self._port,
            identifier=f"demo-wms-{time.monotonic_ns()}",
            protocol=ProtocolVersion.V5,
            clean_start=True,
            keepalive=KEEPALIVE_S,
            timeout=CALL_TIMEOUT_S,
        )
        client.pending_calls_threshold = 100
        return client
