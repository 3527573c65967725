"""The simulated broker keeps what a real Mosquitto keeps, for what our code asks of a broker."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any, cast

import pytest
from aiomqtt import Client, MqttError, ProtocolVersion, Will

from simulators.harness.broker import SimulatedBroker
from simulators.harness.broker_faults import BrokerFaults
from tests.brokers import Broker, mosquitto_binary, mosquitto_broker

Make = Callable[..., Client]
WAIT_S = 5.0


@pytest.fixture(params=["model", "mosquitto"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Make]:
    """Makes clients of one broker, model or real."""
    if request.param == "model":
        model = SimulatedBroker(Random(1), BrokerFaults(), lambda _: None)
        yield lambda name, **more: cast(
            "Client", model.client("host", identifier=name, timeout=1.0, **more)
        )
        return
    binary = mosquitto_binary()
    if binary is None:
        if os.environ.get("STOCKTRUTH_REQUIRE_MOSQUITTO") == "1":
            pytest.fail("mosquitto is not installed")
        pytest.skip("mosquitto is not installed")
    broker = mosquitto_broker(tmp_path, binary)
    yield lambda name, **more: _real(broker, name, **more)
    broker.stop()


def _real(broker: Broker, name: str, **more: Any) -> Client:
    return Client(
        "127.0.0.1",
        broker.port,
        identifier=name,
        protocol=ProtocolVersion.V5,
        clean_start=True,
        timeout=2.0,
        **more,
    )


@asynccontextmanager
async def listening(make: Make, name: str, topic: str) -> AsyncIterator["Heard"]:
    async with make(name) as client:
        heard = Heard(client)
        task = asyncio.create_task(heard.listen())
        await client.subscribe(topic, qos=1)
        try:
            yield heard
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


class Heard:
    """What a client was told."""

    def __init__(self, client: Client) -> None:
        self.messages: list[tuple[str, bytes, bool]] = []
        self._client = client
        self._news = asyncio.Event()

    async def listen(self) -> None:
        async for message in self._client.messages:
            payload = message.payload
            self.messages.append((message.topic.value, payload, message.retain))
            self._news.set()

    async def until(self, count: int) -> None:
        async with asyncio.timeout(WAIT_S):
            while len(self.messages) < count:
                self._news.clear()
                await self._news.wait()


async def test_messages_come_in_order_to_who_subscribed(make: Make) -> None:
    async with listening(make, "ear", "st/1/+/up/facts") as heard, make("mouth") as mouth:
        for number in range(20):
            await mouth.publish("st/1/S001/up/facts", str(number).encode(), qos=1)
        await mouth.publish("st/1/S001/agent", b"not for you", qos=1)
        await heard.until(20)
        assert [payload for _, payload, _ in heard.messages] == [
            str(number).encode() for number in range(20)
        ]


async def test_the_newest_retained_comes_to_who_comes_late(make: Make) -> None:
    async with make("mouth") as mouth:
        await mouth.publish("a/b", b"old", qos=1, retain=True)
        await mouth.publish("a/b", b"new", qos=1, retain=True)
        await mouth.publish("a/c", b"gone", qos=1, retain=True)
        await mouth.publish("a/c", b"", qos=1, retain=True)
        async with listening(make, "late", "a/#") as heard:
            await heard.until(1)
            await mouth.publish("a/d", b"live", qos=1)
            await heard.until(2)
    assert heard.messages == [("a/b", b"new", True), ("a/d", b"live", False)]


async def test_the_last_will_comes_when_another_takes_the_name(make: Make) -> None:
    will = Will("wills", b"taken over", qos=1, retain=False)
    async with listening(make, "ear", "wills") as heard:
        first = make("twin", will=will)
        await first.__aenter__()
        async with make("twin"):
            await heard.until(1)
        with pytest.raises(MqttError):
            await anext(aiter(first.messages))
    assert heard.messages[0][1] == b"taken over"


async def test_who_says_goodbye_leaves_no_will(make: Make) -> None:
    will = Will("wills", b"never", qos=1, retain=False)
    async with listening(make, "ear", "wills") as heard:
        async with make("polite", will=will):
            pass
        async with make("mouth") as mouth:
            await mouth.publish("wills", b"end", qos=1)
            await heard.until(1)
    assert [payload for _, payload, _ in heard.messages] == [b"end"]


async def test_a_topic_that_was_given_up_is_not_heard(make: Make) -> None:
    async with listening(make, "ear", "a") as heard, make("mouth") as mouth:
        await mouth.publish("a", b"1", qos=1)
        await heard.until(1)
        await heard._client.subscribe("b", qos=1)
        await heard._client.unsubscribe("a")
        await mouth.publish("a", b"2", qos=1)
        await mouth.publish("b", b"3", qos=1)
        await heard.until(2)
    assert [payload for _, payload, _ in heard.messages] == [b"1", b"3"]


async def test_nobody_publishes_on_a_connection_that_is_gone(make: Make) -> None:
    first = make("twin")
    await first.__aenter__()
    async with make("twin"):
        with pytest.raises(MqttError):
            await anext(aiter(first.messages))
        with pytest.raises(MqttError):
            await first.publish("a", b"x", qos=1)


async def test_faults_are_injected_and_counted() -> None:
    noted: list[str] = []
    faults = BrokerFaults(drop=0.3, duplicate=0.3)
    model = SimulatedBroker(Random(1), faults, noted.append)
    make = cast("Make", lambda name: model.client("host", identifier=name))
    async with listening(make, "ear", "a") as heard, make("mouth") as mouth:
        for number in range(200):
            await mouth.publish("a", str(number).encode(), qos=1)
        model.faults.drop = 0.0
        await mouth.publish("a", b"end", qos=1)
        dropped = noted.count("broker: dropped")
        await heard.until(200 - dropped + noted.count("broker: duplicated"))
    different = {payload for _, payload, _ in heard.messages}
    assert len(different) >= 200 - dropped
    assert noted.count("broker: duplicated") > 20


async def test_a_crash_forgets_what_was_retained_and_breaks_connections() -> None:
    model = SimulatedBroker(Random(1), BrokerFaults(), lambda _: None)
    client = model.client("host", identifier="x", timeout=0.2)
    async with client:
        await client.publish("a", b"1", qos=1, retain=True)
        assert model.retained == {"a": b"1"}
        model.crash()
        assert model.retained == {}
        with pytest.raises(MqttError):
            await client.publish("a", b"2", qos=1)
    with pytest.raises(MqttError, match="refused"):
        await model.client("host", identifier="x").__aenter__()
    model.restart()
    async with model.client("host", identifier="x"):
        model.cut("host")
        with pytest.raises(MqttError, match="timed out"):
            await model.client("host", identifier="y", timeout=0.1).__aenter__()
