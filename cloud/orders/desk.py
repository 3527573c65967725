"""Where orders are placed, paid, ended and looked after. Lives on the event loop.

Every call notes first what is wanted, durably, in the order's record (that is its commit point),
and then drives the order's reservations there. Whoever is interrupted calls again with the same
key, or leaves it to `resume`. One call at a time works on one order.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Final, NamedTuple

from msgspec.structs import replace

from cloud.commands.orders import SettleOrder
from cloud.orders.driver import Driver
from cloud.orders.errors import FATAL
from cloud.orders.parcels import as_text, demand_of_request
from cloud.orders.placing import as_answer, ended, place_command, unroutable
from cloud.orders.ports import Demand, Read, Routed, Router, Submit
from cloud.orders.reading import find_digest, find_due, find_moving
from cloud.orders.requests import OrderRequest, digest_of, problem_of
from cloud.orders.routing import Plan, RoutingInvalid, Unroutable
from cloud.orders.turns import Turns
from cloud.orders.unfinished import Unfinished
from cloud.records.notice import Notice
from cloud.records.order import Order, OrderStatus
from cloud.records.reservation import Reservation
from cloud.sku_location.refusal import Refusal, Refused
from protocol.ids import CLOUD_STORE_ID

SWEEP_ORDERS_MAX: Final = 500
"""Of one sweep; what is due beyond it is due in the next."""
ORDERS_AT_ONCE_MAX: Final = 8
"""So many orders are driven side by side when many have to be."""
UNFINISHED_MAX: Final = 10_000
"""Orders whose work broke off and that are remembered; past it, all are looked through again."""
RESUMED_AT_ONCE_MAX: Final = 500
"""Open orders read in one go when all are looked through."""
CONFIRM_MARGIN_MS: Final = 5 * 60_000
"""Before an order is confirmed its holds are made to last so long, so that none ends meanwhile."""

log = logging.getLogger(__name__)


class Looked(NamedTuple):
    """How many orders were driven, and which did not come to rest and are open still."""

    driven: int
    unsettled: tuple[str, ...]


NOTHING_LOOKED_AT: Final = Looked(0, ())


class OrderDesk:
    """All that can be done with orders. Refusals are answers; storage failures are raised.

    Whatever else an order fails of when it is looked after, the others are gone on with; it waits,
    longer after each failure.

    `passing` is what `submit` and `read` raise when they are too busy: whoever asked is told, and
    orders that were only looked after are looked after again in the next sweep.
    """

    def __init__(
        self,
        submit: Submit,
        read: Read,
        router: Router,
        now_ms: Callable[[], int],
        passing: tuple[type[Exception], ...] = (),
    ) -> None:
        self._passing: Final = passing
        self._submit: Final = submit
        self._read: Final = read
        self._router: Final = router
        self._now_ms: Final = now_ms
        self._driver: Final = Driver(submit, read, router, now_ms)
        self._turns: Final = Turns()
        self._unfinished: Final = Unfinished(UNFINISHED_MAX)

    @property
    def failing(self) -> int:
        """How many orders fail whenever they are looked after, and are tried again at times."""
        return self._unfinished.failing()

    async def plan(self, request: OrderRequest) -> Plan | Unroutable | Refused:
        """Return where an order would be fulfilled now. Nothing is noted or held."""
        wrong = problem_of(request)
        if wrong is not None:
            return Refused(Refusal.INVALID, wrong)
        settings = await self._router.settings()
        routed = await self._route(demand_of_request(request, settings))
        return routed if isinstance(routed, Refused) else routed.answer

    async def place(self, request: OrderRequest, key: str) -> Order | Refused:
        """Reserve an order where it is best fulfilled: all of it, or nothing.

        The same request under the same key is placed once and answered by how it stands.
        """
        wrong = problem_of(request)
        if wrong is not None:
            return Refused(Refusal.INVALID, wrong)
        async with self._work_on(request.order_id):
            digest = digest_of("place", request)
            known = await self._known(key, digest)
            if isinstance(known, Refused):
                return known
            if not known:
                refused = await self._note(request, key, digest)
                if refused is not None:
                    return refused
            return as_answer(await self._driven(request.order_id))

    async def extend(self, order_id: str, expires_at_ms: int, key: str) -> Order | Refused:
        """Hold an order until then, if that is later than it is held anyway."""
        command = _settlement(order_id, "held", expires_at_ms=expires_at_ms)
        return await self._settle(command, key, ("held",))

    async def await_payment(self, order_id: str, pay_by_ms: int, key: str) -> Order | Refused:
        """Keep an order until the deadline of its payment at least."""
        command = _settlement(order_id, "awaiting_payment", expires_at_ms=pay_by_ms)
        return await self._settle(command, key, ("held", "awaiting_payment"))

    async def confirm(self, order_id: str, key: str) -> Order | Refused:
        """Let an order expire no more: it is paid, or needs no payment."""
        command = _settlement(order_id, "confirmed")
        return await self._settle(command, key, ("held", "awaiting_payment"))

    async def release(self, order_id: str, key: str, detail: str = "") -> Order | Refused:
        """Give back what has not left yet. An order of which something left ends as fulfilled."""
        command = _settlement(order_id, "released", detail=as_text(detail))
        return await self._settle(command, key, ("held", "awaiting_payment", "confirmed"))

    async def resume(self) -> Looked:
        """Go on with every order that is not at rest: after a start, and whenever in doubt."""
        looked, after = NOTHING_LOOKED_AT, ""
        while True:
            question = find_moving(self._now_ms(), RESUMED_AT_ONCE_MAX, after)
            moving = await self._read(question)
            looked = both(looked, await self._drive_all(moving.order_ids))
            if moving.after is None:
                return looked
            after = moving.after

    async def sweep(self) -> Looked:
        """End orders past their deadline, and go on with those whose work broke off."""
        if self._unfinished.has_forgotten and self._unfinished.has_room:
            self._unfinished.has_forgotten = False
            return await self.resume()
        now_ms = self._now_ms()
        # Whoever fails stays due, and must not keep those that come after him from being seen.
        seen_max = SWEEP_ORDERS_MAX + len(self._unfinished)
        due = await self._read(find_due(now_ms, seen_max))
        ready = [name for name in due if not self._unfinished.waits(name, now_ms)]
        return await self._drive_all(ready[:SWEEP_ORDERS_MAX] + self._unfinished.ready(now_ms))

    async def on_notices(self, notices: Iterable[Notice]) -> Looked:
        """Re-route orders that lost something; reservations without an order are left alone."""
        return await self.look_after(orders_of_notices(notices))

    async def on_reservations(self, reservations: Iterable[Reservation]) -> Looked:
        """Close orders whose last reservation has ended."""
        return await self.look_after(orders_of_reservations(reservations))

    async def look_after(self, order_ids: Iterable[str]) -> Looked:
        """Go on with these, as far as they are orders."""
        return await self._drive_all(order_ids)

    async def _drive_all(self, order_ids: Iterable[str]) -> Looked:
        places = asyncio.Semaphore(ORDERS_AT_ONCE_MAX)
        now_ms = self._now_ms()
        distinct = dict.fromkeys(name for name in order_ids if name)
        names = [name for name in distinct if not self._unfinished.waits(name, now_ms)]
        outcomes = await asyncio.gather(
            *(self._drive_in_turn(name, places) for name in names), return_exceptions=True
        )
        unsettled: list[str] = []
        for name, outcome in zip(names, outcomes, strict=True):
            if outcome is None:
                continue
            if not isinstance(outcome, Exception) or isinstance(outcome, FATAL):
                raise outcome
            unsettled.append(name)
            if not isinstance(outcome, self._passing):
                self._set_aside(name, outcome)
        return Looked(len(names), tuple(unsettled))

    def _set_aside(self, order_id: str, error: Exception) -> None:
        """Let an order wait that fails by itself, and go on with the others.

        Nothing is left half done by that: each of its steps is one command, which was committed as
        a whole or not at all, and whoever tries again chooses the next by what he reads.
        """
        if self._unfinished.failed(order_id, self._now_ms()) == 1:
            log.error("order %s fails and is tried again later", order_id, exc_info=error)

    async def _drive_in_turn(self, order_id: str, places: asyncio.Semaphore) -> None:
        async with places, self._work_on(order_id):
            await self._drive(order_id)

    async def _drive(self, order_id: str) -> Order | None:
        order = await self._driver.drive(order_id)
        self._unfinished.done(order_id)
        return order

    @asynccontextmanager
    async def _work_on(self, order_id: str) -> AsyncIterator[None]:
        """Wait for our turn at an order; if the work breaks off, the next sweep goes on with it."""
        async with self._turns.turn(order_id):
            try:
                yield
            except BaseException:
                self._unfinished.broke_off(order_id)
                raise

    async def _known(self, key: str, digest: bytes) -> bool | Refused:
        """Say whether a key was accepted before; with another request it is refused."""
        if not key:
            return False
        earlier = await self._read(find_digest(key))
        if earlier is None or earlier == digest:
            return earlier is not None
        detail = "the same key came before with another request; use a new key"
        return Refused(Refusal.KEY_REUSED, detail)

    async def _note(self, request: OrderRequest, key: str, digest: bytes) -> Refused | None:
        """Route an order and note it with its parcels; return why that is impossible, if it is."""
        settings = await self._router.settings()
        demand = demand_of_request(request, settings)
        routed = await self._route(demand)
        if isinstance(routed, Refused):
            return routed
        if isinstance(routed.answer, Unroutable):
            return unroutable(routed.answer, request)
        command = place_command(request, settings, demand, routed, routed.answer, self._now_ms())
        answer = await self._submit(replace(command, key=key, digest=digest))
        return answer if isinstance(answer, Refused) else None

    async def _route(self, demand: Demand) -> Routed | Refused:
        try:
            return await self._router.route(demand, self._now_ms())
        except RoutingInvalid as error:
            return Refused(Refusal.INVALID, str(error))

    async def _driven(self, order_id: str) -> Order:
        order = await self._drive(order_id)
        if order is None:
            raise AssertionError(f"order {order_id} was noted and is not there")
        return order

    async def _settle(
        self, command: SettleOrder, key: str, may_be: tuple[OrderStatus, ...]
    ) -> Order | Refused:
        """Note where an order is wanted, and make its reservations follow."""
        async with self._work_on(command.order_id):
            digest = digest_of("settle", command)
            known = await self._known(key, digest)
            if isinstance(known, Refused):
                return known
            order = await self._drive(command.order_id)
            if order is None:
                return Refused(Refusal.UNKNOWN, f"there is no order {command.order_id}")
            if known or _is_there(order, command):
                return order
            refused = await self._noted(order, replace(command, key=key, digest=digest), may_be)
            if refused is not None:
                return refused
            order = await self._driven(command.order_id)
            has_lapsed = order.status == "released" != command.status
            return ended(order) if has_lapsed else order

    async def _noted(
        self, order: Order, command: SettleOrder, may_be: tuple[OrderStatus, ...]
    ) -> Refused | None:
        if order.status not in may_be:
            return ended(order)
        if 0 < command.expires_at_ms <= self._now_ms():
            return Refused(Refusal.INVALID, f"the time {command.expires_at_ms} has passed")
        if command.status == "confirmed":
            order = await self._firm(order)
            if order.status not in may_be:
                return ended(order)
        expires_at_ms = max(command.expires_at_ms, order.expires_at_ms)
        answer = await self._submit(replace(command, expires_at_ms=expires_at_ms))
        return answer if isinstance(answer, Refused) else None

    async def _firm(self, order: Order) -> Order:
        """Make all holds last until they can be confirmed, or learn that one has ended."""
        until_ms = self._now_ms() + CONFIRM_MARGIN_MS
        if order.expires_at_ms >= until_ms:
            return order
        await self._submit(_settlement(order.id, order.status, expires_at_ms=until_ms))
        return await self._driven(order.id)


def both(first: Looked, second: Looked) -> Looked:
    """Return two looks as one."""
    unsettled = dict.fromkeys(first.unsettled + second.unsettled)
    return Looked(first.driven + second.driven, tuple(unsettled))


def orders_of_notices(notices: Iterable[Notice]) -> list[str]:
    """Return the orders of which something was lost."""
    return [notice.order_id for notice in notices if notice.kind == "reservation_short"]


def orders_of_reservations(reservations: Iterable[Reservation]) -> list[str]:
    """Return the orders of reservations that have ended."""
    return [each.order_id for each in reservations if not each.is_open]


def _settlement(
    order_id: str, status: OrderStatus, *, expires_at_ms: int = 0, detail: str = ""
) -> SettleOrder:
    if status == "placing":
        raise AssertionError(f"order {order_id} cannot be settled as {status}")
    return SettleOrder(
        store=CLOUD_STORE_ID,
        order_id=order_id,
        status=status,
        detail=detail,
        is_settling=status == "released",
        expires_at_ms=expires_at_ms,
    )


def _is_there(order: Order, command: SettleOrder) -> bool:
    return order.status == command.status and order.expires_at_ms >= command.expires_at_ms
