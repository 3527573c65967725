"""The short way of one request: `POST /v1/reservations`, as channels send it thousands of times.

The framework takes longer over a request than the shard over a reservation. A request that is well
formed in every way is answered here, by the very functions that the route is made of; any other,
whatever is unusual about it, goes on to the route, which words what is wrong with it. A test holds
the answers of both ways against each other.
"""

import re
from http import HTTPStatus
from typing import Any, Final

import msgspec
from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPReceiveMessage, Message, Receive, Scope, Send

from cloud.api.access import Caller
from cloud.api.documents.reservations import ReserveRequest, reservation_document
from cloud.api.fields import etag
from cloud.api.idempotency import HEADER, KEY_PATTERN, REPLAYED_HEADER, asked
from cloud.api.problems import MEDIA_TYPE, ApiProblem, encoded
from cloud.api.resources.reservations import SELLERS, reserve_of
from cloud.api.services import Services, record_in
from cloud.commands.reservations import Reserve
from cloud.records.reservation import Reservation

PATH: Final = "/v1/reservations"
JSON: Final = b"application/json"
_KEY_HEADER: Final = HEADER.lower().encode()
_KEY: Final = re.compile(KEY_PATTERN.encode())
_decoder: Final = msgspec.json.Decoder(ReserveRequest)
_encoder: Final = msgspec.json.Encoder()


class Express:
    """An ASGI application before the framework's, behind the door."""

    def __init__(self, inside: ASGIApp, services: Services, body_bytes_max: int) -> None:
        self._inside: Final = inside
        self._services: Final = services
        self._body_bytes_max: Final = body_bytes_max

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a plain reservation; let everything else pass."""
        key = _key_of(scope)
        if key is None:
            await self._inside(scope, receive, send)
            return
        messages, body = await _body(receive, self._body_bytes_max)
        command = None if body is None else self._command(scope, key, body)
        if command is None:
            await self._inside(scope, _again(messages, receive), send)
            return
        try:
            done = await self._services.carry_out(command)
        except ApiProblem as problem:
            headers = {"content-type": MEDIA_TYPE, **problem.headers}
            await _answer(send, problem.status, headers, encoded(problem.problem()))
            return
        record = record_in(Reservation, done)
        headers = {"content-type": "application/json", "ETag": etag(record.version)}
        headers["Location"] = f"{PATH}/{record.store}/{record.id}"
        if done.is_replayed:
            headers[REPLAYED_HEADER] = "true"
        document = _encoder.encode(reservation_document(record))
        await _answer(send, HTTPStatus.CREATED, headers, document)

    def _command(self, scope: Scope, key: str, body: bytes) -> Reserve | None:
        """Return what is asked for, if the request is right in every way."""
        caller: Caller = scope["user"]
        if not (SELLERS.roles & caller.roles):
            return None
        try:
            request = _decoder.decode(body)
            itself = asked(caller.name, key, "POST", PATH, body)
            return reserve_of(self._services, caller, itself, request)
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError, ApiProblem):
            return None


def _key_of(scope: Scope) -> str | None:
    """Return the key of a plain reservation's request; `None` for any other request."""
    if scope["path"] != PATH or scope["type"] != ScopeType.HTTP:
        return None
    if scope["method"] != "POST" or scope["query_string"]:
        return None
    content_type = key = b""
    for name, value in scope["headers"]:
        if name == b"content-type":
            content_type = value
        elif name == _KEY_HEADER:
            key = value if not key else b"\n"
        elif name == b"if-match":
            return None
    return key.decode() if content_type == JSON and _KEY.match(key) else None


async def _body(receive: Receive, bytes_max: int) -> tuple[list[HTTPReceiveMessage], bytes | None]:
    """Return what came, and the body if all of it came and it is not too large."""
    messages: list[Any] = []
    size_bytes = 0
    while True:
        message: Any = await receive()
        messages.append(message)
        if message["type"] != "http.request":
            return messages, None
        size_bytes += len(message.get("body", b""))
        if size_bytes > bytes_max:
            return messages, None
        if not message.get("more_body"):
            return messages, b"".join(each.get("body", b"") for each in messages)


def _again(messages: list[HTTPReceiveMessage], receive: Receive) -> Receive:
    """Return what receives everything once more that has come already."""
    waiting = iter(messages)

    async def receive_again() -> Any:
        return next(waiting, None) or await receive()

    return receive_again


async def _answer(send: Send, status: int, headers: dict[str, str], body: bytes) -> None:
    headers["content-length"] = str(len(body))
    start: Message = {
        "type": "http.response.start",
        "status": int(status),
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
    }
    await send(start)
    await send({"type": "http.response.body", "body": body, "more_body": False})
