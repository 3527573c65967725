"""Associates pack what is truly there, and what they pack leaves the store or goes back."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from protocol.ids import Gtin, gtin_of_tag
from simulators.scenario import articles, new_world
from simulators.world.associates import PATIENCE_MS
from simulators.world.goods import Place
from simulators.world.happenings import OrderPicked, OrderShipped
from simulators.world.settings import ShopperSettings
from simulators.world.store import StoreWorld
from tests.unit.test_world import scenario

LATER_MS = 60_000
IN_STORE: tuple[Place, ...] = ("backroom", "sales_floor", "basket", "packed")


def some_gtin(world: StoreWorld, *, is_tagged: bool) -> Gtin:
    skus = world.stock.skus.values()
    return next(s.gtin for s in skus if s.is_tagged is is_tagged and s.measure == "units")


def picked(world: StoreWorld, now_ms: int) -> dict[Gtin, int]:
    """Return what was packed until then, of the one order that is being picked."""
    (happening,) = [
        each.happening for each in world.advance(now_ms) if isinstance(each.happening, OrderPicked)
    ]
    lines: Counter[Gtin] = Counter()
    for line in happening.lines:
        lines[line.gtin] += line.quantity
    return dict(lines)


def test_what_is_packed_is_still_in_the_store_and_read_by_no_antenna() -> None:
    world = new_world(scenario(1))
    gtin = some_gtin(world, is_tagged=True)
    before = world.truth[gtin].on_hand
    world.pick_order("o1", {gtin: 2}, LATER_MS)
    assert picked(world, LATER_MS) == {gtin: 2}
    assert world.truth[gtin].on_hand == before
    assert [gtin_of_tag(epc) for epc in world.tags_at("packed")] == [gtin, gtin]


def test_what_is_shipped_has_left_and_what_is_not_is_back_on_the_floor() -> None:
    for is_tagged in (True, False):
        world = new_world(scenario(1))
        gtin = some_gtin(world, is_tagged=is_tagged)
        before = world.truth[gtin]
        world.pick_order("o1", {gtin: 3}, LATER_MS)
        assert picked(world, LATER_MS) == {gtin: 3}
        world.ship_order("o1", {gtin: 2}, LATER_MS)
        (occasion,) = world.advance(LATER_MS)
        assert isinstance(occasion.happening, OrderShipped)
        assert occasion.truth[gtin].sold == before.sold + 2
        assert world.truth[gtin].on_hand == before.on_hand - 2
        assert not world.tags_at("packed")
        world.pick_order("o2", {gtin: before.on_hand}, 2 * LATER_MS)
        rest = before.on_hand - 2
        on_floor = rest - len([e for e in world.tags_at("backroom") if gtin_of_tag(e) == gtin])
        assert picked(world, 3 * LATER_MS) == {gtin: on_floor}


def test_an_order_that_is_unpacked_changes_nothing() -> None:
    world = new_world(scenario(1))
    gtin = some_gtin(world, is_tagged=False)
    before, shelf = world.truth[gtin], world.stock.shelf_quantity(gtin)
    world.pick_order("o1", {gtin: 3}, 0)
    world.advance(0)
    world.ship_order("o1", {}, 0)
    assert world.advance(LATER_MS) == []
    assert (world.truth[gtin], world.stock.shelf_quantity(gtin)) == (before, shelf)


def test_an_order_waits_a_while_for_what_is_missing_and_is_then_picked_short() -> None:
    world = new_world(scenario(1))
    gtin = some_gtin(world, is_tagged=False)
    there = world.truth[gtin].on_hand
    world.pick_order("o1", {gtin: there + 1}, 0)
    assert world.advance(PATIENCE_MS - 1) == []
    assert not world.is_still
    assert picked(world, PATIENCE_MS + 1) == {gtin: there}
    assert world.is_still


def test_goods_that_staff_bring_meanwhile_are_packed() -> None:
    quiet = ShopperSettings(per_minute=0.0, returns_per_minute=0.0)
    settings_ = replace(scenario(1).world, shoppers=quiet)
    world = new_world(replace(scenario(1), world=settings_))
    gtin = some_gtin(world, is_tagged=True)
    everything = world.truth[gtin].on_hand
    assert any(gtin_of_tag(epc) == gtin for epc in world.tags_at("backroom"))
    world.open_doors(LATER_MS)
    world.pick_order("o1", {gtin: everything}, LATER_MS)
    assert picked(world, LATER_MS + PATIENCE_MS + 1) == {gtin: everything}


def test_an_order_for_goods_that_nobody_knows_is_picked_empty() -> None:
    world = new_world(scenario(1))
    world.pick_order("o1", {Gtin("00000000000000"): 1}, 0)
    assert picked(world, 0) == {}


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_packing_beside_shoppers_keeps_the_truth(seed: int) -> None:
    world = new_world(scenario(seed, void_rate=0.0))
    tagged = {sku.gtin for sku in articles(scenario(seed)) if sku.is_tagged}
    gtins = list(world.truth)
    world.open_doors(0)
    for number in range(200):
        now_ms = number * 100
        gtin = gtins[(seed + number) % len(gtins)]
        if number % 3 == 0:
            world.pick_order(f"o{number}", {gtin: 2}, now_ms)
        for occasion in world.advance(now_ms):
            if isinstance(occasion.happening, OrderPicked):
                order = occasion.happening
                shipped = {line.gtin: line.quantity for line in order.lines[: number % 2]}
                world.ship_order(order.order, shipped, now_ms)
        inside = Counter(gtin_of_tag(epc) for epc in world.tags_at(*IN_STORE))
        assert {g: inside[g] for g in tagged} == {g: world.truth[g].on_hand for g in tagged}
    assert all(ledger.on_hand >= 0 for ledger in world.truth.values())
