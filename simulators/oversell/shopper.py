"""One client: attempts a reservation, does something with it, and the next. Event loop.

Whatever happens to a request, the same is asked under the same key until there is an answer, so
that in the end the clients know every grant.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Final

from simulators.api_client.documents import LineAsked, ReservationState, ReserveAsked
from simulators.api_client.reservations import Reply, ReservationsApi
from simulators.audit.grants import Witness
from simulators.errors import ApiRefused
from simulators.oversell.plan import LONG_HOLD_S, Attempt, Plan
from simulators.oversell.supply import Supply
from simulators.oversell.tally import Tally

RETRY_S: Final = 0.02
RETRIES_MAX: Final = 500
"""About a minute with what each request may take; then the run has failed."""

Command = Callable[[], Coroutine[object, object, Reply]]


class Shopper:
    """Makes attempts over two connections of its own, one after the other."""

    def __init__(
        self,
        apis: tuple[ReservationsApi, ReservationsApi],
        plan: Plan,
        witness: Witness,
        tally: Tally,
        supply: Supply,
        run_name: str,
    ) -> None:
        self._api, self._second_api = apis
        self._plan: Final = plan
        self._witness: Final = witness
        self._tally: Final = tally
        self._supply: Final = supply
        self._run_name: Final = run_name

    async def make(self, number: int) -> None:
        """Make one attempt, to its end. Raises `ApiRefused` when there is no answer for long."""
        attempt = self._plan.attempt(number)
        key = f"{self._run_name}-{number}"
        asked = self._asked(attempt, key)
        self._witness.asks(key, attempt.quantities)
        reply = await self._reserve(attempt, asked, key)
        self._tally.attempts += 1
        if reply.reservation is None:
            self._tally.refused[reply.reason] += 1
        else:
            self._tally.granted += 1
            await self._go_on(attempt, reply.reservation, key)
        if attempt.manner == "again_later":
            await self._ask(self._api, asked, key)

    def _asked(self, attempt: Attempt, key: str) -> ReserveAsked:
        """Say when it expires rather than for how long, which counts in whole seconds."""
        expires_at = datetime.now(UTC) + timedelta(milliseconds=attempt.hold_ms)
        return ReserveAsked(
            location=attempt.store,
            channel=attempt.channel,
            order_id=f"o-{key}",
            lines=[LineAsked(gtin=gtin, quantity=quantity) for gtin, quantity in attempt.lines],
            expires_at=expires_at.isoformat(timespec="milliseconds"),
        )

    async def _reserve(self, attempt: Attempt, asked: ReserveAsked, key: str) -> Reply:
        if attempt.manner == "impatient":
            try:
                async with asyncio.timeout(attempt.patience_s):
                    return await self._ask(self._api, asked, key)
            except TimeoutError:
                self._tally.hung_up += 1
        if attempt.manner != "twice_at_once":
            return await self._ask(self._api, asked, key)
        replies = await asyncio.gather(
            self._ask(self._api, asked, key), self._ask(self._second_api, asked, key)
        )
        # One may have come too early for goods that the other got.
        return next((reply for reply in replies if reply.reservation is not None), replies[0])

    async def _ask(self, api: ReservationsApi, asked: ReserveAsked, key: str) -> Reply:
        """Ask until there is an answer, and let the witness see it."""
        for _ in range(RETRIES_MAX):
            began_s = time.perf_counter()
            reply = await api.reserve(asked, key)
            self._note(reply)
            if reply.is_known:
                self._tally.latencies_ms.append((time.perf_counter() - began_s) * 1_000)
                self._tally.replays += reply.is_replay
                reply.show_to(self._witness, key)
                return reply
            await asyncio.sleep(RETRY_S)
        raise ApiRefused(f"key {key}: no answer after {RETRIES_MAX} requests")

    def _note(self, reply: Reply) -> None:
        self._tally.requests += 1
        if reply.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            self._tally.server_errors[reply.status] += 1

    async def _go_on(self, attempt: Attempt, state: ReservationState, key: str) -> None:
        self._tally.sequels[attempt.sequel] += 1
        api, first = self._api, state.lines[0]
        some = [LineAsked(gtin=first.gtin, quantity=(first.quantity + 1) // 2)]
        if attempt.sequel == "release":
            await self._do(lambda: api.release(state, [], f"{key}-r"))
        elif attempt.sequel == "release_part":
            await self._do(lambda: api.release(state, some, f"{key}-r"))
        elif attempt.sequel == "extend":
            if await self._do(lambda: api.extend(state, LONG_HOLD_S, f"{key}-e")):
                await self._do(lambda: api.release(state, [], f"{key}-r"))
        elif attempt.sequel == "confirm":
            # Whoever has paid may still change his mind.
            if await self._do(lambda: api.confirm(state, f"{key}-c")):
                await self._do(lambda: api.release(state, [], f"{key}-r"))
        elif attempt.sequel in ("ship", "ship_part"):
            await self._ship(attempt, state, key, some)

    async def _ship(
        self, attempt: Attempt, state: ReservationState, key: str, some: list[LineAsked]
    ) -> None:
        api = self._api
        if not await self._do(lambda: api.await_payment(state, LONG_HOLD_S, f"{key}-w")):
            return
        if not await self._do(lambda: api.confirm(state, f"{key}-c")):
            return
        if attempt.sequel == "ship":
            await self._send(state, [], f"{key}-s")
        elif await self._do(lambda: api.pick(state, some, f"{key}-p")) and await self._send(
            state, some, f"{key}-s"
        ):
            await self._do(lambda: api.release(state, [], f"{key}-r"))

    async def _send(self, state: ReservationState, lines: list[LineAsked], key: str) -> bool:
        """Ship, and let the goods leave the store as well."""
        reply = await self._until_known(lambda: self._api.ship(state, lines, key))
        if reply.reservation is None:
            return False
        for line in reply.reservation.lines:
            self._supply.left(state.location, line.gtin, line.fulfilled)
        return True

    async def _do(self, command: Command) -> bool:
        """Ask until there is an answer; return whether it was done."""
        return (await self._until_known(command)).reservation is not None

    async def _until_known(self, command: Command) -> Reply:
        for _ in range(RETRIES_MAX):
            reply = await command()
            self._note(reply)
            if reply.is_known:
                if reply.reservation is None:
                    self._tally.sequels_refused[reply.reason] += 1
                return reply
            await asyncio.sleep(RETRY_S)
        raise ApiRefused(f"no answer after {RETRIES_MAX} requests")
