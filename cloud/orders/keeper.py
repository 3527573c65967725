"""Looks after orders while the cloud runs: resumes them, ends them in time, re-routes what is lost.

`note` hears of commits on the shard's thread and only puts names down; the work is done by `run`,
on the event loop. Names are conflated, and what is lost of them in a crash `resume` finds again.
"""

import asyncio
import logging
from typing import Final

from cloud.orders.desk import (
    Looked,
    OrderDesk,
    both,
    orders_of_notices,
    orders_of_reservations,
)
from cloud.orders.errors import FATAL
from cloud.records.reservation import Reservation
from cloud.shards.messages import Committed

INTERVAL_S: Final = 1.0
NOTED_MAX: Final = 100_000
"""Orders noted and not looked after yet; past it, all open orders are looked through instead."""
WAIT_MAX_S: Final = 60.0
"""After looks that failed, the next waits twice as long each time, up to this."""
WAIT_DOUBLINGS_MAX: Final = 10

log = logging.getLogger(__name__)


class OrderKeeper:
    """Made on the event loop, where `run` runs until cancelled.

    `passing` are the desk's: after one of them it looks again, at the same and more. `failed_looks`
    counts looks that failed of something unforeseen.
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
        self._failed_in_a_row = 0
        self.failed_looks = 0

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
                self._failed_in_a_row = 0
            except self._passing as error:
                log.warning("orders: looked after later: %s", error)
                self._must_resume = True
            except FATAL:
                raise
            except Exception:
                # One look is many orders' steps, each one command that was committed or not: the
                # next look goes on from what it reads. Without us the cloud would still take
                # orders, and nobody would end them.
                log.critical("orders: a look failed, and is repeated", exc_info=True)
                self._note_failure()
            await self._wait()

    def _note_failure(self) -> None:
        self._must_resume = True
        self._failed_in_a_row += 1
        self.failed_looks += 1

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
        return both(looked, await self._desk.sweep())

    async def _wait(self) -> None:
        """Wait for the next look: until there is news, unless the last one failed."""
        if self._failed_in_a_row:
            doublings = min(self._failed_in_a_row, WAIT_DOUBLINGS_MAX)
            await asyncio.sleep(min(self._interval_s * 2**doublings, WAIT_MAX_S))
            return
        try:
            async with asyncio.timeout(self._interval_s):
                await self._has_news.wait()
        except TimeoutError:
            return

    def _tell(self, looked: Looked) -> None:
        if looked.unsettled:
            shown = ", ".join(looked.unsettled[:5])
            log.warning("orders: %d wait for the next look: %s", len(looked.unsettled), shown)
