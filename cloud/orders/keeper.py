"""Looks after orders while the cloud runs: resumes them, ends them in time, re-routes what is lost.

`note` hears of commits on the shard's thread and only puts names down; the work is done by `run`,
on the event loop. Names are conflated, and what is lost of them in a crash `resume` finds again.
"""

import asyncio
import logging
from typing import Final

from cloud.orders.desk import Looked, OrderDesk, orders_of_notices, orders_of_reservations
from cloud.records.reservation import Reservation
from cloud.shards.messages import Committed

INTERVAL_S: Final = 1.0
NOTED_MAX: Final = 100_000
"""Orders noted and not looked after yet; past it, all open orders are looked through instead."""

log = logging.getLogger(__name__)


class OrderKeeper:
    """Made on the event loop, where `run` runs until cancelled.

    `passing` are the desk's: after one of them it looks again, at the same and more.
    """

    def __init__(
        self,
        desk: OrderDesk,
        passing: tuple[type[Exception], ...] = (),
        interval_s: float = INTERVAL_S,
    ) -> None:
        self._desk: Final = desk
        self._passing: Final = passing
        self._interval_s: Final = interval_s
        self._loop: Final = asyncio.get_running_loop()
        self._noted: Final[dict[str, None]] = {}
        self._has_news: Final = asyncio.Event()
        self._must_resume = True

    def note(self, committed: Committed) -> None:
        """Put down whose orders have lost something or come to an end. From any thread."""
        ended = (each for each in committed.records if isinstance(each, Reservation))
        names = orders_of_notices(committed.notices) + orders_of_reservations(ended)
        if names and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._put_down, names)

    def _put_down(self, names: list[str]) -> None:
        self._noted.update(dict.fromkeys(names))
        if len(self._noted) > NOTED_MAX:
            self._noted.clear()
            self._must_resume = True
        self._has_news.set()

    async def run(self) -> None:
        """Look after orders for ever. Storage failures end it."""
        while True:
            try:
                self._tell(await self.look())
            except self._passing as error:
                log.warning("orders: looked after later: %s", error)
                self._must_resume = True
            await self._wait()

    async def look(self) -> Looked:
        """Look after everything that is known to need it."""
        self._has_news.clear()
        if self._must_resume:
            looked = await self._desk.resume()
            # What could not be brought to rest now is found by the sweeps that follow.
            self._must_resume = False
            return looked
        names = list(self._noted)
        self._noted.clear()
        looked = await self._desk.look_after(names)
        swept = await self._desk.sweep()
        unsettled = dict.fromkeys(looked.unsettled + swept.unsettled)
        return Looked(looked.driven + swept.driven, tuple(unsettled))

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(self._interval_s):
                await self._has_news.wait()
        except TimeoutError:
            return

    def _tell(self, looked: Looked) -> None:
        if looked.unsettled:
            shown = ", ".join(looked.unsettled[:5])
            log.warning("orders: %d wait for the next look: %s", len(looked.unsettled), shown)
