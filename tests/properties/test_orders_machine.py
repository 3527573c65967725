"""Orders at once across locations, with sales, time and crashes between any two of their steps.

The real desk and the real shard, over a journal in memory. `OrderWorld` checks at every commit that
nothing is oversold and that an order is whole when it is held; here the rest is checked: every
order ends, nothing stays held for an order that has ended, one key is one order, and at the end
nothing is left and the journal replays to the same.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable
from itertools import accumulate
from typing import Any, Literal, NamedTuple

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from cloud.commands.reservations import HandOver, Release, Reserve, ReserveLine
from cloud.journal.verify import verify
from cloud.orders.requests import OrderRequest
from cloud.records.order import LIVE, UNCONFIRMED, Order
from cloud.sku_location.refusal import Refused
from tests.order_world import (
    DAY_MS,
    GTINS,
    HOUR_MS,
    MINUTE_MS,
    STORES,
    Crashed,
    OrderWorld,
    request,
)
from tests.properties.counting import LONG, CountedMachine

ORDERS_MAX = 6
STRANGER = "else"


class Sale(NamedTuple):
    store: str
    gtin: str
    quantity: int


class Wait(NamedTuple):
    ms: int


class Crash(NamedTuple):
    after_commit: bool


Between = Sale | Wait | Crash


class Call(NamedTuple):
    """What a channel, or a store, does about the order of this number."""

    what: Literal["place", "await", "confirm", "release", "extend", "ship", "give_back", "notices"]
    order: int


stores, gtins = st.sampled_from(STORES), st.sampled_from(GTINS)
sales = st.builds(Sale, stores, gtins, st.integers(1, 3))
waits = st.builds(Wait, st.sampled_from([1_000, 20 * MINUTE_MS, 2 * HOUR_MS]))
happenings = sales | sales | waits | st.builds(Crash, st.booleans())
betweens = st.lists(st.tuples(st.integers(1, 4), happenings), max_size=5)
calls = st.builds(
    Call,
    st.sampled_from(
        ["place", "place", "await", "confirm", "release", "extend", "ship", "give_back", "notices"]
    ),
    st.integers(0, ORDERS_MAX - 1),
)
baskets = st.dictionaries(gtins, st.integers(1, 3), min_size=1)
methods = st.sampled_from(["ship", "ship", "ship", "collect"])


@st.composite
def requests(draw: st.DrawFn) -> dict[str, Any]:
    method = draw(methods)
    return {
        "lines": draw(baskets),
        "method": method,
        "collect_at": STORES[0] if method == "collect" else "",
        "allow_split": draw(st.sampled_from([True, True, False])),
        "hold_minutes": draw(st.sampled_from([1, 30, 600])),
    }


async def together(works: list[Awaitable[None]]) -> bool:
    """Do all at once; say whether the process died. Then none of them has gone on."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        await asyncio.gather(*tasks)
    except Crashed:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return True
    return False


