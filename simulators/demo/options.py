"""What a demo is asked to do. Pure."""

from pathlib import Path
from urllib.parse import urlsplit

from msgspec import Struct
from msgspec.structs import replace

from simulators.scenario import Scenario
from simulators.web_shop.customers import WebShopSettings


class DemoOptions(Struct, frozen=True, kw_only=True):
    """The command line of `stocktruth-sim demo`, with a base scenario for its stores.

    `duration_s` is `None` for a demo that runs until it is interrupted; `broker_url` is `None` for
    an embedded broker.
    """

    scenario: Scenario
    folder: Path
    stores: int = 2
    skus: int = 200
    speed: float = 1.0
    duration_s: float | None = None
    seed: int = 1
    check: bool = False
    chaos: bool = False
    json_file: Path | None = None
    broker_url: str | None = None
    web_shop: WebShopSettings = WebShopSettings()

    def scenarios(self) -> list[Scenario]:
        """Return the scenario of each store."""
        world = self.scenario.world
        goods = replace(world.goods, skus=self.skus)
        return [
            replace(
                self.scenario,
                store=f"S{number + 1:03d}",
                number=number,
                seed=self.seed,
                speed=self.speed,
                world=replace(world, goods=goods),
            )
            for number in range(self.stores)
        ]


def broker_address(url: str) -> tuple[str, int]:
    """Return host and port of an `mqtt://` URL. Raises `ValueError`."""
    parts = urlsplit(url)
    if parts.scheme != "mqtt" or not parts.hostname:
        raise ValueError(f"BROKER={url!r}: expected mqtt://HOST[:PORT]")
    return parts.hostname, parts.port or 1883
