"""Everything that a demo runs: broker, cloud, and each store's hardware and agent.

Configuration files and logs go to the demo's folder. Runs in the demo's event loop.
"""

import asyncio
import logging
from collections.abc import Iterator
from random import Random
from typing import Final

from aiomqtt import MqttError

from simulators.api_client.http import BaseUrl
from simulators.demo.broker import (
    HOST,
    BrokerAddress,
    free_port,
    start_embedded,
    until_accepting,
)
from simulators.demo.chaos import ChaosPlan, plan
from simulators.demo.config_files import cloud_config, new_token, policies, token_file
from simulators.demo.forget import forget_retained
from simulators.demo.options import DemoOptions, broker_address
from simulators.demo.outcome import Outage
from simulators.demo.processes import Child, Crew
from simulators.demo.store_run import StoreRun, TruthListener
from simulators.demo.wan import Wan
from simulators.scenario import Scenario

TOKEN_NAME: Final = "web-shop"  # noqa: S105 # The name of a token, not a token.

log = logging.getLogger(__name__)


class Site:
    """The processes and lines of one demo. `on_truth` hears of each change in a store."""

    def __init__(self, options: DemoOptions, root: str, on_truth: TruthListener) -> None:
        self.crew = Crew()
        self.stores: dict[str, StoreRun] = {}
        self.lines: dict[str, Wan] = {}
        self.token = new_token()
        self.api: BaseUrl | None = None
        """Where the cloud's API listens, once the cloud was started."""
        self._options = options
        self._root = root
        self._on_truth = on_truth
        self._breakable: list[list[Child]] = []

    async def start_broker(self) -> BrokerAddress:
        """Start the broker, or find the one that was named. Raises `DemoFailed`."""
        if self._options.broker_url is None:
            address, child = await start_embedded(self.crew, self._options.folder)
            self._breakable.append([child])
            return address
        address = BrokerAddress(*broker_address(self._options.broker_url))
        await until_accepting(address)
        return address

    async def start_cloud(self, broker: BrokerAddress) -> None:
        """Start the cloud, with a reorder policy for every SKU-location."""
        folder = self._options.folder
        (folder / "policies.toml").write_text(policies(self._options.scenarios()))
        config = folder / "cloud.toml"
        self.api = BaseUrl(HOST, free_port())
        (folder / "tokens.toml").write_text(token_file(TOKEN_NAME, self.token))
        config.write_text(cloud_config(broker.url, self._root, self.api.port))
        cloud = Child("cloud", ("-m", "cloud", "run", "--config", str(config)), folder)
        self._breakable.append([await self.crew.start(cloud)])

    async def start_stores(self, broker: BrokerAddress) -> None:
        """Start each store's hardware, and its agent when that listens.

        Raises `ChildDied` and `DemoFailed`.
        """
        stores = await asyncio.gather(
            *(self._start_store(scenario, broker) for scenario in self._options.scenarios())
        )
        self._breakable.append([store.agent for store in stores])
        self.stores.update({store.name: store for store in stores})

    def chaos_plan(self, rng: Random, duration_s: float) -> ChaosPlan:
        """Return what will go wrong here within a time."""
        targets = [[child.name for child in group] for group in self._breakable]
        return plan(rng, duration_s, list(self.lines), targets)

    @property
    def breakable(self) -> dict[str, Child]:
        """The children that chaos may strike, by name."""
        return {child.name: child for child in self._breakable_children()}

    async def heal(self) -> None:
        """Bring back whatever is away."""
        for line in self.lines.values():
            line.become("open")
        for child in self._breakable_children():
            if not child.is_running:
                await child.start()

    async def stop(self) -> None:
        """Stop everything, and leave nothing on a broker that is not ours."""
        await self.crew.stop()
        for line in self.lines.values():
            await line.stop()
        if self._options.broker_url is not None:
            await self._forget(BrokerAddress(*broker_address(self._options.broker_url)))

    async def _forget(self, broker: BrokerAddress) -> None:
        try:
            await forget_retained(broker, self._root)
        except MqttError as error:
            log.warning("what is retained below %s could not be removed: %s", self._root, error)

    def outages(self) -> list[Outage]:
        """Return how often and how long each process and line was away."""
        outages = [
            Outage(name=child.name, times=child.kills, outage_s=child.outage_s)
            for child in self._breakable_children()
        ]
        outages += [
            Outage(name=f"wan-{name}", times=line.outages, outage_s=line.outage_s)
            for name, line in self.lines.items()
        ]
        return [outage for outage in outages if outage.times]

    async def _start_store(self, scenario: Scenario, broker: BrokerAddress) -> StoreRun:
        folder = self._options.folder / scenario.store
        folder.mkdir()
        store = StoreRun(scenario, folder, self._on_truth)
        url = broker.url
        if self._options.chaos:
            line = Wan(*broker)
            url = BrokerAddress(HOST, await line.start()).url
            self.lines[store.name] = line
        await store.prepare(self.crew, url, self._root)
        await self.crew.start(store.agent)
        return store

    def _breakable_children(self) -> Iterator[Child]:
        return (child for group in self._breakable for child in group)
