"""`stocktruth-sim throughput`: a busy reader, a real agent, and whether every read arrived.

The agent is `stocktruth-edge run` as a process of its own, with the embedded broker and no cloud:
its facts wait in its outbox, and its retained document says how many reads each device has taken.
Runs in its caller's event loop.
"""

import asyncio
import os
import time
from collections.abc import Callable
from json import dumps
from pathlib import Path
from typing import Final

import msgspec
from aiomqtt import Client, ProtocolVersion
from msgspec import Struct

from edge.bench.process_usage import Usage, usage_of
from protocol.documents import AgentDocument, DeviceStatus
from protocol.ids import parse_store_id
from protocol.topics import Topics
from simulators.demo.broker import BrokerAddress, start_embedded
from simulators.demo.processes import Child, Crew
from simulators.errors import BenchmarkFailed
from simulators.throughput.busy_reader import BusyReader, Load

STORE: Final = "S001"
READER: Final = "reader-1"
ROOT: Final = "st/1"
BEGIN_DEADLINE_S: Final = 30.0
COUNTED_DEADLINE_S: Final = 30.0
"""The agent tells its counters each few seconds."""

POLL_S: Final = 0.1

CONFIG: Final = """\
store = {store}
data_dir = {data_dir}
[broker]
url = {broker_url}
root = {root}
[[llrp]]
name = {reader}
host = {host}
port = {port}
report_every_tags = 2000
report_interval_ms = 100
antennas = [
{antennas}
]
"""


class Throughput(Struct, frozen=True, kw_only=True):
    """What was sent and what was taken. Memory in MiB, processor time in percent of one core."""

    rate_per_s: int
    duration_s: float
    reads_made: int
    reads_sent: int
    entries_sent: int
    reports_sent: int
    reads_taken: int
    lost: int
    agent_cpu_percent: float
    agent_rss_mib: float
    agent_rss_max_mib: float
    reader_cpu_percent: float

    def lines(self) -> list[str]:
        """Return it in words."""
        per_s = self.reads_made / self.duration_s
        parcels = f"{self.entries_sent} entries of {self.reports_sent} reports"
        memory = f"{self.agent_rss_mib:.0f} MiB (at most {self.agent_rss_max_mib:.0f})"
        return [
            f"reads made     {self.reads_made} in {self.duration_s:.1f} s ({per_s:.0f}/s)",
            f"reads sent     {self.reads_sent} in {parcels}",
            f"reads taken    {self.reads_taken}",
            f"reads lost     {self.lost}",
            f"agent          {self.agent_cpu_percent:.0f} % of a core, {memory}",
            f"reader         {self.reader_cpu_percent:.0f} % of a core",
        ]


async def measure(load: Load, folder: Path, say: Callable[[str], None]) -> Throughput:
    """Run it all once. Raises `BenchmarkFailed`, `ChildDied` or `DemoFailed`."""
    crew = Crew()
    reader = BusyReader(load)
    await reader.start()
    try:
        address, _ = await start_embedded(crew, folder)
        agent = await crew.start(_agent(load, reader.port, address, folder))
        heard = _Heard()
        work = asyncio.create_task(_measured(load, reader, agent, heard))
        others = [
            asyncio.create_task(crew.until_one_dies()),
            asyncio.create_task(heard.listen(address)),
        ]
        say(f"the agent logs to {agent.log_file}")
        await asyncio.wait((work, *others), return_when=asyncio.FIRST_COMPLETED)
        for task in (work, *others):
            task.cancel()
        await asyncio.wait((work, *others))
        for task in others:
            if not task.cancelled():
                task.result()  # They only end by failing.
        return work.result()
    finally:
        await crew.stop()
        await reader.stop()


async def _measured(load: Load, reader: BusyReader, agent: Child, heard: "_Heard") -> Throughput:
    async with asyncio.timeout(BEGIN_DEADLINE_S):
        while not reader.crowd.has_begun:  # noqa: ASYNC110 # The reader's work has no event.
            await asyncio.sleep(POLL_S)
    before, own_before = usage_of(agent.pid), usage_of(os.getpid())
    began_s = time.monotonic()
    await reader.until_read()
    lasted_s = time.monotonic() - began_s
    after, own_after = usage_of(agent.pid), usage_of(os.getpid())
    sent = reader.stats.reads_reported
    await heard.until_taken(sent)
    agent_percent, own_percent = (
        _percent(one, lasted_s) for one in ((before, after), (own_before, own_after))
    )
    stats = reader.stats
    return Throughput(
        rate_per_s=load.rate_per_s,
        duration_s=reader.crowd.lasted_s,
        reads_made=stats.tag_reads,
        reads_sent=stats.reads_reported,
        entries_sent=stats.tags_reported,
        reports_sent=stats.reports_sent,
        reads_taken=heard.reads,
        lost=stats.tag_reads - heard.reads,
        agent_cpu_percent=agent_percent,
        agent_rss_mib=after.rss_mib,
        agent_rss_max_mib=after.rss_max_mib,
        reader_cpu_percent=own_percent,
    )


def _percent(usage: tuple[Usage, Usage], lasted_s: float) -> float:
    return 100 * (usage[1].cpu_s - usage[0].cpu_s) / lasted_s


class _Heard:
    """What the agent's document says of its reader."""

    def __init__(self) -> None:
        self._device: DeviceStatus | None = None

    @property
    def reads(self) -> int:
        """Reads that the agent has taken."""
        return 0 if self._device is None else self._device.readings

    async def listen(self, address: BrokerAddress) -> None:
        """Follow the document until cancelled."""
        client = Client(
            address.host, address.port, identifier="throughput", protocol=ProtocolVersion.V5
        )
        async with client:
            await client.subscribe(Topics(ROOT).agent(parse_store_id(STORE)), qos=0)
            async for message in client.messages:
                if isinstance(message.payload, bytes):
                    document = msgspec.json.decode(message.payload, type=AgentDocument)
                    devices = {each.name: each for each in document.devices}
                    self._device = devices.get(READER, self._device)

    async def until_taken(self, reads: int) -> None:
        """Return when so many reads were taken, or are not told to be within the deadline."""
        deadline_s = time.monotonic() + COUNTED_DEADLINE_S
        while self.reads < reads and time.monotonic() < deadline_s:  # noqa: ASYNC110 # No event.
            await asyncio.sleep(POLL_S)
        if self._device is None:
            raise BenchmarkFailed("the agent has told nothing of its reader")


def _agent(load: Load, port: int, broker: BrokerAddress, folder: Path) -> Child:
    zones = ("backroom", "sales_floor")
    antennas = [
        f"  {{ id = {each + 1}, zone = {dumps(zones[each % len(zones)])} }},"
        for each in range(load.antennas)
    ]
    config = folder / "store.toml"
    config.write_text(
        CONFIG.format(
            store=dumps(STORE),
            data_dir=dumps(str(folder / "data")),
            broker_url=dumps(broker.url),
            root=dumps(ROOT),
            reader=dumps(READER),
            host=dumps(load.host),
            port=port,
            antennas="\n".join(antennas),
        )
    )
    command = ("-m", "edge", "run", "--config", str(config), "--log-level", "warning")
    return Child("agent", command, folder)
