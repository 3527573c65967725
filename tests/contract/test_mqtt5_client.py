"""Our MQTT client against real brokers, heard by another library; and against one that is bad."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiomqtt
import pytest
from aiomqtt import Message, MqttError, Will

from mqtt5 import Client
from tests.brokers import HOST, Broker

DEADLINE_S = 15.0
WELCOME = b"\x20\x03\x00\x00\x00"
WELCOME_TWO_IN_FLIGHT = b"\x20\x06\x00\x00\x03\x21\x00\x02"

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def other(broker: Broker) -> AsyncIterator[aiomqtt.Client]:
    async with aiomqtt.Client(
        broker.host, broker.port, identifier="other", protocol=aiomqtt.ProtocolVersion.V5
    ) as client:
        yield client


def ours(broker: Broker, **more: object) -> Client:
    return Client(broker.host, broker.port, identifier="ours", timeout=5.0, **more)  # type: ignore[arg-type]


async def first(client: aiomqtt.Client | Client) -> Message:
    async with asyncio.timeout(DEADLINE_S):
        async for message in client.messages:
            return message
    raise AssertionError("no message")


async def test_thousands_of_posts_are_confirmed_and_heard_in_order(broker: Broker) -> None:
    heard: list[int] = []
    confirmed = 0
    done = asyncio.Event()

    def note() -> None:
        nonlocal confirmed
        confirmed += 1

    def hear(topic: str, payload: bytes, retained: bool) -> None:
        assert topic == "t"
        assert not retained
        heard.append(int(payload))
        if len(heard) == 5_000:
            done.set()

    async with ours(broker, max_inflight_messages=50) as client:
        listener = Client(broker.host, broker.port, identifier="listener", on_message=hear)
        async with listener, asyncio.timeout(DEADLINE_S):
            assert await listener.subscribe("t", qos=1) == [1]
            for number in range(5_000):
                client.post("t", str(number).encode(), then=note)
            await done.wait()
            await client.publish("last", b"", qos=1)
    assert heard == list(range(5_000))
    assert confirmed == 5_000


async def test_another_library_hears_us_and_we_hear_it(broker: Broker) -> None:
    large = bytes(range(256)) * 2_000
    async with other(broker) as peer, ours(broker) as client:
        await peer.subscribe("from/us", qos=1)
        await client.publish("from/us", large, qos=1)
        assert (await first(peer)).payload == large
        await client.subscribe([("from/+", 1)])
        await peer.publish("from/them", large, qos=1)
        message = await first(client)
        assert (message.topic.value, message.payload) == ("from/them", large)


async def test_a_retained_message_is_heard_later_and_a_topic_can_be_left(broker: Broker) -> None:
    async with ours(broker) as client:
        await client.publish("kept", b"1", qos=1, retain=True)
        await client.subscribe("kept", qos=1)
        message = await first(client)
        assert message.retain
        await client.unsubscribe("kept")
        await client.publish("kept", b"", qos=1, retain=True)


async def test_the_last_will_is_told_of_who_breaks_off_and_not_of_who_leaves(
    broker: Broker,
) -> None:
    will = Will("will", b"gone", qos=1, retain=False)
    async with other(broker) as peer:
        await peer.subscribe("will", qos=1)
        async with ours(broker, will=will):
            pass
        client = await ours(broker, will=will).__aenter__()
        assert client._transport is not None
        client._transport.abort()
        await peer.publish("will", b"after", qos=1)
        heard = [(await first(peer)).payload, (await first(peer)).payload]
        assert sorted(heard) == [b"after", b"gone"]


async def test_a_lost_broker_ends_everything_that_waits(broker: Broker) -> None:
    async with ours(broker) as client:
        await client.subscribe("t", qos=1)
        await asyncio.to_thread(broker.kill)
        with pytest.raises(MqttError):
            await first(client)
        with pytest.raises(MqttError):
            await client.publish("t", b"", qos=1)
        with pytest.raises(MqttError):
            client.post("t", b"")
    with pytest.raises(MqttError):
        await ours(broker).__aenter__()


@asynccontextmanager
async def serving(serve: Serve) -> AsyncIterator[int]:
    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(served, HOST, 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def test_a_broker_that_confirms_nothing_is_left_in_time() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(WELCOME)
        while await reader.read(65_536):
            pass

    async with (
        serving(silent) as port,
        asyncio.timeout(DEADLINE_S),
        Client(HOST, port, identifier="ours", timeout=0.2) as client,
    ):
        with pytest.raises(MqttError, match="timed out"):
            await client.publish("t", b"", qos=1)
        client.post("t", b"")
        with pytest.raises(MqttError):
            await first(client)


async def test_no_more_is_in_flight_than_the_broker_allows() -> None:
    seen = bytearray()
    all_seen = asyncio.Event()

    async def two_at_most(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(WELCOME_TWO_IN_FLIGHT)
        while data := await reader.read(65_536):
            seen.extend(data)
            if b"unconfirmed" in seen:
                all_seen.set()

    async with (
        serving(two_at_most) as port,
        asyncio.timeout(DEADLINE_S),
        Client(HOST, port, identifier="ours", max_inflight_messages=50) as client,
    ):
        assert client.in_flight_max == 2
        for number in range(5):
            client.post("topic", str(number).encode())
        await client.publish("topic", b"unconfirmed", qos=0)
        await all_seen.wait()
    assert seen.count(b"topic") == 3


@pytest.mark.parametrize("said", [b"", b"\x20\x03\x00\x87\x00", b"\x20\x00", b"HTTP/1.1 400\r\n"])
async def test_what_is_no_welcome_is_no_connection(said: bytes) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(said)
        await writer.drain()

    async with serving(answer) as port, asyncio.timeout(DEADLINE_S):
        with pytest.raises(MqttError):
            await Client(HOST, port, identifier="ours", timeout=1.0).__aenter__()
