"""The whole demo: stores live, a stranger listens, and what is heard is held to the truth.

It starts everything, waits until the opening counts are true, opens the doors, breaks things if
asked, and compares in the end. Runs in one event loop; whatever happens, no process stays behind.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import Final

from msgspec.structs import replace

from protocol.documents import ReorderDocument, StockDocument
from protocol.topics import DEFAULT_ROOT, Topics
from simulators.audit.grants import Witness
from simulators.audit.report import AuditReport, audit_file
from simulators.demo.broker import BrokerAddress
from simulators.demo.checker import Verdict, compare
from simulators.demo.havoc import Havoc
from simulators.demo.heard import Heard
from simulators.demo.latency import SaleLatency
from simulators.demo.messages import TruthChanged
from simulators.demo.options import DemoOptions
from simulators.demo.outcome import Latency, Outcome
from simulators.demo.site import Site
from simulators.demo.store_run import StoreRun
from simulators.demo.subscriber import Subscriber
from simulators.demo.truth import Columns, SkuLocationKey
from simulators.demo.verify import verify
from simulators.demo.web_shop import DemoWebShop
from simulators.errors import DemoFailed

OPENING_DEADLINE_S: Final = 60.0
STILL_DEADLINE_S: Final = 90.0
DRAIN_DEADLINE_S: Final = 30.0
DRAIN_AFTER_CHAOS_DEADLINE_S: Final = 90.0
"""Who was cut off for long tries again less often."""
SETTLE_S: Final = 1.0
"""Agreement must last so long: a fact that counts twice may come late."""
CHAOS_PLAN_S: Final = 60.0
"""A demo without an end makes a new plan this often."""

_NAMED_MAX: Final = 10


class Demo:
    """One run. `told` is given sentences worth showing; `ended` ends a run without duration."""

    def __init__(self, options: DemoOptions, told: Callable[[str], None]) -> None:
        self.options: Final = options
        self.phase = "starting"
        self.ended: Final = asyncio.Event()
        self.latency: Final = SaleLatency()
        # On somebody else's broker, a root of our own: it may remember other demos.
        external = options.broker_url is not None
        self.root: Final = f"stocktruth-demo/{options.folder.name}" if external else DEFAULT_ROOT
        self.heard: Final = Heard(Topics(self.root), self._on_state, self._on_reorder)
        self.site: Final = Site(options, self.root, self._on_truth)
        self.web_shop: DemoWebShop | None = None
        self._witness: Witness | None = None
        self._told = told
        self._news = asyncio.Event()

    def verdict(self) -> Verdict:
        """Compare what was heard with the truth, as they are now."""
        truth: dict[SkuLocationKey, Columns] = {}
        for store in self.site.stores.values():
            truth |= store.truth
        return compare(truth, self.heard.states)

    def verdict_of(self, store: StoreRun) -> Verdict:
        """Compare one store."""
        heard = {key: self.heard.states[key] for key in store.truth if key in self.heard.states}
        return compare(store.truth, heard)

    async def run(self) -> Outcome:
        """Run to the end. Raises `DemoFailed` and `ChildDied`."""
        try:
            drain_s = await self._guarded()
        finally:
            self.phase = "stopping"
            await self.site.stop()
        outcome = self._outcome(drain_s)
        if self.options.check:
            self.phase = "verifying"
            status, said = await verify(self.options.folder / "cloud.toml")
            audit = await asyncio.to_thread(self._audit)
            outcome = replace(outcome, verify=said, verify_status=status, audit=audit)
        return outcome

    async def _guarded(self) -> float | None:
        """Live, unless a child dies; the first failure is the one that is told."""
        try:
            async with asyncio.TaskGroup() as background:
                tasks = [background.create_task(self.site.crew.until_one_dies())]
                drain_s = await self._live(background, tasks)
                for task in tasks:
                    task.cancel()
        except BaseExceptionGroup as group:
            raise _first_of(group) from group
        return drain_s

    async def _live(
        self, background: asyncio.TaskGroup, tasks: list[asyncio.Task[None]]
    ) -> float | None:
        broker = await self.site.start_broker()
        self._told(f"broker at {broker.url}, topics below {self.root}/")
        tasks.append(background.create_task(self._listen(broker)))
        await self.site.start_cloud(broker)
        await self.site.start_stores(broker)
        stores = self.site.stores.values()
        tasks += [background.create_task(store.listen()) for store in stores]
        await self._until_opened()
        await self._open_web_shop()
        tasks.append(background.create_task(self._sell_online()))
        await self._day()
        return await self._drain() if self.options.check else None

    async def _listen(self, broker: BrokerAddress) -> None:
        await Subscriber(*broker, Topics(self.root), self.heard).run()

    async def _until_opened(self) -> None:
        self.phase = "opening"
        try:
            async with asyncio.timeout(OPENING_DEADLINE_S):
                await self._until_total()
        except TimeoutError as error:
            verdict = self.verdict()
            named = "\n".join(f"  {each}" for each in verdict.disagreements[:_NAMED_MAX])
            raise DemoFailed(
                f"the opening counts did not become true within {OPENING_DEADLINE_S:.0f} s:"
                f" {verdict}\n{named}\nlogs are in {self.options.folder}"
            ) from error

    async def _open_web_shop(self) -> None:
        server, options = self.site.api, self.options
        if server is None:
            raise AssertionError("the cloud was not started")
        speed = options.speed
        settings = replace(
            options.web_shop, orders_per_minute=options.web_shop.orders_per_minute * speed
        )
        witness = self._witness = Witness() if options.check else None
        self.web_shop = DemoWebShop(
            server, self.site.token, settings, options.seed, self._told, witness
        )
        await self.web_shop.prepare(self.site.stores, self.latency)

    async def _sell_online(self) -> None:
        if self.web_shop is not None:
            await self.web_shop.run()

    async def _day(self) -> None:
        self.phase = "open"
        self._told("all opening counts are true; the doors are open")
        for store in self.site.stores.values():
            store.open_doors()
        with suppress(TimeoutError):
            async with asyncio.timeout(self.options.duration_s), asyncio.TaskGroup() as group:
                havoc = group.create_task(self._break_things())
                await self.ended.wait()
                havoc.cancel()
        await self.site.heal()

    async def _break_things(self) -> None:
        rng = Random(f"{self.options.seed}/chaos")
        duration_s = self.options.duration_s
        while self.options.chaos:
            chaos = self.site.chaos_plan(rng, duration_s or CHAOS_PLAN_S)
            line = self.site.lines[chaos.store]
            await Havoc(chaos, self.site.breakable, line, self._told).run()
            if duration_s is not None:
                return

    async def _drain(self) -> float:
        """Let what is under way finish, and return how long agreement took from then."""
        self.phase = "draining"
        for store in self.site.stores.values():
            store.close_doors()
        await self._until_shop_at_rest()
        await self._until_still()
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        chaos = self.options.chaos
        deadline_s = DRAIN_AFTER_CHAOS_DEADLINE_S if chaos else DRAIN_DEADLINE_S
        with suppress(TimeoutError):
            async with asyncio.timeout(deadline_s):
                await self._until_total()
        drained_s = loop.time()
        await asyncio.sleep(SETTLE_S)
        return drained_s - began_s

    async def _until_shop_at_rest(self) -> None:
        if self.web_shop is None:
            return
        self.web_shop.close()
        try:
            async with asyncio.timeout(STILL_DEADLINE_S):
                await self.web_shop.until_at_rest()
        except TimeoutError as error:
            raise DemoFailed(f"the web shop did not finish: {self.web_shop.counts.line}") from error

    async def _until_still(self) -> None:
        stores = self.site.stores.values()
        try:
            async with asyncio.timeout(STILL_DEADLINE_S):
                await asyncio.gather(*(store.still.wait() for store in stores))
        except TimeoutError as error:
            moving = ", ".join(store.name for store in stores if not store.still.is_set())
            raise DemoFailed(f"the world of {moving} did not come to rest") from error

    async def _until_total(self) -> None:
        while not self.verdict().is_total:
            self._news.clear()
            await self._news.wait()

    def _on_truth(self, message: TruthChanged, keys: list[SkuLocationKey]) -> None:
        if message.kind in ("sale", "void"):
            for key, (_, columns) in zip(keys, message.lines, strict=True):
                self.latency.wrote(key, columns.sold, message.written_ns)

        elif message.kind == "shipment":
            for key, (_, columns) in zip(keys, message.lines, strict=True):
                self.latency.shipped(key, columns.sold)

    def _on_state(self, key: SkuLocationKey, document: StockDocument, at_ns: int) -> None:
        self.latency.heard(key, document.ledger.sold, at_ns)
        self._news.set()

    def _on_reorder(self, reorder: ReorderDocument) -> None:
        store = self.site.stores.get(reorder.store)
        if store is not None and reorder.status == "open":
            store.reorder(reorder.reorder_id, reorder.gtin, reorder.quantity)

    def _audit(self) -> AuditReport:
        shop, witness = self.web_shop, self._witness
        if shop is None or witness is None:
            raise AssertionError("a demo that was checked has had a web shop and a witness")
        journal = self.options.folder / "data" / "journal.db"
        return audit_file(journal, witness, shop.buffers)

    def _outcome(self, drain_s: float | None) -> Outcome:
        verdict = self.verdict()
        return Outcome(
            seed=self.options.seed,
            stores=len(self.site.stores),
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
            outages=self.site.outages(),
            drain_s=drain_s,
            web_shop=None if self.web_shop is None else self.web_shop.counts,
            shop_failures=[] if self.web_shop is None else self.web_shop.desk.failures,
            shop_repeated=0 if self.web_shop is None else self.web_shop.desk.repeated,
        )


def _first_of(group: BaseExceptionGroup[BaseException]) -> BaseException:
    first: BaseException = group
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    return first
