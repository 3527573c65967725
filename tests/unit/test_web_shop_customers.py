"""Customers of the simulated web shop are seeded, and order only what they were shown."""

from collections import Counter
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.web_shop.counts import ShopCounts, sum_of
from simulators.web_shop.customers import Customers, Order, WebShopSettings

SHOWN = [("S001", "a", 3), ("S001", "b", 0), ("S002", "a", 1), ("S002", "c", 9)]


def orders(seed: int, count: int = 200) -> list[Order | None]:
    customers = Customers(WebShopSettings(), Random(seed))
    return [customers.order(SHOWN) for _ in range(count)]


def test_the_same_seed_gives_the_same_customers() -> None:
    assert orders(3) == orders(3)
    assert orders(3) != orders(4)


@settings(max_examples=50)
@given(seed=st.integers(0, 2**32))
def test_nobody_orders_more_than_was_shown(seed: int) -> None:
    available = {(location, gtin): units for location, gtin, units in SHOWN}
    for order in orders(seed, 20):
        assert order is not None
        assert order.lines
        for gtin, units in order.lines.items():
            assert 1 <= units <= available[order.location, gtin]


def test_where_nothing_is_shown_nobody_orders() -> None:
    customers = Customers(WebShopSettings(), Random(1))
    assert customers.order([]) is None
    assert customers.order([("S001", "a", 0)]) is None


def test_some_pay_some_cancel_and_some_forget() -> None:
    minds = Counter(order.mind for order in orders(1) if order is not None)
    assert minds.keys() == {"pays", "cancels", "forgets"}
    assert minds["pays"] > minds["cancels"] + minds["forgets"]


def test_customers_come_as_often_as_they_should() -> None:
    customers = Customers(WebShopSettings(orders_per_minute=60.0), Random(1))
    waits_s = [customers.next_after_s() for _ in range(2_000)]
    assert 0.9 < sum(waits_s) / len(waits_s) < 1.1


def test_counts_of_locations_add_up() -> None:
    first, second = ShopCounts(held=1, shipped=2, units_shipped=5), ShopCounts(held=3, short=1)
    assert sum_of([first, second]) == ShopCounts(held=4, shipped=2, units_shipped=5, short=1)
    assert "2 shipped (5 units)" in first.line
