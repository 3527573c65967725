"""The simulators' HTTP client: one connection, told apart from a server that lies or leaves."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress

import pytest

from simulators.api_client.documents import ReservationState
from simulators.api_client.http import BaseUrl, HttpConnection
from simulators.api_client.reservations import NOBODY_KNOWS, ReservationsApi
from simulators.errors import HttpFailed

STATE = ReservationState(
    reservation_id="r1",
    location="S001",
    order_id="o1",
    channel="web",
    status="held",
    version=1,
    lines=[],
)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-One: 1\r\n\r\n{}"


class Server:
    """Answers each request with the next of some bytes, and then closes."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = list(answers)
        self.heads: list[str] = []
        self.connections = 0
        self.address = BaseUrl("127.0.0.1", 0)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with suppress(OSError, asyncio.IncompleteReadError), closing(writer):
            await self._answer(reader, writer)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while self.answers:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.heads.append(head)
            length = head.lower().partition("content-length: ")[2].partition("\r\n")[0]
            await reader.readexactly(int(length or 0))
            writer.write(self.answers.pop(0))
            await writer.drain()


@asynccontextmanager
async def serving(*answers: bytes) -> AsyncIterator[tuple[Server, HttpConnection]]:
    server = Server(*answers)
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.address = BaseUrl("127.0.0.1", listener.sockets[0].getsockname()[1])
    connection = HttpConnection(server.address, "secret")
    try:
        yield server, connection
    finally:
        connection.abort()
        listener.close()
        await listener.wait_closed()


async def test_one_connection_carries_many_requests() -> None:
    async with serving(OK, OK, OK) as (server, connection):
        first = await connection.request("POST", "/a", b"{}", "Idempotency-Key: k")
        await connection.request("GET", "/b")
        assert (first.status, first.headers["x-one"], first.body) == (200, "1", b"{}")
        assert server.connections == 1
        assert "Authorization: Bearer secret" in server.heads[0]
        assert "Idempotency-Key: k" in server.heads[0]
        assert "Content-Length" not in server.heads[1]


async def test_a_connection_that_is_gone_is_made_anew() -> None:
    closing = OK.replace(b"X-One: 1", b"Connection: close")
    async with serving(closing, OK) as (server, connection):
        await connection.request("GET", "/a")
        await connection.request("GET", "/b")
        assert server.connections == 2


async def test_a_body_in_pieces_is_put_together() -> None:
    head = b"HTTP/1.1 401 No\r\nTransfer-Encoding: chunked\r\n\r\n"
    pieces = b"5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nTrailer: x\r\n\r\n"
    async with serving(head + pieces, OK) as (server, connection):
        assert (await connection.request("GET", "/a")).body == b"hello world"
        assert (await connection.request("GET", "/b")).body == b"{}"
        assert server.connections == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffff\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 nonsense\r\n\r\n",
        b"",
    ],
)
async def test_an_answer_that_is_none_is_a_failure_of_the_request(answer: bytes) -> None:
    async with serving(answer) as (_, connection):
        with pytest.raises(HttpFailed, match="GET /a"):
            await connection.request("GET", "/a")


async def test_nobody_listening_is_a_failure_of_the_request() -> None:
    async with serving() as (server, _):
        gone = server.address
    with pytest.raises(HttpFailed):
        await HttpConnection(gone, "t").request("GET", "/")


async def test_an_unknown_outcome_is_said_to_be_one() -> None:
    busy = b"HTTP/1.1 503 Busy\r\nContent-Length: 2\r\n\r\n{}"
    refused = b'HTTP/1.1 409 No\r\nContent-Length: 25\r\n\r\n{"reason":"insufficient"}'
    async with serving(busy, refused, b"") as (_, connection):
        api = ReservationsApi(connection)
        replies = [await api.confirm(STATE, "k") for _ in range(3)]
    assert [reply.reason for reply in replies] == [NOBODY_KNOWS, "insufficient", NOBODY_KNOWS]
    assert [reply.status for reply in replies] == [503, 409, 0]
    assert [reply.is_known for reply in replies] == [False, True, False]


@pytest.mark.parametrize("url", ["https://x", "http://", "http://x/path", "x:1"])
def test_a_url_that_cannot_be_used_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="expected http://"):
        BaseUrl.parse(url)


def test_a_url_names_host_and_port() -> None:
    assert BaseUrl.parse("http://example.com:8080/") == BaseUrl("example.com", 8080)
    assert BaseUrl.parse("http://example.com") == BaseUrl("example.com", 80)
