"""When is everything served again? Sells a probe and asks the API for something. Event loop."""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from simulators.crash.customers import Customer
from simulators.crash.shop import PROBE, Shop
from simulators.demo.heard import Heard
from simulators.demo.truth import SkuLocationKey
from simulators.errors import DemoFailed

POLL_S: Final = 0.01


class Recovery:
    """Probes of the stores by name. `customer` asks on a connection of his own."""

    def __init__(self, shops: Mapping[str, Shop], heard: Heard, customer: Customer) -> None:
        self._shops: Final = shops
        self._heard: Final = heard
        self._customer: Final = customer

    def sell_probes(self, stores: Iterable[str]) -> dict[str, int]:
        """Sell one probe in each store now, and return how many each has sold."""
        return {store: self._shops[store].sell_probe() for store in stores}

    async def until_served(
        self, probes: Mapping[str, int], *, ask: bool, deadline_s: float, what: str
    ) -> None:
        """Return when the probes were heard and, if asked, the API has answered.

        Raises `DemoFailed`.
        """
        asked = asyncio.create_task(self._ask(probes)) if ask else None
        try:
            await until(lambda: self._are_heard(probes), deadline_s, what)
            if asked is not None:
                await asked
        finally:
            if asked is not None:
                asked.cancel()

    async def _ask(self, stores: Iterable[str]) -> None:
        for store in stores:
            await self._customer.probe(store, PROBE)

    def _are_heard(self, probes: Mapping[str, int]) -> bool:
        for store, sold in probes.items():
            state = self._heard.states.get(SkuLocationKey(store, PROBE))
            if state is None or state.ledger.sold < sold:
                return False
        return True


async def until(
    holds: Callable[[], bool], deadline_s: float, what: str, poll_s: float = POLL_S
) -> None:
    """Return as soon as it holds. Raises `DemoFailed` when it does not in time."""
    end_s = time.monotonic() + deadline_s
    while not holds():  # Files, clocks and other processes have no event.
        if time.monotonic() > end_s:
            raise DemoFailed(f"waited {deadline_s:.0f} s in vain for {what}")
        await asyncio.sleep(poll_s)
