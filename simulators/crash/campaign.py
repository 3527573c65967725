"""Kills, restarts and comparisons: stores sell and customers order on while processes are killed.

A cycle kills something, at a named point or at any moment, starts it again, and waits until an
independent subscriber hears of a sale that was made after the kill, and the API does what it is
asked. Then the load comes to rest, and the books must agree with the truth. Event loop.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from itertools import count
from random import Random
from typing import Any, Final

from edge.errors import OutboxFailed
from protocol.topics import DEFAULT_ROOT, Topics
from simulators.api_client.operations import until_healthy
from simulators.api_client.reservations import ReservationsApi
from simulators.crash.customers import Customer, Ledger
from simulators.crash.gate import Gate
from simulators.crash.ground import Ground
from simulators.crash.inspection import Findings, Inspector, is_empty
from simulators.crash.options import CrashOptions
from simulators.crash.outcome import CrashOutcome
from simulators.crash.plan import Plan, Strike
from simulators.crash.points import Point
from simulators.crash.recovery import Recovery, until
from simulators.crash.shop import GTINS, Shop, Trade
from simulators.crash.truth import Truth
from simulators.demo.checker import compare
from simulators.demo.heard import Heard
from simulators.demo.subscriber import Subscriber
from simulators.demo.verify import verify
from simulators.errors import DemoFailed
from simulators.fencing.private_postgres import PrivatePostgres

READY_DEADLINE_S: Final = 60.0
RECOVERY_DEADLINE_S: Final = 60.0
AGREEMENT_DEADLINE_S: Final = 20.0
DRAIN_DEADLINE_S: Final = 20.0
DRAIN_POLL_S: Final = 0.1
FULL_EVERY: Final = 10
VERIFY_EVERY: Final = 50
NS_PER_S: Final = 1_000_000_000


class Campaign:
    """One campaign. `told` is given how many cycles are over."""

    def __init__(
        self,
        options: CrashOptions,
        told: Callable[[int], None],
        postgres: PrivatePostgres | None = None,
    ) -> None:
        self.outcome: Final = CrashOutcome(seed=options.seed, journal=options.journal)
        self._options: Final = options
        self._told: Final = told
        self._ground: Final = Ground(options, postgres)
        self._plan: Final = Plan(
            self._random("plan"), options.journal, options.stores, options.points
        )
        self._truth: Final = Truth()
        self._ledger: Final = Ledger()
        self._gate: Final = Gate()
        self._heard: Final = Heard(Topics(DEFAULT_ROOT), lambda *_: None, lambda _: None)
        self._inspector: Final = Inspector(self._truth, self._ledger, self._ground.open_reader)
        today = datetime.now(UTC).date()
        self._shops: Final[dict[str, Shop]] = {
            store: Shop(
                store, self._ground.folder_of(store), self._truth, self._random(store), today
            )
            for store in self._ground.stores
        }
        self._trade: Final = Trade(
            list(self._shops.values()), options.facts_per_s, self._random("trade")
        )
        self._numbers: Final = count(1)
        self._recovery: Final = Recovery(self._shops, self._heard, self._customer("probes"))

    def _random(self, name: str) -> Random:
        return Random(f"{self._options.seed}/{name}")

    def _customer(self, name: str) -> Customer:
        return Customer(
            ReservationsApi(self._ground.connection()),
            self._ledger,
            self._truth,
            [(store, GTINS) for store in self._ground.stores],
            self._random(name),
            self._numbers,
        )

    async def run(self) -> CrashOutcome:
        """Run until everything is killed, or a promise is broken. Raises `SimulatorError`."""
        began_s = time.monotonic()
        try:
            await self._guarded()
        finally:
            await self._ground.stop()
        await self._verify()
        self._sum_up()
        self.outcome.lasted_s = round(time.monotonic() - began_s, 1)
        return self.outcome

    async def _guarded(self) -> None:
        """Live, unless something fails; the first failure is the one that is told."""
        try:
            async with asyncio.TaskGroup() as group:
                tasks: list[asyncio.Task[None]] = []
                await self._live(lambda each: tasks.append(group.create_task(each)))
                for task in tasks:
                    task.cancel()
        except BaseExceptionGroup as errors:
            raise _first_of(errors) from errors

    async def _live(self, begin: Callable[[Coroutine[Any, Any, None]], None]) -> None:
        ground = self._ground
        await ground.start(ground.broker)
        begin(Subscriber(*ground.address, Topics(DEFAULT_ROOT), self._heard).run())
        for point in self._plan.births:
            await self._kill_at_birth(point)
        for victim in (ground.cloud, *ground.agents):
            await ground.start(victim)
        for shop in self._shops.values():
            shop.open()
        await until(self._agree, READY_DEADLINE_S, "the opening counts")
        await until_healthy(ground.connection())
        for trader in self._traders():
            begin(trader)
        self._gate.open()
        await self._kill_them_all()

    def _traders(self) -> Iterator[Coroutine[Any, Any, None]]:
        yield self._trade.run(self._gate)
        for number in range(self._options.customers):
            yield self._customer(f"customer {number}").run(self._gate)

    async def _kill_at_birth(self, point: Point) -> None:
        """Let a process die in its first life, before it has done anything."""
        ground = self._ground
        victim = ground.cloud if point.program == "cloud" else ground.agents[0]
        await victim.start(f"arm {point.name} {point.calls_max}")
        reached = await victim.hit(point.patience_s) is not None
        await victim.kill()
        self.outcome.births += 1
        self.outcome.kind(point.name).note(reached=reached)

    async def _kill_them_all(self) -> None:
        cycles = self._options.cycles
        for number in range(1, cycles + 1):
            strike = self._plan.next()
            await self._cycle(strike)
            is_last = number == cycles
            findings = await self._compare(full=is_last or number % FULL_EVERY == 0)
            kind = self.outcome.kind(strike.kind)
            kind.lost += findings.lost
            kind.doubled += findings.doubled
            self._told(number)
            if not findings.is_clean:
                self.outcome.violations.append(f"cycle {number}, {strike.kind}:")
                self.outcome.violations += findings.violations
                return
            if not is_last and number % VERIFY_EVERY == 0:
                await self._verify()
            self._gate.open()

    async def _cycle(self, strike: Strike) -> None:
        ground = self._ground
        await asyncio.sleep(strike.delay_s)
        reached, killed_ns = await self._strike(strike)
        probes = self._recovery.sell_probes(ground.stores_behind(strike.target, strike.store))
        await asyncio.sleep(strike.pause_s)
        started_ns = time.monotonic_ns()
        supervising = asyncio.create_task(ground.supervise(strike.target))
        try:
            await ground.revive(strike.target, strike.store)
            await self._recovery.until_served(
                probes,
                ask=strike.target not in ("edge", "broker"),
                deadline_s=RECOVERY_DEADLINE_S,
                what=f"the recovery after {strike.kind}",
            )
        finally:
            supervising.cancel()
        now_ns = time.monotonic_ns()
        ground.require_alive()
        self.outcome.add(
            strike.kind,
            reached=reached,
            killed_s=(now_ns - killed_ns) / NS_PER_S,
            started_s=(now_ns - started_ns) / NS_PER_S,
        )

    async def _strike(self, strike: Strike) -> tuple[bool, int]:
        """Kill; return whether it died where it should, and when (monotonic, ns)."""
        ground, point = self._ground, strike.point
        if point is None:
            return True, await ground.kill(strike.target, strike.store)
        (victim,) = ground.victims_of(strike.target, strike.store)
        order = f"arm {point.name} {strike.call}"
        if point.moment == "starting":
            await victim.kill()
            await victim.start(order)
        else:
            await victim.order(order)
        names = ground.stores_behind(strike.target, strike.store)
        in_a_hurry = [self._shops[name] for name in names] if point.is_rare else []
        with self._trade.hurry(in_a_hurry):
            hit_ns = await victim.hit(point.patience_s)
        killed_ns = await victim.kill()
        return hit_ns is not None, hit_ns or killed_ns

    def _agree(self) -> bool:
        return compare(self._truth.columns(), self._heard.states).is_total

    async def _compare(self, *, full: bool) -> Findings:
        """Let everything come to rest, and hold it against the truth. The gate stays closed."""
        await self._gate.close()
        with suppress(DemoFailed):  # The inspector says what does not agree.
            await until(self._agree, AGREEMENT_DEADLINE_S, "agreement")
        heard = dict(self._heard.states)
        findings = await asyncio.to_thread(self._inspector.inspect, heard, commands=full)
        findings.note(self._heard.violations)
        self.outcome.comparisons += 1
        if full:
            self.outcome.full_comparisons += 1
            await self._until_drained(findings)
        return findings

    async def _until_drained(self, findings: Findings) -> None:
        for store in self._ground.stores:
            path = self._ground.outbox_of(store)
            try:
                await until(
                    partial(is_empty, path),
                    DRAIN_DEADLINE_S,
                    f"the outbox of {store} to be empty",
                    DRAIN_POLL_S,
                )
            except (DemoFailed, OutboxFailed) as error:
                findings.violations.append(str(error))

    async def _verify(self) -> None:
        status, self.outcome.verified = await verify(self._ground.cloud_config)
        self.outcome.verifications += 1
        if status:
            self.outcome.violations.append(f"verify: {self.outcome.verified}")

    def _sum_up(self) -> None:
        outcome = self.outcome
        outcome.facts = sum(shop.facts for shop in self._shops.values())
        outcome.lines = len(self._truth.lines)
        outcome.lines_repeated = self._inspector.lines_repeated
        outcome.acknowledged = self._ledger.acknowledged
        outcome.requests_repeated = self._ledger.repeated
        outcome.refused = dict(self._ledger.refused)
        points = (*self._plan.births, *self._plan.points)
        outcome.note_points(point.name for point in points)
        outcome.judge_recovery()


def _first_of(group: BaseExceptionGroup[BaseException]) -> BaseException:
    first: BaseException = group
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    return first
