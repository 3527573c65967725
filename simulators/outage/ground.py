"""The processes of an outage run: broker, cloud, and an agent behind a line that can be cut.

The line is a TCP proxy in the run's event loop; everything else is a process of its own.
"""

from json import dumps
from pathlib import Path
from typing import Final, NamedTuple

from edge.bench.process_usage import usage_of
from protocol.topics import DEFAULT_ROOT
from simulators.demo.broker import HOST, BrokerAddress, start_embedded
from simulators.demo.processes import Child, Crew
from simulators.demo.wan import Wan
from simulators.outage.outcome import Memory
from simulators.outage.shop import STORE, TILLS

MIB: Final = 1_048_576

EDGE_CONFIG: Final = """\
store = {store}
data_dir = "./data"
[broker]
url = {url}
root = {root}
"""
TILL_CONFIG: Final = """\
[[pos_journal]]
name = {name}
spool = {spool}
"""
CLOUD_CONFIG: Final = """\
[broker]
url = {url}
root = {root}
[journal]
path = "./journal/journal.db"
"""


class Ground(NamedTuple):
    """Everything that runs."""

    address: BrokerAddress
    wan: Wan
    broker: Child
    cloud: Child
    agent: Child
    folder: Path

    @property
    def cloud_config(self) -> Path:
        """The cloud's settings."""
        return self.folder / "cloud.toml"

    @property
    def outbox_mib(self) -> float:
        """What the outbox's files take."""
        files = (self.folder / "data").glob("outbox.db*")
        return sum(file.stat().st_size for file in files) / MIB


async def start(crew: Crew, folder: Path) -> Ground:
    """Start everything. Raises `DemoFailed`."""
    address, broker = await start_embedded(crew, folder)
    wan = Wan(*address)
    port = await wan.start()
    cloud_config, edge_config = folder / "cloud.toml", folder / "store.toml"
    cloud_config.write_text(_filled(CLOUD_CONFIG, address))
    tills = [
        TILL_CONFIG.format(name=dumps(name), spool=dumps(str(folder / name))) for name in TILLS
    ]
    edge_config.write_text(_filled(EDGE_CONFIG, BrokerAddress(HOST, port)) + "".join(tills))
    run_cloud = ("-m", "cloud", "run", "--config", str(cloud_config))
    run_edge = ("-m", "edge", "run", "--config", str(edge_config))
    cloud = await crew.start(Child("cloud", run_cloud, folder))
    agent = await crew.start(Child("agent", run_edge, folder))
    return Ground(address, wan, broker, cloud, agent, folder)


def _filled(template: str, broker: BrokerAddress) -> str:
    return template.format(store=dumps(STORE), url=dumps(broker.url), root=dumps(DEFAULT_ROOT))


class MemoryWatch:
    """What one process holds, noted in each phase."""

    def __init__(self, child: Child) -> None:
        self._child: Final = child
        self._noted_mib: Final[list[float]] = []

    def note(self) -> None:
        """Note it now: once before the outage, at its end, and after."""
        self._noted_mib.append(usage_of(self._child.pid).rss_mib)

    def told(self) -> Memory:
        """Return what was noted."""
        before, end_of_outage, after = (round(noted, 1) for noted in self._noted_mib)
        return Memory(
            before=before,
            end_of_outage=end_of_outage,
            after=after,
            highest=round(usage_of(self._child.pid).rss_max_mib, 1),
        )
