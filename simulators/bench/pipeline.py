"""`bench pipeline`: from a till's append to a warehouse system, all of it in real processes.

Stores with the real outbox and uplink, a broker, `stocktruth-cloud run` on a durable journal, and
a subscriber. First the delay at a given rate, then as many facts as go through for so long, then
the delay at 80 % of that; and beside them what the machine allows: the same bytes through the same
broker and client, and a bare durable commit.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from json import dumps
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from cloud.bench.traffic import store_id
from edge.bench.process_usage import Usage, usage_of, waited_s
from mqtt5 import Client
from protocol.bench_report import BenchReport, Figure, Plot
from protocol.documents import CloudDocument
from protocol.topics import DEFAULT_ROOT, Topics
from simulators.bench import relay
from simulators.bench.brokers import BrokerKind, start_broker
from simulators.bench.commit_cost import bare_commits_ms
from simulators.bench.delays import Delays, delays, percentiles
from simulators.bench.messages import (
    Ask,
    Heard,
    Listen,
    Noted,
    Phase,
    PhaseDone,
    Sale,
    line_of,
    ready,
    tell,
)
from simulators.bench.relay import RelayLoad
from simulators.bench.till import StoreConfig
from simulators.demo.broker import BrokerAddress
from simulators.demo.processes import Child, Crew
from simulators.errors import BenchmarkFailed

FACTS_PER_S_MIN: Final = 40_000
SHARE_MIN: Final = 0.005
P50_MS_MAX: Final = 10.0
P99_MS_MAX: Final = 40.0
BUSY_P99_MS_MAX: Final = 250.0
BUSY_SHARE: Final = 0.8
GROWTH_MIB_MAX: Final = 48.0
APPENDS_PER_S_MAX: Final = 100.0
"""Of one store: at high rates sensors tell much at once, and nobody rings up a fact at a time."""
BASKET_LINES: Final = 3.0

MIN_WINDOWS: Final = 2
WINDOW_S: Final = 5.0
LIMIT_FRAMES_PER_S: Final = 50
"""Frames of the limit for each second of the sustained run: some seconds of them for a minute."""

WARM_UP_S: Final = 3.0
DEADLINE_S: Final = 120.0
POLL_S: Final = 0.05

CLOUD_CONFIG: Final = """\
[broker]
url = {url}
root = {root}
[journal]
path = "./journal.db"
"""

Advance = Callable[[float], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineOptions:
    """The command line of the bench."""

    folder: Path
    broker: BrokerKind
    seconds: float
    rate_per_s: float
    stores: int
    articles: int
    seed: int
    topic: str


class Window(NamedTuple):
    """One stretch of the sustained run."""

    at_s: float
    facts_per_s: float
    facts: int
    usage: dict[str, Usage]
    cloud_waited_s: float


@dataclass(slots=True, kw_only=True)
class Found:
    """What a run has measured."""

    quiet: Delays
    windows: list[Window]
    sustained_per_s: float
    busy: Delays
    busy_rate_per_s: float
    facts: int
    lost: int
    states_per_fact: float
    commit_ms: tuple[float, float]
    limit_per_s: float


async def run(options: PipelineOptions, advance: Advance) -> BenchReport:
    """Run it all once. Raises `SimulatorError`."""
    crew = Crew()
    work = asyncio.create_task(_measure(options, crew, advance))
    death = asyncio.create_task(crew.until_one_dies())
    try:
        await asyncio.wait((work, death), return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            death.result()
        return _report(options, work.result())
    finally:
        work.cancel()
        death.cancel()
        await asyncio.wait((work, death))
        await crew.stop()


async def _measure(options: PipelineOptions, crew: Crew, advance: Advance) -> Found:
    site = await _Site.start(options, crew)
    commit_ms = percentiles(await asyncio.to_thread(bare_commits_ms, options.folder / "bare.db"))
    advance(0.1)
    quiet = await site.delays_at(options.rate_per_s, options.seconds / 3, "quiet")
    advance(0.3)
    windows, facts, took_s, states_per_fact = await site.sustain(options.seconds)
    advance(0.75)
    sustained_per_s = facts / took_s
    busy_rate = BUSY_SHARE * sustained_per_s
    busy = await site.delays_at(busy_rate, options.seconds / 3, "busy")
    advance(0.9)
    heard = await site.heard()
    lost = site.made - heard.facts
    await site.stop()
    limit_per_s = await _limit(options, crew, site.address, heard)
    advance(1.0)
    return Found(
        quiet=quiet,
        windows=windows,
        sustained_per_s=sustained_per_s,
        busy=busy,
        busy_rate_per_s=busy_rate,
        facts=site.made,
        lost=lost,
        states_per_fact=states_per_fact,
        commit_ms=commit_ms,
        limit_per_s=limit_per_s,
    )


class _Site:
    """The processes of a run."""

    def __init__(
        self,
        folder: Path,
        address: BrokerAddress,
        processes: dict[str, int],
        stores: dict[str, Child],
        children: tuple[Child, ...],
    ) -> None:
        self.address: Final = address
        self.made = 0
        self._folder: Final = folder
        self._pids: Final = processes
        self._stores: Final = stores
        self._children: Final = children
        self._wms: Final = children[1]

    @classmethod
    async def start(cls, options: PipelineOptions, crew: Crew) -> "_Site":
        """Start everything, and return when all of it is ready."""
        folder = options.folder
        address, broker = await start_broker(crew, folder, options.broker)
        config = folder / "cloud.toml"
        config.write_text(CLOUD_CONFIG.format(url=dumps(address.url), root=dumps(DEFAULT_ROOT)))
        cloud = await crew.start(
            Child("cloud", ("-m", "cloud", "run", "--config", str(config)), folder)
        )
        await _until_online(address)
        wms_command = ("-m", "simulators.bench.wms", address.url, options.topic, "wms")
        wms = await crew.start(Child("wms", wms_command, folder, piped=True))
        await ready(wms)
        stores = {}
        for number in range(options.stores):
            name = store_id(number)
            stores[name] = await crew.start(_store(options, address, name))
            await ready(stores[name])
        processes = {"broker": broker.pid, "cloud": cloud.pid, "wms": wms.pid}
        processes |= {f"cloud's {name}": pid for name, pid in _children(cloud.pid)}
        processes |= {name: child.pid for name, child in stores.items()}
        site = cls(folder, address, processes, stores, (cloud, wms, *stores.values()))
        await site.until_counted(options.articles * options.stores)
        await site.warm_up(options.rate_per_s)
        return site

    async def stop(self) -> None:
        """Stop all but the broker."""
        for child in reversed(self._children):
            await child.stop()

    async def delays_at(self, rate_per_s: float, seconds: float, name: str) -> Delays:
        """Return how long facts take when they come at a rate."""
        per_store = rate_per_s / len(self._stores)
        logs = {store: self._folder / f"{name}-{store}.sales" for store in self._stores}
        noted = self._folder / f"{name}.noted"
        await self._listen(Listen(log=str(noted)))
        phases = {
            store: Phase(
                seconds=seconds,
                rate_per_s=per_store,
                lines=max(BASKET_LINES, per_store / APPENDS_PER_S_MAX),
                log=str(log),
            )
            for store, log in logs.items()
        }
        await self._make(phases)
        await self.until_heard()
        await self._listen(Listen())
        sales = [
            (store, msgspec.msgpack.decode(log.read_bytes(), type=list[Sale]))
            for store, log in logs.items()
        ]
        states = msgspec.msgpack.decode(noted.read_bytes(), type=list[Noted])
        return await asyncio.to_thread(delays, sales, states)

    async def sustain(self, seconds: float) -> tuple[list[Window], int, float, float]:
        """Keep every outbox filled; return windows, facts, their seconds, states told of each."""
        before = await self.heard()
        begun_s = time.monotonic()
        phase = Phase(seconds=seconds)
        making = asyncio.create_task(self._make(dict.fromkeys(self._stores, phase)))
        window_s = min(WINDOW_S, seconds / 4)
        windows: list[Window] = []
        last, last_s = before, begun_s
        while not making.done():
            await asyncio.wait((making,), timeout=window_s)
            now, now_s = await self.heard(), time.monotonic()
            if now_s - last_s > window_s / 2:
                rate = (now.facts - last.facts) / (now_s - last_s)
                windows.append(self._window(now_s - begun_s, rate, now.facts))
            last, last_s = now, now_s
        await making
        after = await self.until_heard()
        facts = after.facts - before.facts
        return windows, facts, after.last_s - begun_s, (after.states - before.states) / facts

    async def heard(self) -> Heard:
        """Return what the subscriber has heard."""
        return await self._listen(Ask())

    async def warm_up(self, rate_per_s: float) -> None:
        """Let the opening's retained states leave, and everything run once."""
        per_store = rate_per_s / len(self._stores)
        phase = Phase(seconds=WARM_UP_S, rate_per_s=per_store, lines=BASKET_LINES)
        await self._make(dict.fromkeys(self._stores, phase))
        await self.until_heard()

    async def until_counted(self, states: int) -> None:
        """Return when every article has been heard of. Raises `BenchmarkFailed`."""
        await self._until(lambda heard: heard.articles >= states, f"{states} articles counted")

    async def until_heard(self) -> Heard:
        """Return when every fact that was made has been heard of. Raises `BenchmarkFailed`."""
        return await self._until(lambda heard: heard.facts >= self.made, f"{self.made} facts made")

    async def _until(self, holds: Callable[[Heard], bool], what: str) -> Heard:
        deadline_s = time.monotonic() + DEADLINE_S
        while not holds(heard := await self.heard()):
            if time.monotonic() > deadline_s:
                raise BenchmarkFailed(
                    f"{what}; {heard.facts} facts, {heard.articles} articles heard"
                )
            await asyncio.sleep(POLL_S)
        return heard

    async def _listen(self, message: Listen | Ask) -> Heard:
        await tell(self._wms, message)
        return msgspec.json.decode(await line_of(self._wms), type=Heard)

    async def _make(self, phases: dict[str, Phase]) -> None:
        for store, phase in phases.items():
            await tell(self._stores[store], phase)
        for child in self._stores.values():
            self.made += msgspec.json.decode(await line_of(child), type=PhaseDone).facts

    def _window(self, at_s: float, facts_per_s: float, facts: int) -> Window:
        waited = waited_s(self._pids["cloud"])
        return Window(at_s, facts_per_s, facts, self._usage(), waited)

    def _usage(self) -> dict[str, Usage]:
        return {name: usage_of(pid) for name, pid in self._pids.items()}


