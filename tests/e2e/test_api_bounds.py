"""What one caller can take of the server is bounded: heads, time, connections, requests."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from uvicorn import Config
from uvicorn.server import ServerState

from cloud import assembly
from cloud.api import application
from cloud.api.connections import TURNED_AWAY_MAX, BoundedHttp, BoundedWebSocket
from cloud.api.reading import Reads
from cloud.errors import JournalFailed
from cloud.journal.port import JournalReader
from cloud.journal.sqlite import SqliteJournal
from tests.api_server import OPS, SETTINGS, Api, running
from tests.brokers import wait_for
from tests.shard_inputs import GTIN, STORE, counted

DEADLINE_S = 15.0
PROBLEM = "application/problem+json"


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with running(tmp_path) as started:
        yield started


class Peer:
    """A client that says what it likes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def is_cut_off(self, again: bytes = b"") -> bool:
        """Return whether the server ends the connection without a word while we go on sending."""
        async with asyncio.timeout(DEADLINE_S):
            try:
                while again:
                    await self.send(again)
                    await asyncio.sleep(0)
                return await self.reader.read() == b""
            except ConnectionError:
                return True

    async def answer(self) -> tuple[int, bytes]:
        """Return the status and everything after it, until the server closes."""
        async with asyncio.timeout(DEADLINE_S):
            data = await self.reader.read()
        return (int(data.split()[1]) if data else 0), data


