"""The demo's listener against real brokers: it hears all that is retained, and comes back."""

import asyncio
from collections.abc import Callable

from aiomqtt import Client, MqttError, ProtocolVersion

from protocol.documents import StockDocument, encode_document
from protocol.topics import Topics
from simulators.demo.broker import BrokerAddress
from simulators.demo.forget import forget_retained
from simulators.demo.heard import Heard
from simulators.demo.subscriber import Subscriber
from simulators.demo.truth import SkuLocationKey
from simulators.world.goods import gtin_of
from tests.brokers import Broker
from tests.unit.test_checker import document

DEADLINE_S = 15.0
STATES = 300
"""More than the embedded broker retains for a subscription with QoS 1."""


def states(version: int) -> list[StockDocument]:
    return [document(version, gtin=gtin_of(number)) for number in range(STATES)]


async def publish(broker: Broker, documents: list[StockDocument]) -> None:
    topics = Topics()
    async with Client(broker.host, broker.port, protocol=ProtocolVersion.V5) as client:
        for each in documents:
            topic = f"{topics.root}/{each.store}/stock/{each.gtin}"
            await client.publish(topic, encode_document(each), qos=1, retain=True)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not holds():  # noqa: ASYNC110 # What was heard tells nobody but its owner.
            await asyncio.sleep(0.01)


async def published(broker: Broker, documents: list[StockDocument]) -> None:
    """Publish, trying again until a broker that has just started lets us."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            try:
                await publish(broker, documents)
            except MqttError:
                await asyncio.sleep(0.05)
            else:
                return


def listening(broker: Broker) -> tuple[Heard, "asyncio.Task[None]"]:
    heard = Heard(Topics(), lambda *_: None, lambda _: None)
    subscriber = Subscriber(broker.host, broker.port, Topics(), heard)
    return heard, asyncio.create_task(subscriber.run())


async def test_a_late_subscriber_hears_every_retained_state(broker: Broker) -> None:
    await published(broker, states(1))
    heard, listener = listening(broker)
    await until(lambda: len(heard.states) == STATES)
    assert heard.violations == []
    listener.cancel()
    await asyncio.wait([listener])


async def test_a_subscriber_outlives_its_broker(broker: Broker) -> None:
    heard, listener = listening(broker)
    await published(broker, states(1))
    await until(lambda: len(heard.states) == STATES)
    await asyncio.to_thread(broker.restart)
    await published(broker, states(2))
    last = SkuLocationKey("S001", gtin_of(STATES - 1))
    await until(lambda: heard.states[last].version == 2)
    assert heard.violations == []
    listener.cancel()
    await asyncio.wait([listener])


async def test_what_a_demo_left_on_a_broker_is_removed(broker: Broker) -> None:
    await published(broker, states(1))
    address = BrokerAddress(broker.host, broker.port)
    assert await forget_retained(address, "st/1/S001") == STATES
    assert await forget_retained(address, "st/1/S001") == 0
