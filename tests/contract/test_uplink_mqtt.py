"""The uplink's I/O against real brokers and a scripted cloud."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from edge.errors import OutboxFailed
from edge.mirror.sqlite import SqliteMirror
from edge.outbox.port import PendingFact
from edge.uplink.agent import AgentState
from edge.uplink.mqtt import Uplink
from edge.uplink.settings import UplinkSettings
from protocol.broker_settings import BrokerSettings
from protocol.documents import DeviceStatus
from protocol.envelope import FactBatch, Hello, MirrorRequest
from protocol.facts import StockCounted
from protocol.ids import Seq, StoreId
from protocol.updates import Ack, MirrorUpdate
from tests.brokers import Broker
from tests.memory_outbox import MemoryOutbox
from tests.scripted_cloud import DEADLINE_S, ScriptedCloud, retained

STORE = StoreId("S001")
AGENT = f"st/1/{STORE}/agent"
SETTINGS = UplinkSettings(
    window_batches=4,
    batch_facts_max=5,
    hello_timeout_ms=200,
    ack_timeout_ms=200,
    timeout_max_ms=500,
    drain_timeout_ms=500,
)


def counted(number: int) -> StockCounted:
    return StockCounted(
        occurred_at_ms=number,
        source="sweep",
        gtin="00614141123452",
        quantity=number,
        measure="units",
        evidence="sweep",
    )


class Edge:
    """The uplink with an outbox in memory."""

    def __init__(self, folder: Path, broker: Broker, outbox: MemoryOutbox) -> None:
        self.outbox = outbox
        self.mirror = SqliteMirror(folder / "mirror.db")
        self.devices = [DeviceStatus(name="till-1", kind="pos_journal", health="healthy")]
        self.state = AgentState(STORE, outbox, lambda: self.devices, lambda: 1_700_000_000_000)
        self.uplink = Uplink(
            STORE,
            BrokerSettings(url=broker.url),
            SETTINGS,
            outbox=outbox,
            mirror=self.mirror,
            agent=self.state,
            clock_ms=lambda: 1_700_000_000_000,
            jitter=lambda: 0.5,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator["asyncio.Task[None]"]:
        task = asyncio.create_task(self.uplink.run())
        try:
            yield task
        finally:
            self.uplink.stop()
            await asyncio.wait({task}, timeout=DEADLINE_S)
            assert task.done(), "stop took too long"
            self.mirror.close()

    def append(self, *numbers: int) -> None:
        self.outbox.append([counted(number) for number in numbers])


@pytest.fixture
async def edge(tmp_path: Path, broker: Broker) -> Edge:
    return Edge(tmp_path, broker, MemoryOutbox())


@pytest.fixture
async def cloud() -> ScriptedCloud:
    return ScriptedCloud()


async def eventually(condition: Callable[[], bool], what: str) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110 # Nothing tells the test of what it looks at.
            await asyncio.sleep(0.01)
    assert condition(), what


def numbers(cloud: ScriptedCloud) -> list[int]:
    return [fact.quantity for fact in cloud.facts if isinstance(fact, StockCounted)]


async def test_facts_reach_the_cloud_in_order_and_are_trimmed_on_its_acknowledgement(
    broker: Broker, edge: Edge, cloud: ScriptedCloud
) -> None:
    edge.append(*range(1, 8))
    async with cloud.running(broker), edge.running():
        await cloud.until(lambda: len(cloud.facts) == 7, "what was there before")
        edge.append(8)
        await eventually(lambda: edge.outbox.status().pending == 0, "trimmed")
    assert numbers(cloud) == list(range(1, 9))


async def test_nothing_is_trimmed_while_only_the_broker_confirms(
    broker: Broker, edge: Edge, cloud: ScriptedCloud
) -> None:
    cloud.is_silent = True
    edge.append(1, 2, 3)
    async with cloud.running(broker), edge.running():
        await cloud.until(lambda: len(cloud.messages) >= 2, "repeated hellos")
        assert edge.outbox.status().pending == 3
        cloud.is_silent = False
        await eventually(lambda: edge.outbox.status().pending == 0, "delivered after all")
    assert numbers(cloud) == [1, 2, 3]


async def test_a_lost_batch_is_sent_again_and_each_fact_counts_once(
    broker: Broker, edge: Edge, cloud: ScriptedCloud
) -> None:
    cloud.lose_batches = 1
    edge.append(*range(1, 51))
    async with cloud.running(broker), edge.running():
        await eventually(lambda: edge.outbox.status().pending == 0, "delivered")
    assert numbers(cloud) == list(range(1, 51))


async def test_a_killed_broker_costs_a_delay_and_no_fact(
    broker: Broker, edge: Edge, cloud: ScriptedCloud
) -> None:
    async with edge.running():
        async with cloud.running(broker):
            edge.append(1)
            await cloud.until(lambda: numbers(cloud) == [1], "the first")
        broker.kill()
        edge.append(2, 3)
        broker.restart()
        async with cloud.running(broker):
            await eventually(lambda: edge.outbox.status().pending == 0, "delivered")
    assert numbers(cloud) == [1, 2, 3]


async def test_frames_carry_content_type_schema_and_expiry(
    broker: Broker, edge: Edge, cloud: ScriptedCloud
) -> None:
    edge.append(1)
    async with cloud.running(broker), edge.running():
        await cloud.until(lambda: len(cloud.facts) == 1, "the fact")
    kinds = [type(decoded) for decoded, _ in cloud.messages]
    assert kinds == [Hello, FactBatch]
    for _, message in cloud.messages:
        assert message.properties is not None
        said = message.properties.json()  # type: ignore[no-untyped-call] # paho leaves it untyped.
        assert said["ContentType"] == "application/msgpack"
        assert said["UserProperty"] == [("schema", "up/3")]
        assert 0 < said["MessageExpiryInterval"] <= 60


async def test_birth_is_retained_and_a_clean_stop_delivers_and_says_goodbye(
    broker: Broker, edge: Edge, cloud: ScriptedCloud
) -> None:
    async with cloud.running(broker), edge.running() as task:
        birth = await retained(broker, AGENT, lambda payload: b'"online"' in payload)
        assert isinstance(birth.payload, bytes)
        document = json.loads(birth.payload)
        assert (document["store"], document["devices"][0]["name"]) == (STORE, "till-1")
        edge.append(*range(1, 31))
        edge.uplink.stop()
        await asyncio.wait_for(task, DEADLINE_S)
        goodbye = await retained(broker, AGENT, lambda payload: b'"offline"' in payload)
        assert goodbye.retain
    assert numbers(cloud) == list(range(1, 31))


async def test_a_stop_without_a_cloud_ends_within_its_bound(broker: Broker, edge: Edge) -> None:
    edge.append(1)
    async with edge.running() as task:
        await retained(broker, AGENT, lambda payload: b'"online"' in payload)
        edge.uplink.stop()
        await asyncio.wait_for(task, DEADLINE_S)
    assert edge.outbox.status().pending == 1


async def test_a_stop_without_a_broker_ends_at_once(broker: Broker, edge: Edge) -> None:
    broker.kill()
    async with edge.running() as task:
        edge.uplink.stop()
        await asyncio.wait_for(task, DEADLINE_S)


async def test_a_change_of_health_is_told_to_everybody(
    broker: Broker, edge: Edge, cloud: ScriptedCloud
) -> None:
    async with cloud.running(broker), edge.running():
        await retained(broker, AGENT, lambda payload: b'"healthy"' in payload)
        edge.devices = [DeviceStatus(name="till-1", kind="pos_journal", health="lost")]
        edge.uplink.agent_changed()
        await retained(broker, AGENT, lambda payload: b'"lost"' in payload)


async def test_rubbish_from_the_broker_is_counted_and_changes_nothing(
    broker: Broker, edge: Edge, cloud: ScriptedCloud, caplog: pytest.LogCaptureFixture
) -> None:
    async with cloud.running(broker), edge.running():
        await cloud.until(lambda: bool(cloud.messages), "hello")
        await cloud.tell_bytes(STORE, b"")
        await cloud.tell_bytes(STORE, b"\x92\x01\xc1")
        await cloud.tell_bytes(STORE, b"\xff" * 20_000)
        await cloud.tell_bytes(STORE, b"\x92\x01\x97\x01\xa4S002\x01\x00\xc0\xc0\xa0")
        edge.append(1)
        await eventually(lambda: edge.outbox.status().pending == 0, "delivered")
    assert edge.uplink.frames_rejected == 4
    assert sum("ignored a message" in record.message for record in caplog.records) == 4


async def test_a_rewound_outbox_goes_on_in_a_new_epoch_with_an_alarm(
    broker: Broker, edge: Edge, cloud: ScriptedCloud
) -> None:
    image = edge.outbox.image()
    async with cloud.running(broker):
        async with edge.running():
            edge.append(1, 2, 3)
            await eventually(lambda: edge.outbox.status().pending == 0, "delivered")
        edge.outbox.restore(image)
        edge.append(101, 102)
        second = Edge(Path(str(edge.mirror._path)).parent, broker, edge.outbox)
        async with second.running():
            await eventually(lambda: edge.outbox.status().pending == 0, "delivered")
            await retained(broker, AGENT, lambda payload: b"outbox_rewound" in payload)
    assert numbers(cloud) == [1, 2, 3, 101, 102]
    assert len(cloud.epochs) == 2


async def test_a_refusal_is_an_alarm_and_no_loop(
    broker: Broker, edge: Edge, cloud: ScriptedCloud
) -> None:
    cloud.refuse = "the store is closed"
    edge.append(1)
    async with cloud.running(broker), edge.running():
        await retained(broker, AGENT, lambda payload: b"the store is closed" in payload)
        messages = len(cloud.messages)
        edge.append(2)
        # Told at most once a second: long enough for a loop to show.
        edge.devices = [DeviceStatus(name="till-1", kind="pos_journal", health="lost")]
        edge.uplink.agent_changed()
        await retained(broker, AGENT, lambda payload: b'"lost"' in payload)
        assert len(cloud.messages) == messages
    assert edge.outbox.status().pending == 2


async def test_a_mirror_that_missed_an_update_asks_until_it_has_it(
    broker: Broker, edge: Edge, cloud: ScriptedCloud
) -> None:
    def update(previous: int, position: int) -> MirrorUpdate:
        return MirrorUpdate(
            store=STORE,
            previous_position=previous,
            position=position,
            epoch=1,
            through_seq=0,
            states=[],
        )

    def asked() -> list[int]:
        return [m.position for m, _ in cloud.messages if isinstance(m, MirrorRequest)]

    async with cloud.running(broker), edge.running():
        await cloud.until(lambda: bool(cloud.messages), "hello")
        await cloud.tell(update(0, 4), "stock")
        await cloud.tell(update(6, 9), "stock")
        await cloud.until(lambda: asked() == [4, 4], "asked twice")
        await cloud.tell(update(4, 9), "stock")
        await eventually(lambda: edge.mirror.position == 9, "complete")
    assert not edge.mirror.is_behind


async def test_an_unforeseen_failure_is_logged_once_and_the_uplink_starts_anew(
    broker: Broker,
    edge: Edge,
    cloud: ScriptedCloud,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read, failures = edge.outbox.read, iter([RuntimeError("unforeseen")])

    def read_or_fail(after: Seq, facts_max: int, bytes_max: int) -> list[PendingFact]:
        for failure in failures:
            raise failure
        return read(after, facts_max, bytes_max)

    monkeypatch.setattr(edge.outbox, "read", read_or_fail)
    edge.append(1)
    async with cloud.running(broker), edge.running():
        await eventually(lambda: edge.outbox.status().pending == 0, "delivered after all")
    errors = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert len(errors) == 1
    assert numbers(cloud) == [1]


async def test_a_failed_outbox_ends_the_uplink(
    broker: Broker, edge: Edge, cloud: ScriptedCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(after: Seq, facts_max: int, bytes_max: int) -> list[PendingFact]:
        raise OutboxFailed("the disk is gone")

    monkeypatch.setattr(edge.outbox, "read", fail)
    edge.append(1)
    async with cloud.running(broker), edge.running() as task:
        with pytest.raises(OutboxFailed, match="the disk is gone"):
            await asyncio.wait_for(task, DEADLINE_S)


async def test_a_late_acknowledgement_of_another_epoch_trims_nothing(
    broker: Broker, edge: Edge, cloud: ScriptedCloud
) -> None:
    cloud.lose_batches = 1_000
    edge.append(1, 2)
    async with cloud.running(broker), edge.running():
        await cloud.until(lambda: len(cloud.messages) >= 2, "a batch")
        await cloud.tell(Ack(store=STORE, epoch=99, through_seq=2))
        cloud.lose_batches = 0
        await cloud.until(lambda: len(cloud.facts) == 2, "sent again")
    assert numbers(cloud) == [1, 2]
