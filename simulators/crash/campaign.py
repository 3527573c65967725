"""Kills, restarts and comparisons: a store sells on while its agent, broker and cloud are killed.

A cycle kills one victim, at a named point or at any moment, starts it again, and waits until an
independent subscriber hears of a sale that was made after the kill. Now and then the store stops
selling, and everything heard must agree with the truth.
"""

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import Callable
from contextlib import suppress
from json import dumps
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

from protocol.documents import StockDocument
from protocol.topics import DEFAULT_ROOT, Topics
from simulators.crash.outcome import RECOVERY_MAX_S, CrashOutcome, percentile
from simulators.crash.points import Point, points_of
from simulators.crash.victims import Victim, started
from simulators.demo.broker import HOST, BrokerAddress, free_port
from simulators.demo.checker import compare
from simulators.demo.config_files import broker_config
from simulators.demo.heard import Heard
from simulators.demo.subscriber import Subscriber
from simulators.demo.truth import SkuLocationKey
from simulators.demo.verify import verify
from simulators.errors import DemoFailed
from simulators.outage.ground import CLOUD_CONFIG, EDGE_CONFIG, TILL_CONFIG
from simulators.outage.shop import STORE, TILLS, Shop

FACTS_PER_S: Final = 60.0
READY_DEADLINE_S: Final = 60.0
RECOVERY_DEADLINE_S: Final = 45.0
COMPARE_EVERY: Final = 25
RANDOM_SHARE: Final = 0.4
BROKER_SHARE: Final = 0.12
RANDOM_MOMENT_MAX_S: Final = 1.0
POLL_S: Final = 0.01
NS_PER_S: Final = 1_000_000_000


class CrashOptions(NamedTuple):
    """The command line of `stocktruth-sim crash`."""

    folder: Path
    cycles: int
    seed: int

    def command(self) -> str:
        """Return the command that repeats this campaign."""
        return f"stocktruth-sim crash --cycles {self.cycles} --seed {self.seed}"


