"""One oversell run: stock in, rules on, clients at it, and afterwards the audit. Event loop."""

import asyncio
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from random import Random
from typing import Final

from protocol.ids import StoreId
from simulators.api_client.http import HttpConnection
from simulators.api_client.operations import hide_from_channel, until_healthy
from simulators.api_client.reservations import ReservationsApi
from simulators.audit.grants import Witness
from simulators.audit.report import AuditReport, audit_file
from simulators.demo.processes import Crew
from simulators.demo.verify import verify
from simulators.oversell.ground import Ground, given_ground, new_ground
from simulators.oversell.options import BUFFER_UNITS, BUFFERED_CHANNEL, OversellOptions
from simulators.oversell.outcome import OversellOutcome, outcome_of
from simulators.oversell.plan import Plan
from simulators.oversell.shopper import Shopper
from simulators.oversell.supply import Supply, supply_at
from simulators.oversell.tally import Tally
from simulators.world.goods import gtin_of

ATTEMPTS_PER_TURN: Final = 40
"""So many attempts share what a turn of the stores brings, and takes."""
PROGRESS_S: Final = 5.0
FIRST_ITEM: Final = 50_000


class OversellRun:
    """One run. `told` is given sentences worth showing."""

    def __init__(self, options: OversellOptions, told: Callable[[str], None]) -> None:
        self._options: Final = options
        self._told: Final = told
        is_own = options.url is None
        self._name: Final = f"os{options.seed if is_own else time.time_ns() // 1_000_000}"
        self._stores: Final = [StoreId(f"{self._name}-{n + 1}") for n in range(options.stores)]
        self._gtins: Final = [gtin_of(FIRST_ITEM + n) for n in range(options.skus)]
        self._plan: Final = Plan(options.seed, self._stores, self._gtins)
        self._tally: Final = Tally()
        self._witness: Final = Witness()
        self._numbers: Final = count(1)
        self._moved: Final = asyncio.Event()
        self.crew: Final = Crew()

    async def run(self) -> OversellOutcome:
        """Run to the end. Raises `SimulatorError`."""
        options = self._options
        try:
            ground = await self._ground()
            trading_s = await self._trade(ground)
        finally:
            await self.crew.stop()
        self._told("the audit reads the journal")
        report = await asyncio.to_thread(self._audit, ground.journal)
        return outcome_of(
            self._tally,
            seed=options.seed,
            clients=options.clients,
            trading_s=trading_s,
            audit=report,
            verify=await verify(ground.config),
        )

    async def _ground(self) -> Ground:
        options = self._options
        if options.url is not None:
            return given_ground(options)
        return await new_ground(self.crew, options.folder)

    async def _trade(self, ground: Ground) -> float:
        """Let everything happen, and return how long the clients took."""
        operator = HttpConnection(ground.api, ground.token)
        await until_healthy(operator)
        rule = f"{self._name}-buffer"
        async with (
            hide_from_channel(operator, rule, BUFFERED_CHANNEL, self._stores, BUFFER_UNITS),
            supply_at(
                ground.broker,
                ground.topics,
                self._stores,
                self._gtins,
                Random(f"{self._options.seed}/supply"),
                self._tally,
            ) as supply,
        ):
            await supply.open_with(self._options.units)
            self._told(f"the stock is in; {self._options.clients} clients begin")
            began_s = time.perf_counter()
            await self._everybody(ground, supply)
            return time.perf_counter() - began_s

    async def _everybody(self, ground: Ground, supply: Supply) -> None:
        async with asyncio.TaskGroup() as group:
            background = [
                group.create_task(self._stores_live(supply)),
                group.create_task(self._report_progress()),
                group.create_task(self.crew.until_one_dies()),
            ]
            async with asyncio.TaskGroup() as clients:
                for _ in range(self._options.clients):
                    clients.create_task(self._client(ground, supply))
            for task in background:
                task.cancel()

    async def _client(self, ground: Ground, supply: Supply) -> None:
        first, second = (
            ReservationsApi(HttpConnection(ground.api, ground.token)) for _ in range(2)
        )
        shopper = Shopper(
            (first, second), self._plan, self._witness, self._tally, supply, self._name
        )
        try:
            while (number := next(self._numbers)) <= self._options.attempts:
                await shopper.make(number)
                self._moved.set()
        finally:
            first.abort()
            second.abort()

    async def _stores_live(self, supply: Supply) -> None:
        """Sell and deliver at the pace of the attempts, until cancelled."""
        turns = 0
        while True:
            due = self._tally.attempts // ATTEMPTS_PER_TURN - turns
            if due > 0:
                turns += due
                await supply.turns(due)
            else:
                self._moved.clear()
                await self._moved.wait()

    async def _report_progress(self) -> None:
        while True:
            before = self._tally.attempts
            await asyncio.sleep(PROGRESS_S)
            made = self._tally.attempts
            self._told(
                f"{made} of {self._options.attempts} attempts,"
                f" {(made - before) / PROGRESS_S:.0f}/s, {self._tally.granted} granted"
            )

    def _audit(self, journal: Path) -> AuditReport:
        buffers = {BUFFERED_CHANNEL: BUFFER_UNITS}
        return audit_file(journal, self._witness, buffers, self._stores)
