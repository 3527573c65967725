"""A warehouse system at a real broker: what it publishes reaches the shard of the topic's store."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from aiomqtt import Client, ProtocolVersion

from cloud.broker import BackOff
from cloud.config import IngestSettings
from cloud.ingest.mqtt import Ingest
from cloud.shards.messages import DocumentReceived, PayloadRefused, ShardInput
from protocol.broker_settings import BrokerSettings
from protocol.updates import Ack
from tests.brokers import Broker

DEADLINE_S = 15.0
TOPIC = "st/1/S001/wms/despatch_advice"
ADVICE = {
    "despatch_id": "D1",
    "source": "DC1",
    "lines": [{"gtin": "00614141123452", "quantity": 18}],
}


class Shard:
    """Takes everything, and says when."""

    def __init__(self) -> None:
        self.taken: list[ShardInput] = []
        self.news = asyncio.Event()

    def offer(self, item: ShardInput) -> bool:
        self.taken.append(item)
        self.news.set()
        return True


@asynccontextmanager
async def ingesting(broker: Broker, shard: Shard, answers: list[Ack]) -> AsyncIterator[None]:
    ingest = Ingest(
        BrokerSettings(url=broker.url),
        IngestSettings(),
        shard_of=lambda _: shard,
        answer=answers.append,
        now_ms=lambda: 5,
        back_off=BackOff(lambda low, _: low / 10),
    )
    running = asyncio.create_task(ingest.run())
    try:
        yield
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def test_documents_arrive_and_garbage_is_refused_without_an_answer(broker: Broker) -> None:
    shard, answers = Shard(), list[Ack]()
    wms = Client(broker.host, broker.port, protocol=ProtocolVersion.V5)
    async with ingesting(broker, shard, answers), wms, asyncio.timeout(DEADLINE_S):
        # Nothing is retained, so what is sent before ingest has subscribed must be sent again.
        while not any(isinstance(item, DocumentReceived) for item in shard.taken):
            shard.news.clear()
            await wms.publish(TOPIC, json.dumps(ADVICE), qos=1)
            with suppress(TimeoutError):
                await asyncio.wait_for(shard.news.wait(), 0.2)
        await wms.publish(TOPIC, "garbage", qos=1)
        while not any(isinstance(item, PayloadRefused) for item in shard.taken):
            shard.news.clear()
            await shard.news.wait()
    document = next(item for item in shard.taken if isinstance(item, DocumentReceived))
    assert (document.command.store, document.topic) == ("S001", TOPIC)
    assert answers == []
