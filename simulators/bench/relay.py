"""The limit of the pipeline: the same bytes through the same broker, and nothing done with them.

    python -m simulators.bench.relay gateway|cloud URL LOAD

A gateway sends frames as large as its uplink's and keeps as many unanswered; in the cloud's place,
each frame is answered by an acknowledgement, a mirror update and a stock array as large as those of
the run. Both are processes with the client library of the edge and the cloud.
"""

import asyncio
import os
import sys
import time
from pathlib import Path
from typing import Final

import msgspec
from aiomqtt import MqttError
from msgspec import Struct

from mqtt5 import Client
from mqtt5.client import Hear
from protocol.broker_settings import BrokerSettings
from simulators.bench.messages import READY

WINDOW: Final = 8
ACK_BYTES: Final = 48
IN_FLIGHT_MAX: Final = 20
ROOT: Final = "limit/1"
UP: Final = "up/facts"
STAMP_BYTES: Final = 8


class RelayLoad(Struct, frozen=True, kw_only=True):
    """How large the messages are, how many frames a gateway sends, and how long apart.

    `interval_s` of 0 is as fast as they are answered.
    """

    frame_bytes: int
    mirror_bytes: int
    array_bytes: int
    frames: int
    interval_s: float = 0.0


def _client(broker: BrokerSettings, name: str, hear: Hear) -> Client:
    return Client(
        broker.host,
        broker.port,
        identifier=name,
        keepalive=30,
        max_inflight_messages=IN_FLIGHT_MAX,
        on_message=hear,
    )


class Gateway:
    """Sends frames, at most `WINDOW` of them unanswered."""

    def __init__(self, store: str, load: RelayLoad) -> None:
        self._topic: Final = f"{ROOT}/{store}/{UP}"
        self._load: Final = load
        self._free: Final = asyncio.Semaphore(WINDOW)

    def hear(self, topic: str, payload: bytes, retained: bool) -> None:
        """Take a message; an acknowledgement makes room."""
        del payload, retained
        if topic.endswith("/ack"):
            self._free.release()

    async def send(self, client: Client) -> None:
        """Send everything, and return when all of it is answered."""
        rest = os.urandom(max(0, self._load.frame_bytes - STAMP_BYTES))
        for _ in range(self._load.frames):
            await self._free.acquire()
            client.post(self._topic, time.monotonic_ns().to_bytes(STAMP_BYTES) + rest)
            if self._load.interval_s:
                await asyncio.sleep(self._load.interval_s)
        for _ in range(WINDOW):
            await self._free.acquire()


async def gateway(broker: BrokerSettings, store: str, load: RelayLoad) -> None:
    """Be a gateway: begin at a line of standard input, and tell the seconds that it took."""
    sending = Gateway(store, load)
    async with _client(broker, f"gateway-{store}", sending.hear) as client:
        await client.subscribe([(f"{ROOT}/{store}/down/+", 1)])
        _say(READY)
        await asyncio.to_thread(sys.stdin.readline)
        begun_s = time.monotonic()
        await sending.send(client)
        _say(f"{time.monotonic() - begun_s}\n".encode())
        await asyncio.to_thread(sys.stdin.readline)


async def cloud(broker: BrokerSettings, load: RelayLoad) -> None:
    """Be in the cloud's place until standard input ends."""
    mirror, array = os.urandom(load.mirror_bytes), os.urandom(load.array_bytes)
    clients: list[Client] = []

    def hear(topic: str, payload: bytes, retained: bool) -> None:
        del retained
        store = topic.removesuffix(UP)
        clients[0].post(f"{store}down/stock", mirror)
        clients[0].post(f"{store}down/ack", os.urandom(ACK_BYTES))
        clients[0].post(f"{store}stock", payload[:STAMP_BYTES] + array[STAMP_BYTES:])

    publisher = _client(broker, "relay-publisher", lambda *_: None)
    async with publisher, _client(broker, "relay-ingest", hear) as ingest:
        clients.append(publisher)
        await ingest.subscribe(f"{ROOT}/+/{UP}", qos=1)
        _say(READY)
        await asyncio.to_thread(sys.stdin.readline)


def _say(line: bytes) -> None:
    sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()


def main() -> None:
    """Play the role that the command line says."""
    role, url, file, *rest = sys.argv[1:]
    load = msgspec.json.decode(Path(file).read_bytes(), type=RelayLoad)
    broker = BrokerSettings(url=url)
    try:
        asyncio.run(gateway(broker, rest[0], load) if role == "gateway" else cloud(broker, load))
    except MqttError as error:
        sys.exit(f"{role}: {error}")


if __name__ == "__main__":
    main()
