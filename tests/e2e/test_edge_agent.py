"""The agent as a process of its own: a till's spool in, facts out, through kills and outages."""

import asyncio
import json
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import date
from pathlib import Path
from random import Random

import pytest

from protocol.facts import DeviceHealthChanged, UnitsSold
from protocol.ids import StoreId
from protocol.updates import MirrorState, MirrorUpdate
from simulators.devices.till import Till, TillItem
from tests.brokers import Broker, wait_for
from tests.scripted_cloud import DEADLINE_S, ScriptedCloud, retained

STORE = StoreId("S001")
AGENT_TOPIC = f"st/1/{STORE}/agent"
COAT = "00614141999996"
MEMORY_MAX_KB = 150 * 1024

CONFIG = """
store = "{store}"
[broker]
url = "{url}"
[uplink]
hello_timeout_ms = 200
ack_timeout_ms = 300
timeout_max_ms = 1000
[[pos_journal]]
name = "till-1"
spool = "./till-1"
"""


class Agent:
    """`stocktruth-edge run`, its files and its till."""

    def __init__(self, folder: Path, broker: Broker) -> None:
        self.config = folder / "store.toml"
        self.config.write_text(CONFIG.format(store=STORE, url=broker.url))
        self.spool = folder / "till-1"
        self.till = Till(spool=self.spool, workstation="1", business_day=date(2026, 3, 14))
        self.log = folder / "agent.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self._command("run"), stdout=log, stderr=log)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(DEADLINE_S)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to end, and return how it did."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(DEADLINE_S)

    def ask(self, *words: str) -> str:
        """Run another command on the same configuration."""
        done = subprocess.run(
            self._command(*words), capture_output=True, text=True, timeout=DEADLINE_S, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def sell(self, quantity: int = 1) -> str:
        """Sell coats at the till, and return the transaction."""
        return self.till.sell([TillItem(COAT, quantity)], at_ms=1_773_500_000_000)

    def resident_kb(self) -> int:
        assert self.process is not None
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+) kB", text)
        assert found is not None
        return int(found.group(1))

    def _command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "edge", *words, "--config", str(self.config)]


@pytest.fixture
def agent(tmp_path: Path, broker: Broker) -> Iterator[Agent]:
    agent = Agent(tmp_path, broker)
    yield agent
    agent.kill()


@pytest.fixture
async def cloud(broker: Broker) -> AsyncIterator[ScriptedCloud]:
    cloud = ScriptedCloud()
    async with cloud.running(broker):
        yield cloud


def sales(cloud: ScriptedCloud) -> list[UnitsSold]:
    return [fact for fact in cloud.facts if isinstance(fact, UnitsSold)]


async def in_thread(condition: Callable[[], bool], what: str) -> None:
    await asyncio.to_thread(wait_for, condition, DEADLINE_S, what)


async def test_a_sale_reaches_the_cloud_and_its_file_goes(
    agent: Agent, cloud: ScriptedCloud
) -> None:
    agent.start()
    agent.sell(3)
    await cloud.until(lambda: bool(sales(cloud)), "the sale")
    (sale,) = sales(cloud)
    assert (sale.gtin, sale.quantity, sale.source) == (COAT, 3, "till-1")
    await in_thread(lambda: not list(agent.spool.glob("*.xml")), "the file is taken")
    healths = [fact.health for fact in cloud.facts if isinstance(fact, DeviceHealthChanged)]
    assert healths[-1] == "healthy"
    assert agent.resident_kb() < MEMORY_MAX_KB


async def test_no_sale_is_lost_or_numbered_twice_however_often_the_agent_is_killed(
    agent: Agent, cloud: ScriptedCloud
) -> None:
    chance = Random(7)
    transactions = 0
    for _ in range(5):
        agent.start()
        for _ in range(20):
            agent.sell()
            transactions += 1
        wanted = chance.randint(1, transactions)
        await cloud.until(lambda: len(sales(cloud)) >= wanted, "part of the sales")  # noqa: B023 # Awaited here.
        agent.kill()
    agent.start()
    await cloud.until(lambda: len({s.transaction for s in sales(cloud)}) == transactions, "all")
    assert len(cloud.epochs) == 1
    # A kill between the commit and the deletion of a file records it again, under the same
    # business key, by which the cloud counts it once. The spool's own memory makes that rare.
    lines = {(sale.transaction, sale.line) for sale in sales(cloud)}
    assert len(lines) == transactions


