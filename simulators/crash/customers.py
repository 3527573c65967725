"""Customers of the web shop: commands through the API, each asked again until it was answered.

A request that got no answer is repeated under the same key, so that in the end everything that was
acknowledged is known, and can be looked for in the journal. Goods that are shipped were taken from
the shelf before: a customer never ships what a till has sold. Event loop.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from http import HTTPStatus
from random import Random
from typing import Final, Literal, NamedTuple

from simulators.api_client.documents import LineAsked, ReservationState, ReserveAsked
from simulators.api_client.reservations import Reply, ReservationsApi
from simulators.audit.grants import Witness
from simulators.crash.gate import Gate
from simulators.crash.truth import Truth
from simulators.demo.truth import SkuLocationKey
from simulators.errors import ApiRefused

CHANNEL: Final = "web"
THINK_S: Final = 0.15
RETRY_S: Final = 0.05
ANSWER_DEADLINE_S: Final = 90.0
HOLD_S: Final = 900
SHORT_HOLD_S: Final = 2
LINES_MAX: Final = 2
UNITS_MAX: Final = 3
AGAIN_SHARE: Final = 0.25

Ending = Literal["released", "shipped", "left"]
Command = Callable[[str], Awaitable[Reply]]


class Told(NamedTuple):
    """How a customer was told that a reservation ended, and how much of it was shipped by GTIN."""

    ending: Ending
    shipped: dict[str, int]


class Ledger:
    """Everything that customers were told."""

    def __init__(self) -> None:
        self.witness: Final = Witness()
        self.endings: Final[dict[tuple[str, str], Told]] = {}
        """By location and reservation, for those that nobody will touch again."""
        self.acknowledged = 0
        self.repeated = 0
        self.refused: Final[Counter[str]] = Counter()
        self.violations: Final[list[str]] = []

    def note(self, reply: Reply, key: str, *, is_of_known: bool) -> None:
        """Count an answer. What was acknowledged before cannot be unknown."""
        if reply.reservation is not None:
            self.acknowledged += 1
        else:
            self.refused[reply.reason] += 1
            if is_of_known and reply.status == HTTPStatus.NOT_FOUND:
                self.violations.append(f"{key}: what was acknowledged is unknown: {reply.reason}")


class Customer:
    """One customer after the other, over one connection."""

    def __init__(
        self,
        api: ReservationsApi,
        ledger: Ledger,
        truth: Truth,
        places: Sequence[tuple[str, Sequence[str]]],
        rng: Random,
        numbers: Iterator[int],
    ) -> None:
        self._api: Final = api
        self._ledger: Final = ledger
        self._truth: Final = truth
        self._places: Final = places
        self._rng: Final = rng
        self._numbers: Final = numbers

    async def run(self, gate: Gate) -> None:
        """Shop while the gate is open, until cancelled. Raises `ApiRefused`."""
        try:
            while True:
                async with gate.turn():
                    await self._shop(f"c{next(self._numbers)}")
                await asyncio.sleep(self._rng.uniform(0, 2 * THINK_S))
        finally:
            self._api.abort()

    async def probe(self, location: str, gtin: str) -> None:
        """Reserve one of an article and give it back. Raises `ApiRefused`."""
        key = f"p{next(self._numbers)}"
        line = LineAsked(gtin=gtin, quantity=1)
        asked = ReserveAsked(
            location=location, channel=CHANNEL, order_id=f"o-{key}", lines=[line], hold_s=HOLD_S
        )
        self._ledger.witness.asks(key, {gtin: 1})
        state = await self._reserve(asked, key)
        if state is None:
            raise ApiRefused(f"{key}: one of {gtin} at {location} was refused")
        await self._end(state, "released", key)
        self._ledger.endings[location, state.reservation_id] = Told("released", {})

    async def _shop(self, key: str) -> None:
        location, gtins = self._rng.choice(self._places)
        chosen = self._rng.sample(gtins, self._rng.randint(1, LINES_MAX))
        lines = {gtin: self._rng.randint(1, UNITS_MAX) for gtin in chosen}
        ending: Ending = self._rng.choice(("released", "shipped", "shipped", "left"))
        asked = ReserveAsked(
            location=location,
            channel=CHANNEL,
            order_id=f"o-{key}",
            lines=[LineAsked(gtin=gtin, quantity=units) for gtin, units in lines.items()],
            hold_s=SHORT_HOLD_S if ending == "left" else HOLD_S,
        )
        self._ledger.witness.asks(key, lines)
        state = await self._reserve(asked, key)
        if self._rng.random() < AGAIN_SHARE:
            await self._reserve(asked, key)
        if state is not None:
            shipped = await self._end(state, ending, key)
            self._ledger.endings[location, state.reservation_id] = Told(ending, shipped)

    async def _reserve(self, asked: ReserveAsked, key: str) -> ReservationState | None:
        reply = await self._until_known(lambda key: self._api.reserve(asked, key), key)
        reply.show_to(self._ledger.witness, key)
        return reply.reservation

    async def _end(self, state: ReservationState, ending: Ending, key: str) -> dict[str, int]:
        """Bring it to its end, and return what was shipped."""
        shipped: dict[str, int] = {}
        if ending == "shipped":
            await self._do(lambda key: self._api.confirm(state, key), f"{key}-c")
            shipped = await self._ship(state, f"{key}-s")
        if ending != "left":
            await self._do(lambda key: self._api.release(state, [], key), f"{key}-r")
        return shipped

    async def _ship(self, state: ReservationState, key: str) -> dict[str, int]:
        """Take the goods from the shelf and send them; what cannot be sent is put back."""
        taken: dict[str, int] = {}
        for line in state.lines:
            if self._truth.take(SkuLocationKey(state.location, line.gtin), line.quantity):
                taken[line.gtin] = line.quantity
        if not taken:
            return {}
        lines = [LineAsked(gtin=gtin, quantity=units) for gtin, units in taken.items()]
        now = await self._do(lambda key: self._api.ship(state, lines, key), key)
        shipped = {} if now is None else {line.gtin: line.fulfilled for line in now.lines}
        for gtin, units in taken.items():
            place = SkuLocationKey(state.location, gtin)
            self._truth.ship(place, shipped.get(gtin, 0))
            self._truth.put_back(place, units - shipped.get(gtin, 0))
        return {gtin: units for gtin, units in shipped.items() if units}

    async def _do(self, command: Command, key: str) -> ReservationState | None:
        reply = await self._until_known(command, key, is_of_known=True)
        return reply.reservation

    async def _until_known(self, command: Command, key: str, *, is_of_known: bool = False) -> Reply:
        try:
            async with asyncio.timeout(ANSWER_DEADLINE_S):
                while True:
                    reply = await command(key)
                    if reply.is_known and reply.status < HTTPStatus.INTERNAL_SERVER_ERROR:
                        self._ledger.note(reply, key, is_of_known=is_of_known)
                        return reply
                    self._ledger.repeated += 1
                    await asyncio.sleep(RETRY_S)
        except TimeoutError as error:
            raise ApiRefused(f"key {key}: no answer for {ANSWER_DEADLINE_S:.0f} s") from error
