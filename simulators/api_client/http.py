"""HTTP/1.1 over one kept-alive connection, as little as a client of the API needs.

A general client costs more time than the server that is to be loaded. This one sends a request,
reads an answer, and connects again when the connection is gone. It never repeats a request:
whether that is safe is known by who holds the key. Event loop.
"""

import asyncio
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from simulators.errors import HttpFailed

HEAD_BYTES_MAX: Final = 65_536
BODY_BYTES_MAX: Final = 16 * 1_048_576
CONNECT_TIMEOUT_S: Final = 5.0
REQUEST_TIMEOUT_S: Final = 15.0
"""Longer than the server takes at most to say that it does not know the outcome."""

_NO_BODY: Final = (204, 304)


class HttpAnswer(NamedTuple):
    """An answer; the names of headers are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


class BaseUrl(NamedTuple):
    """Where a server listens."""

    host: str
    port: int

    @classmethod
    def parse(cls, url: str) -> "BaseUrl":
        """Return host and port of an `http://` URL. Raises `ValueError`."""
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname or parts.path not in ("", "/"):
            raise ValueError(f"{url!r}: expected http://HOST[:PORT]")
        return cls(parts.hostname, parts.port or 80)


class HttpConnection:
    """One connection, for one request at a time."""

    def __init__(self, server: BaseUrl, token: str) -> None:
        self._server: Final = server
        self._always: Final = (
            f"Host: {server.host}:{server.port}\r\nAuthorization: Bearer {token}\r\n"
        )
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def request(self, method: str, path: str, body: bytes = b"", *headers: str) -> HttpAnswer:
        """Return the answer. Raises `HttpFailed` when there is none, and then nobody knows.

        Cancelling closes the connection, since an answer would be left in it.
        """
        message = self._message(method, path, body, headers)
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT_S):
                reader, writer = await self._connected()
                writer.write(message)
                answer = await _answer(reader)
        except BaseException as error:
            self.abort()
            if isinstance(error, OSError | EOFError | asyncio.LimitOverrunError | ValueError):
                raise HttpFailed(f"{method} {path}: {error!r}") from error
            raise
        if answer.headers.get("connection", "").lower() == "close":
            self.abort()
        return answer

    def abort(self) -> None:
        """Close the connection at once; the next request makes another."""
        if self._streams is not None:
            self._streams[1].transport.abort()
            self._streams = None

    def _message(self, method: str, path: str, body: bytes, headers: tuple[str, ...]) -> bytes:
        head = f"{method} {path} HTTP/1.1\r\n{self._always}"
        for header in headers:
            head += f"{header}\r\n"
        if body:
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        elif method != "GET":
            head += "Content-Length: 0\r\n"
        return f"{head}\r\n".encode("latin-1") + body

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is None or self._streams[0].at_eof():
            self.abort()
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                self._streams = await asyncio.open_connection(*self._server, limit=HEAD_BYTES_MAX)
        return self._streams


async def _answer(reader: asyncio.StreamReader) -> HttpAnswer:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    status_line, _, rest = head.partition("\r\n")
    status = int(status_line.split(" ", 2)[1])
    headers = {}
    for line in rest.splitlines():
        name, colon, value = line.partition(":")
        if colon:
            headers[name.lower()] = value.strip()
    if status in _NO_BODY:
        return HttpAnswer(status, headers, b"")
    if headers.get("transfer-encoding", "").lower() == "chunked":
        return HttpAnswer(status, headers, await _chunks(reader))
    if "content-length" not in headers:
        raise ValueError("an answer of unknown length")
    length = _checked(int(headers["content-length"]))
    return HttpAnswer(status, headers, await reader.readexactly(length))


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    """Return a body that came in pieces (RFC 9112, section 7.1), whose trailers are dropped."""
    body = b""
    while length := int((await reader.readline()).partition(b";")[0], 16):
        _checked(len(body) + _checked(length))
        body += await reader.readexactly(length)
        await reader.readexactly(len(b"\r\n"))
    while (await reader.readline()).strip():
        pass
    return body


def _checked(length: int) -> int:
    if not 0 <= length <= BODY_BYTES_MAX:
        raise ValueError(f"an answer of {length} bytes")
    return length
