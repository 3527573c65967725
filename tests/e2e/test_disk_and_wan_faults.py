"""Disks that fill up, fail and refuse, a bad line, a suspended cloud: under real processes.

Whatever was acknowledged is there afterwards, once; who cannot keep a promise stops and says so.
"""

import asyncio
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing
from errno import EIO, EROFS
from pathlib import Path
from random import Random

import pytest

from cloud.journal.sqlite_reader import SqliteReader
from protocol.facts import AnyFact, StockCounted, UnitsSold
from tests.brokers import Broker, embedded_broker, wait_for
from tests.cloud_process import CloudProcess, store_at
from tests.e2e.test_edge_agent import COAT, STORE, Agent, sales
from tests.lossy_line import LossyLine
from tests.scripted_cloud import ScriptedCloud
from tests.storage_faults import SYNCS, WRITES, FailingCalls, SmallDisk, small_disk

DEADLINE_S = 30.0
GTIN = "00614141123452"
EPOCH = 7
SMALL_MIB = 4
SUSPENDED_S = 10.0


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    """The embedded broker alone: what is broken here is not the broker."""
    folder = tmp_path / "broker"
    folder.mkdir()
    started = embedded_broker(folder)
    yield started
    started.stop()


class FaultyAgent(Agent):
    """An agent whose disk calls can be made to fail."""

    def __init__(self, folder: Path, broker: Broker) -> None:
        super().__init__(folder, broker)
        self.calls: FailingCalls | None = None

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def use_data_dir(self, folder: Path) -> None:
        text = self.config.read_text()
        self.config.write_text(f'data_dir = "{folder}"\n{text}')

    def is_taken(self) -> bool:
        """Say whether all that was sold is in the outbox."""
        return not list(self.spool.glob("*.xml"))

    def taken(self) -> None:
        wait_for(self.is_taken, DEADLINE_S, "the sales are in the outbox")

    def ended(self) -> int:
        assert self.process is not None
        return self.process.wait(DEADLINE_S)

    def said(self) -> str:
        return self.log.read_text()

    def _command(self, *words: str) -> list[str]:
        command = super()._command(*words)
        return self.calls.under(command) if self.calls and words == ("run",) else command


@pytest.fixture
def agent(tmp_path: Path, broker: Broker) -> Iterator[FaultyAgent]:
    agent = FaultyAgent(tmp_path, broker)
    yield agent
    agent.kill()


class FaultyCloud(CloudProcess):
    """A cloud whose disk calls can be made to fail."""

    calls: FailingCalls | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def use_journal(self, path: Path) -> None:
        self.config.write_text(self.config.read_text().replace("data/journal.db", str(path)))

    def said(self) -> str:
        return self.log.read_text()

    def _command(self, *arguments: str) -> list[str]:
        command = list(super()._command(*arguments))
        return self.calls.under(command) if self.calls and arguments[0] == "run" else command


@pytest.fixture
def cloud(tmp_path: Path, broker: Broker) -> Iterator[FaultyCloud]:
    (tmp_path / "cloud").mkdir()
    cloud = FaultyCloud(tmp_path / "cloud", broker)
    yield cloud
    cloud.kill()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk", SMALL_MIB) as disk:
        yield disk


def stopped_with_one_clear_line(said: str, program: str, wanted: str) -> None:
    last = said.splitlines()[-1]
    assert last.startswith(f"stocktruth-{program}: "), said
    assert wanted in last
    assert "Traceback" not in said


async def everything_arrives(broker: Broker, kept: list[str], in_doubt: list[str]) -> None:
    """Let a cloud come: what was kept reaches it under one number, the rest under at least one.

    A sale whose commit failed may be in the outbox all the same; its document, which the till
    still has, is then recorded again. Both carry one business key, by which the cloud counts once.
    """
    cloud = ScriptedCloud()
    async with cloud.running(broker):
        wanted = {*kept, *in_doubt}
        await cloud.until(lambda: {s.transaction for s in sales(cloud)} >= wanted, "all sales")
        times = Counter(sale.transaction for sale in sales(cloud))
        assert set(times) == wanted
        assert {times[transaction] for transaction in kept} == {1}
        assert len(cloud.epochs) == 1


# The agent's disk.


async def test_after_a_failed_sync_the_agent_stops_at_once_and_has_lost_nothing(
    agent: FaultyAgent, broker: Broker, tmp_path: Path
) -> None:
    calls = agent.calls = FailingCalls(tmp_path)
    broker.kill()
    agent.start()
    kept = [agent.sell() for _ in range(5)]
    agent.taken()
    # Only one sync fails. Whoever tries again finds that all is well, and has lost the commit.
    calls.fail_once(agent.pid, SYNCS, EIO)
    in_doubt = [agent.sell()]
    assert agent.ended() == 1
    assert "nothing more can be promised" in agent.said()
    stopped_with_one_clear_line(agent.said(), "edge", "outbox")
    assert not agent.is_taken(), "the sale that could not be kept is still the till's"
    agent.calls = None
    broker.restart()
    agent.start()
    await everything_arrives(broker, kept, in_doubt)


