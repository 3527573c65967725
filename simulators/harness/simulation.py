"""One run: stores, cloud, broker and customers under a plan's faults, then healed, then checked.

Two phases. While faults are on only safety is watched: what was acknowledged, who committed. Then
everything is healed and must converge: outboxes drain, mirrors and retained documents agree with
the journal. Last come the checkers, which know nothing of faults.
"""

import asyncio
import contextvars
import gc
import logging
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from hashlib import blake2b
from pathlib import Path
from random import Random
from typing import Any, Final, cast

import apsw
from msgspec import Struct

from cloud.journal import sqlite
from cloud.shards.messages import SetPolicy
from cloud.sku_location.state import Policy
from edge.outbox import writer
from mqtt5 import Client
from protocol.ids import StoreId
from simulators.harness import strikes
from simulators.harness.broker import SimulatedBroker
from simulators.harness.broker_faults import BrokerFaults
from simulators.harness.checks import Findings, check
from simulators.harness.cloud_node import CloudNode
from simulators.harness.customers import Customers
from simulators.harness.disk import SimulatedDisk
from simulators.harness.gateway import Gateway
from simulators.harness.lives import Life, note_connection
from simulators.harness.plan import STORES, Plan
from simulators.harness.planting import Plot
from simulators.harness.shop import Document, Shop, gtins
from simulators.harness.sites import Site
from simulators.harness.virtual_loop import Livelocked, VirtualLoop
from simulators.harness.witness import Witness

CONVERGE_WITHIN_S: Final = 4_000.0
"""After healing: an uplink that was refused holds its facts back for up to 15 minutes."""
LOOK_EVERY_S: Final = 1.0
DISK_BUDGET_BYTES: Final = 4_000_000


class Outcome(Struct, kw_only=True):
    """What one run showed. `trace` is equal for equal seeds and code."""

    seed: int
    violations: list[str]
    trace: str
    virtual_s: float
    converged_in_s: float
    till_lines: int
    reservations: int
    commits: int
    faults: dict[str, int]
    turns: int


