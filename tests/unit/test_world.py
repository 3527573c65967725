"""The simulated store keeps its own books: goods are conserved and its truth closes."""

from collections import Counter
from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from protocol.ids import Gtin, gtin_of_tag, parse_gtin
from simulators.scenario import Scenario, articles, new_world
from simulators.world.agenda import Agenda
from simulators.world.happenings import (
    DockPassed,
    Occasion,
    PostVoid,
    Receipt,
    Refund,
    Sale,
    TruthLedger,
)
from simulators.world.settings import (
    DwellSettings,
    GoodsSettings,
    ShopperSettings,
    TillSettings,
    WorldSettings,
)
from simulators.world.store import StoreWorld

DAY_MS = 20_000
BUSY = ShopperSettings(per_minute=600.0, returns_per_minute=120.0, put_back_rate=0.3, pick_ms=100)


def scenario(seed: int, skus: int = 30, void_rate: float = 0.2) -> Scenario:
    world = WorldSettings(
        goods=GoodsSettings(skus=skus, scale_shelves=2),
        shoppers=BUSY,
        tills=TillSettings(void_rate=void_rate, transaction_ms=50),
    )
    return Scenario(seed=seed, world=world)


def live(
    world: StoreWorld, step_ms: int, look: Callable[[int], None] = lambda _: None
) -> list[Occasion]:
    """Live a day with reorders for what runs low, and close the doors behind it."""
    occasions: list[Occasion] = []
    world.open_doors(0)
    for now_ms in range(0, DAY_MS + 1, step_ms):
        occasions += world.advance(now_ms)
        if now_ms % 2_000 == 0:
            reorder_what_runs_low(world, now_ms)
        look(now_ms)
    world.close_doors()
    occasions += world.advance(10 * DAY_MS)
    look(10 * DAY_MS)
    return occasions


def reorder_what_runs_low(world: StoreWorld, now_ms: int) -> None:
    for gtin, ledger in world.truth.items():
        if ledger.on_hand < 4:
            world.reorder(f"{gtin}-{now_ms}", gtin, 6, now_ms)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), step_ms=st.sampled_from([20, 50, 100, 1_000]))
def test_the_same_seed_gives_the_same_day_however_time_is_cut(seed: int, step_ms: int) -> None:
    fine = live(new_world(scenario(seed)), 10)
    assert live(new_world(scenario(seed)), step_ms) == fine


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_what_happened_explains_the_truth_and_nothing_else_does(seed: int) -> None:
    world = new_world(scenario(seed))
    books = {gtin: ledger.opening for gtin, ledger in world.truth.items()}
    for happening, truth in live(world, 100):
        sign = -1 if isinstance(happening, Sale) else 1
        for line in happening.lines:
            books[line.gtin] += sign * line.quantity
        for gtin, ledger in truth.items():
            assert ledger.on_hand == books[gtin]
    assert {gtin: ledger.on_hand for gtin, ledger in world.truth.items()} == books
    assert all(on_hand >= 0 for on_hand in books.values())


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_tagged_units_in_the_store_are_the_true_count_at_every_moment(seed: int) -> None:
    world = new_world(scenario(seed, void_rate=0.0))
    tagged = {sku.gtin for sku in articles(scenario(seed)) if sku.is_tagged}

    def look(_now_ms: int) -> None:
        inside = Counter(gtin_of_tag(e) for e in world.tags_at("backroom", "sales_floor", "basket"))
        assert {gtin: inside[gtin] for gtin in tagged} == on_hand_of(world, tagged)

    live(world, 100, look)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_units_are_conserved_and_each_is_in_one_place(seed: int) -> None:
    world = new_world(scenario(seed))
    live(world, 100)
    epcs = [unit.epc for unit in world.stock.units()]
    assert len(epcs) == len(set(epcs))
    made = Counter(unit.gtin for unit in world.stock.units())
    for sku in world.stock.skus.values():
        ledger = world.truth[sku.gtin]
        if sku.is_tagged:
            assert made[sku.gtin] == ledger.opening + ledger.received
        else:
            # Nobody holds anything any more, so all there is lies on the shelf.
            assert world.stock.shelf_quantity(sku.gtin) == ledger.on_hand


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_a_tag_stays_where_a_reader_must_see_it(seed: int) -> None:
    world = new_world(scenario(seed))
    dwell = DwellSettings()
    least_ms = {
        "dock_outside": dwell.portal_ms,
        "dock_inside": dwell.portal_ms,
        "backroom": dwell.backroom_ms,
    }
    seen = {unit.epc: (unit.place, unit.since_ms) for unit in world.stock.units()}

    def look(_now_ms: int) -> None:
        for unit in world.stock.units():
            place, since_ms = seen.get(unit.epc, (unit.place, unit.since_ms))
            if unit.place != place:
                assert unit.since_ms - since_ms >= least_ms.get(place, 0)
            seen[unit.epc] = (unit.place, unit.since_ms)

    live(world, 10, look)


def test_a_busy_day_has_everything_in_it() -> None:
    kinds = Counter(type(occasion.happening) for occasion in live(new_world(scenario(7)), 100))
    assert set(kinds) == {Sale, Refund, PostVoid, Receipt, DockPassed}


