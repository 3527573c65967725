"""Reservations and availability through the API: typed calls over one connection. Event loop."""

from hashlib import blake2b
from http import HTTPStatus
from typing import Final, NamedTuple
from urllib.parse import urlencode

import msgspec

from simulators.api_client.documents import (
    AvailabilityAnswer,
    AvailableUnits,
    LineAsked,
    ProblemDetails,
    ReservationState,
    ReserveAsked,
)
from simulators.api_client.http import HttpAnswer, HttpConnection
from simulators.audit.grants import ToldGrant, Witness
from simulators.errors import ApiRefused, HttpFailed

ANSWER_DIGEST_BYTES: Final = 16
NOBODY_KNOWS: Final = "nobody_knows"
"""The reason when there was no answer, or one that does not know: ask again with the same key."""

_ASK_AGAIN: Final = (
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
)
_encoder: Final = msgspec.json.Encoder()
_reservation: Final = msgspec.json.Decoder(ReservationState)
_availability: Final = msgspec.json.Decoder(AvailabilityAnswer)
_problem: Final = msgspec.json.Decoder(ProblemDetails)


class Reply(NamedTuple):
    """What became of a command: a reservation, or the reason why not. `status` is 0 if unheard."""

    status: int
    reason: str
    reservation: ReservationState | None
    is_replay: bool = False
    body: bytes = b""

    def show_to(self, witness: Witness, key: str) -> None:
        """Let a witness see the answer to a reservation that was asked for under this key."""
        state = self.reservation
        if state is None:
            witness.saw_refusal(key, self.reason)
            return
        lines = {line.gtin: line.quantity for line in state.lines}
        digest = blake2b(self.body, digest_size=ANSWER_DIGEST_BYTES).digest()
        grant = ToldGrant(state.location, state.reservation_id, lines, digest)
        witness.saw(key, grant, is_replay=self.is_replay)

    @property
    def is_known(self) -> bool:
        """Whether the outcome is known."""
        return self.reason != NOBODY_KNOWS


class ReservationsApi:
    """What a sales channel and an associate call. Every command needs a key of its own."""

    def __init__(self, connection: HttpConnection) -> None:
        self._connection: Final = connection

    async def reserve(self, asked: ReserveAsked, key: str) -> Reply:
        """Reserve all lines or nothing."""
        return await self._command("/v1/reservations", _encoder.encode(asked), key)

    async def extend(self, state: ReservationState, hold_s: int, key: str) -> Reply:
        """Hold it for another time from now."""
        body = _encoder.encode({"hold_s": hold_s})
        return await self._command(f"{_path(state)}/extend", body, key)

    async def await_payment(self, state: ReservationState, within_s: int, key: str) -> Reply:
        """Keep it while it is being paid."""
        body = _encoder.encode({"pay_within_s": within_s})
        return await self._command(f"{_path(state)}/await-payment", body, key)

    async def confirm(self, state: ReservationState, key: str) -> Reply:
        """It is paid."""
        return await self._command(f"{_path(state)}/confirm", b"", key)

    async def release(self, state: ReservationState, lines: list[LineAsked], key: str) -> Reply:
        """Give back some lines, or everything (no lines)."""
        return await self._command(f"{_path(state)}/release", _body(lines), key)

    async def pick(self, state: ReservationState, lines: list[LineAsked], key: str) -> Reply:
        """Somebody has some lines in hand, or everything (no lines)."""
        return await self._command(f"{_path(state)}/pick", _body(lines), key)

    async def ship(self, state: ReservationState, lines: list[LineAsked], key: str) -> Reply:
        """Some lines leave, or everything (no lines)."""
        return await self._command(f"{_path(state)}/ship", _body(lines), key)

    async def look_up(self, state: ReservationState) -> ReservationState:
        """Return how a reservation stands now. Raises `HttpFailed`, `ApiRefused`."""
        answer = await self._connection.request("GET", _path(state))
        return _reservation.decode(_good(answer, "GET reservation").body)

    async def availability(
        self, channel: str, location: str, gtins: list[str]
    ) -> list[AvailableUnits]:
        """Return what a channel may sell at a location. Raises `HttpFailed`, `ApiRefused`."""
        query = [("channel", channel), ("location", location)]
        query += [("gtin", gtin) for gtin in gtins]
        answer = await self._connection.request("GET", f"/v1/availability?{urlencode(query)}")
        return _availability.decode(_good(answer, "GET availability").body).items

    def abort(self) -> None:
        """Close the connection."""
        self._connection.abort()

    async def _command(self, path: str, body: bytes, key: str) -> Reply:
        try:
            answer = await self._connection.request("POST", path, body, f"Idempotency-Key: {key}")
        except HttpFailed:
            return Reply(0, NOBODY_KNOWS, None)
        return _reply(answer)


def _path(state: ReservationState) -> str:
    return f"/v1/reservations/{state.location}/{state.reservation_id}"


def _body(lines: list[LineAsked]) -> bytes:
    return _encoder.encode({"lines": lines})


def _reply(answer: HttpAnswer) -> Reply:
    if answer.status in (HTTPStatus.OK, HTTPStatus.CREATED):
        is_replay = answer.headers.get("idempotency-replayed") == "true"
        state = _reservation.decode(answer.body)
        return Reply(answer.status, "", state, is_replay, answer.body)
    if answer.status in _ASK_AGAIN:
        return Reply(answer.status, NOBODY_KNOWS, None)
    return Reply(answer.status, problem_of(answer), None)


def _good(answer: HttpAnswer, what: str) -> HttpAnswer:
    if answer.status != HTTPStatus.OK:
        raise ApiRefused(f"{what}: status {answer.status}, {problem_of(answer)}")
    return answer


def problem_of(answer: HttpAnswer) -> str:
    """Return the reason in a problem, or what it says otherwise."""
    try:
        problem = _problem.decode(answer.body)
    except msgspec.DecodeError:
        return f"no problem document: {answer.body[:200]!r}"
    return problem.reason or problem.detail or problem.title
