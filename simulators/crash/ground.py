"""Where a crash campaign takes place: broker, cloud, agents, and PostgreSQL where it is asked for.

Configurations are those of a small chain: every time-out and limit is the product's default. Event
loop; a killed process is not started again by itself, except a cloud that ends because its database
has gone: that one is started again as a supervisor would.
"""

import asyncio
import time
from collections.abc import Iterator
from json import dumps
from pathlib import Path
from typing import Final

from cloud.config import load_settings
from cloud.journal.port import JournalReader
from cloud.storage import storage_of
from protocol.ids import StoreId
from protocol.topics import DEFAULT_ROOT
from simulators.api_client.http import BaseUrl, HttpConnection
from simulators.crash.options import CrashOptions
from simulators.crash.plan import Target
from simulators.crash.shop import OFFICE, TILLS
from simulators.crash.victims import Victim
from simulators.demo.broker import HOST, BrokerAddress, free_port, until_accepting
from simulators.demo.config_files import broker_config, new_token, token_file
from simulators.fencing.journals import settings_of
from simulators.fencing.private_postgres import PrivatePostgres

TOKEN_NAME: Final = "shop"  # noqa: S105 # The name of a token, not a token.
DATABASE: Final = "crash"
SUPERVISOR_PAUSE_S: Final = 0.1

CLOUD_CONFIG: Final = """\
[broker]
url = {url}
root = {root}
[journal]
{journal}
[api]
host = "{host}"
port = {port}
tokens_file = "./tokens.toml"
requests_per_minute = 10000000
"""
EDGE_CONFIG: Final = """\
store = {store}
data_dir = "./data"
[broker]
url = {url}
root = {root}
"""
TILL_CONFIG: Final = """\
[[pos_journal]]
name = "{name}"
spool = "./{name}"
"""


class Ground:
    """The processes. `postgres` is running, or the journal is a file."""

    def __init__(self, options: CrashOptions, postgres: PrivatePostgres | None) -> None:
        self.stores: Final = [StoreId(f"C{n + 1:03}") for n in range(options.stores)]
        self.address: Final = BrokerAddress(HOST, free_port())
        self.cloud_config: Final = options.folder / "cloud.toml"
        self._options: Final = options
        self._postgres: Final = postgres
        self._api: Final = BaseUrl(HOST, free_port())
        self._token: Final = new_token()
        self._write_configurations()
        folder, module = options.folder, options.victim_module
        broker = ("iotcore", "--config", "broker.toml", "--log-level", "ERROR")
        cloud = (module, "cloud", options.journal, "run", "--config", str(self.cloud_config))
        self.broker: Final = Victim("broker", broker, folder, is_trapped=False)
        self.cloud: Final = Victim("cloud", cloud, folder, is_trapped=True)
        self.agents: Final = [
            Victim(
                f"edge-{store}",
                (module, "edge", options.journal, "run", "--config", f"{store}/store.toml"),
                folder,
                is_trapped=True,
            )
            for store in self.stores
        ]

    def _write_configurations(self) -> None:
        folder, postgres = self._options.folder, self._postgres
        url, root = dumps(self.address.url), dumps(DEFAULT_ROOT)
        place = str(folder / "journal.db") if postgres is None else postgres.database(DATABASE)
        (folder / "broker.toml").write_text(broker_config(*self.address))
        (folder / "tokens.toml").write_text(token_file(TOKEN_NAME, self._token))
        self.cloud_config.write_text(
            CLOUD_CONFIG.format(
                url=url, root=root, journal=settings_of(place), host=HOST, port=self._api.port
            )
        )
        for store in self.stores:
            self.folder_of(store).mkdir()
            tills = "".join(TILL_CONFIG.format(name=name) for name in (*TILLS, OFFICE))
            text = EDGE_CONFIG.format(store=dumps(store), url=url, root=root)
            (self.folder_of(store) / "store.toml").write_text(text + tills)

    def folder_of(self, store: str) -> Path:
        """Return where a store's spools and data are."""
        return self._options.folder / store

    def outbox_of(self, store: str) -> Path:
        """Return a store's outbox."""
        return self.folder_of(store) / "data" / "outbox.db"

    def open_reader(self) -> JournalReader:
        """Open the journal for reading. Raises `JournalFailed`."""
        return storage_of(load_settings(self.cloud_config).journal).reader()

    def connection(self) -> HttpConnection:
        """Return a new connection to the API, not connected yet."""
        return HttpConnection(self._api, self._token)

    @property
    def everything(self) -> list[Victim]:
        """All processes, in the order in which they may be started."""
        return [self.broker, self.cloud, *self.agents]

    def victims_of(self, target: Target, store: int) -> list[Victim]:
        """Return the processes that a kill of this target ends."""
        if target == "edge":
            return [self.agents[store]]
        if target == "postgres":
            return []
        return {"broker": [self.broker], "cloud": [self.cloud]}.get(target, self.everything)

    def stores_behind(self, target: Target, store: int) -> Iterator[StoreId]:
        """Yield the stores that such a kill cuts off."""
        yield from [self.stores[store]] if target == "edge" else self.stores

    async def start(self, victim: Victim, armed: str = "") -> None:
        """Start one; a broker is waited for, since nobody can do anything without it."""
        await victim.start(armed)
        if victim is self.broker:
            await until_accepting(self.address)

    async def kill(self, target: Target, store: int) -> int:
        """SIGKILL; return when, by the monotonic clock in nanoseconds."""
        if target == "postgres" and self._postgres is not None:
            at_ns = time.monotonic_ns()
            await asyncio.to_thread(self._postgres.kill)
            return at_ns
        victims = self.victims_of(target, store)
        return min(await asyncio.gather(*(victim.kill() for victim in victims)))

    async def revive(self, target: Target, store: int) -> None:
        """Start again what a kill has ended."""
        if target == "postgres" and self._postgres is not None:
            await asyncio.to_thread(self._postgres.start_again)
        for victim in self.victims_of(target, store):
            await self.start(victim)

    async def supervise(self, target: Target) -> None:
        """Start the cloud whenever it ends for want of its database, until cancelled."""
        while target == "postgres":
            if self.cloud.has_ended:
                await self.cloud.start()
            await asyncio.sleep(SUPERVISOR_PAUSE_S)

    def require_alive(self) -> None:
        """Raise `ChildDied` when one has ended by itself."""
        for victim in self.everything:
            victim.require_alive()

    async def stop(self) -> None:
        """Stop everything, who depends on others first."""
        for victim in reversed(self.everything):
            await victim.stop()