class OrdersMachine(CountedMachine):
    """Channels call the desk with a key a call, and again after a crash."""

    def __init__(self) -> None:
        super().__init__()
        self.world = OrderWorld()
        self.wanted: list[OrderRequest] = []
        self.placed: dict[int, int] = {}
        """When each order was first answered as placed: it is never another one."""

    @initialize(
        quantities=st.lists(st.integers(0, 4), min_size=6, max_size=6),
        wanted=st.lists(requests(), min_size=ORDERS_MAX, max_size=ORDERS_MAX),
    )
    def open_stores(self, quantities: list[int], wanted: list[dict[str, Any]]) -> None:
        places = [(store, gtin) for store in STORES for gtin in GTINS]
        for (store, gtin), quantity in zip(places, quantities, strict=True):
            self.world.stock(store, quantity, gtin)
        self.wanted = [self._request(*each) for each in enumerate(wanted)]

    def _request(self, number: int, fields: dict[str, Any]) -> OrderRequest:
        minutes = fields.pop("hold_minutes")
        assert isinstance(minutes, int)
        expires_at_ms = self.world.now_ms + minutes * MINUTE_MS
        return request(f"o{number}", expires_at_ms=expires_at_ms, **fields)

    @rule(store=stores, gtin=gtins, quantity=st.integers(1, 4))
    def goods_arrive(self, store: str, gtin: str, quantity: int) -> None:
        self.world.stock(store, quantity, gtin)

    @rule(sale=sales)
    def somebody_buys(self, sale: Sale) -> None:
        self.world.sell(sale.store, sale.quantity, sale.gtin)
        self._be_told()

    @rule(store=stores, gtin=gtins, order=st.integers(0, ORDERS_MAX - 1), number=st.integers(1, 4))
    def somebody_takes_a_parcels_name(self, store: str, gtin: str, order: int, number: int) -> None:
        reserve = Reserve(
            store=store,
            reservation_id=f"{self.wanted[order].order_id}.{number}",
            order_id=STRANGER,
            channel="web",
            lines=[ReserveLine(gtin=gtin, quantity=1)],
            expires_at_ms=0,
        )
        self.world.answer(reserve)

    @rule(wait=waits)
    def time_passes(self, wait: Wait) -> None:
        self.world.now_ms += wait.ms
        self.world.run(self.world.desk.sweep())

    @rule(wave=st.lists(calls, min_size=1, max_size=4), between=betweens)
    def channels_call(self, wave: list[Call], between: list[tuple[int, Between]]) -> None:
        self._let_in(between)
        has_crashed = self.world.run(together([self._call(call) for call in wave]))
        self.world.undisturbed()
        if has_crashed:
            self.world.restart()
            self.world.run(self.world.desk.resume())
        self._be_told()

    def _be_told(self) -> None:
        self.world.run(self._pass_on_notices())
        # The keeper sweeps every second; what is past its deadline is not left lying about.
        self.world.run(self.world.desk.sweep())

    def _let_in(self, between: list[tuple[int, Between]]) -> None:
        steps = accumulate((gap for gap, _ in between), initial=self.world.steps)
        at = dict(zip(list(steps)[1:], (happening for _, happening in between), strict=True))

        def before(step: int) -> None:
            happening = at.get(step)
            if isinstance(happening, Sale):
                self.world.sell(happening.store, happening.quantity, happening.gtin)
            elif isinstance(happening, Wait):
                self.world.now_ms += happening.ms
            elif happening == Crash(after_commit=False):
                raise Crashed

        def after(step: int) -> None:
            if at.get(step) == Crash(after_commit=True):
                raise Crashed

        self.world.before_step, self.world.after_step = before, after

    async def _call(self, call: Call) -> None:
        desk, wanted = self.world.desk, self.wanted[call.order]
        name, key = wanted.order_id, f"{call.what}-{call.order}"
        if call.what == "place":
            self._note_answer(call.order, await desk.place(wanted, key))
        elif call.what == "await":
            await desk.await_payment(name, self.world.now_ms + HOUR_MS, "")
        elif call.what == "extend":
            await desk.extend(name, self.world.now_ms + HOUR_MS, "")
        elif call.what == "confirm":
            await desk.confirm(name, key)
        elif call.what == "release":
            await desk.release(name, key)
        elif call.what == "notices":
            await self._pass_on_notices()
        else:
            await self._handle(call)

    def _note_answer(self, number: int, answer: Order | Refused) -> None:
        if isinstance(answer, Order):
            created_at_ms = self.placed.setdefault(number, answer.created_at_ms)
            assert answer.created_at_ms == created_at_ms
        else:
            assert number not in self.placed, "an order that was placed is not refused later"

    async def _handle(self, call: Call) -> None:
        """Let a store do something with the first parcel that is still there."""
        command = HandOver if call.what == "ship" else Release
        for reservation in self.world.reservations(self.wanted[call.order].order_id):
            if reservation.is_open:
                self.world.answer(command(store=reservation.store, reservation_id=reservation.id))
                own = self.world.reservations(reservation.order_id)
                await self.world.desk.on_reservations(own)
                return

    async def _pass_on_notices(self) -> None:
        notices = list(self.world.notices)
        self.world.notices.clear()
        await self.world.desk.on_notices(notices)

    @invariant()
    def every_order_is_at_rest(self) -> None:
        for order in self.world.orders():
            assert order.status != "placing"
            assert not order.is_settling
            open_here = [each for each in self.world.reservations(order.id) if each.is_open]
            assert bool(open_here) == (order.status in LIVE), f"{order.status}: {open_here}"

    @invariant()
    def one_key_is_one_order(self) -> None:
        for order in self.world.orders():
            promised: Counter[str] = Counter()
            for reservation in self.world.reservations(order.id):
                for line in reservation.lines:
                    promised[line.gtin] += line.held + line.fulfilled
            for wanted in order.lines:
                assert promised[wanted.gtin] <= wanted.quantity - wanted.short

    def teardown(self) -> None:
        """Let all time pass, and give back what is confirmed: nothing must be left."""
        world = self.world
        world.now_ms += 30 * DAY_MS
        world.run(world.desk.sweep())
        assert all(order.status not in UNCONFIRMED for order in world.orders())
        for order in world.orders():
            if order.status in LIVE:
                assert isinstance(world.run(world.desk.release(order.id, "")), Order)
        for reservation in world.reservations(STRANGER):
            if reservation.is_open:
                world.answer(Release(store=reservation.store, reservation_id=reservation.id))
        assert world.held() == {}
        assert not any(order.is_open for order in world.orders())
        report = verify(world.journal)
        assert report.difference_count == 0, report.differences


TestOrders = OrdersMachine.TestCase
TestOrders.settings = LONG