def _children(pid: int) -> Iterator[tuple[str, int]]:
    """Yield a process's own children, by the module that each of them runs."""
    for child in (Path("/proc") / str(pid) / "task" / str(pid) / "children").read_text().split():
        command = (Path("/proc") / child / "cmdline").read_bytes().decode().strip("\0").split("\0")
        yield command[-1].rpartition(".")[2], int(child)


def _store(options: PipelineOptions, address: BrokerAddress, name: str) -> Child:
    folder = options.folder / name
    folder.mkdir()
    config = StoreConfig(
        store=name,
        folder=str(folder),
        broker_url=address.url,
        root=DEFAULT_ROOT,
        articles=options.articles,
        seed=options.seed,
    )
    file = folder / "store.json"
    file.write_bytes(msgspec.json.encode(config))
    command = ("-m", "simulators.bench.till", str(file))
    return Child(f"store {name}", command, options.folder, piped=True)


async def _until_online(address: BrokerAddress) -> None:
    """Return when the cloud has told the broker that it is there."""
    online = asyncio.Event()

    def hear(topic: str, payload: bytes, retained: bool) -> None:
        del topic, retained
        document = msgspec.json.decode(payload, type=CloudDocument)
        if document.status == "online":
            online.set()

    async with Client(*address, identifier="bench", on_message=hear) as client:
        await client.subscribe(Topics(DEFAULT_ROOT).cloud_agent(), qos=1)
        async with asyncio.timeout(DEADLINE_S):
            await online.wait()


