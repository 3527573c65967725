"""The shop's line to the API: every command is repeated under its key until it is answered.

The cloud may be killed at any moment; what it has committed it knows afterwards, so the same key
gets the same answer. Event loop.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Final, TypeVar

from simulators.api_client.documents import ReservationState, ReserveAsked
from simulators.api_client.http import BaseUrl, HttpConnection
from simulators.api_client.reservations import Reply, ReservationsApi
from simulators.audit.grants import Witness
from simulators.errors import ApiRefused, HttpFailed

RETRY_S: Final = 0.2
DEADLINE_S: Final = 60.0
"""A cloud that is killed comes back after seconds; one that stays away this long ends the shop."""

T = TypeVar("T")
Call = Callable[[ReservationsApi], Awaitable[T]]


class ShopDesk:
    """Connections to the API, and the witness of what it grants, if somebody will ask him.

    A witness remembers every grant, so a shop without an end has none.
    """

    def __init__(
        self, server: BaseUrl, token: str, connections_max: int, witness: Witness | None = None
    ) -> None:
        self._server: Final = server
        self._token: Final = token
        self._places: Final = asyncio.Semaphore(connections_max)
        self._idle: Final[list[ReservationsApi]] = []
        self.witness: Final = witness
        self.repeated = 0
        self.failures: Final[list[str]] = []
        """Answers that say that the server has failed."""

    async def reserve(self, asked: ReserveAsked, key: str) -> Reply:
        """Reserve, and let the witness see the answer. Raises `ApiRefused` after long silence."""
        reply = await self.command(lambda api: api.reserve(asked, key))
        if self.witness is not None:
            self.witness.asks(key, {line.gtin: line.quantity for line in asked.lines})
            reply.show_to(self.witness, key)
        return reply

    async def command(self, call: Call[Reply]) -> Reply:
        """Return the answer to a command. Raises `ApiRefused` after long silence."""
        async with self._patience(), self._api() as api:
            while True:
                reply = await call(api)
                if reply.is_known:
                    break
                self.repeated += 1
                await asyncio.sleep(RETRY_S)
        if reply.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            self.failures.append(f"status {reply.status}: {reply.reason}")
        return reply

    async def read(self, call: Call[T]) -> T:
        """Return what is read. Raises `ApiRefused` after long silence, and when refused."""
        async with self._patience(), self._api() as api:
            while True:
                try:
                    return await call(api)
                except HttpFailed:
                    self.repeated += 1
                await asyncio.sleep(RETRY_S)

    async def look_up(self, state: ReservationState) -> ReservationState:
        """Return how a reservation stands now."""
        return await self.read(lambda api: api.look_up(state))

    def close(self) -> None:
        """Close all connections."""
        for api in self._idle:
            api.abort()
        self._idle.clear()

    @asynccontextmanager
    async def _api(self) -> AsyncIterator[ReservationsApi]:
        async with self._places:
            idle = self._idle
            api = idle.pop() if idle else ReservationsApi(self._new_connection())
            try:
                yield api
            finally:
                idle.append(api)

    def _new_connection(self) -> HttpConnection:
        return HttpConnection(self._server, self._token)

    @asynccontextmanager
    async def _patience(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(DEADLINE_S):
                yield
        except TimeoutError as error:
            raise ApiRefused(f"the API has not answered for {DEADLINE_S:.0f} s") from error