async def test_a_killed_broker_is_an_outage_and_no_more(agent: Agent, broker: Broker) -> None:
    agent.start()
    cloud = ScriptedCloud()
    async with cloud.running(broker):
        agent.sell()
        await cloud.until(lambda: len(sales(cloud)) == 1, "before")
    await asyncio.to_thread(broker.kill)
    agent.sell()
    await in_thread(lambda: not list(agent.spool.glob("*.xml")), "taken offline")
    await asyncio.to_thread(broker.restart)
    async with cloud.running(broker):
        await cloud.until(lambda: len(sales(cloud)) == 2, "after")


async def test_a_clean_stop_drains_says_goodbye_and_exits_with_0(
    agent: Agent, broker: Broker, cloud: ScriptedCloud
) -> None:
    agent.start()
    await retained(broker, AGENT_TOPIC, lambda payload: b'"online"' in payload)
    sold = [agent.sell() for _ in range(30)]
    await in_thread(lambda: not list(agent.spool.glob("*.xml")), "the files are taken")
    assert await asyncio.to_thread(agent.stop) == 0
    await cloud.until(lambda: len(sales(cloud)) == len(sold), "drained")
    goodbye = await retained(broker, AGENT_TOPIC, lambda payload: b'"offline"' in payload)
    assert isinstance(goodbye.payload, bytes)
    assert json.loads(goodbye.payload)["store"] == STORE
    assert "Traceback" not in agent.log.read_text()


async def test_the_broker_tells_the_death_of_a_killed_agent(
    agent: Agent, broker: Broker, cloud: ScriptedCloud
) -> None:
    agent.start()
    await retained(broker, AGENT_TOPIC, lambda payload: b'"online"' in payload)
    agent.kill()
    await retained(broker, AGENT_TOPIC, lambda payload: b'"offline"' in payload)


async def test_stock_is_shown_while_the_agent_runs_and_offline(
    agent: Agent, broker: Broker, cloud: ScriptedCloud
) -> None:
    agent.start()
    agent.sell(2)
    await cloud.until(lambda: len(sales(cloud)) == 1, "the first sale")
    (epoch,) = cloud.epochs
    known = MirrorState(
        gtin=COAT,
        version=4,
        measure="units",
        on_hand=10,
        reserved=0,
        unavailable=0,
        incoming=0,
        on_order=0,
        as_of_ms=1_773_500_000_000,
    )
    through_seq = len(cloud.epochs[epoch])
    update = MirrorUpdate(
        store=STORE,
        previous_position=0,
        position=9,
        epoch=epoch,
        through_seq=through_seq,
        states=[known],
    )
    await cloud.tell(update, "stock")
    await in_thread(lambda: "10" in agent.ask("stock", COAT), "the mirror has it")
    await asyncio.to_thread(broker.kill)
    agent.sell(3)
    await in_thread(lambda: not list(agent.spool.glob("*.xml")), "sold offline")
    agent.kill()
    (line,) = json.loads(agent.ask("stock", COAT, "--json"))
    assert (line["on_hand"], line["expected"], line["version"]) == (10, 7, 4)
    (status,) = json.loads(agent.ask("status", "--json"))
    assert (status["epoch"], status["mirror_position"]) == (epoch, 9)
    assert status["pending"] >= 1


def test_a_second_agent_on_the_same_data_is_one_clear_line(agent: Agent) -> None:
    agent.start()
    wait_for((agent.config.parent / "data" / "outbox.db").exists, DEADLINE_S, "the first agent")
    done = subprocess.run(
        agent._command("run"), capture_output=True, text=True, timeout=DEADLINE_S, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith("stocktruth-edge: outbox")
    assert "another agent is using it" in done.stderr
    assert done.stderr.count("\n") == 1


def test_data_that_cannot_be_kept_is_one_clear_line(agent: Agent) -> None:
    (agent.config.parent / "data").write_text("a file where a directory should be")
    done = subprocess.run(
        agent._command("run"), capture_output=True, text=True, timeout=DEADLINE_S, check=False
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
