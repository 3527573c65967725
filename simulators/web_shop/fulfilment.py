"""From a paid order to a parcel: an associate packs, the API is told, the carrier comes.

Goods may be gone meanwhile, in the book or on the shelf: a shopper bought them. Then what is there
is sent and the rest is given back. Nothing leaves the store that the API has not shipped, and what
the API has shipped leaves the store. Event loop.
"""

from collections.abc import Mapping
from typing import Final, Protocol

from simulators.api_client.documents import LineAsked, ReservationState
from simulators.errors import ApiRefused
from simulators.web_shop.counts import ShopCounts
from simulators.web_shop.desk import ShopDesk

ROUNDS_MAX: Final = 20
"""Each round lost some goods to a shopper; an order has fewer units than this."""


class Backroom(Protocol):
    """The associates of one store."""

    async def pick(self, order: str, lines: dict[str, int]) -> dict[str, int]:
        """Pack goods of an order, and return what was there."""

    def shipping(self, lines: Mapping[str, int]) -> None:
        """Hear that the API is about to be told that this leaves."""

    async def ship(self, order: str, lines: dict[str, int]) -> None:
        """Let this leave; what else is packed for the order is put back."""

    def not_shipped(self, lines: Mapping[str, int]) -> None:
        """Hear that this does not leave after all."""

    def unpack(self, order: str) -> None:
        """Put back what is packed for an order."""


class Fulfilment:
    """Sends the orders of one store."""

    def __init__(self, desk: ShopDesk, backroom: Backroom, counts: ShopCounts) -> None:
        self._desk: Final = desk
        self._backroom: Final = backroom
        self._counts: Final = counts

    async def fulfil(self, state: ReservationState, key: str) -> None:
        """Send what of a confirmed reservation is there. Raises `ApiRefused`."""
        self._counts.confirmed += 1
        try:
            packed = await self._backroom.pick(key, held_of(state))
            end = await self._send(state, key, packed)
        finally:
            self._counts.confirmed -= 1
        shipped = sum(line.fulfilled for line in end.lines)
        missing = sum(line.quantity - line.fulfilled for line in end.lines)
        self._counts.shipped += shipped > 0
        self._counts.short += missing > 0
        self._counts.units_shipped += shipped
        self._counts.units_short += missing

    async def _send(
        self, state: ReservationState, key: str, packed: dict[str, int]
    ) -> ReservationState:
        """Tell the API what is packed until it agrees, and return how the reservation ended."""
        for number in range(ROUNDS_MAX):
            state = await self._desk.look_up(state)
            held = held_of(state)
            leaves = {g: min(units, packed.get(g, 0)) for g, units in held.items()}
            leaves = {gtin: units for gtin, units in leaves.items() if units}
            missing = {gtin: units - leaves.get(gtin, 0) for gtin, units in held.items()}
            missing = {gtin: units for gtin, units in missing.items() if units}
            if missing:
                await self._release(state, missing, f"{key}-r{number}")
            elif not leaves:
                self._backroom.unpack(key)
                return state
            elif await self._pick_and_ship(state, leaves, key, number):
                return await self._desk.look_up(state)
        raise ApiRefused(f"{state.reservation_id} at {state.location} cannot be brought to an end")

    async def _release(self, state: ReservationState, lines: dict[str, int], key: str) -> None:
        # A refusal means that a shopper was faster; the next round sees it.
        await self._desk.command(lambda api: api.release(state, lines_of(lines), key))

    async def _pick_and_ship(
        self, state: ReservationState, leaves: dict[str, int], key: str, number: int
    ) -> bool:
        unpicked = {line.gtin: leaves.get(line.gtin, 0) - line.picked for line in state.lines}
        unpicked = {gtin: units for gtin, units in unpicked.items() if units > 0}
        if unpicked:
            lines = lines_of(unpicked)
            reply = await self._desk.command(lambda api: api.pick(state, lines, f"{key}-p{number}"))
            if reply.reservation is None:
                return False
        self._backroom.shipping(leaves)
        shipped = await self._desk.command(
            lambda api: api.ship(state, lines_of(leaves), f"{key}-s{number}")
        )
        if shipped.reservation is None:
            self._backroom.not_shipped(leaves)
            return False
        await self._backroom.ship(key, leaves)
        return True


def held_of(state: ReservationState) -> dict[str, int]:
    """Return what a reservation holds, by GTIN."""
    return {line.gtin: line.held for line in state.lines if line.held}


def lines_of(quantities: Mapping[str, int]) -> list[LineAsked]:
    """Return quantities as the API wants them."""
    return [LineAsked(gtin=gtin, quantity=units) for gtin, units in quantities.items()]