def test_a_post_void_follows_its_sale_with_no_other_sale_of_that_till_between() -> None:
    latest: dict[int, int] = {}
    for happening, _ in live(new_world(scenario(3)), 100):
        if isinstance(happening, Sale):
            latest[happening.till] = happening.number
        elif isinstance(happening, PostVoid):
            assert latest[happening.till] == happening.sale
        elif isinstance(happening, Refund):
            assert happening.sale in range(1, max(latest.values()) + 1)


def test_a_reorder_is_answered_once_however_often_it_is_heard() -> None:
    world = new_world(scenario(1))
    gtin = next(iter(world.truth))
    assert not world.reorder("S001-1", gtin, 5, 0), "the warehouse is closed"
    world.open_doors(0)
    assert world.reorder("S001-1", gtin, 5, 0)
    assert not world.reorder("S001-1", gtin, 5, 10)
    assert not world.reorder("S001-2", Gtin("00000000000000"), 5, 10)
    world.close_doors()
    world.advance(60_000)
    assert world.truth[gtin].received == 5


def test_a_store_is_still_when_the_last_shopper_and_delivery_have_finished() -> None:
    world = new_world(scenario(1))
    world.open_doors(0)
    world.reorder("S001-1", next(iter(world.truth)), 5, 0)
    world.advance(2_000)
    world.close_doors()
    still_at_ms = next(
        at for at in range(2_000, 60_000, 100) if not world.advance(at) and world.is_still
    )
    assert still_at_ms > 2 * DwellSettings().portal_ms
    assert not world.advance(120_000), "nothing happens in a store that is still"


def test_a_delivery_larger_than_a_pallet_arrives_whole() -> None:
    quiet = ShopperSettings(per_minute=0.0, returns_per_minute=0.0)
    world = new_world(replace(scenario(1), world=WorldSettings(shoppers=quiet)))
    gtin = next(sku.gtin for sku in world.stock.skus.values() if sku.is_tagged)
    world.open_doors(0)
    world.reorder("S001-1", gtin, 95, 0)
    world.close_doors()
    occasions = world.advance(60_000)
    assert [occasion.truth[gtin].received for occasion in occasions] == [40, 80, 95]


def test_articles_have_valid_gtins_and_tags_that_say_so() -> None:
    world = new_world(scenario(1, skus=300))
    for gtin in world.truth:
        assert parse_gtin(gtin) == gtin
    for unit in world.stock.units():
        assert gtin_of_tag(unit.epc) == unit.gtin


def test_stores_of_a_chain_sell_the_same_articles_under_different_tags() -> None:
    first = new_world(replace(scenario(1), store="S001", number=0))
    second = new_world(replace(scenario(1), store="S002", number=1))
    assert set(first.truth) == set(second.truth)
    tags = [{unit.epc for unit in world.stock.units()} for world in (first, second)]
    assert not tags[0] & tags[1]


def test_opening_counts_are_of_untagged_goods_only() -> None:
    world = new_world(scenario(1))
    count = world.opening_count(5)
    assert count is not None
    untagged = {sku.gtin for sku in world.stock.skus.values() if not sku.is_tagged}
    assert {line.gtin for line in count.lines} == untagged
    assert all(line.quantity == world.truth[line.gtin].opening for line in count.lines)


def test_a_shelf_scale_bears_what_lies_on_its_shelf() -> None:
    world = new_world(scenario(1))
    for shelf, sku in world.shelves.items():
        expected_g = world.truth[sku.gtin].on_hand * sku.item_weight_g
        assert world.shelf_load_g(shelf) == expected_g


def test_speed_makes_more_happen_and_shortens_no_dwell() -> None:
    slow, fast = WorldSettings(), WorldSettings().at_speed(4.0)
    assert fast.dwell == slow.dwell
    assert fast.shoppers.per_minute == 4 * slow.shoppers.per_minute
    assert fast.deliveries.lead_time_ms * 4 == slow.deliveries.lead_time_ms


def test_a_truth_ledger_closes() -> None:
    assert TruthLedger(opening=5, received=3, returned=1, sold=4).on_hand == 5


def test_an_agenda_keeps_the_order_of_equal_times() -> None:
    done: list[str] = []
    agenda = Agenda()
    agenda.at(5, lambda _: done.append("first"))
    agenda.at(5, lambda _: done.append("second"))
    agenda.at(3, lambda at_ms: agenda.at(at_ms, lambda _: done.append("added")))
    agenda.at(9, lambda _: done.append("later"), routine=True)
    agenda.run(5)
    assert done == ["added", "first", "second"]
    assert agenda.is_finished
    assert agenda.next_due_ms == 9


@pytest.mark.parametrize("number", [-1, 1_000])
def test_a_store_number_beyond_its_serial_numbers_is_refused(number: int) -> None:
    with pytest.raises(ValueError, match="store number"):
        StoreWorld(WorldSettings(), number, articles(scenario(1)), Random(1))


def on_hand_of(world: StoreWorld, gtins: set[Gtin]) -> dict[Gtin, int]:
    return {gtin: world.truth[gtin].on_hand for gtin in gtins}