@asynccontextmanager
async def connected(api: Api) -> AsyncIterator[Peer]:
    port = int(api.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Peer(reader, writer)
    finally:
        writer.transport.abort()


async def test_a_head_has_a_largest_size_however_it_comes(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BoundedHttp, "head_bytes_max", 2_000)
    one_field = b"GET /health HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * 3_000
    many_fields = b"GET /health HTTP/1.1\r\nHost: x\r\n" + b"X-Short: a\r\n" * 300
    long_url = b"GET /health?" + b"a" * 3_000
    for head in (one_field, many_fields, long_url, one_field + b"\r\n\r\n"):
        async with connected(api) as peer:
            await peer.send(head)
            status, data = await peer.answer()
            assert (status, PROBLEM.encode() in data) == (431, True)
    small = b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX: " + b"a" * 1_000
    async with connected(api) as peer:
        await peer.send(small + b"\r\n\r\n")
        assert (await peer.answer())[0] == 200


async def test_what_follows_a_body_is_not_kept_without_a_bound(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BoundedHttp, "head_bytes_max", 2_000)
    head = f"POST /v1/rules/validate HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {OPS}\r\n"
    async with connected(api) as peer:
        await peer.send(head.encode() + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n0\r\n")
        await peer.send(b"X-Trailer: ")
        assert await peer.is_cut_off(again=b"a" * 3_000)


async def test_a_head_that_does_not_end_is_ended(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BoundedHttp, "head_timeout_s", 0.05)
    for begun in (b"", b"GET /health HTTP/1.1\r\nHost: x\r\nX-"):
        async with connected(api) as peer:
            await peer.send(begun)
            assert (await peer.answer())[0] == 408
    async with connected(api) as peer:
        await peer.send(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await peer.reader.readline()).split()[1] == b"200"
        await peer.reader.readuntil(b"}")
        await peer.send(b"\r\n")
        assert (await peer.answer())[0] == 408


async def test_what_is_no_http_is_answered_by_a_problem(api: Api) -> None:
    async with connected(api) as peer:
        await peer.send(b"\x16\x03\x01 not http\r\n\r\n")
        status, data = await peer.answer()
        assert (status, json.loads(data.partition(b"\r\n\r\n")[2])["status"]) == (400, 400)


async def test_one_address_has_so_many_connections(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BoundedHttp, "connections_per_peer_max", 1)
    request = b"GET /health HTTP/1.1\r\nHost: x\r\n"
    upgrade = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    async with connected(api) as first, connected(api) as second, connected(api) as third:
        await second.send(request + b"\r\n")
        status, data = await second.answer()
        assert (status, PROBLEM.encode() in data, b"retry-after: 1" in data) == (503, True, True)
        key = b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        await third.send(request + upgrade + key)
        assert (await third.answer())[0] == 503
        await first.send(request + b"Connection: close\r\n\r\n")
        assert (await first.answer())[0] == 200
    monkeypatch.setattr(BoundedHttp, "connections_per_peer_max", -TURNED_AWAY_MAX)
    async with connected(api) as beyond:
        assert await beyond.is_cut_off()


async def test_who_reads_nothing_is_cut_off(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BoundedHttp, "send_timeout_s", 0.05)
    request = f"GET /schema HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {OPS}\r\n\r\n"
    async with connected(api) as peer:
        # The stream of asyncio reads no more once its own buffer is full.
        assert await peer.is_cut_off(again=request.encode())


async def _nothing(scope: Any, receive: Any, send: Any) -> None:
    del scope, receive, send


class Transport(asyncio.Transport):
    """Knows only whether it was cut off."""

    def __init__(self) -> None:
        super().__init__()
        self.is_cut_off = asyncio.Event()

    def abort(self) -> None:
        self.is_cut_off.set()


async def test_a_websocket_that_reads_nothing_is_cut_off_and_a_slow_one_is_not() -> None:
    for reads_again in (False, True):
        config = Config(_nothing, ws=BoundedWebSocket, log_config=None)
        config.load()
        socket = BoundedWebSocket(config, ServerState(), {})
        socket.send_timeout_s = 0.01
        transport = socket.transport = Transport()
        socket.pause_writing()
        if reads_again:
            socket.resume_writing()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(transport.is_cut_off.wait(), 0.05)
        else:
            await asyncio.wait_for(transport.is_cut_off.wait(), DEADLINE_S)


async def test_the_document_of_the_api_is_made_once(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await api.ops.get("/schema")
    monkeypatch.setattr(application, "_schema_of", None)
    assert (await api.web.get("/schema")).content == first.content


async def test_a_bulk_request_counts_as_its_items(tmp_path: Path) -> None:
    async with running(tmp_path, replace(SETTINGS, requests_per_minute=600)) as api:
        api.offer(counted(500))
        item: dict[str, Any] = {
            "location": STORE,
            "channel": "web",
            "lines": [{"gtin": GTIN, "quantity": 1}],
        }
        statuses = []
        for part in range(3):
            body = {"items": [{**item, "order_id": f"o{part}-{n}"} for n in range(100)]}
            answer = await api.web.post("/v1/reservations/bulk", json=body, headers=api.key())
            statuses.append(answer.status_code)
        assert statuses[0] == 200
        assert statuses[2] == 429
        assert int(answer.headers["Retry-After"]) >= 1


async def test_a_path_has_one_name(api: Api) -> None:
    for path in ("//v1/rules", "/v1//rules", "/v1/rules/", "/v1/reservations/"):
        answer = await api.ops.get(f"{api.url}{path}")
        assert (answer.status_code, answer.headers["Content-Type"]) == (404, PROBLEM)


async def test_after_a_failure_of_the_shard_nobody_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = {"action": "write_off", "quantity": 1}
    path = f"/v1/stock/{STORE}/{GTIN}/adjustments"

    def fail(*_: object) -> None:
        raise JournalFailed("the disk is full")

    running_api = running(tmp_path)
    api = await running_api.__aenter__()
    api.offer(counted(5))
    assert (await api.client(None).get("/health")).status_code == 200
    monkeypatch.setattr(SqliteJournal, "commit", fail)
    async with asyncio.timeout(5):
        waiting = await api.ops.post(path, json=body, headers=api.key())
        later = await api.ops.post(path, json=body, headers=api.key())
    assert (waiting.status_code, waiting.headers["Content-Type"]) == (504, PROBLEM)
    assert "disk" not in waiting.text
    assert later.status_code == 503
    health = await api.client(None).get("/health")
    assert (health.status_code, health.headers["Content-Type"]) == (503, PROBLEM)
    assert (await api.ops.get(f"/v1/stock/{STORE}")).status_code == 200
    with pytest.raises(JournalFailed):
        await running_api.__aexit__(None, None, None)


async def test_a_busy_api_delays_no_expiry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pools: list[Reads] = []

    def noted(open_reader: Callable[[], JournalReader], threads: int) -> Reads:
        pools.append(Reads(open_reader, threads))
        return pools[-1]

    monkeypatch.setattr(assembly, "Reads", noted)
    async with running(tmp_path, replace(SETTINGS, reader_threads=1)) as api:
        api.offer(counted(5))
        body = {
            "location": STORE,
            "channel": "web",
            "order_id": "o",
            "hold_s": 1,
            "lines": [{"gtin": GTIN, "quantity": 1}],
        }
        made = await api.web.post("/v1/reservations", json=body, headers=api.key())
        assert made.status_code == 201
        before = api.position()
        done = threading.Event()
        # The first pool is that of the API: its only thread is kept busy.
        blocked = asyncio.create_task(pools[0].on_reader(lambda _: done.wait()))
        try:
            await asyncio.to_thread(
                wait_for, lambda: api.position() > before, DEADLINE_S, "the reservation expires"
            )
            assert not blocked.done()
        finally:
            done.set()
            await blocked
