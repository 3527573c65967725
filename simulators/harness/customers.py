"""Customers of the web shop: they reserve, pay, let lapse and give back, and ask until answered.

A customer whose question got no answer asks again under the same key, as the API's clients are
told to; some ask again although they were answered. What left with a carrier is told to the store
it left from.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any, Final

from cloud.api.problems import ApiProblem
from cloud.commands import AnyCommand
from cloud.commands.reservations import Confirm, Release, Reserve, ReserveLine, Ship
from cloud.errors import CloudError
from cloud.orders.desk import OrderDesk
from cloud.orders.requests import OrderRequest, WantedLine
from cloud.records.order import Order
from cloud.records.reservation import Reservation
from cloud.shards.messages import Done
from cloud.sku_location.refusal import Refused
from simulators.harness.clocks import Clock
from simulators.harness.cloud_node import CloudNode
from simulators.harness.shop import Shop

NO_ANSWER: Final = (ApiProblem, CloudError, TimeoutError)
"""What a client sees as a 503, a 500 or silence."""
ASK_AGAIN_S: Final = 2.0
ANSWER_TIMEOUT_S: Final = 5.0
DESK_TIMEOUT_S: Final = 20.0
"""A saga that a killed cloud has begun answers nobody."""
HOLD_FOR_MS: Final = 20_000
ORDERS_OF_VISITS: Final = 0.3
"""So many orders go wherever the goods are; the others ask one store."""


class Customers:
    """All customers of one run."""

    def __init__(
        self,
        shops: list[Shop],
        cloud: Callable[[], CloudNode | None],
        clock: Clock,
        rng: Random,
    ) -> None:
        self.answers: Final[dict[str, Done]] = {}
        self.orders: Final[list[str]] = []
        """Orders that were answered as held."""
        self.refusals: Final[Counter[str]] = Counter()
        self.violations: Final[list[str]] = []
        self.busy = 0
        self._shops: Final = shops
        self._cloud: Final = cloud
        self._clock: Final = clock
        self._rng: Final = rng
        self._count = 0
        self._group: Final[set[asyncio.Task[None]]] = set()

    async def come(self, every_s: float, until_s: float) -> None:
        """Let customers come until then."""
        loop = asyncio.get_running_loop()
        while loop.time() < until_s:
            await asyncio.sleep(self._rng.expovariate(1 / every_s))
            self._count += 1
            task = loop.create_task(self._visit(self._count))
            self._group.add(task)
            task.add_done_callback(self._left)

    def _left(self, task: asyncio.Task[None]) -> None:
        self._group.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.violations.append(f"a customer stumbled: {error!r}")

    async def _visit(self, number: int) -> None:
        self.busy += 1
        try:
            if self._rng.random() < ORDERS_OF_VISITS:
                await self._order(number)
            else:
                await self._buy(number)
        finally:
            self.busy -= 1

    async def _buy(self, number: int) -> None:
        rng = self._rng
        shop = rng.choice(self._shops)
        # The first article is for counts alone: a count and a parcel that leaves while it is made
        # would need one order that nobody in a real store could tell either.
        gtin, quantity = rng.choice(shop.goods[1:]), rng.randint(1, 3)
        name = f"r{number}"
        mind = rng.random()
        lapses_ms = self._clock.true_ms() + HOLD_FOR_MS if mind < 0.6 else 0
        reserve = Reserve(
            store=shop.store,
            key=f"web:{number}-reserve",
            digest=str(number).encode(),
            reservation_id=name,
            order_id=f"o{number}",
            channel="web",
            lines=[ReserveLine(gtin=gtin, quantity=quantity)],
            expires_at_ms=lapses_ms,
        )
        if not await self._ask(reserve):
            return
        await asyncio.sleep(rng.uniform(0, 2.5 * HOLD_FOR_MS / 1_000))
        store = shop.store
        if mind < 0.2:
            return  # Lets it lapse, if it does.
        if mind < 0.4:
            await self._ask(Release(store=store, key=f"web:{number}-release", reservation_id=name))
        elif await self._ask(
            Confirm(store=store, key=f"web:{number}-confirm", reservation_id=name)
        ):
            await asyncio.sleep(rng.uniform(0, 20))
            shipped = await self._ask(
                Ship(store=store, key=f"web:{number}-ship", reservation_id=name)
            )
            if shipped and isinstance(shipped.record, Reservation):
                for line in shipped.record.lines:
                    shop.left(line.gtin, line.fulfilled)

    async def _order(self, number: int) -> None:
        """Order from wherever the goods are, and then want it, or not."""
        rng = self._rng
        goods = self._shops[0].goods[1:]
        wanted = [
            WantedLine(gtin=gtin, quantity=rng.randint(1, 4))
            for gtin in rng.sample(goods, rng.randint(1, min(2, len(goods))))
        ]
        name = f"o{number}"
        request = OrderRequest(order_id=name, channel="web", lines=wanted)
        order = await self._of_desk(lambda desk: desk.place(request, f"web:{name}-place"))
        if order is None or order.status != "held":
            return
        self.orders.append(name)
        await asyncio.sleep(rng.uniform(0, 10))
        if rng.random() < 0.5:
            await self._of_desk(lambda desk: desk.confirm(name, f"web:{name}-confirm"))
        else:
            await self._of_desk(lambda desk: desk.release(name, f"web:{name}-release"))

    async def _of_desk(
        self, ask: Callable[[OrderDesk], Coroutine[Any, Any, Order | Refused]]
    ) -> Order | None:
        """Ask the desk until it answers."""
        while True:
            cloud = self._cloud()
            if cloud is not None and cloud.orders is not None:
                try:
                    answer = await cloud.request(ask(cloud.orders), DESK_TIMEOUT_S)
                except NO_ANSWER:
                    pass  # As below.
                else:
                    return None if isinstance(answer, Refused) else answer
            await asyncio.sleep(self._rng.uniform(0.1, ASK_AGAIN_S))

    async def _ask(self, command: AnyCommand) -> Done | None:
        """Ask until answered; now and then once more, which must change nothing."""
        answer = await self._answer(command)
        if self._rng.random() < 0.15:
            again = await self._answer(command)
            if isinstance(again, Done) and isinstance(answer, Done):
                if again.position != answer.position:
                    detail = f"at {answer.position}, then at {again.position}"
                    self.violations.append(f"doubled: {command.key} was accepted {detail}")
            elif isinstance(answer, Done):
                self.violations.append(f"doubled: {command.key} was accepted, then refused")
        if isinstance(answer, Refused):
            self.refusals[answer.reason] += 1
            return None
        self.answers[command.key] = answer
        return answer

    async def _answer(self, command: AnyCommand) -> Done | Refused:
        while True:
            cloud = self._cloud()
            if cloud is not None and cloud.submitter is not None:
                try:
                    work = cloud.submitter.submit(command, ANSWER_TIMEOUT_S)
                    return await cloud.request(work, 2 * ANSWER_TIMEOUT_S)
                except NO_ANSWER:
                    pass  # Busy, or nobody knows: the same question under the same key is safe.
            await asyncio.sleep(self._rng.uniform(0.1, ASK_AGAIN_S))
