"""The web shop: customers come, order what they are shown, pay or not, and are sent their goods.

It knows stores only by what the API says, and by the associates who pack (`Backroom`). Event loop.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from simulators.api_client.documents import (
    AvailableUnits,
    LineAsked,
    ReservationState,
    ReserveAsked,
)
from simulators.api_client.reservations import Reply
from simulators.web_shop.counts import ShopCounts
from simulators.web_shop.customers import Customers, Order, WebShopSettings
from simulators.web_shop.desk import ShopDesk
from simulators.web_shop.fulfilment import Backroom, Fulfilment

CHANNEL: Final = "web"
PAY_WITHIN_S: Final = 60
WATCH_S: Final = 1.0
EXPIRY_LOOK_S: Final = 0.5
EXPIRY_LOOKS_MAX: Final = 60


class WebShop:
    """One shop over some locations. `assortment` is what it sells of each."""

    def __init__(
        self,
        desk: ShopDesk,
        settings: WebShopSettings,
        customers: Customers,
        assortment: Mapping[str, Sequence[str]],
        backrooms: Mapping[str, Backroom],
        name: str,
    ) -> None:
        self.counts: Final = {location: ShopCounts() for location in assortment}
        self._desk: Final = desk
        self._settings: Final = settings
        self._customers: Final = customers
        self._assortment: Final = assortment
        self._name: Final = name
        self._shown: dict[str, list[AvailableUnits]] = {}
        self._orders = 0
        self._under_way = 0
        self._closed: Final = asyncio.Event()
        self._fulfilments: Final = {
            location: Fulfilment(desk, backrooms[location], self.counts[location])
            for location in assortment
        }
        self.at_rest: Final = asyncio.Event()
        """Set when the shop is closed and no order is under way any more."""
        self.at_rest.set()

    async def run(self) -> None:
        """Sell until closed, then finish what was ordered. Raises `ApiRefused`."""
        self.at_rest.clear()
        async with asyncio.TaskGroup() as orders:
            watching = orders.create_task(self._watch())
            while not await self._closes_within(self._customers.next_after_s()):
                order = self._next_order()
                if order is not None:
                    orders.create_task(self._serve(order))
            watching.cancel()
        self.at_rest.set()

    def close(self) -> None:
        """Let no more customers in."""
        self._closed.set()

    async def _closes_within(self, wait_s: float) -> bool:
        try:
            async with asyncio.timeout(wait_s):
                await self._closed.wait()
        except TimeoutError:
            return False
        return True

    def _next_order(self) -> Order | None:
        if self._under_way >= self._settings.orders_max:
            return None
        shown = [
            (location, each.gtin, each.available)
            for location, items in self._shown.items()
            for each in items
        ]
        return self._customers.order(shown)

    async def _watch(self) -> None:
        """Look what there is, again and again, until cancelled."""
        while True:
            for location, gtins in self._assortment.items():
                self._shown[location] = await self._look(location, list(gtins))
            await asyncio.sleep(WATCH_S)

    async def _look(self, location: str, gtins: list[str]) -> list[AvailableUnits]:
        return await self._desk.read(lambda api: api.availability(CHANNEL, location, gtins))

    async def _serve(self, order: Order) -> None:
        self._under_way += 1
        self._orders += 1
        key = f"{self._name}-{self._orders}"
        try:
            reply = await self._desk.reserve(self._asked(order, key), key)
            if reply.reservation is None:
                self.counts[order.location].refused += 1
            else:
                await self._go_on(order, reply.reservation, key)
        finally:
            self._under_way -= 1

    def _asked(self, order: Order, key: str) -> ReserveAsked:
        return ReserveAsked(
            location=order.location,
            channel=CHANNEL,
            order_id=key,
            lines=[LineAsked(gtin=gtin, quantity=units) for gtin, units in order.lines.items()],
            hold_s=self._settings.hold_s,
        )

    async def _go_on(self, order: Order, state: ReservationState, key: str) -> None:
        counts = self.counts[order.location]
        counts.held += 1
        try:
            await asyncio.sleep(order.think_s)
            paid = await self._pay(state, key) if order.mind == "pays" else None
            if order.mind == "cancels" and await self._cancel(state, key):
                counts.cancelled += 1
            elif paid is None:
                await self._see_end(state, counts)
        finally:
            counts.held -= 1
        if paid is not None:
            await self._fulfilments[order.location].fulfil(paid, key)

    async def _cancel(self, state: ReservationState, key: str) -> bool:
        reply = await self._desk.command(lambda api: api.release(state, [], f"{key}-x"))
        return reply.reservation is not None

    async def _pay(self, state: ReservationState, key: str) -> ReservationState | None:
        """Return the confirmed reservation; `None` when it had ended before."""
        waiting: Reply = await self._desk.command(
            lambda api: api.await_payment(state, PAY_WITHIN_S, f"{key}-w")
        )
        if waiting.reservation is None:
            return None
        return (await self._desk.command(lambda api: api.confirm(state, f"{key}-c"))).reservation

    async def _see_end(self, state: ReservationState, counts: ShopCounts) -> None:
        """Wait until it has ended by itself, and count how."""
        for _ in range(EXPIRY_LOOKS_MAX):
            now = await self._desk.look_up(state)
            if now.status == "expired":
                counts.expired += 1
                return
            if now.status == "short":
                counts.short += 1
                counts.units_short += sum(line.short for line in now.lines)
                return
            await asyncio.sleep(EXPIRY_LOOK_S)