async def test_an_agent_whose_disk_becomes_read_only_stops_and_has_lost_nothing(
    agent: FaultyAgent, broker: Broker, tmp_path: Path
) -> None:
    calls = agent.calls = FailingCalls(tmp_path)
    broker.kill()
    agent.start()
    kept = [agent.sell() for _ in range(5)]
    agent.taken()
    calls.fail_from_now(agent.pid, WRITES, EROFS)
    in_doubt = [agent.sell()]
    assert agent.ended() == 1
    stopped_with_one_clear_line(agent.said(), "edge", "outbox")
    agent.calls = None
    broker.restart()
    agent.start()
    await everything_arrives(broker, kept, in_doubt)


async def test_an_agent_on_a_full_disk_refuses_loses_nothing_and_goes_on_when_there_is_room(
    agent: FaultyAgent, broker: Broker, disk: SmallDisk
) -> None:
    agent.use_data_dir(disk.folder / "data")
    broker.kill()
    agent.start()
    sold = [agent.sell() for _ in range(5)]
    agent.taken()
    disk.fill()
    while "until there is room" not in agent.said():
        sold.append(agent.sell())
        wait_for(
            lambda: agent.is_taken() or "until there is room" in agent.said(),
            DEADLINE_S,
            "the sale is taken or refused",
        )
    sold += [agent.sell() for _ in range(20)]
    assert agent.process is not None
    assert agent.process.poll() is None
    assert not agent.is_taken()
    disk.make_room()
    agent.taken()
    broker.restart()
    await everything_arrives(broker, sold, [])
    assert agent.stop() == 0
    assert "Traceback" not in agent.said()


def test_an_agent_on_a_read_only_disk_is_one_clear_line(
    agent: FaultyAgent, disk: SmallDisk
) -> None:
    agent.use_data_dir(disk.folder / "data")
    disk.make_read_only()
    agent.start()
    assert agent.ended() == 1
    stopped_with_one_clear_line(agent.said(), "edge", "outbox")
    assert agent.said().count("\n") == 1


# The cloud's disk.


def sold(number: int) -> UnitsSold:
    return UnitsSold(
        occurred_at_ms=number,
        source="till-1",
        gtin=GTIN,
        quantity=1,
        measure="units",
        transaction=f"T{number}",
        line=1,
    )


def opening() -> AnyFact:
    return StockCounted(
        occurred_at_ms=1,
        source="sweep",
        gtin=GTIN,
        quantity=100,
        measure="units",
        evidence="sweep",
    )


async def goes_on_after(cloud: FaultyCloud, broker: Broker, acknowledged: int) -> None:
    """Start the cloud again: what it has acknowledged is there, and the rest is taken."""
    cloud.calls = None
    cloud.start()
    async with store_at(broker, "S001") as store:
        facts = [opening(), *(sold(number) for number in range(2, acknowledged + 4))]
        await store.send_facts(EPOCH, 1, *facts)
        await store.acknowledged(EPOCH, len(facts))
        await store.until(lambda: store.states.get(GTIN, {}).get("on_hand") == 101 - len(facts))
        assert not any(getattr(answer, "problem", None) == "gap" for answer in store.answers)
    (store_row,) = cloud.json("stock", f"{GTIN}@S001")
    assert store_row["ledger"]["sold"] == len(facts) - 1
    assert cloud.terminate() == 0
    verified = cloud.command("verify")
    assert verified.returncode == 0, verified.stdout


async def test_after_a_failed_sync_the_cloud_stops_at_once_and_has_lost_nothing(
    cloud: FaultyCloud, broker: Broker, tmp_path: Path
) -> None:
    calls = cloud.calls = FailingCalls(tmp_path)
    cloud.start()
    async with store_at(broker, "S001") as store:
        await store.send_facts(EPOCH, 1, opening(), sold(2))
        await store.acknowledged(EPOCH, 2)
        calls.fail_once(cloud.pid, SYNCS, EIO)
        await store.send_facts(EPOCH, 3, sold(3))
        assert await asyncio.to_thread(cloud.wait) == 1
        assert max(getattr(a, "through_seq", 0) for a in store.answers) == 2
    stopped_with_one_clear_line(cloud.said(), "cloud", "journal.db: IOError")
    await goes_on_after(cloud, broker, acknowledged=2)


async def test_a_cloud_whose_disk_becomes_read_only_stops_and_has_lost_nothing(
    cloud: FaultyCloud, broker: Broker, tmp_path: Path
) -> None:
    calls = cloud.calls = FailingCalls(tmp_path)
    cloud.start()
    async with store_at(broker, "S001") as store:
        await store.send_facts(EPOCH, 1, opening(), sold(2))
        await store.acknowledged(EPOCH, 2)
        calls.fail_from_now(cloud.pid, WRITES, EROFS)
        await store.send_facts(EPOCH, 3, sold(3))
        assert await asyncio.to_thread(cloud.wait) == 1
    stopped_with_one_clear_line(cloud.said(), "cloud", "journal.db: IOError")
    await goes_on_after(cloud, broker, acknowledged=2)


