"""Carries out the moves of one order's saga until it rests. Lives on the event loop.

It keeps nothing between moves but refusals just heard: whatever it is told, it reads the order and
its reservations again and asks the saga. A crash between any two steps therefore costs nothing
but time.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from cloud.commands.orders import AmendOrder, ParcelRename, SettleOrder
from cloud.commands.reservations import Expire
from cloud.orders.errors import OrderUnsettled
from cloud.orders.handlers import last_number
from cloud.orders.parcels import (
    as_text,
    command_for,
    demand_of_missing,
    explanation_of,
    has_room,
    parcels_of,
)
from cloud.orders.ports import Read, Router, Submit
from cloud.orders.reading import Found, find_names, find_order
from cloud.orders.routing import Plan, RoutingInvalid
from cloud.orders.saga import (
    Act,
    GiveUp,
    Move,
    Rename,
    Reroute,
    Rest,
    Settle,
    Situation,
    Tell,
    next_move,
    without_names,
    without_route,
)
from cloud.records.order import Order, ParcelRecord
from cloud.sku_location.refusal import Refusal, Refused
from protocol.ids import CLOUD_STORE_ID

MOVES_MAX: Final = 100
"""More than any order needs with all its amendments; past it somebody else must be moving it."""
IDLE_MOVES_MAX: Final = 3
"""Moves in a row after which everything stands as before: whatever they are, they do not help."""

Refusals = dict[str, tuple[Refused, tuple[str, ...]]]


class Driver:
    """Drives orders. Whoever calls it sees to it that one order is driven once at a time."""

    def __init__(
        self, submit: Submit, read: Read, router: Router, now_ms: Callable[[], int]
    ) -> None:
        self._submit: Final = submit
        self._read: Final = read
        self._router: Final = router
        self._now_ms: Final = now_ms

    async def drive(self, order_id: str) -> Order | None:
        """Make moves until the order rests, and return it; `None` if there is no such order.

        Raises `OrderUnsettled`.
        """
        refusals: Refusals = {}
        before: tuple[Found, int] | None = None
        idle_moves = 0
        for _ in range(MOVES_MAX):
            found = await self._read(find_order(order_id))
            if found is None:
                return None
            idle_moves = idle_moves + 1 if (found, len(refusals)) == before else 0
            if idle_moves >= IDLE_MOVES_MAX:
                raise OrderUnsettled(f"order {order_id}: {IDLE_MOVES_MAX} moves changed nothing")
            before = found, len(refusals)
            move = await self._next(found, refusals)
            if isinstance(move, Rest):
                return found.order
            await self._make(move, found, refusals)
        raise OrderUnsettled(f"order {order_id} did not come to rest in {MOVES_MAX} moves")

    async def _next(self, found: Found, refusals: Refusals) -> Move | AmendOrder:
        at = Situation(found.order, found.reservations, refusals, self._now_ms(), found.taken)
        move = next_move(at)
        if isinstance(move, Reroute):
            return await self._rerouted(at, move)
        return await self._renamed(at, move) if isinstance(move, Rename) else move

    async def _make(self, move: Move | AmendOrder, found: Found, refusals: Refusals) -> None:
        """Make one move. What is refused shows in the next reading."""
        if isinstance(move, Tell):
            await self._tell_all(move, found.order, refusals)
        elif isinstance(move, Settle):
            await self._submit(_settlement(found.order, move))
        elif isinstance(move, GiveUp):
            await self._submit(_surrender(found.order, move))
        elif isinstance(move, AmendOrder):
            await self._submit(move)

    async def _tell_all(self, move: Tell, order: Order, refusals: Refusals) -> None:
        """Tell all parcels at once, and wait for every answer, whatever becomes of the others."""
        telling = (self._tell(move.act, parcel, order, refusals) for parcel in move.parcels)
        for outcome in await asyncio.gather(*telling, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome

    async def _tell(self, act: Act, parcel: ParcelRecord, order: Order, refusals: Refusals) -> None:
        now_ms = self._now_ms()
        answer = await self._submit(command_for(act, parcel, order, now_ms))
        if not isinstance(answer, Refused):
            return
        if act == "reserve":
            refusals[parcel.reservation_id] = (answer, await self._lacking(parcel, order, now_ms))
        elif answer.reason is Refusal.EXPIRED:
            # The shard's clock decides what was held too long; now it is noted as well.
            await self._submit(Expire(store=parcel.location, reservation_id=parcel.reservation_id))

    async def _lacking(self, parcel: ParcelRecord, order: Order, now_ms: int) -> tuple[str, ...]:
        """Return of what a location that refused has not enough: all, if it does not show."""
        demand = demand_of_missing(order, {}, parcel.lines, frozenset())
        gtins = tuple(line.gtin for line in parcel.lines)
        if demand is None:
            return gtins
        lacking = await self._router.lacking(demand, parcel.location, parcel.ship_by_ms, now_ms)
        return lacking or gtins

    async def _renamed(self, at: Situation, move: Rename) -> Move | AmendOrder:
        names = await self._read(find_names(at.order, move.parcels))
        if names is None:
            return without_names(at, move)
        renamed = tuple(
            ParcelRename(reservation_id=parcel.reservation_id, name=name)
            for parcel, name in zip(move.parcels, names, strict=True)
        )
        return AmendOrder(
            store=CLOUD_STORE_ID,
            order_id=at.order.id,
            parcels=[],
            reason=at.order.detail,
            if_version=at.order.version,
            renamed=renamed,
        )

    async def _rerouted(self, at: Situation, move: Reroute) -> Move | AmendOrder:
        order = at.order
        demand = demand_of_missing(order, at.reservations, move.lines, move.excluded)
        if demand is None:
            limits = f"{move.reason}; its limits on parcels leave no room for another"
            return without_route(at, move, limits)
        try:
            routed = await self._router.route(demand, at.now_ms)
        except RoutingInvalid as error:
            return without_route(at, move, f"{move.reason}; it cannot be routed: {error}")
        if not isinstance(routed.answer, Plan):
            return without_route(at, move, "; ".join([move.reason, *explanation_of(routed)]))
        if not has_room(order, routed.answer):
            return without_route(at, move, move.reason)
        return AmendOrder(
            store=CLOUD_STORE_ID,
            order_id=order.id,
            parcels=parcels_of(routed.answer, routed, order.id, last_number(order)),
            reason=as_text(move.reason),
            refused=move.refused,
            if_version=order.version,
        )


def _settlement(order: Order, move: Settle) -> SettleOrder:
    if move.status == "placing":
        raise AssertionError(f"order {order.id} cannot be settled as {move.status}")
    return SettleOrder(
        store=CLOUD_STORE_ID,
        order_id=order.id,
        status=move.status,
        detail=as_text(move.detail),
        is_settling=move.is_settling,
        expires_at_ms=move.expires_at_ms,
        if_version=order.version,
    )


def _surrender(order: Order, move: GiveUp) -> AmendOrder:
    return AmendOrder(
        store=CLOUD_STORE_ID,
        order_id=order.id,
        parcels=[],
        reason=as_text(move.reason),
        refused=move.refused,
        given_up=move.lines,
        if_version=order.version,
    )
