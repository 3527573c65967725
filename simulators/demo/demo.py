"""The whole demo: broker, cloud, stores and agents as processes, and a listener who checks them.

It starts them, waits until the opening counts are true, lets the days begin, breaks things if
asked, and compares in the end. Runs in one event loop; whatever happens, no process stays behind.
"""

import asyncio
from collections.abc import Callable
from random import Random
from typing import Final

from msgspec.structs import replace

from protocol.documents import ReorderDocument, StockDocument
from protocol.topics import DEFAULT_ROOT, Topics
from simulators.demo.broker import (
    HOST,
    START_DEADLINE_S,
    BrokerAddress,
    start_embedded,
    until_accepting,
)
from simulators.demo.chaos import plan
from simulators.demo.checker import Verdict, compare
from simulators.demo.config_files import cloud_config, policies
from simulators.demo.havoc import Havoc
from simulators.demo.heard import Heard
from simulators.demo.latency import SaleLatency
from simulators.demo.messages import TruthChanged
from simulators.demo.options import DemoOptions, broker_address
from simulators.demo.outcome import Latency, Outage, Outcome
from simulators.demo.processes import Child, Crew
from simulators.demo.store_run import StoreRun
from simulators.demo.subscriber import Subscriber
from simulators.demo.truth import Columns, SkuLocationKey
from simulators.demo.verify import verify
from simulators.demo.wan import Wan
from simulators.scenario import Scenario

OPENING_DEADLINE_S: Final = 60.0
STILL_DEADLINE_S: Final = 90.0
DRAIN_DEADLINE_S: Final = 90.0
SETTLE_S: Final = 1.0
"""Agreement must last so long: a fact that counts twice may come late."""
CHAOS_PLAN_S: Final = 60.0
"""A demo without an end makes a new plan this often."""


class DemoFailed(Exception):
    """The demo could not do what it was asked to; the text says what and why."""