class Simulation:
    """One run in one folder."""

    def __init__(self, plan: Plan, folder: Path, loop: VirtualLoop) -> None:
        self.plan: Final = plan
        self.folder: Final = folder
        self.loop: asyncio.AbstractEventLoop = loop
        self.virtual_loop: Final = loop
        self.root: contextvars.Context = contextvars.copy_context()
        self.violations: list[str] = []
        self.ended: list[Life] = []
        self.witness: Final = Witness()
        self.faults: Final[Counter[str]] = Counter()
        self.excused: Final[list[Document]] = []
        """Documents that left a gateway's spool and died with its disk."""
        self.twins: Final[list[Shop]] = []
        self.pending: Final[list[asyncio.TimerHandle]] = []
        """What strikes have yet to end."""
        self.endings: Final[set[Callable[[], None]]] = set()
        """Ends clones and stale clouds before their time."""
        self.clones = 0
        self.nodes = 0
        self._hash: Final = blake2b(digest_size=16)
        self.disk: Final = SimulatedDisk(self.note_fault)
        self.weather: Final = BrokerFaults()
        self.broker: SimulatedBroker = SimulatedBroker(
            self.rng("broker"), self.weather, self.note_fault
        )
        goods = gtins(plan.goods_per_store)
        self.shops: Final = {
            store: Shop(store, folder / store / "spool", goods, self.rng(f"shop {store}"))
            for store in STORES
        }
        self.gateways: Final = {store: self._gateway_site(store, store) for store in STORES}
        self.policies: Final = [
            SetPolicy(store=store, gtin=gtin, policy=Policy(reorder_point=5, order_up_to=20))
            for store in STORES
            for gtin in goods
        ]
        self.journal_path: Final = folder / "cloud" / "journal.db"
        self.journal_path.parent.mkdir(parents=True)
        self._cloud_disk: Final = self.disk.machine(
            self.journal_path.parent, self.rng("disk cloud")
        )
        self.cloud: Site[CloudNode] = self.cloud_site("cloud")
        self.customers: Final = Customers(
            list(self.shops.values()), self._serving, self.cloud.clock, self.rng("customers")
        )

    def rng(self, name: str) -> Random:
        """Return a source of chance of its own, so that one part's draws never shift another's."""
        return Random(f"{self.plan.seed} {name}")

    def trace(self, text: str) -> None:
        """See `Surroundings.trace`."""
        self._hash.update(f"{self.loop.time():.6f} {text}\n".encode())

    def later(self, delay_s: float, act: Callable[[], None]) -> None:
        """Do something later, as nobody in particular; healing comes before it if it is late."""
        self.pending.append(self.loop.call_later(delay_s, act, context=self.root))

    def note_fault(self, kind: str) -> None:
        """Count a fault that was injected."""
        self.faults[kind] += 1
        self.trace(kind)

    def _serving(self) -> CloudNode | None:
        return self.cloud.program

    def _gateway_site(self, store: str, host: str, folder: Path | None = None) -> Site[Gateway]:
        base = folder or self.folder / host
        (base / "disk").mkdir(parents=True, exist_ok=True)
        site: Site[Gateway]

        def make() -> Gateway:
            return Gateway(
                StoreId(store),
                base / "disk",
                spool=base / "spool",
                clock=site.clock,
                rng=self.rng(f"gateway {host} {site.restarts}"),
                client_type=self._client_type(host),
                disk_budget_bytes=DISK_BUDGET_BYTES,
            )

        disk = self.disk.machine(base / "disk", self.rng(f"disk {host}"))
        site = Site(host, self, disk=disk, make=make, rng=self.rng(f"site {host}"))
        site.on_death = partial(strikes.bring_back_removed, site, self.rng(f"removed {host}"))
        return site

    def _client_type(self, host: str) -> Callable[..., Client]:
        """Return what makes MQTT clients on a host: the real ones' arguments, another broker."""

        def make(_broker: str, _port: int, **arguments: Any) -> Client:
            return cast("Client", self.broker.client(host, **arguments))

        return make

    def clone_site(self, store: str, host: str) -> Site[Gateway]:
        """Return a site for a copy of a store's gateway."""
        return self._gateway_site(store, host)

    def cloud_site(self, host: str) -> Site[CloudNode]:
        """Return a site for a cloud; all clouds share the journal's disk."""
        site: Site[CloudNode]

        def make() -> CloudNode:
            return CloudNode(
                self.journal_path,
                clock=site.clock,
                rng=self.rng(f"{host} {site.restarts}"),
                client_type=self._client_type(host),
                policies=self.policies,
                witness=self.witness,
            )

        site = Site(host, self, disk=self._cloud_disk, make=make, rng=self.rng(f"site {host}"))
        return site

    async def run(self) -> Outcome:
        """Run through both phases and return what was found."""
        tasks = [self.loop.create_task(self._trade(store)) for store in STORES]
        tasks.append(
            self.loop.create_task(
                self.customers.come(self.plan.ask_every_s, self.plan.faults_for_s)
            )
        )
        starting: list[Site[Any]] = [*self.gateways.values(), self.cloud]
        for site in starting:
            site.start()
        strikes.set_weather(self.weather, self.plan.weather)
        for strike in self.plan.strikes:
            self.loop.call_at(strike.at_s, strikes.perform, self, strike, context=self.root)
        await asyncio.gather(*tasks)
        await asyncio.sleep(max(0.0, self.plan.faults_for_s - self.loop.time()))
        strikes.heal(self)
        took_s = await self._converge()
        await self._end()
        findings = check(self)
        self.trace(findings.digest)
        return self._outcome(findings, took_s)

    async def _trade(self, store: str) -> None:
        shop, rng, clock = self.shops[store], self.rng(f"trade {store}"), self.cloud.clock
        shop.open(clock.true_ms())
        while self.loop.time() < self.plan.faults_for_s:
            await asyncio.sleep(rng.expovariate(1 / self.plan.act_every_s))
            plan = self.plan
            shop.act(clock.true_ms(), counts=plan.has_counts, deliveries=plan.has_deliveries)

    async def _converge(self) -> float:
        began_s = self.loop.time()
        left = ["nothing was looked at"]
        while self.loop.time() < began_s + CONVERGE_WITHIN_S:
            left = list(self._unsettled())
            if not left:
                return self.loop.time() - began_s
            await asyncio.sleep(LOOK_EVERY_S)
        self.violations.append(f"convergence: after {CONVERGE_WITHIN_S:.0f} s {'; '.join(left)}")
        return self.loop.time() - began_s

    def _unsettled(self) -> Iterator[str]:
        """Yield what is not as it should be yet."""
        if self.customers.busy:
            yield f"{self.customers.busy} customers wait"
        for store, site in self.gateways.items():
            gateway = site.program
            if gateway is None or gateway.outbox is None or gateway.mirror is None:
                yield f"{store} is down"
            elif any(self.shops[store].spool.glob("*.xml")):
                yield f"{store} has documents in its spool"
            elif pending := gateway.outbox.status().pending:
                yield f"{store} has {pending} facts in its outbox"
        node = self.cloud.program
        if node is None or node.reader is None:
            yield "the cloud is down"
        else:
            yield from self._untold(node)

    def _untold(self, node: CloudNode) -> Iterator[str]:
        assert node.reader is not None  # noqa: S101 # Asked by the caller.
        for row in node.reader.stores():
            gateway = self.gateways[row.store].program
            mirror = None if gateway is None else gateway.mirror
            if mirror is not None and mirror.position != row.position:
                yield f"{row.store}'s mirror is at {mirror.position}, not {row.position}"
        if node.told_through < node.reader.position():
            yield f"told through {node.told_through} of {node.reader.position()}"

    async def _end(self) -> None:
        """Stop everybody in order."""
        sites: list[Site[Any]] = [*self.gateways.values(), self.cloud]
        for site in sites:
            site.is_retired = True
            site.stop()
        while any(site.life is not None for site in sites):  # noqa: ASYNC110 # Virtual seconds.
            await asyncio.sleep(LOOK_EVERY_S)

    def _outcome(self, findings: Findings, took_s: float) -> Outcome:
        failures = [
            f"bug: {context.get('exception') or context.get('message')!r}"
            for context in self.virtual_loop.failures
        ]
        return Outcome(
            seed=self.plan.seed,
            violations=[
                *failures,
                *self.violations,
                *self.witness.violations,
                *self.customers.violations,
                *findings.violations,
            ],
            trace=self._hash.hexdigest(),
            virtual_s=self.loop.time(),
            converged_in_s=took_s,
            till_lines=findings.till_lines,
            reservations=findings.reservations,
            commits=self.witness.commits,
            faults=dict(self.faults),
            turns=self.virtual_loop.steps,
        )