async def test_a_cloud_on_a_full_disk_stops_clearly_and_has_lost_nothing(
    cloud: FaultyCloud, broker: Broker, disk: SmallDisk
) -> None:
    cloud.use_journal(disk.folder / "journal.db")
    cloud.start()
    acknowledged = 1
    async with store_at(broker, "S001") as store:
        await store.send_facts(EPOCH, 1, opening())
        await store.acknowledged(EPOCH, 1)
        disk.fill()
        ending = asyncio.create_task(asyncio.to_thread(cloud.wait))
        while not ending.done():
            await store.send_facts(EPOCH, acknowledged + 1, sold(acknowledged + 1))
            answer = asyncio.create_task(store.acknowledged(EPOCH, acknowledged + 1))
            await asyncio.wait((ending, answer), return_when=asyncio.FIRST_COMPLETED)
            acknowledged += answer.done()
            answer.cancel()
        assert ending.result() == 1
    stopped_with_one_clear_line(cloud.said(), "cloud", "journal.db: FullError")
    disk.make_room()
    await goes_on_after(cloud, broker, acknowledged)


def test_a_cloud_on_a_read_only_disk_is_one_clear_line(cloud: FaultyCloud, disk: SmallDisk) -> None:
    cloud.use_journal(disk.folder / "journal.db")
    disk.make_read_only()
    done = cloud.command("run")
    assert done.returncode == 1
    stopped_with_one_clear_line(done.stderr, "cloud", "journal.db")
    assert done.stderr.count("\n") == 1


# The line, and a cloud that is away.


@asynccontextmanager
async def lossy_line(broker: Broker) -> AsyncIterator[tuple[LossyLine, int]]:
    line = LossyLine(broker.host, broker.port, rtt_ms=300, loss=0.1, rng=Random(20261125))
    port = await line.start()
    try:
        yield line, port
    finally:
        await line.stop()


async def in_thread(condition: Callable[[], bool], what: str) -> None:
    await asyncio.to_thread(wait_for, condition, DEADLINE_S, what)


async def test_over_a_line_of_300_ms_and_10_percent_loss_facts_arrive_in_order_and_once(
    agent: FaultyAgent, cloud: FaultyCloud, broker: Broker
) -> None:
    await asyncio.to_thread(cloud.start)
    async with lossy_line(broker) as (line, port):
        text = agent.config.read_text()
        agent.config.write_text(text.replace(broker.url, f"mqtt://127.0.0.1:{port}"))
        agent.start()
        for burst in range(6):
            for _ in range(25):
                agent.sell()
            if burst == 3:
                line.reset_all()
            await in_thread(agent.is_taken, "the burst is in the outbox")
        await in_thread(lambda: units_sold(cloud) == 150, "all sales are counted")
        assert line.stalls > 0
        assert line.resets > 0
    facts = numbers_in(cloud)
    assert facts == list(range(1, len(facts) + 1))
    assert cloud.command("verify").returncode == 0


def units_sold(cloud: FaultyCloud) -> int:
    shown = cloud.command("stock", f"{COAT}@{STORE}", "--json")
    if shown.returncode != 0:
        return 0
    (state,) = cloud.json("stock", f"{COAT}@{STORE}")
    return int(state["ledger"]["sold"])


def numbers_in(cloud: FaultyCloud) -> list[int]:
    """Return the numbers of all facts in the journal, in its order."""
    with closing(SqliteReader(cloud.folder / "data" / "journal.db")) as reader:
        rows = [row for row in reader.inputs() if row.kind == "batch"]
    assert len({row.epoch for row in rows}) == 1
    return [seq for row in rows for seq in range(row.first_seq, row.last_seq + 1)]


async def test_a_cloud_suspended_for_ten_seconds_serves_on(
    agent: FaultyAgent, cloud: FaultyCloud, broker: Broker
) -> None:
    await asyncio.to_thread(cloud.start)
    agent.start()
    agent.sell()
    await in_thread(lambda: units_sold(cloud) == 1, "the first sale")
    process = cloud._process
    assert process is not None
    process.send_signal(signal.SIGSTOP)
    resume_s = time.monotonic() + SUSPENDED_S
    agent.sell()
    # The edge has given up waiting several times over by then, and repeats what it has.
    await in_thread(
        lambda: time.monotonic() > resume_s and "cloud_silent" in agent.said(), "it was missed"
    )
    process.send_signal(signal.SIGCONT)
    agent.sell()
    await in_thread(lambda: units_sold(cloud) == 3, "what happened meanwhile, and since")
    facts = numbers_in(cloud)
    assert facts == list(range(1, len(facts) + 1))
    assert cloud.terminate() == 0
    assert "Traceback" not in cloud.said()
    assert cloud.command("verify").returncode == 0
