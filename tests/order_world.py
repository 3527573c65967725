"""A whole cloud for orders without threads or time: a real shard over a journal in memory.

Between any two steps of an order others may get in: sales at tills, time, a crash. Whatever
happens, every commit is checked: nothing oversold, every ledger closed, every order whole when it
is held.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any, TypeVar

import msgspec

from cloud.commands import AnyCommand
from cloud.commands.documents import DocumentKind, SetDocument
from cloud.journal.memory import MemoryJournal
from cloud.journal.port import Journal, JournalReader
from cloud.journal.rows import states_of
from cloud.orders.desk import OrderDesk
from cloud.orders.documents import RoutingDocument
from cloud.orders.reading import Found, find_order
from cloud.orders.requests import OrderRequest, WantedLine
from cloud.orders.stock_router import StockRouter
from cloud.records import decode_record
from cloud.records.notice import Notice
from cloud.records.order import Order
from cloud.records.reservation import Reservation
from cloud.rules import Buffer, Explanation
from cloud.shards.messages import Committed, Done, ShardInput, Submitted
from cloud.shards.shard import Shard
from cloud.sku_location.decide import LOGIC_ERA
from cloud.sku_location.refusal import Refused
from cloud.sku_location.state import SkuLocation, holds_add_up, ledger_closes
from protocol.facts import StockFact
from protocol.ids import CLOUD_STORE_ID
from tests.shard_inputs import GTIN, NOW_MS, OTHER_GTIN, batch, received, sold

T = TypeVar("T")

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
STORES = ("S001", "S002", "S003")
ORDER_NOTICES = ("reservation_short", "order_rerouted", "order_short")
GTINS = (GTIN, OTHER_GTIN)


class Crashed(BaseException):
    """The process died here: nobody handles that."""


class NothingHidden:
    """No rules."""

    def explained(
        self, states: Iterable[SkuLocation], channel: str, ship_by_ms: int, now_ms: int
    ) -> Iterator[Explanation]:
        del channel, ship_by_ms, now_ms
        for _ in states:
            yield Explanation(version=0, buffer=Buffer(quantity=0), rules=())


def nothing(_step: int) -> None:
    """Let nobody in between two steps."""


async def at_once(computation: Callable[[], T]) -> T:
    """Compute without a thread."""
    return computation()


class OrderWorld:
    """The journal is all that survives `restart`."""

    def __init__(self, journal: Journal | None = None) -> None:
        self.now_ms = NOW_MS
        self.journal = MemoryJournal() if journal is None else journal
        self.reader: JournalReader = self.journal
        self.before_step: Callable[[int], None] = nothing
        self.after_step: Callable[[int], None] = nothing
        self.steps = 0
        self.commands: list[AnyCommand] = []
        self.notices: list[Notice] = []
        self.told: list[Notice] = []
        """Notices that nobody has passed on to the desk yet, and all there ever were."""
        self.hidden = NothingHidden()
        self._seqs: Counter[str] = Counter()
        self._reserved: dict[tuple[str, str], int] = {}
        self._statuses: dict[str, str] = {}
        self.restart()

    def restart(self) -> None:
        """Lose everything that is not durable, and begin again."""
        self.undisturbed()
        owner_epoch = self.journal.take_ownership("0-of-1", LOGIC_ERA, self.now_ms)
        self.shard = Shard(self.journal, "0-of-1", owner_epoch)
        self.router = StockRouter(self.read, self.hidden, at_once)
        self.desk = OrderDesk(self.submit, self.read, self.router, lambda: self.now_ms)
        self.notices.clear()

    def undisturbed(self) -> None:
        """Let nobody in between steps from now on."""
        self.before_step = self.after_step = nothing

    def find(self, order_id: str) -> Found | None:
        """Return an order with its reservations."""
        return find_order(order_id)(self.reader)

    async def read(self, question: Callable[[JournalReader], T], /) -> T:
        await asyncio.sleep(0)
        return question(self.reader)

    async def submit(self, command: AnyCommand, /) -> Done | Refused:
        self.steps += 1
        step = self.steps
        self.before_step(step)
        await asyncio.sleep(0)
        (reply,) = self.commit(Submitted(ticket=step, command=command)).replies
        self.commands.append(command)
        self.after_step(step)
        await asyncio.sleep(0)
        return reply.answer

    def commit(self, *inputs: ShardInput) -> Committed:
        committed = self.shard.commit(inputs, self.now_ms)
        about_orders = [each for each in committed.notices if each.kind in ORDER_NOTICES]
        self.notices.extend(about_orders)
        self.told.extend(about_orders)
        self._check(committed)
        return committed

    def facts(self, store: str, *facts: StockFact) -> None:
        first_seq = self._seqs[store] + 1
        self._seqs[store] += len(facts)
        self.commit(batch(first_seq, facts, store=store))

    def stock(self, store: str, quantity: int, gtin: str = GTIN) -> None:
        if quantity:
            self.facts(store, received(quantity, gtin=gtin))

    def sell(self, store: str, quantity: int = 1, gtin: str = GTIN) -> None:
        self.facts(store, sold(quantity, gtin=gtin))

    def document(self, kind: DocumentKind, name: str, body: msgspec.Struct | bytes) -> None:
        encoded = body if isinstance(body, bytes) else msgspec.json.encode(body)
        command = SetDocument(store=CLOUD_STORE_ID, kind=kind, id=name, body=encoded)
        self.commit(Submitted(ticket=0, command=command))

    def routing(self, settings: RoutingDocument) -> None:
        self.document("routing", "default", settings)

    def run(self, work: Awaitable[T]) -> T:
        async def bounded() -> T:
            return await work

        return asyncio.run(bounded())

    def answer(self, command: AnyCommand) -> Done | Refused:
        """Carry out a command of somebody else, such as a store that ships."""
        (reply,) = self.commit(Submitted(ticket=0, command=command)).replies
        return reply.answer

    def orders(self) -> list[Order]:
        return [decode_record(Order, row.data) for row in self.journal.records(Order.KIND)]

    def order(self, order_id: str = "o1") -> Order:
        (order,) = (order for order in self.orders() if order.id == order_id)
        return order

    def reservations(self, order_id: str | None = None) -> list[Reservation]:
        rows = self.journal.records(Reservation.KIND)
        found = [decode_record(Reservation, row.data) for row in rows]
        return [each for each in found if order_id in (None, each.order_id)]

    def held(self) -> dict[tuple[str, str], int]:
        """What is reserved, by location and GTIN."""
        return {(s.store, s.gtin): s.reserved for s in self.states() if s.reserved}

    def states(self) -> list[SkuLocation]:
        return states_of(self.journal.states())

    def _check(self, committed: Committed) -> None:
        for state in self.states():
            assert ledger_closes(state)
            assert holds_add_up(state)
            key = (state.store, state.gtin)
            if state.reserved > self._reserved.get(key, 0):
                assert state.reserved <= state.on_hand - state.unavailable, f"oversold: {state}"
            self._reserved[key] = state.reserved
        for record in committed.records:
            if isinstance(record, Order):
                self._check_order(record)

    def _check_order(self, order: Order) -> None:
        if order.status == "held" and self._statuses.get(order.id) == "placing":
            granted = self._granted(order)
            assert all(granted[line.gtin] >= line.quantity for line in order.lines)
        self._statuses[order.id] = order.status

    def _granted(self, order: Order) -> Counter[str]:
        """Sum up what an order got, also what it lost or gave back at the last moment."""
        granted: Counter[str] = Counter()
        for reservation in self.reservations(order.id):
            for line in reservation.lines:
                granted[line.gtin] += line.quantity - line.expired
        return granted


def request(
    order_id: str = "o1", lines: dict[str, int] | None = None, **fields: Any
) -> OrderRequest:
    """Return a request for one piece, unless told otherwise."""
    wanted = [WantedLine(gtin=g, quantity=q) for g, q in (lines or {GTIN: 1}).items()]
    return msgspec.structs.replace(
        OrderRequest(order_id=order_id, channel="web", lines=wanted), **fields
    )