async def _limit(
    options: PipelineOptions,
    crew: Crew,
    address: BrokerAddress,
    heard: Heard,
) -> float:
    """Return how many facts a second the same bytes are when nothing is done with them."""
    per_frame = UPLINK_FACTS
    load = RelayLoad(
        frame_bytes=per_frame * FACT_BYTES,
        mirror_bytes=round(per_frame * heard.states / heard.facts * MIRROR_STATE_BYTES),
        array_bytes=round(per_frame * heard.payload_bytes / heard.facts),
        frames=max(50, round(LIMIT_FRAMES_PER_S * options.seconds / options.stores)),
    )
    file = options.folder / "relay.json"
    file.write_bytes(msgspec.json.encode(load))
    command = ("-m", "simulators.bench.relay")
    args = (address.url, str(file))
    stand_in = await crew.start(
        Child("relay cloud", (*command, "cloud", *args), options.folder, piped=True)
    )
    await ready(stand_in)
    listener = ("-m", "simulators.bench.wms", address.url, f"{relay.ROOT}/+/stock", "relay", "raw")
    wms = await crew.start(Child("relay wms", listener, options.folder, piped=True))
    await ready(wms)
    gateways = []
    for number in range(options.stores):
        name = store_id(number)
        arguments = (*command, "gateway", *args, name)
        gateways.append(
            await crew.start(Child(f"relay {name}", arguments, options.folder, piped=True))
        )
        await ready(gateways[-1])
    for child in gateways:
        child.pipes[0].write(b"go\n")
    slowest_s = max([float(await line_of(child)) for child in gateways])
    return load.frames * options.stores * per_frame / slowest_s


