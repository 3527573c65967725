"""The router over the read model: reads the candidates, lets the solver choose, off the loop."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Protocol, TypeVar

from cloud.journal.port import JournalReader
from cloud.orders.atlas import Atlas, Chart
from cloud.orders.candidates import Field, field_of, lacking
from cloud.orders.documents import RoutingDocument
from cloud.orders.ports import Demand, HiddenStock, Read, Routed
from cloud.orders.routing import Plan, RoutingProblem, Unroutable, route

ROUTINGS_AT_ONCE_MAX: Final = 2
"""The solver keeps a core busy; more orders wait their turn, in the order in which they came."""

T = TypeVar("T")


class Compute(Protocol):
    """Runs a computation where it does not hold up the event loop."""

    def __call__(self, computation: Callable[[], T]) -> Awaitable[T]:
        """Return its result."""


async def on_a_thread(computation: Callable[[], T]) -> T:
    """Compute on a thread of the loop's own."""
    return await asyncio.to_thread(computation)


class StockRouter:
    """A `Router`. Lives on the event loop; reading and solving happen on threads."""

    def __init__(self, read: Read, hidden: HiddenStock, compute: Compute = on_a_thread) -> None:
        self._read: Final = read
        self._hidden: Final = hidden
        self._compute: Final = compute
        self._atlas: Final = Atlas()
        self._turns: Final = asyncio.Semaphore(ROUTINGS_AT_ONCE_MAX)

    async def settings(self) -> RoutingDocument:
        """Return how orders are routed and held at present."""
        return (await self._read(self._atlas.chart)).routing

    async def route(self, demand: Demand, now_ms: int) -> Routed:
        """Return a plan or why there is none. Raises `RoutingInvalid` for what makes no sense."""

        def look(reader: JournalReader) -> tuple[Chart, Field]:
            with reader.snapshot():
                chart = self._atlas.chart(reader)
                return chart, field_of(reader, chart, self._hidden, demand, now_ms)

        chart, field = await self._read(look)
        problem = RoutingProblem(
            lines=field.lines,
            candidates=field.candidates,
            method=demand.method,
            collect_at=demand.collect_at or None,
            promise_by_ms=demand.promise_by_ms or None,
            # Transfers to the collecting store are not arranged: it has all of it itself, or not.
            max_parcels=0 if demand.method == "collect" else demand.max_parcels,
            allow_split=demand.allow_split,
            excluded=demand.excluded,
        )

        def solve() -> Plan | Unroutable:
            routing = chart.routing
            return route(problem, routing.costs, now_ms=now_ms, budget_ms=routing.budget_ms)

        async with self._turns:
            answer = await self._compute(solve)
        warnings = tuple(f"{name} is not used: {why}" for name, why in chart.problems.items())
        return Routed(answer, field.ship_by_ms, warnings)

    async def lacking(
        self, demand: Demand, location: str, ship_by_ms: int, now_ms: int
    ) -> tuple[str, ...]:
        """Return the GTINs of which a location has not enough by now."""
        return await self._read(
            lambda reader: lacking(reader, self._hidden, demand, location, ship_by_ms, now_ms)
        )
