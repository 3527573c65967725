"""The demo's web shop: wired to the cloud's API and to the associates of the demo's stores.

Runs in the demo's event loop, as somebody outside would: over HTTP, with a token.
"""

from collections.abc import Callable, Mapping
from random import Random
from typing import Final

from simulators.api_client.http import BaseUrl, HttpConnection
from simulators.api_client.operations import add_rule, until_healthy
from simulators.audit.grants import Witness
from simulators.demo.latency import SaleLatency
from simulators.demo.store_run import StoreRun
from simulators.demo.truth import SkuLocationKey
from simulators.scenario import Scenario, articles
from simulators.web_shop.counts import ShopCounts, sum_of
from simulators.web_shop.customers import Customers, WebShopSettings
from simulators.web_shop.desk import ShopDesk
from simulators.web_shop.shop import CHANNEL, WebShop

CONNECTIONS_MAX: Final = 8
RULE: Final = "demo-last-units"


class StoreBackroom:
    """The associates of one store of the demo."""

    def __init__(self, store: StoreRun, latency: SaleLatency) -> None:
        self._store: Final = store
        self._latency: Final = latency

    async def pick(self, order: str, lines: dict[str, int]) -> dict[str, int]:
        """Pack goods of an order, and return what was there."""
        return await self._store.pick(order, lines)

    def shipping(self, lines: Mapping[str, int]) -> None:
        """Let nobody take the change of `sold` that will be heard for a sale's."""
        for gtin in lines:
            self._latency.shipping(SkuLocationKey(self._store.name, gtin))

    def not_shipped(self, lines: Mapping[str, int]) -> None:
        """See `shipping`: there will be none."""
        for gtin in lines:
            key = SkuLocationKey(self._store.name, gtin)
            self._latency.shipped(key, self._store.truth[key].sold)

    async def ship(self, order: str, lines: dict[str, int]) -> None:
        """Let this leave; what else is packed for the order is put back."""
        await self._store.ship(order, lines)

    def unpack(self, order: str) -> None:
        """Put back what is packed for an order."""
        self._store.unpack(order)


class DemoWebShop:
    """The shop of a demo, from its rule to its last parcel."""

    def __init__(
        self,
        server: BaseUrl,
        token: str,
        settings: WebShopSettings,
        seed: int,
        told: Callable[[str], None],
        witness: Witness | None,
    ) -> None:
        self.desk: Final = ShopDesk(server, token, CONNECTIONS_MAX, witness)
        self.shop: WebShop | None = None
        self._operator: Final = HttpConnection(server, token)
        self._settings: Final = settings
        self._seed: Final = seed
        self._told: Final = told

    @property
    def buffers(self) -> dict[str, int]:
        """What the rules hide, by channel."""
        return {CHANNEL: self._settings.buffer_units}

    def counts_at(self, location: str) -> ShopCounts:
        """Return how the orders at a location stand."""
        return ShopCounts() if self.shop is None else self.shop.counts[location]

    @property
    def counts(self) -> ShopCounts:
        """How all orders stand."""
        return sum_of([] if self.shop is None else list(self.shop.counts.values()))

    async def prepare(self, stores: Mapping[str, StoreRun], latency: SaleLatency) -> None:
        """Put the buffer rule in force, and choose what is sold. Raises `SimulatorError`."""
        await until_healthy(self._operator)
        units = self._settings.buffer_units
        await add_rule(self._operator, RULE, CHANNEL, list(stores), units)
        self._operator.abort()
        self._told(f"web shop: a rule hides the last {units} of each article from it")
        rng = Random(f"{self._seed}/web-shop")
        self.shop = WebShop(
            self.desk,
            self._settings,
            Customers(self._settings, rng),
            {name: _assortment(store.scenario, self._settings) for name, store in stores.items()},
            {name: StoreBackroom(store, latency) for name, store in stores.items()},
            f"web-{self._seed}",
        )

    async def run(self) -> None:
        """Sell until closed. Raises `SimulatorError`."""
        if self.shop is None:
            raise AssertionError("the web shop was not prepared")
        try:
            await self.shop.run()
        finally:
            self.desk.close()

    def close(self) -> None:
        """Let no more customers in; `at_rest` follows."""
        if self.shop is not None:
            self.shop.close()

    async def until_at_rest(self) -> None:
        """Wait until the last order has ended."""
        if self.shop is not None:
            await self.shop.at_rest.wait()


def _assortment(scenario: Scenario, settings: WebShopSettings) -> list[str]:
    """Return what the shop sells of a store: what shoppers want most, as far as it is pieces."""
    pieces = [sku for sku in articles(scenario) if sku.measure == "units"]
    pieces.sort(key=lambda sku: sku.popularity, reverse=True)
    return [str(sku.gtin) for sku in pieces[: settings.articles]]
