"""One outage, from a steady state through the cut and the drain to a steady state. Event loop.

An independent subscriber at the broker hears what the cloud tells; nothing else is trusted.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from random import Random
from typing import Final

from protocol.documents import StockDocument
from protocol.topics import DEFAULT_ROOT, Topics
from simulators.demo.checker import Verdict, compare
from simulators.demo.heard import Heard
from simulators.demo.processes import Crew
from simulators.demo.subscriber import Subscriber
from simulators.demo.truth import SkuLocationKey
from simulators.demo.verify import verify
from simulators.errors import DemoFailed, SimulatorError
from simulators.outage.ground import Ground, MemoryWatch, start
from simulators.outage.hearing import NS_PER_MS, Hearing, Phase
from simulators.outage.options import OutageOptions
from simulators.outage.outcome import Latency, Memory, OutageOutcome
from simulators.outage.shop import STORE, Shop

POLL_S: Final = 0.02
READY_DEADLINE_S: Final = 30.0
BACK_OFF_MAX_S: Final = 30.0
"""So long an agent may wait between two attempts to connect, after a long outage."""

DRAIN_DEADLINE_S: Final = 600.0
NS_PER_S: Final = 1_000 * NS_PER_MS
SECONDS_PER_MINUTE: Final = 60
HELD: Final = (Phase.OUTAGE, Phase.CONNECTING)
"""What is made in these phases waits in the outbox."""


class OutageRun:
    """One run. `told` is given the phase, and how far it is, in seconds of the whole run."""

    def __init__(self, options: OutageOptions, told: Callable[[str, float], None]) -> None:
        self._options: Final = options
        self._told: Final = told
        self._hearing: Final = Hearing()
        self._heard: Final = Heard(Topics(DEFAULT_ROOT), self._on_state, lambda _: None)
        rng = Random(f"{options.seed}/outage")
        self._shop: Final = Shop(options.folder, options.facts_per_s, rng, self._hearing.sold)
        self._outbox_mib: Final[list[float]] = []
        self._facts_at: Final[dict[Phase, int]] = {}
        self._began_s = time.monotonic()
        self._healed_ns = 0
        self._online_ns = 0

    def _on_state(self, key: SkuLocationKey, document: StockDocument, at_ns: int) -> None:
        self._hearing.heard(key.gtin, document.ledger.sold, at_ns)

    async def run(self) -> OutageOutcome:
        """Run to the end. Raises `SimulatorError`."""
        crew = Crew()
        try:
            ground = await start(crew, self._options.folder)
            try:
                return await self._attended(crew, ground)
            finally:
                await ground.wan.stop()
        except BaseExceptionGroup as group:
            expected, others = group.split(SimulatorError)
            if others is not None or expected is None:
                raise
            raise first_of(expected) from None
        finally:
            await crew.stop()

    async def _attended(self, crew: Crew, ground: Ground) -> OutageOutcome:
        watches = [MemoryWatch(each) for each in (ground.agent, ground.cloud, ground.broker)]
        async with asyncio.TaskGroup() as group:
            subscriber = Subscriber(*ground.address, Topics(DEFAULT_ROOT), self._heard)
            others = (
                group.create_task(crew.until_one_dies()),
                group.create_task(subscriber.run()),
            )
            await self._until(lambda: subscriber.connections > 0, READY_DEADLINE_S, "to listen")
            verdict = await self._live(ground, watches)
            memory = [watch.told() for watch in watches]
            for task in others:
                task.cancel()
        return await self._outcome(ground, memory, verdict)

    async def _live(self, ground: Ground, watches: Sequence[MemoryWatch]) -> Verdict:
        """Open the store, cut the line, heal it, and wait until everything was heard."""
        options = self._options
        self._shop.open()
        await self._until(self._knows_the_opening, READY_DEADLINE_S, "to hear the opening count")
        async with self._trading():
            await self._pass("steady", options.steady_s)
            self._note(ground, watches)
            self._enter(Phase.OUTAGE)
            ground.wan.become("cut")
            await self._pass("outage", options.minutes * SECONDS_PER_MINUTE)
            self._note(ground, watches)
            ground.wan.become("open")
            self._healed_ns = time.monotonic_ns()
            self._enter(Phase.CONNECTING)
            await self._until(self._is_online, READY_DEADLINE_S + BACK_OFF_MAX_S, "to connect")
            self._online_ns = time.monotonic_ns()
            self._enter(Phase.DRAINING)
            await self._until(
                lambda: self._hearing.unheard(*HELD) == 0, DRAIN_DEADLINE_S, "to drain"
            )
            self._enter(Phase.AFTER)
            await self._pass("steady again", options.steady_s)
        everything = self._hearing.unheard
        await self._until(lambda: everything() == 0, READY_DEADLINE_S, "to hear the last sale")
        await self._until(
            lambda: self._verdict().is_total, READY_DEADLINE_S, "to agree", is_needed=False
        )
        self._note(ground, watches)
        return self._verdict()

    def _knows_the_opening(self) -> bool:
        return len(self._heard.states) == len(self._shop.truth)

    def _is_online(self) -> bool:
        """Say whether the agent is. It was declared dead when its line was cut."""
        return self._heard.agents[STORE].status == "online"

    def _verdict(self) -> Verdict:
        return compare(self._shop.truth, self._heard.states)

    def _enter(self, phase: Phase) -> None:
        self._hearing.phase = phase
        self._facts_at[phase] = self._shop.facts

    def _note(self, ground: Ground, watches: Sequence[MemoryWatch]) -> None:
        self._outbox_mib.append(round(ground.outbox_mib, 2))
        for watch in watches:
            watch.note()

    @asynccontextmanager
    async def _trading(self) -> AsyncIterator[None]:
        closing = asyncio.Event()
        trading = asyncio.create_task(self._shop.trade(closing))
        try:
            yield
        finally:
            closing.set()
            await trading

    async def _pass(self, phase: str, seconds: float) -> None:
        end_s = time.monotonic() + seconds
        while (left_s := end_s - time.monotonic()) > 0:
            self._tell(phase)
            await asyncio.sleep(min(left_s, 1.0))

    async def _until(
        self, holds: Callable[[], bool], deadline_s: float, what: str, *, is_needed: bool = True
    ) -> None:
        end_s = time.monotonic() + deadline_s
        while not holds():
            if time.monotonic() > end_s:
                if is_needed:
                    raise DemoFailed(
                        f"waited {deadline_s:.0f} s {what}; logs: {self._options.folder}"
                    )
                return
            self._tell(f"waiting {what}")
            await asyncio.sleep(POLL_S)

    def _tell(self, phase: str) -> None:
        self._told(phase, time.monotonic() - self._began_s)

    async def _outcome(
        self, ground: Ground, memory: Sequence[Memory], verdict: Verdict
    ) -> OutageOutcome:
        hearing, options = self._hearing, self._options
        agent, cloud, broker = memory
        last_ns = max(hearing.last_heard_ns.get(each, 0) for each in HELD)
        drain_s = max((last_ns - self._online_ns) / NS_PER_S, POLL_S)
        in_outage = self._facts_at[Phase.CONNECTING] - self._facts_at[Phase.OUTAGE]
        held = self._facts_at[Phase.DRAINING] - self._facts_at[Phase.OUTAGE]
        status, verified = await verify(ground.cloud_config)
        before_mib, end_mib, after_mib = self._outbox_mib
        return OutageOutcome(
            seed=options.seed,
            minutes=options.minutes,
            speed=options.speed,
            facts=self._shop.facts,
            facts_in_outage=in_outage,
            lost=verdict.lost,
            doubled=verdict.doubled,
            arrival_per_s=round(in_outage / (options.minutes * SECONDS_PER_MINUTE), 1),
            reconnected_s=round((self._online_ns - self._healed_ns) / NS_PER_S, 2),
            drain_s=round(drain_s, 2),
            drained_facts=held,
            drain_per_s=round(held / drain_s, 1),
            outbox_mib_before=before_mib,
            outbox_mib_end_of_outage=end_mib,
            outbox_mib_after=after_mib,
            agent=agent,
            cloud=cloud,
            broker=broker,
            latency_before=self._latency(Phase.BEFORE),
            latency_draining=self._latency(Phase.DRAINING),
            latency_after=self._latency(Phase.AFTER),
            verify_status=status,
            verified=verified,
            violations_heard=[*self._heard.violations, *map(str, verdict.disagreements[:5])],
        )

    def _latency(self, phase: Phase) -> Latency:
        hearing = self._hearing
        return Latency(
            sales=hearing.measured(phase),
            p50_ms=hearing.percentile_ms(phase, 50),
            p99_ms=hearing.percentile_ms(phase, 99),
        )


def first_of(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the first exception that is no group."""
    first: BaseException = group
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    return first
