"""The simulated web shop against the real API: what it sends has left, what is gone is given up."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest

from cloud.api.access import TokenEntry, Tokens, new_token
from cloud.assembly import headless
from cloud.config import ApiSettings
from cloud.journal.sqlite_reader import SqliteReader
from cloud.shards.on_pykka import HostedShard
from protocol.facts import AnyFact
from simulators.api_client.documents import LineAsked, ReservationState, ReserveAsked
from simulators.api_client.http import BaseUrl, HttpConnection
from simulators.api_client.operations import add_rule, remove_rule, until_healthy
from simulators.audit.grants import Witness
from simulators.audit.report import audit_file
from simulators.errors import ApiRefused
from simulators.web_shop.counts import ShopCounts
from simulators.web_shop.customers import Customers, WebShopSettings
from simulators.web_shop.desk import ShopDesk
from simulators.web_shop.fulfilment import Fulfilment, held_of
from simulators.web_shop.shop import CHANNEL, WebShop
from tests.brokers import wait_for
from tests.shard_inputs import EPOCH, GTIN, OTHER_GTIN, STORE, batch, counted, sold


class Shelf:
    """Associates of a store with some goods; `before_ship` happens when a parcel is ready."""

    def __init__(self, goods: Mapping[str, int]) -> None:
        self.goods = dict(goods)
        self.packed: dict[str, dict[str, int]] = {}
        self.shipped: dict[str, int] = {}
        self.about_to_ship = 0

    async def pick(self, order: str, lines: dict[str, int]) -> dict[str, int]:
        found = {gtin: min(units, self.goods.get(gtin, 0)) for gtin, units in lines.items()}
        for gtin, units in found.items():
            self.goods[gtin] = self.goods.get(gtin, 0) - units
        self.packed[order] = found
        return found

    def shipping(self, lines: Mapping[str, int]) -> None:
        self.about_to_ship += sum(lines.values())

    def not_shipped(self, lines: Mapping[str, int]) -> None:
        self.about_to_ship -= sum(lines.values())

    async def ship(self, order: str, lines: dict[str, int]) -> None:
        self.about_to_ship -= sum(lines.values())
        for gtin, units in lines.items():
            self.packed[order][gtin] -= units
            self.shipped[gtin] = self.shipped.get(gtin, 0) + units
        self.unpack(order)

    def unpack(self, order: str) -> None:
        for gtin, units in self.packed.pop(order).items():
            self.goods[gtin] = self.goods.get(gtin, 0) + units


DEADLINE_S = 15.0


class Rig(NamedTuple):
    """A cloud without a broker, and a desk at its API."""

    shard: HostedShard
    server: BaseUrl
    token: str
    desk: ShopDesk
    witness: Witness
    journal: Path

    def tell(self, first_seq: int, *facts: AnyFact) -> None:
        assert self.shard.offer(batch(first_seq, list(facts)))
        through_seq = first_seq + len(facts) - 1
        with closing(SqliteReader(self.journal)) as reader:
            wait_for(
                lambda: reader.watermark(STORE, EPOCH) >= through_seq,
                DEADLINE_S,
                "the facts are committed",
            )

    async def reserved(self, key: str, **lines: int) -> ReservationState:
        asked = ReserveAsked(
            location=STORE,
            channel=CHANNEL,
            order_id=key,
            lines=[LineAsked(gtin=GTINS[name], quantity=units) for name, units in lines.items()],
        )
        reply = await self.desk.reserve(asked, key)
        assert reply.reservation is not None, reply
        return reply.reservation


GTINS = {"coat": GTIN, "hat": OTHER_GTIN}


@asynccontextmanager
async def rig_in(folder: Path) -> AsyncIterator[Rig]:
    token, digest = new_token()
    entry = TokenEntry(name="shop", sha256=digest, roles=["channel", "store", "wms", "ops"])
    settings = ApiSettings(tokens_file="", port=0, requests_per_minute=1_000_000)
    journal = folder / "journal.db"
    async with headless(journal, settings, Tokens([entry])) as (shard, server):
        address = BaseUrl("127.0.0.1", server.port)
        witness = Witness()
        desk = ShopDesk(address, token, 4, witness)
        try:
            operator = HttpConnection(address, token)
            await until_healthy(operator)
            operator.abort()
            yield Rig(shard, address, token, desk, witness, journal)
        finally:
            desk.close()


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with rig_in(tmp_path) as made:
        made.tell(1, counted(5), counted(4, OTHER_GTIN))
        yield made


async def test_a_paid_order_is_picked_shipped_and_gone(rig: Rig) -> None:
    shelf, counts = Shelf({GTIN: 5, OTHER_GTIN: 4}), ShopCounts()
    state = await rig.reserved("k1", coat=2, hat=1)
    await Fulfilment(rig.desk, shelf, counts).fulfil(state, "k1")
    end = await rig.desk.look_up(state)
    assert (end.status, held_of(end)) == ("fulfilled", {})
    assert shelf.shipped == {GTIN: 2, OTHER_GTIN: 1}
    assert counts == ShopCounts(shipped=1, units_shipped=3)
    (stock,) = await rig.desk.read(lambda api: api.availability(CHANNEL, STORE, [GTIN]))
    assert stock.available == 3


async def test_what_is_not_on_the_shelf_is_given_back_and_counted_short(rig: Rig) -> None:
    shelf, counts = Shelf({GTIN: 1}), ShopCounts()
    state = await rig.reserved("k1", coat=2, hat=1)
    await Fulfilment(rig.desk, shelf, counts).fulfil(state, "k1")
    end = await rig.desk.look_up(state)
    assert {line.gtin: (line.fulfilled, line.released) for line in end.lines} == {
        GTIN: (1, 1),
        OTHER_GTIN: (0, 1),
    }
    assert counts == ShopCounts(shipped=1, short=1, units_shipped=1, units_short=2)
    assert shelf.shipped == {GTIN: 1}


async def test_an_order_of_which_nothing_is_there_ends_with_nothing_packed(rig: Rig) -> None:
    shelf, counts = Shelf({}), ShopCounts()
    state = await rig.reserved("k1", coat=2)
    await Fulfilment(rig.desk, shelf, counts).fulfil(state, "k1")
    assert (await rig.desk.look_up(state)).status == "released"
    assert counts == ShopCounts(short=1, units_short=2)
    assert (shelf.packed, shelf.about_to_ship) == ({}, 0)


async def test_goods_that_a_till_has_sold_are_put_back_and_not_shipped(rig: Rig) -> None:
    shelf, counts = Shelf({GTIN: 5}), ShopCounts()
    state = await rig.reserved("k1", coat=5)

    class Busy(Shelf):
        """While an associate packs, the tills sell four."""

        async def pick(self, order: str, lines: dict[str, int]) -> dict[str, int]:
            rig.tell(3, sold(4))
            while (await rig.desk.look_up(state)).lines[0].short < 4:
                pass
            return await super().pick(order, lines)

    shelf = Busy({GTIN: 5})
    await Fulfilment(rig.desk, shelf, counts).fulfil(state, "k1")
    assert shelf.shipped == {GTIN: 1}
    assert shelf.goods == {GTIN: 4}
    assert counts == ShopCounts(shipped=1, short=1, units_shipped=1, units_short=4)


async def test_a_rule_hides_stock_and_can_be_taken_away(rig: Rig) -> None:
    operator = HttpConnection(rig.server, rig.token)

    async def available() -> int:
        (stock,) = await rig.desk.read(lambda api: api.availability(CHANNEL, STORE, [GTIN]))
        return stock.available

    assert await available() == 5
    await add_rule(operator, "last-two", CHANNEL, [STORE], 2)
    assert await available() == 3
    await remove_rule(operator, "last-two")
    assert await available() == 5
    operator.abort()


async def test_a_token_that_is_unknown_ends_the_shop(rig: Rig) -> None:
    desk = ShopDesk(rig.server, "wrong", 1)
    with pytest.raises(ApiRefused, match="401"):
        await desk.read(lambda api: api.availability(CHANNEL, STORE, [GTIN]))
    desk.close()


async def test_a_shop_sells_until_closed_and_never_more_than_allowed(rig: Rig) -> None:
    operator = HttpConnection(rig.server, rig.token)
    await add_rule(operator, "last-one", CHANNEL, [STORE], 1)
    operator.abort()
    settings = WebShopSettings(orders_per_minute=6_000.0, hold_s=1, think_s_max=0.01)
    shelf = Shelf({GTIN: 5, OTHER_GTIN: 4})

    class UntilSoldOut(Shelf):
        """Closes the shop when the rules allow no more."""

        async def ship(self, order: str, lines: dict[str, int]) -> None:
            await super().ship(order, lines)
            if sum(self.shipped.values()) >= 7:
                shop.close()

    shelf = UntilSoldOut({GTIN: 5, OTHER_GTIN: 4})
    shop = WebShop(
        rig.desk,
        settings,
        Customers(settings, Random(1)),
        {STORE: [GTIN, OTHER_GTIN]},
        {STORE: shelf},
        "web",
    )
    await shop.run()
    assert shop.at_rest.is_set()
    assert shelf.shipped == {GTIN: 4, OTHER_GTIN: 3}
    counts = shop.counts[STORE]
    assert (counts.held, counts.confirmed, counts.units_shipped) == (0, 0, 7)
    report = audit_file(rig.journal, rig.witness, {CHANNEL: 1})
    assert report.named == []
    assert report.grants == len(rig.witness.told)
    wrong = audit_file(rig.journal, rig.witness, {CHANNEL: 2})
    assert not wrong.is_clean, "the auditor knows how much the rules hid"
