"""The cloud's API on a real socket, without a broker: facts are offered to its shard."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any, Final

import httpx

from cloud import assembly
from cloud.api.access import Role, TokenEntry, Tokens
from cloud.api.server import ApiServer
from cloud.config import ApiSettings
from cloud.journal.sqlite_reader import SqliteReader
from cloud.shards.on_pykka import HostedShard
from protocol.facts import AnyFact
from tests.brokers import wait_for
from tests.shard_inputs import EPOCH, STORE, batch

DEADLINE_S: Final = 15.0
OPS: Final = "token-of-ops"
WEB: Final = "token-of-web"
STORE_TOKEN: Final = "token-of-store"
WMS: Final = "token-of-wms"


def entry(name: str, token: str, *roles: Role, **more: Any) -> TokenEntry:
    return TokenEntry(
        name=name, sha256=sha256(token.encode()).hexdigest(), roles=list(roles), **more
    )


TOKENS: Final = Tokens(
    [
        entry("ops", OPS, "ops"),
        entry("web", WEB, "channel", channels=["web"]),
        entry("store", STORE_TOKEN, "store", locations=[STORE]),
        entry("wms", WMS, "wms"),
    ]
)
SETTINGS: Final = ApiSettings(tokens_file="unused", port=0, requests_per_minute=10_000_000)


class Api:
    """A client of every role, and the shard behind."""

    def __init__(self, shard: HostedShard, server: ApiServer, journal: Path) -> None:
        self.shard: Final = shard
        self.url: Final = f"http://127.0.0.1:{server.port}"
        self.journal: Final = journal
        self._seqs: Final[dict[str, Any]] = {}
        self._keys: Final = count(1)
        self._clients: Final[list[httpx.AsyncClient]] = []
        self.ops = self.client(OPS)
        self.web = self.client(WEB)
        self.store = self.client(STORE_TOKEN)
        self.wms = self.client(WMS)

    def client(self, token: str | None) -> httpx.AsyncClient:
        """Return a client with a token, or without one."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        client = httpx.AsyncClient(base_url=self.url, headers=headers, timeout=DEADLINE_S)
        self._clients.append(client)
        return client

    def key(self) -> dict[str, str]:
        """Return a header with a new Idempotency-Key."""
        return {"Idempotency-Key": f"key-{next(self._keys)}"}

    def offer(self, *facts: AnyFact, store: str = STORE) -> None:
        """Offer facts, and return when they are committed."""
        after = self.position()
        first_seq = self._seqs.get(store, 1)
        self._seqs[store] = first_seq + len(facts)
        assert self.shard.offer(batch(first_seq, facts, store=store, epoch=EPOCH))
        wait_for(lambda: self.position() > after, DEADLINE_S, "the facts are committed")

    def position(self) -> int:
        """Return the journal's newest position."""
        reader = SqliteReader(self.journal)
        try:
            return reader.position()
        finally:
            reader.close()

    async def close(self) -> None:
        """Close the clients."""
        for client in self._clients:
            await client.aclose()


@asynccontextmanager
async def running(
    folder: Path, settings: ApiSettings = SETTINGS, tokens: Tokens = TOKENS
) -> AsyncIterator[Api]:
    """Run it on this event loop."""
    journal = folder / "journal.db"
    async with assembly.headless(journal, settings, tokens) as (shard, server):
        api = Api(shard, server, journal)
        try:
            yield api
        finally:
            await api.close()


@contextmanager
def running_in_thread(
    folder: Path, settings: ApiSettings = SETTINGS, tokens: Tokens = TOKENS
) -> Iterator[Api]:
    """Run it on an event loop of its own, for clients that block."""
    started: list[Api] = []
    ready, stopping = threading.Event(), threading.Event()
    failures: list[BaseException] = []

    async def serve() -> None:
        async with running(folder, settings, tokens) as api:
            started.append(api)
            ready.set()
            await asyncio.to_thread(stopping.wait)

    def run() -> None:
        try:
            asyncio.run(serve())
        except BaseException as error:  # noqa: BLE001 -- it is raised again by who waits.
            failures.append(error)
        finally:
            ready.set()

    thread = threading.Thread(target=run)
    thread.start()
    assert ready.wait(DEADLINE_S)
    try:
        if not failures:
            yield started[0]
    finally:
        stopping.set()
        thread.join(DEADLINE_S)
        if failures:
            raise failures[0]