def simulate(plan: Plan, folder: Path) -> Outcome:
    """Run a plan in an empty folder, on a loop of its own."""
    with _quiet(), _watched_connections(), _logs_moved_above(plan.log_pages_max):
        try:
            return _on_a_loop(plan, folder)
        finally:
            _bury_the_dead()


def _on_a_loop(plan: Plan, folder: Path) -> Outcome:
    loop = VirtualLoop(Random(f"{plan.seed} threads"), plan.turns_max)
    disks: list[SimulatedDisk] = []

    async def run() -> Outcome:
        simulation = Simulation(plan, folder, loop)
        disks.append(simulation.disk)
        return await simulation.run()

    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(run())
    except Livelocked as error:
        return _livelocked(plan, loop, error)
    finally:
        asyncio.set_event_loop(None)
        loop.close()
        for disk in disks:
            disk.uninstall()


def _livelocked(plan: Plan, loop: VirtualLoop, error: Livelocked) -> Outcome:
    return Outcome(
        seed=plan.seed,
        violations=[f"livelock: {error}"],
        trace="",
        virtual_s=loop.time(),
        converged_in_s=0.0,
        till_lines=0,
        reservations=0,
        commits=0,
        faults={},
        turns=loop.steps,
    )


@contextmanager
def _logs_moved_above(pages: int | None) -> Iterator[None]:
    """Let write-ahead logs be moved above so many pages, the gateways' and the cloud's."""
    plot = Plot()
    if pages is not None:
        plot.put(writer, "LOG_PAGES_MAX", pages)
        plot.put(sqlite, "LOG_PAGES_MAX", pages)
    try:
        yield
    finally:
        plot.clear()


@contextmanager
def _quiet() -> Iterator[None]:
    """Say nothing of what is expected to fail."""
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


@contextmanager
def _watched_connections() -> Iterator[None]:
    apsw.connection_hooks.append(note_connection)
    try:
        yield
    finally:
        apsw.connection_hooks.remove(note_connection)


def _bury_the_dead() -> None:
    """Let go of tasks that stand still for ever; what their `finally` blocks say is of no use."""
    said, sys.unraisablehook = sys.unraisablehook, lambda _: None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            gc.collect()
    finally:
        sys.unraisablehook = said
