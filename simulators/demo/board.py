"""What a demo looks like at one moment: one row for each store, and what concerns all. Pure."""

from collections import deque
from collections.abc import Iterable
from typing import Final, NamedTuple

from msgspec.structs import replace

from protocol.documents import AgentDocument
from simulators.demo.demo import Demo
from simulators.web_shop.counts import ShopCounts

RATE_WINDOW_S: Final = 5.0
EVENTS_SHOWN_MAX: Final = 4


class Row(NamedTuple):
    """One store. `facts_per_s` and `outbox` are what its agent says; `None` before it spoke."""

    store: str
    agent: str
    skus: int
    on_hand: int
    facts_per_s: float | None
    outbox: int | None
    agreed: int
    shop: ShopCounts = ShopCounts()


class Moment(NamedTuple):
    """Everything worth showing at one moment."""

    phase: str
    elapsed_s: float
    rows: tuple[Row, ...]
    p50_ms: float | None
    p99_ms: float | None
    sales: int
    sales_waiting: int
    reorders: tuple[str, ...]
    events: tuple[str, ...]


class Board:
    """Turns a demo's state into moments. Times are seconds of one monotonic clock."""

    def __init__(self, demo: Demo, events: Iterable[str], began_s: float) -> None:
        self._demo = demo
        self._events = events
        self._began_s = began_s
        self._counted: dict[str, deque[tuple[float, int]]] = {}
        self._facts: dict[str, tuple[AgentDocument, int]] = {}

    def moment(self, now_s: float) -> Moment:
        """Return what to show now."""
        demo = self._demo
        reorders = [
            f"{each.gtin}@{each.store} {each.status} {each.quantity} {each.measure}"
            for each in demo.heard.reorders
        ]
        return Moment(
            phase=demo.phase,
            elapsed_s=now_s - self._began_s,
            rows=tuple(self._row(name, now_s) for name in demo.site.stores),
            p50_ms=demo.latency.percentile_ms(50),
            p99_ms=demo.latency.percentile_ms(99),
            sales=demo.latency.count,
            sales_waiting=demo.latency.waiting,
            reorders=tuple(reversed(reorders)),
            events=tuple(self._events)[-EVENTS_SHOWN_MAX:],
        )

    def _row(self, name: str, now_s: float) -> Row:
        store, shop = self._demo.site.stores[name], self._demo.web_shop
        heard = [
            self._demo.heard.states[key] for key in store.truth if key in self._demo.heard.states
        ]
        document = self._demo.heard.agents.get(name)
        return Row(
            store=name,
            agent="unheard" if document is None else document.status,
            skus=len(store.truth),
            on_hand=sum(state.on_hand for state in heard if state.measure == "units"),
            facts_per_s=None if document is None else self._rate(name, document, now_s),
            outbox=None if document is None else document.outbox_pending,
            agreed=self._demo.verdict_of(store).agreed,
            shop=ShopCounts() if shop is None else replace(shop.counts_at(name)),
        )

    def _rate(self, name: str, document: AgentDocument, now_s: float) -> float:
        """Return facts a second over the last documents, whose counters restart with the agent."""
        facts = sum(device.facts for device in document.devices)
        before, total = self._facts.get(name, (document, 0))
        last = sum(device.facts for device in before.devices)
        total += facts - last if facts >= last else facts
        self._facts[name] = (document, total)
        counted = self._counted.setdefault(name, deque())
        counted.append((now_s, total))
        while len(counted) > 2 and counted[1][0] <= now_s - RATE_WINDOW_S:
            counted.popleft()
        elapsed_s = now_s - counted[0][0]
        return (total - counted[0][1]) / elapsed_s if elapsed_s > 0 else 0.0
