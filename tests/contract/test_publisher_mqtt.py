"""The publisher against real brokers: what subscribers hear, also when the broker forgets."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest
from aiomqtt import Client, Message, ProtocolVersion

from cloud.broker import BackOff
from cloud.config import PublisherSettings
from cloud.journal.sqlite import SqliteJournal
from cloud.journal.sqlite_reader import SqliteReader
from cloud.publisher.handover import Handover
from cloud.publisher.pump import Publisher
from cloud.shards.messages import BatchReceived, Committed, HelloReceived, SetPolicy, ShardInput
from cloud.shards.shard import Shard
from cloud.sku_location.decide import LOGIC_ERA
from cloud.sku_location.state import Policy
from protocol.broker_settings import BrokerSettings
from protocol.codec import decode_down, encode_up
from protocol.envelope import FactBatch, Hello
from protocol.facts import AnyFact, GoodsReceived, StockCounted, UnitsSold
from protocol.ids import parse_gtin
from protocol.updates import Ack, MirrorUpdate, Welcome
from tests.brokers import Broker

DEADLINE_S = 15.0
SETTINGS = PublisherSettings(marker_interval_ms=10)


def gtin_of(number: int) -> str:
    body = f"0061414{number:06d}"
    digits = [int(digit) * (3 if at % 2 == 0 else 1) for at, digit in enumerate(body)]
    return parse_gtin(f"{body}{-sum(digits) % 10}")


def counted(number: int, quantity: int) -> StockCounted:
    return StockCounted(
        occurred_at_ms=1,
        source="sweep",
        gtin=gtin_of(number),
        quantity=quantity,
        measure="units",
        evidence="sweep",
    )


def sold(number: int, transaction: int) -> UnitsSold:
    return UnitsSold(
        occurred_at_ms=2,
        source="till-1",
        gtin=gtin_of(number),
        quantity=1,
        measure="units",
        transaction=f"T{transaction}",
        line=1,
    )


class Site:
    """A journal with its shard, whose commits go to a publisher."""

    def __init__(self, folder: Path, broker: Broker, journal: SqliteJournal) -> None:
        self.shard = Shard(journal, "0-of-1", journal.take_ownership("0-of-1", LOGIC_ERA, 0))
        self.journal = journal
        self.handover: Handover | None = None
        self.published: list[int] = []
        self.news = asyncio.Event()
        self._broker = BrokerSettings(url=broker.url)
        self._path = folder / "journal.db"
        self._next_seq = 1

    def apply(self, *facts: AnyFact) -> Committed:
        batch = FactBatch(
            store="S001", epoch=7, first_seq=self._next_seq, sent_at_ms=0, facts=list(facts)
        )
        self._next_seq += len(facts)
        return self.commit(BatchReceived(batch=batch, frame=encode_up(batch)))

    def commit(self, *inputs: ShardInput) -> Committed:
        """Commit; without a publisher nobody is told, as after a crash."""
        committed = self.shard.commit(list(inputs), now_ms=1_000)
        if self.handover is not None:
            self.handover.put(committed)
        return committed

    def _note_published(self, position: int) -> None:
        self.published.append(position)
        self.news.set()

    @asynccontextmanager
    async def publishing(
        self, settings: PublisherSettings = SETTINGS, *, told: bool = True
    ) -> AsyncIterator[Publisher]:
        """Publish meanwhile, wait until everything was told, and stop in an orderly way."""
        self.handover = Handover(items_max=50)
        with closing(SqliteReader(self._path)) as reader:
            publisher = Publisher(
                self._broker,
                settings,
                handover=self.handover,
                reader=reader,
                owner_epoch=self.shard.owner_epoch,
                on_published=self._note_published,
                now_ms=lambda: 1_000,
                back_off=BackOff(lambda low, _: low / 10),
            )
            task = asyncio.create_task(publisher.run())
            try:
                yield publisher
            finally:
                if told:
                    await until_published(self)
                publisher.stop()
                await asyncio.wait_for(task, DEADLINE_S)
                self.handover = None


@pytest.fixture
def site(tmp_path: Path, broker: Broker) -> Iterator[Site]:
    with closing(SqliteJournal(tmp_path / "journal.db")) as journal:
        yield Site(tmp_path, broker, journal)


async def until_published(site: Site) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while site.journal.position() not in site.published:
            site.news.clear()
            await site.news.wait()


class Listener:
    """An independent subscriber that remembers everything."""

    def __init__(self) -> None:
        self.heard: list[Message] = []
        self._news = asyncio.Event()

    async def listen(self, client: Client) -> None:
        async for message in client.messages:
            self.heard.append(message)
            self._news.set()

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while not holds():
                self._news.clear()
                await self._news.wait()

    def on(self, channel: str) -> list[Message]:
        return [m for m in self.heard if m.topic.value == f"st/1/{channel}"]

    def stock(self) -> dict[str, int]:
        """Newest count per GTIN, by the retained topics."""
        counts: dict[str, int] = {}
        versions: dict[str, int] = {}
        for message in self.heard:
            if message.topic.matches("st/1/S001/stock/+") and message.payload:
                document = json.loads(message.payload)
                assert document["version"] >= versions.get(document["gtin"], 0), "it went back"
                versions[document["gtin"]] = document["version"]
                counts[document["gtin"]] = document["on_hand"]
        return counts


@asynccontextmanager
async def listening(broker: Broker, *topics: str) -> AsyncIterator[Listener]:
    listener = Listener()
    client = Client(broker.host, broker.port, protocol=ProtocolVersion.V5)
    async with client:
        for topic in topics:
            await client.subscribe(topic, qos=0 if topic.endswith("stock/+") else 1)
        task = asyncio.create_task(listener.listen(client))
        try:
            yield listener
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def retained(broker: Broker, topic: str, messages: int) -> Listener:
    """Return what a late subscriber gets, once it has got so many."""
    async with listening(broker, topic) as late:
        await late.until(lambda: len(late.heard) >= messages)
        assert all(message.retain for message in late.heard)
        return late


def properties_of(message: Message) -> dict[str, Any]:
    assert message.properties is not None
    properties: dict[str, Any] = message.properties.json()  # type: ignore[no-untyped-call] # paho.
    return properties


async def test_a_commit_reaches_mirror_store_and_wms_in_this_order(
    broker: Broker, site: Site
) -> None:
    async with listening(broker, "st/1/S001/#") as wms, site.publishing():
        site.apply(counted(1, 5), counted(2, 8))
        await wms.until(lambda: len(wms.heard) >= 5)
    channels = [message.topic.value.removeprefix("st/1/S001/") for message in wms.heard]
    assert channels[:3] == ["down/stock", "down/ack", "stock"]
    assert sorted(channels[3:]) == [f"stock/{gtin_of(1)}", f"stock/{gtin_of(2)}"]
    update, ack = (decode_down(message.payload) for message in wms.heard[:2])
    assert isinstance(update, MirrorUpdate)
    assert isinstance(ack, Ack)
    assert (update.through_seq, ack.through_seq) == (2, 2)
    assert [item["on_hand"] for item in json.loads(wms.heard[2].payload)] == [5, 8]


async def test_messages_say_their_content_type_and_schema(broker: Broker, site: Site) -> None:
    async with listening(broker, "st/1/#") as wms, site.publishing():
        site.apply(counted(1, 5))
        await wms.until(lambda: bool(wms.stock()))
    said = {
        channel: (properties["ContentType"], dict(properties["UserProperty"])["schema"])
        for channel in ("S001/down/ack", "S001/down/stock", "S001/stock", "cloud/agent")
        for properties in [properties_of(wms.on(channel)[0])]
    }
    assert said == {
        "S001/down/ack": ("application/msgpack", "down/2"),
        "S001/down/stock": ("application/msgpack", "down/2"),
        "S001/stock": ("application/json", "stock/1"),
        "cloud/agent": ("application/json", "cloud/1"),
    }
    assert 0 < properties_of(wms.on("S001/down/ack")[0])["MessageExpiryInterval"] <= 60


async def test_a_hello_is_welcomed_and_its_mirror_is_brought_up_to_date(
    broker: Broker, site: Site
) -> None:
    hello = Hello(
        store="S001",
        epoch=7,
        first_seq=1,
        next_seq=2,
        mirror_position=0,
        sent_at_ms=0,
        agent_version="0.1.0",
    )
    async with listening(broker, "st/1/S001/down/+") as edge, site.publishing():
        site.apply(counted(1, 5))
        site.commit(HelloReceived(hello=hello))
        await edge.until(lambda: len(edge.on("S001/down/ack")) >= 2)
        welcome = decode_down(edge.on("S001/down/ack")[-1].payload)
        mirror = decode_down(edge.on("S001/down/stock")[-1].payload)
    assert isinstance(welcome, Welcome)
    assert (welcome.through_seq, len(welcome.digests)) == (1, 1)
    assert isinstance(mirror, MirrorUpdate)
    assert (mirror.previous_position, [state.on_hand for state in mirror.states]) == (0, [5])


async def test_a_late_subscriber_gets_the_newest_state_of_every_gtin(
    broker: Broker, site: Site
) -> None:
    skus = 150
    async with site.publishing():
        site.apply(*(counted(n, 10) for n in range(skus)))
        for transaction in range(20):
            site.apply(*(sold(n, transaction * skus + n) for n in range(0, skus, 3)))
    late = await retained(broker, "st/1/+/stock/+", skus)
    assert len(late.heard) == skus
    expected = {gtin_of(n): -10 if n % 3 == 0 else 10 for n in range(skus)}
    assert late.stock() == expected


async def test_a_broker_that_lost_its_memory_is_filled_again(broker: Broker, site: Site) -> None:
    skus = 120
    async with site.publishing():
        site.apply(*(counted(n, n) for n in range(skus)))
        await until_published(site)
        broker.kill()
        site.apply(sold(1, 1), sold(2, 2))
        broker.restart()
        await until_published(site)
        late = await retained(broker, "st/1/+/stock/+", skus)
    assert late.stock() == {gtin_of(n): n - (n in (1, 2)) for n in range(skus)}


async def test_a_restart_tells_what_was_not_told_before_and_nothing_else(
    broker: Broker, site: Site
) -> None:
    async with site.publishing():
        site.apply(*(counted(n, 10) for n in range(50)))
    site.apply(sold(7, 1))
    async with listening(broker, "st/1/S001/stock", "st/1/S001/stock/+") as wms:
        async with site.publishing():
            pass
        await wms.until(lambda: wms.stock().get(gtin_of(7)) == 9)
    told = sorted(message.topic.value for message in wms.heard if not message.retain)
    assert told == ["st/1/S001/stock", f"st/1/S001/stock/{gtin_of(7)}"]


async def test_an_outage_longer_than_the_handover_loses_no_state(
    broker: Broker, site: Site
) -> None:
    async with site.publishing():
        site.apply(counted(1, 500))
        await until_published(site)
        broker.kill()
        for transaction in range(200):
            site.apply(sold(1, transaction))
        broker.restart()
        await until_published(site)
        late = await retained(broker, "st/1/+/stock/+", 1)
    assert late.stock() == {gtin_of(1): 300}


async def test_a_tiny_backlog_costs_rounds_and_loses_nothing(broker: Broker, site: Site) -> None:
    skus = 2_500
    tiny = PublisherSettings(
        marker_interval_ms=10, backlog_topics_max=1_000, retained_window=1, live_window=1
    )
    async with site.publishing(tiny):
        for start in range(0, skus, 500):
            site.apply(*(counted(n, n) for n in range(start, start + 500)))
        await until_published(site)
    late = await retained(broker, "st/1/+/stock/+", skus)
    assert late.stock() == {gtin_of(n): n for n in range(skus)}


async def test_a_reorder_is_retained_while_it_is_open_and_then_removed(
    broker: Broker, site: Site
) -> None:
    policy = Policy(reorder_point=5, order_up_to=20)
    topic = f"st/1/S001/reorders/S001-{gtin_of(1)}-1"
    async with (
        listening(broker, "st/1/S001/reorders/+", "st/1/S001/down/signals") as wms,
        site.publishing(),
    ):
        site.commit(SetPolicy(store="S001", gtin=gtin_of(1), policy=policy))
        site.apply(counted(1, 4))
        await until_published(site)
        late = await retained(broker, "st/1/+/reorders/+", 1)
        assert json.loads(late.heard[0].payload)["status"] == "open"
        received = GoodsReceived(
            occurred_at_ms=3,
            source="dock",
            gtin=gtin_of(1),
            quantity=16,
            measure="units",
            zone="backroom",
            evidence="document",
        )
        site.apply(received)
        await wms.until(lambda: len([m for m in wms.heard if m.topic.value == topic]) >= 3)
    told = [m.payload for m in wms.heard if m.topic.value == topic]
    assert [json.loads(payload)["status"] for payload in told if payload] == ["open", "received"]
    assert told[-1] == b""
    assert len(wms.on("S001/down/signals")) == 2
    async with listening(broker, topic, "st/1/cloud/agent") as late:
        await late.until(lambda: bool(late.heard))
        assert not late.on(topic.removeprefix("st/1/"))


async def test_a_reorder_that_closed_while_nobody_told_is_removed_after_the_restart(
    broker: Broker, site: Site
) -> None:
    policy = Policy(reorder_point=5, order_up_to=20)
    async with site.publishing():
        site.commit(SetPolicy(store="S001", gtin=gtin_of(1), policy=policy))
        site.apply(counted(1, 4))
    received = GoodsReceived(
        occurred_at_ms=3,
        source="dock",
        gtin=gtin_of(1),
        quantity=16,
        measure="units",
        zone="backroom",
        evidence="document",
    )
    site.apply(received)
    async with listening(broker, "st/1/S001/reorders/+") as wms:
        async with site.publishing():
            pass
        await wms.until(lambda: bool(wms.heard) and wms.heard[-1].payload == b"")
    statuses = [json.loads(m.payload)["status"] for m in wms.heard if m.payload]
    assert statuses == ["open", "received"]


def cloud_document(message: Message) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(message.payload)
    return document


async def test_the_cloud_says_when_it_goes_and_how_far_the_broker_is(
    broker: Broker, site: Site
) -> None:
    async with site.publishing():
        site.apply(counted(1, 5))
    late = await retained(broker, "st/1/cloud/agent", 1)
    document = cloud_document(late.heard[0])
    assert document["status"] == "offline"
    assert document["published_through"] == site.journal.position()
    assert site.published[-1] == site.journal.position()


async def test_a_publisher_that_cannot_reach_its_broker_stops_all_the_same(
    broker: Broker, site: Site
) -> None:
    broker.kill()
    async with site.publishing(told=False):
        site.apply(counted(1, 5))
    assert site.published == []