class Campaign:
    """One campaign. `told` is given how many cycles are over."""

    def __init__(self, options: CrashOptions, told: Callable[[int], None]) -> None:
        self._options: Final = options
        self._told: Final = told
        self._rng: Final = Random(f"{options.seed}/crash")
        self._points: Final = [p for p in points_of("sqlite") if p.moment != "birth"]
        self._waiting: Final[defaultdict[str, deque[tuple[int, int]]]] = defaultdict(deque)
        self._heard_through_ns = 0
        self._heard: Final = Heard(Topics(DEFAULT_ROOT), self._on_state, lambda _: None)
        self._shop: Final = Shop(
            options.folder, FACTS_PER_S, Random(f"{options.seed}/shop"), self._on_sold
        )
        self._outcome: Final = CrashOutcome(seed=options.seed)
        self._address: Final = BrokerAddress(HOST, free_port())
        self._victims: Final = self._make_victims()

    def _make_victims(self) -> dict[str, Victim]:
        folder = self._options.folder
        url, root = dumps(self._address.url), dumps(DEFAULT_ROOT)
        (folder / "broker.toml").write_text(broker_config(*self._address))
        (folder / "cloud.toml").write_text(CLOUD_CONFIG.format(url=url, root=root))
        tills = "".join(
            TILL_CONFIG.format(name=dumps(name), spool=dumps(str(folder / name))) for name in TILLS
        )
        store = EDGE_CONFIG.format(store=dumps(STORE), url=url, root=root)
        (folder / "store.toml").write_text(store + tills)
        broker = ("iotcore", "--config", "broker.toml", "--log-level", "ERROR")
        trapped = "simulators.crash.victim"
        cloud = (trapped, "cloud", "sqlite", "run", "--config", str(folder / "cloud.toml"))
        edge = (trapped, "edge", "sqlite", "run", "--config", str(folder / "store.toml"))
        return {
            name: Victim(name, arguments, folder)
            for name, arguments in (("broker", broker), ("cloud", cloud), ("edge", edge))
        }

    def _on_sold(self, gtin: str, ordinal: int, at_ns: int) -> None:
        self._waiting[gtin].append((ordinal, at_ns))

    def _on_state(self, key: SkuLocationKey, document: StockDocument, at_ns: int) -> None:
        del at_ns
        waiting = self._waiting[key.gtin]
        while waiting and waiting[0][0] <= document.ledger.sold:
            self._heard_through_ns = max(self._heard_through_ns, waiting.popleft()[1])

    async def run(self) -> CrashOutcome:
        """Run to the end. Raises `SimulatorError`."""
        for victim in self._victims.values():
            await started(victim, self._address)
        subscriber = Subscriber(*self._address, Topics(DEFAULT_ROOT), self._heard)
        listening = asyncio.create_task(subscriber.run())
        try:
            self._shop.open()
            await self._until(self._knows_the_opening, READY_DEADLINE_S, "the opening count")
            await self._kill_them_all()
        finally:
            listening.cancel()
            with suppress(asyncio.CancelledError):
                await listening
            for victim in self._victims.values():
                await victim.stop()
        return await self._judged()

    def _knows_the_opening(self) -> bool:
        return len(self._heard.states) == len(self._shop.truth)

    async def _kill_them_all(self) -> None:
        left = self._options.cycles
        while left:
            closing = asyncio.Event()
            trading = asyncio.create_task(self._shop.trade(closing))
            for _ in range(min(COMPARE_EVERY, left)):
                await self._cycle()
                left -= 1
                self._told(self._outcome.cycles)
            closing.set()
            await trading
            await self._compare()

    async def _cycle(self) -> None:
        point = self._draw()
        if point is None:
            broker = self._rng.random() < BROKER_SHARE / RANDOM_SHARE
            name = "broker" if broker else self._rng.choice(("edge", "cloud"))
            victim, kind, reached = self._victims[name], f"{name}.random", True
            await asyncio.sleep(self._rng.random() * RANDOM_MOMENT_MAX_S)
            killed_ns = await victim.kill()
        else:
            victim, kind = self._victims[point.program], point.name
            reached, killed_ns = await self._spring(victim, point)
        started_ns = time.monotonic_ns()
        await started(victim, self._address)
        await self._until(
            lambda: self._heard_through_ns > killed_ns, RECOVERY_DEADLINE_S, f"after {kind}"
        )
        now_ns = time.monotonic_ns()
        for each in self._victims.values():
            each.require_alive()
        self._outcome.add(
            kind,
            reached=reached,
            killed_s=(now_ns - killed_ns) / NS_PER_S,
            started_s=(now_ns - started_ns) / NS_PER_S,
        )

    def _draw(self) -> Point | None:
        """Return a point, each as often as the others, or none for a random moment."""
        if self._rng.random() < RANDOM_SHARE:
            return None
        fewest = min(self._kills(point) for point in self._points)
        return self._rng.choice([p for p in self._points if self._kills(p) == fewest])

    def _kills(self, point: Point) -> int:
        kind = self._outcome.kinds.get(point.name)
        return 0 if kind is None else kind.kills

    async def _spring(self, victim: Victim, point: Point) -> tuple[bool, int]:
        """Arm a point, and let the victim run into it; if it does not in time, kill it anyway."""
        order = f"arm {point.name} {self._rng.randint(1, point.calls_max)}"
        if point.moment == "starting":
            await victim.kill()
            await victim.start(order)
        else:
            await victim.order(order)
        reached = await victim.hit(point.patience_s)
        return reached, await victim.kill()

    async def _compare(self) -> None:
        """Wait until everything was heard, and hold it against the truth."""
        with suppress(DemoFailed):
            await self._until(
                lambda: compare(self._shop.truth, self._heard.states).is_total,
                READY_DEADLINE_S,
                "agreement",
            )
        verdict = compare(self._shop.truth, self._heard.states)
        self._outcome.comparisons += 1
        self._outcome.lost += verdict.lost
        self._outcome.doubled += verdict.doubled
        self._outcome.violations += [str(each) for each in verdict.disagreements[:5]]

    async def _judged(self) -> CrashOutcome:
        outcome = self._outcome
        outcome.facts = self._shop.facts
        status, outcome.verified = await verify(self._options.folder / "cloud.toml")
        if status:
            outcome.violations.append(f"verify: {outcome.verified}")
        outcome.violations += self._heard.violations[:5]
        served = [each for kind in outcome.kinds.values() for each in kind.served_s]
        if percentile(served, 99) > RECOVERY_MAX_S:
            outcome.violations.append(f"recovery: p99 is above {RECOVERY_MAX_S:g} s")
        return outcome

    async def _until(self, holds: Callable[[], bool], deadline_s: float, what: str) -> None:
        end_s = time.monotonic() + deadline_s
        while not holds():  # Clocks and other processes have no event.
            if time.monotonic() > end_s:
                raise DemoFailed(f"waited {deadline_s:.0f} s for {what}")
            await asyncio.sleep(POLL_S)