UPLINK_FACTS: Final = 2_000
FACT_BYTES: Final = 52
MIRROR_STATE_BYTES: Final = 45
"""What a frame of the uplink, a fact of a till and a state of a mirror take, about."""


def _report(options: PipelineOptions, found: Found) -> BenchReport:
    share = found.sustained_per_s / found.limit_per_s
    rate = f"at {options.rate_per_s:,.0f} facts/s"
    busy = "at 80 % of sustained"
    steady = [window.facts_per_s for window in found.windows]
    figures = [
        Figure(
            name="sustained, till to subscriber",
            value=found.sustained_per_s,
            unit="facts/s",
            at_least=FACTS_PER_S_MIN,
        ),
        Figure(name="states told", value=found.states_per_fact, unit="per fact"),
        Figure(name="slowest window", value=min(steady, default=0.0), unit="facts/s"),
        Figure(name="same bytes, nothing done", value=found.limit_per_s, unit="facts/s"),
        Figure(name="share of that", value=share, unit="", at_least=SHARE_MIN, is_ratio=True),
        Figure(name=f"{rate}: p50", value=found.quiet.p50_ms, unit="ms", at_most=P50_MS_MAX),
        Figure(name=f"{rate}: p99", value=found.quiet.p99_ms, unit="ms", at_most=P99_MS_MAX),
        Figure(name="one bare durable commit: p50", value=found.commit_ms[0], unit="ms"),
        Figure(name="one bare durable commit: p99", value=found.commit_ms[1], unit="ms"),
        Figure(name=busy, value=found.busy_rate_per_s, unit="facts/s"),
        Figure(name=f"{busy}: p50", value=found.busy.p50_ms, unit="ms"),
        Figure(name=f"{busy}: p99", value=found.busy.p99_ms, unit="ms", at_most=BUSY_P99_MS_MAX),
        Figure(
            name="facts lost or doubled", value=abs(found.lost), unit="", at_most=0, is_ratio=True
        ),
        *_processor(found.windows),
        *_growth(found.windows),
    ]
    return BenchReport(
        bench="pipeline",
        seed=options.seed,
        conditions={
            "broker": options.broker,
            "stores": options.stores,
            "articles": options.articles,
            "seconds": options.seconds,
            "rate": options.rate_per_s,
            "topic": options.topic,
            "facts": found.facts,
        },
        figures=figures,
        plots=_plots(found.windows),
    )


def _processor(windows: list[Window]) -> list[Figure]:
    """Return what each process used between the first and the last window.

    Processor time a fact does not depend on what else the machine does meanwhile; how much of the
    time the cloud could have run and had no processor says how much that was.
    """
    if len(windows) < MIN_WINDOWS:
        return []
    first, last = windows[0], windows[-1]
    facts = max(1, last.facts - first.facts)
    used = [
        Figure(
            name=f"processor time of {name}",
            value=1e6 * (last.usage[name].cpu_s - before.cpu_s) / facts,
            unit="us/fact",
        )
        for name, before in first.usage.items()
    ]
    waited = (last.cloud_waited_s - first.cloud_waited_s) / (last.at_s - first.at_s)
    return [*used, Figure(name="cloud waited for a processor", value=100 * waited, unit="%")]


def _growth(windows: list[Window]) -> list[Figure]:
    """Return how much each process has grown since the first third of the sustained run."""
    if not windows:
        return []
    early, late = windows[len(windows) // 3].usage, windows[-1].usage
    grown = [
        Figure(
            name=f"memory of {name}: growth",
            value=round(late[name].rss_mib - early[name].rss_mib, 1),
            unit="MiB",
            at_most=GROWTH_MIB_MAX,
        )
        for name in late
    ]
    held = [
        Figure(name=f"memory of {name}", value=round(usage.rss_mib, 1), unit="MiB")
        for name, usage in late.items()
    ]
    return [*held, *grown]


def _plots(windows: list[Window]) -> list[Plot]:
    at = [round(window.at_s, 1) for window in windows]
    rates = [round(window.facts_per_s) for window in windows]
    memory = {
        name: list(zip(at, [round(w.usage[name].rss_mib, 1) for w in windows], strict=True))
        for name in (windows[0].usage if windows else ())
    }
    lines: dict[str, list[tuple[float, float]]] = {"facts/s": list(zip(at, rates, strict=True))}
    return [
        Plot(title="heard by a subscriber", x="seconds", y="facts/s", lines=lines),
        Plot(title="memory", x="seconds", y="MiB", lines=memory),
    ]