class Demo:
    """One run. `told` is given sentences worth showing; `ended` ends a run without duration."""

    def __init__(self, options: DemoOptions, told: Callable[[str], None]) -> None:
        self.options: Final = options
        self.phase = "starting"
        self.ended: Final = asyncio.Event()
        self.crew: Final = Crew()
        self.latency: Final = SaleLatency()
        self.stores: dict[str, StoreRun] = {}
        self.broker: BrokerAddress | None = None
        self.root: Final = _root(options)
        self.heard: Final = Heard(Topics(self.root), self._on_state, self._on_reorder)
        self._told = told
        self._news = asyncio.Event()
        self._lines: dict[str, Wan] = {}
        self._victims: list[list[Child]] = []
        self._havoc_rng = Random(f"{options.seed}/chaos")

    @property
    def truth(self) -> dict[SkuLocationKey, Columns]:
        """The true columns of every SKU-location."""
        return {
            key: columns for store in self.stores.values() for key, columns in store.truth.items()
        }

    def verdict(self) -> Verdict:
        """Compare what was heard with the truth, as they are now."""
        return compare(self.truth, self.heard.states)

    def verdict_of(self, store: StoreRun) -> Verdict:
        """Compare one store."""
        heard = {key: self.heard.states[key] for key in store.truth if key in self.heard.states}
        return compare(store.truth, heard)

    async def run(self) -> Outcome:
        """Run to the end. Raises `DemoFailed`, `ChildDied`, `ScenarioInvalid`."""
        try:
            drain_s = await self._live()
        finally:
            self.phase = "stopping"
            await self.crew.stop()
            for line in self._lines.values():
                await line.stop()
        outcome = self._outcome(drain_s)
        if self.options.check:
            self.phase = "verifying"
            status, said = await verify(self.options.folder / "cloud.toml")
            outcome = replace(outcome, verify=said, verify_status=status)
        return outcome

    async def _live(self) -> float | None:
        try:
            async with asyncio.TaskGroup() as background:
                guards = [background.create_task(self.crew.until_one_dies())]
                guards += await self._start(background)
                await self._until_opened()
                await self._day()
                drain_s = await self._drain() if self.options.check else None
                for guard in guards:
                    guard.cancel()
        except BaseExceptionGroup as group:
            raise _first_of(group) from group
        return drain_s

    async def _start(self, background: asyncio.TaskGroup) -> list[asyncio.Task[None]]:
        """Start everything, and return the tasks that listen."""
        options = self.options
        scenarios = options.scenarios()
        address = await self._start_broker()
        subscriber = Subscriber(*address, Topics(self.root), self.heard)
        tasks = [background.create_task(subscriber.run())]
        (options.folder / "policies.toml").write_text(policies(scenarios))
        config = options.folder / "cloud.toml"
        config.write_text(cloud_config(address.url, self.root))
        cloud = Child("cloud", ("-m", "cloud", "run", "--config", str(config)), options.folder)
        self._victims.append([await self.crew.start(cloud)])
        stores = [await self._new_store(scenario, address) for scenario in scenarios]
        for store, url in stores:
            await store.prepare(self.crew, url, self.root)
            tasks.append(background.create_task(store.listen()))
            await self.crew.start(store.agent)
            self.stores[store.name] = store
        self._victims.append([store.agent for store in self.stores.values()])
        return tasks

    async def _start_broker(self) -> BrokerAddress:
        if self.options.broker_url is None:
            address, child = await start_embedded(self.crew, self.options.folder)
            self._victims.append([child])
        else:
            address = BrokerAddress(*broker_address(self.options.broker_url))
            try:
                async with asyncio.timeout(START_DEADLINE_S):
                    await until_accepting(address)
            except TimeoutError as error:
                raise DemoFailed(f"no broker accepts connections at {address.url}") from error
        self.broker = address
        return address

    async def _new_store(self, scenario: Scenario, broker: BrokerAddress) -> tuple[StoreRun, str]:
        """Return a store, not started yet, and the URL at which its agent finds the broker."""
        folder = self.options.folder / scenario.store
        folder.mkdir()
        store = StoreRun(scenario, folder, self._on_truth)
        if not self.options.chaos:
            return store, broker.url
        line = Wan(*broker)
        port = await line.start()
        self._lines[store.name] = line
        return store, BrokerAddress(HOST, port).url

    async def _until_opened(self) -> None:
        self.phase = "opening"
        try:
            async with asyncio.timeout(OPENING_DEADLINE_S):
                await self._until_total()
        except TimeoutError as error:
            verdict = self.verdict()
            named = "\n".join(f"  {each}" for each in verdict.disagreements[:10])
            raise DemoFailed(
                f"the opening counts did not become true within {OPENING_DEADLINE_S:.0f} s:"
                f" {verdict}\n{named}\nlogs are in {self.options.folder}"
            ) from error

    async def _day(self) -> None:
        self.phase = "open"
        for store in self.stores.values():
            store.open_doors()
        havoc = asyncio.create_task(self._break_things()) if self.options.chaos else None
        try:
            async with asyncio.timeout(self.options.duration_s):
                await self.ended.wait()
        except TimeoutError:
            self.phase = "closing"
        if havoc is not None:
            havoc.cancel()
            await asyncio.wait([havoc])
            if not havoc.cancelled():
                havoc.result()
            await self._heal()

    async def _break_things(self) -> None:
        while True:
            duration_s = self.options.duration_s or CHAOS_PLAN_S
            targets = [[child.name for child in group] for group in self._victims]
            chaos = plan(self._havoc_rng, duration_s, list(self.stores), targets)
            children = {child.name: child for group in self._victims for child in group}
            await Havoc(chaos, children, self._lines[chaos.store], self._told).run()
            if self.options.duration_s is not None:
                return

    async def _heal(self) -> None:
        for line in self._lines.values():
            line.become("open")
        for child in (child for group in self._victims for child in group):
            if not child.is_running:
                await child.start()

    async def _drain(self) -> float:
        """Let what is under way finish, and return how long agreement took from then."""
        self.phase = "draining"
        for store in self.stores.values():
            store.close_doors()
        try:
            async with asyncio.timeout(STILL_DEADLINE_S):
                await asyncio.gather(*(store.still.wait() for store in self.stores.values()))
        except TimeoutError as error:
            moving = [store.name for store in self.stores.values() if not store.still.is_set()]
            raise DemoFailed(f"the world of {', '.join(moving)} did not come to rest") from error
        loop = asyncio.get_running_loop()
        begin_s = loop.time()
        try:
            async with asyncio.timeout(DRAIN_DEADLINE_S):
                await self._until_total()
                drained_s = loop.time() - begin_s
                await asyncio.sleep(SETTLE_S)
        except TimeoutError:
            return loop.time() - begin_s
        return drained_s

    async def _until_total(self) -> None:
        while not self.verdict().is_total:
            self._news.clear()
            await self._news.wait()

    def _on_truth(self, message: TruthChanged, keys: list[SkuLocationKey]) -> None:
        if message.kind in ("sale", "void"):
            for key, (_, columns) in zip(keys, message.lines, strict=True):
                self.latency.wrote(key, columns.sold, message.written_ns)

    def _on_state(self, key: SkuLocationKey, document: StockDocument, at_ns: int) -> None:
        self.latency.heard(key, document.ledger.sold, at_ns)
        self._news.set()

    def _on_reorder(self, reorder: ReorderDocument) -> None:
        store = self.stores.get(reorder.store)
        missing = reorder.quantity - reorder.received
        if store is not None and reorder.status == "open" and missing > 0:
            store.reorder(reorder.reorder_id, reorder.gtin, missing)

    def _outcome(self, drain_s: float | None) -> Outcome:
        verdict = self.verdict()
        outages = [
            Outage(name=child.name, kills=child.kills, outage_s=child.outage_s)
            for group in self._victims
            for child in group
        ]
        outages += [
            Outage(name=f"wan-{name}", kills=line.outages, outage_s=line.outage_s)
            for name, line in self._lines.items()
            if line.outages
        ]
        return Outcome(
            seed=self.options.seed,
            stores=len(self.stores),
            sku_locations=verdict.total,
            agreed=verdict.agreed,
            lost=verdict.lost,
            doubled=verdict.doubled,
            disagreements=[str(each) for each in verdict.disagreements],
            violations=list(self.heard.violations),
            latency=Latency(
                p50_ms=self.latency.percentile_ms(50),
                p99_ms=self.latency.percentile_ms(99),
                sales=self.latency.count,
            ),
            outages=outages if self.options.chaos else [],
            drain_s=drain_s,
        )


def _root(options: DemoOptions) -> str:
    """Return the root of the topics: one of our own on somebody else's broker."""
    return DEFAULT_ROOT if options.broker_url is None else f"stocktruth-demo/{options.folder.name}"


def _first_of(group: BaseExceptionGroup[BaseException]) -> BaseException:
    first: BaseException = group
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    return first
