"""Connections with bounds that uvicorn and its parser do not set: on heads, on time, on number.

A head may have so many bytes and take so long; who takes nothing of an answer for a while is cut
off; and one address may have so many connections. Who has no place is answered by 503 after its
head, and cut off at once where even that would be too many. Lives on the event loop.
"""

import asyncio
from http import HTTPStatus
from typing import Final

from uvicorn._types import ASGI3Application, ASGIReceiveCallable, ASGISendCallable, Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from cloud.api.problems import MEDIA_TYPE, ApiProblem, busy, encoded

HEAD_BYTES_MAX: Final = 65_536
HEAD_TIMEOUT_S: Final = 10.0
SEND_TIMEOUT_S: Final = 30.0
CONNECTIONS_MAX: Final = 2_000
CONNECTIONS_PER_PEER_MAX: Final = 1_000
"""Half of all: behind a proxy everybody has the same address."""
TURNED_AWAY_MAX: Final = 100
"""Beyond either bound so many are still answered by 503."""


class SendDeadline:
    """Cuts a connection off when what was written to it stays unread for too long."""

    def __init__(self, timeout_s: float = SEND_TIMEOUT_S) -> None:
        self._timeout_s: Final = timeout_s
        self._timer: asyncio.TimerHandle | None = None

    def start(self, transport: asyncio.Transport) -> None:
        """Begin to wait, when the buffer is full."""
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._timeout_s, transport.abort)

    def stop(self) -> None:
        """Wait no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class BoundedWebSocket(WebSocketsSansIOProtocol):
    """A WebSocket that is not written to for ever."""

    send_timeout_s = SEND_TIMEOUT_S
    _sending: SendDeadline | None = None

    def pause_writing(self) -> None:
        """Hear from the transport that its buffer is full."""
        super().pause_writing()
        self._sending = SendDeadline(self.send_timeout_s)
        self._sending.start(self.transport)

    def resume_writing(self) -> None:
        """Hear from the transport that there is room again."""
        super().resume_writing()
        self._stop_sending()

    def connection_lost(self, exc: Exception | None) -> None:
        """Hear that it is over."""
        self._stop_sending()
        super().connection_lost(exc)

    def _stop_sending(self) -> None:
        if self._sending is not None:
            self._sending.stop()


class BoundedHttp(HttpToolsProtocol):
    """A connection with bounds.

    The parser keeps what it has not handed on yet: of a head, of one field, of a trailer. So the
    bytes are counted that came since it last handed on a head or a piece of a body.
    """

    head_bytes_max = HEAD_BYTES_MAX
    head_timeout_s = HEAD_TIMEOUT_S
    send_timeout_s = SEND_TIMEOUT_S
    connections_max = CONNECTIONS_MAX
    connections_per_peer_max = CONNECTIONS_PER_PEER_MAX

    _held_bytes = 0
    _awaits_head = True
    _has_place = True
    _head_timer: asyncio.TimerHandle | None = None
    _sending: SendDeadline | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn.
        """Give it a place, or see to it that it is turned away."""
        super().connection_made(transport)
        self._begin_head()
        peer = None if self.client is None else self.client[0]
        of_peer = sum(_is_of(each, peer) for each in self.connections)
        excess = max(
            len(self.connections) - self.connections_max, of_peer - self.connections_per_peer_max
        )
        self._has_place = excess <= 0
        if excess > TURNED_AWAY_MAX:
            transport.abort()
        elif not self._has_place:
            self.app = _always(_no_place())

    def connection_lost(self, exc: Exception | None) -> None:
        """Hear that it is over."""
        self._stop_timers()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came, as long as the parser need not keep too much of it."""
        if self._awaits_head and self._head_timer is None:
            self._begin_head()
        self._held_bytes += len(data)
        super().data_received(data)
        if self._held_bytes > self.head_bytes_max and not self.transport.is_closing():
            self._refuse_head()

    def on_headers_complete(self) -> None:
        """Hear that the head is complete."""
        if self._held_bytes > self.head_bytes_max and self._has_large_head():
            # All of it came in one read, so that nothing noticed while it came.
            self.app = _always(_too_large(self.head_bytes_max))
        self._handed_on()
        self._awaits_head = False
        self._stop_head_timer()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Hear of a piece of the body."""
        self._handed_on()
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Hear that the body is complete."""
        self._handed_on()
        self._awaits_head = True
        super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        """Let it become a WebSocket, if it has a place."""
        self._stop_timers()
        if self._has_place:
            super().handle_websocket_upgrade()
        else:
            self._answer_and_close(_no_place())

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP."""
        self._answer_and_close(ApiProblem(HTTPStatus.BAD_REQUEST, "invalid-request", msg))

    def pause_writing(self) -> None:
        """Hear from the transport that its buffer is full."""
        super().pause_writing()
        self._sending = SendDeadline(self.send_timeout_s)
        self._sending.start(self.transport)

    def resume_writing(self) -> None:
        """Hear from the transport that there is room again."""
        super().resume_writing()
        if self._sending is not None:
            self._sending.stop()

    def _begin_head(self) -> None:
        self._head_timer = self.loop.call_later(self.head_timeout_s, self._end_slow_head)

    def _has_large_head(self) -> bool:
        fields = sum(len(name) + len(value) for name, value in self.headers)
        return len(self.url) + fields > self.head_bytes_max

    def _handed_on(self) -> None:
        self._held_bytes = 0

    def _end_slow_head(self) -> None:
        self._head_timer = None
        if self._is_answering:
            return
        detail = f"a head must be complete within {self.head_timeout_s:g} s"
        self._answer_and_close(ApiProblem(HTTPStatus.REQUEST_TIMEOUT, "request-timeout", detail))

    def _refuse_head(self) -> None:
        if self._is_answering or not self._awaits_head:
            self.transport.abort()
            return
        self._answer_and_close(_too_large(self.head_bytes_max))

    @property
    def _is_answering(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete

    def _answer_and_close(self, problem: ApiProblem) -> None:
        body = encoded(problem.problem())
        status = HTTPStatus(problem.status)
        headers = {"content-length": str(len(body)), **_headers(problem)}
        lines = [f"HTTP/1.1 {status.value} {status.phrase}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self.transport.write("\r\n".join([*lines, "", ""]).encode() + body)
        self.transport.close()

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _stop_timers(self) -> None:
        self._stop_head_timer()
        if self._sending is not None:
            self._sending.stop()


def _is_of(connection: object, peer: str | None) -> bool:
    if not isinstance(connection, BoundedHttp | BoundedWebSocket) or connection.client is None:
        return False
    return connection.client[0] == peer


def _no_place() -> ApiProblem:
    return busy("too many connections are open")


def _too_large(bytes_max: int) -> ApiProblem:
    status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
    return ApiProblem(status, "head-too-large", f"a head has {bytes_max} bytes at most")


def _headers(problem: ApiProblem) -> dict[str, str]:
    return {"content-type": MEDIA_TYPE, "connection": "close", **problem.headers}


def _always(problem: ApiProblem) -> ASGI3Application:
    """Return an application that answers everything by this problem."""

    async def answer(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        del scope, receive
        headers = [
            (name.lower().encode(), value.encode()) for name, value in _headers(problem).items()
        ]
        await send({"type": "http.response.start", "status": problem.status, "headers": headers})
        body = encoded(problem.problem())
        await send({"type": "http.response.body", "body": body, "more_body": False})

    return answer
