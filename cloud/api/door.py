"""The door: nobody gets past it without a known token, to whatever path, except for `/health`.

It stands before routing, so that a route cannot be forgotten; the guards of the routes then look at
roles. It runs on the event loop and asks nobody.
"""

from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

from cloud.api.access import Caller, Tokens
from cloud.api.limits import Limits
from cloud.api.problems import MEDIA_TYPE, ApiProblem, encoded

OPEN_PATHS: Final = frozenset(("/health",))
CHALLENGE: Final = 'Bearer realm="stocktruth"'
SCHEME: Final = "bearer "
POLICY_VIOLATION: Final = 1008
"""The status with which a WebSocket is closed that may not be opened (RFC 6455, 7.4.1)."""


class Door:
    """An ASGI application that knows who is asking, before another one."""

    def __init__(
        self, inside: ASGIApp, tokens: Tokens, limits: Limits, now_s: Callable[[], float]
    ) -> None:
        self._inside: Final = inside
        self._tokens: Final = tokens
        self._limits: Final = limits
        self._now_s: Final = now_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or answer it here."""
        if scope["path"] in OPEN_PATHS:
            await self._inside(scope, receive, send)
            return
        try:
            scope["user"] = self._admitted(scope)
        except ApiProblem as problem:
            await _turn_away(problem, scope, receive, send)
            return
        await self._inside(scope, receive, send)

    def _admitted(self, scope: Scope) -> Caller:
        caller = self._tokens.caller(_bearer(scope))
        if caller is None:
            detail = "send `Authorization: Bearer <token>` with a token that is known here"
            raise ApiProblem(HTTPStatus.UNAUTHORIZED, "unauthorized", detail)
        wait_s = self._limits.take(caller.name, caller.requests_per_minute, self._now_s())
        if wait_s:
            detail = f"too many requests with the token {caller.name}"
            status = HTTPStatus.TOO_MANY_REQUESTS
            raise ApiProblem(status, "too-many-requests", detail, retry_after_s=wait_s)
        if "//" in scope["path"] or scope["path"].endswith("/"):
            # The router would take it for another way to write a path: then the same request
            # would have two names, and an Idempotency-Key of one would not hold for the other.
            raise ApiProblem(HTTPStatus.NOT_FOUND, "not-found", "there is no such path")
        return caller


def _bearer(scope: Scope) -> str:
    values = [value for name, value in scope["headers"] if name == b"authorization"]
    text = values[0].decode("latin-1") if len(values) == 1 else ""
    return text[len(SCHEME) :].strip() if text.lower().startswith(SCHEME) else ""


async def _turn_away(problem: ApiProblem, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == ScopeType.WEBSOCKET:
        await receive()
        await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": problem.detail})
        return
    headers = {"content-type": MEDIA_TYPE, **problem.headers}
    if problem.status == HTTPStatus.UNAUTHORIZED:
        headers["www-authenticate"] = CHALLENGE
    await send(
        {
            "type": "http.response.start",
            "status": problem.status,
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        }
    )
    body = encoded(problem.problem())
    await send({"type": "http.response.body", "body": body, "more_body": False})
