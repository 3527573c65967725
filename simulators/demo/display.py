"""Shows a running demo: a live table on a terminal, plain lines elsewhere. Event loop."""

import asyncio
import time
from collections import deque
from contextlib import AbstractContextManager, nullcontext
from typing import Final

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from simulators.demo.board import Board, Moment
from simulators.demo.demo import Demo
from simulators.web_shop.counts import ShopCounts

LIVE_INTERVAL_S: Final = 0.5
PLAIN_INTERVAL_S: Final = 5.0
EVENTS_KEPT_MAX: Final = 20
COLUMNS: Final = (
    "store",
    "agent",
    "SKUs",
    "units on hand",
    "facts/s",
    "outbox",
    "true counts",
    "web: held",
    "confirmed",
    "shipped",
    "short",
)


class Display:
    """Prints to `console`; `told` may be called before there is a demo to show."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._events: deque[str] = deque(maxlen=EVENTS_KEPT_MAX)
        self._began_s = time.monotonic()

    def told(self, text: str) -> None:
        """Show a sentence about something that just happened."""
        stamped = f"{time.monotonic() - self._began_s:5.1f} s  {text}"
        self._events.append(stamped)
        if not self._console.is_terminal:
            self.say(stamped)

    def say(self, text: str) -> None:
        """Print one line as it is."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    async def show(self, demo: Demo) -> None:
        """Show the demo until cancelled."""
        board = Board(demo, self._events, self._began_s)
        live = Live(console=self._console, auto_refresh=False, transient=True)
        is_live = self._console.is_terminal
        context: AbstractContextManager[object] = live if is_live else nullcontext()
        with context:
            while True:
                await asyncio.sleep(LIVE_INTERVAL_S if is_live else PLAIN_INTERVAL_S)
                moment = board.moment(time.monotonic())
                if is_live:
                    live.update(table(moment), refresh=True)
                else:
                    self.say(plain_line(moment))


def plain_line(moment: Moment) -> str:
    """Return a moment as one line."""
    stores = [
        f"{row.store} {row.agreed}/{row.skus} true, {_number(row.facts_per_s)} facts/s,"
        f" outbox {_number(row.outbox)}, web {_orders(row.shop)}"
        for row in moment.rows
    ]
    return "; ".join([f"{moment.elapsed_s:5.1f} s  {moment.phase}", *stores, _latency(moment)])


def table(moment: Moment) -> Group:
    """Return a moment as a table and lines below it."""
    rows = Table(title=f"Stocktruth demo, {moment.phase}, {moment.elapsed_s:.0f} s")
    for column in COLUMNS:
        rows.add_column(column, justify="left" if column in ("store", "agent") else "right")
    for row in moment.rows:
        rows.add_row(
            row.store,
            row.agent,
            str(row.skus),
            str(row.on_hand),
            _number(row.facts_per_s),
            _number(row.outbox),
            f"{row.agreed}/{row.skus}",
            str(row.shop.held),
            str(row.shop.confirmed),
            str(row.shop.shipped),
            str(row.shop.short),
        )
    lines = [f"till → WMS subscriber: {_latency(moment)}"]
    lines += [f"reorder  {reorder}" for reorder in moment.reorders]
    lines += moment.events
    return Group(rows, *(Text(line) for line in lines))


def _latency(moment: Moment) -> str:
    if moment.p50_ms is None or moment.p99_ms is None:
        return "no sale heard yet"
    waiting = f", {moment.sales_waiting} on their way" if moment.sales_waiting else ""
    return f"p50 {moment.p50_ms:.0f} ms, p99 {moment.p99_ms:.0f} ms ({moment.sales} sales{waiting})"


def _orders(shop: ShopCounts) -> str:
    return (
        f"{shop.held} held, {shop.confirmed} confirmed, {shop.shipped} shipped, {shop.short} short"
    )


def _number(value: float | None) -> str:
    if value is None:
        return "?"
    return str(value) if isinstance(value, int) else f"{value:.1f}"
