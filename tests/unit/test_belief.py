"""What is believed of a count: against enumeration, under any input, and in telling cases."""

from collections.abc import Iterable
from itertools import combinations
from math import comb, prod
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.sku_location.belief import Estimate, estimate, rates
from cloud.sku_location.belief.cells import CELLS_MAX, counts
from cloud.sku_location.belief.posterior import DAY_MS, Posterior
from cloud.sku_location.belief.record import parts
from cloud.sku_location.belief.sweeping import swept
from cloud.sku_location.belief.tags import TAGS_MAX, Tag, unread_probability
from cloud.sku_location.decide import cause_of, decide
from cloud.sku_location.evolve import evolve
from cloud.sku_location.refusal import Refused
from cloud.sku_location.state import SkuLocation, ledger_closes
from protocol.facts import (
    GoodsReceived,
    ShelfCounted,
    StockCounted,
    StockFact,
    TagsMoved,
    TagsSwept,
    UnitsReturned,
    UnitsSold,
)
from tests.shard_inputs import GTIN, NOW_MS, STORE

MINUTE_MS = 60_000


def tag(number: int) -> bytes:
    return b"epc-%08d" % number


def tags(*numbers: int) -> list[bytes]:
    return [tag(number) for number in numbers]


class Location:
    """A SKU-location that hears facts at moments of a day."""

    def __init__(self) -> None:
        self.state = SkuLocation(store=STORE, gtin=GTIN)
        self.now_ms = NOW_MS
        self._lines = 0

    def hear(self, fact: StockFact) -> None:
        events = decide(self.state, fact, cause_of(fact, 1, 1), self.now_ms)
        assert not isinstance(events, Refused)
        for event in events:
            self.state = evolve(self.state, event)
        assert ledger_closes(self.state)

    def wait(self, duration_ms: int) -> None:
        self.now_ms += duration_ms

    def count(self, quantity: int) -> None:
        self.hear(
            StockCounted(
                occurred_at_ms=self.now_ms,
                source="staff",
                gtin=GTIN,
                quantity=quantity,
                measure="units",
                evidence="document",
            )
        )

    def sweep(self, *numbers: int, is_complete: bool = True) -> None:
        self.hear(
            TagsSwept(
                occurred_at_ms=self.now_ms,
                source="handheld",
                gtin=GTIN,
                sweep="w",
                quantity=len(numbers),
                is_complete=is_complete,
                epcs=tags(*numbers),
            )
        )

    def till(self, kind: type[UnitsSold | UnitsReturned], quantity: int) -> None:
        self._lines += 1
        self.hear(
            kind(
                occurred_at_ms=self.now_ms,
                source="till",
                gtin=GTIN,
                quantity=quantity,
                measure="units",
                transaction=f"t{self._lines}",
                line=1,
            )
        )

    def sell(self, quantity: int = 1) -> None:
        self.till(UnitsSold, quantity)

    def leave(self, *numbers: int, confidence: float = 1.0) -> None:
        self.hear(
            TagsMoved(
                occurred_at_ms=self.now_ms,
                source="exit",
                gtin=GTIN,
                from_zone="sales_floor",
                to_zone="exit",
                epcs=tags(*numbers),
                confidence=confidence,
            )
        )

    def receive(self, quantity: int, *numbers: int) -> None:
        self.hear(
            GoodsReceived(
                occurred_at_ms=self.now_ms,
                source="dock",
                gtin=GTIN,
                quantity=quantity,
                measure="units",
                zone="backroom",
                evidence="portal" if numbers else "document",
                epcs=tags(*numbers),
            )
        )

    @property
    def known(self) -> Estimate:
        return estimate(self.state, self.now_ms)


@pytest.fixture
def location() -> Location:
    return Location()


@pytest.fixture
def tagged(location: Location) -> Location:
    """Five tagged units whose exit has been seen to work."""
    location.count(6)
    location.sweep(1, 2, 3, 4, 5, 6)
    location.wait(DAY_MS)
    location.sell()
    location.leave(6)
    location.wait(2 * 60 * MINUTE_MS)
    return location


def enumerated(
    weights: dict[tuple[int, int], float], known: list[Tag], read: set[int], fresh: int
) -> dict[int, float]:
    """Return the distribution after a sweep by going through every set of tags that may be gone."""
    healthy = Posterior({(0, 0): 1.0}, 0).healthy_read
    by_count: dict[int, float] = {}
    fresh_read = 1.0 - unread_probability(0, 0, round(healthy * 1000))
    for (gone, hidden), weight in weights.items():
        sets = list(combinations(range(len(known)), gone))
        prior = [prod(known[i].odds for i in left) for left in sets]
        for left, chance in zip(sets, prior, strict=True):
            if read & set(left):
                continue
            unread = [i for i in range(len(known)) if i not in left and i not in read]
            missed = prod(known[i].unread(healthy) for i in unread)
            seen = prod(1.0 - known[i].unread(healthy) for i in read)
            if hidden < fresh:
                continue
            of_hidden = (
                comb(hidden, fresh) * fresh_read**fresh * (1 - fresh_read) ** (hidden - fresh)
            )
            count = len(known) - gone + hidden
            total = weight * chance / sum(prior) * missed * seen * of_hidden
            by_count[count] = by_count.get(count, 0.0) + total
    whole = sum(by_count.values())
    return {count: share / whole for count, share in by_count.items()}


@pytest.mark.parametrize("read", [{0, 1, 2}, {0, 2}, {1}, set()])
@pytest.mark.parametrize("fresh", [0, 1])
def test_a_sweep_agrees_with_enumeration(
    read: set[int], fresh: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rates, "SURPRISE", 0.0)
    monkeypatch.setattr(rates, "UNACCOUNTED", 0.0)
    cells = {(0, 0): 0.5, (1, 0): 0.2, (0, 1): 0.1, (1, 1): 0.1, (2, 1): 0.1}
    known = [Tag(tag(n)[-6:], odds=odds) for n, odds in enumerate([0.1, 0.5, 0.02])]
    expected = enumerated(cells, known, read, fresh)
    posterior = Posterior(dict(cells), 0)
    posterior.tags = known
    seen = [known[i].digest for i in read] + [b"fresh%d" % n for n in range(fresh)]
    swept(posterior, seen, len(seen), is_complete=True, at_ms=1)
    assert counts(posterior.cells, len(posterior.tags)) == pytest.approx(
        {count: share for count, share in expected.items() if share > 1e-12}, rel=1e-6, abs=1e-9
    )


def test_nothing_is_believed_of_what_nobody_has_counted(location: Location) -> None:
    assert (location.known.best, location.known.p_best) == (0, 0.0)


def test_a_count_is_believed_but_not_blindly(location: Location) -> None:
    location.count(5)
    assert location.known.best == 5
    assert 0.9 < location.known.p_best < 0.99


def test_a_sale_that_till_and_exit_tell_is_as_good_as_certain(tagged: Location) -> None:
    before = tagged.known.p_best
    tagged.sell()
    tagged.leave(5)
    assert (tagged.known.best, tagged.state.on_hand) == (4, 4)
    assert tagged.known.p_best == pytest.approx(before, abs=0.01)


def test_a_sale_that_the_exit_does_not_confirm_is_doubted(tagged: Location) -> None:
    tagged.sell()
    assert tagged.known.p_best > 0.95, "the customer is still on the way to the door"
    tagged.wait(60 * MINUTE_MS)
    assert tagged.known.best == 4
    assert 0.03 < tagged.known.distribution[5] < 0.3


def test_a_tag_that_leaves_without_a_sale_is_gone_though_the_book_has_it(tagged: Location) -> None:
    tagged.leave(3)
    tagged.wait(60 * MINUTE_MS)
    assert (tagged.known.best, tagged.state.on_hand) == (4, 5)
    assert tagged.known.p_best > 0.95


def test_a_mistaken_till_line_is_found_by_the_next_sweep(tagged: Location) -> None:
    tagged.sell()  # Another colour was keyed: nothing of this GTIN left.
    tagged.wait(DAY_MS)
    tagged.sweep(1, 2, 3, 4, 5)
    assert (tagged.known.best, tagged.state.on_hand) == (5, 5)
    assert tagged.state.found == 1


def test_one_unread_tag_is_no_theft_and_three_times_unread_is_one(tagged: Location) -> None:
    chances = []
    for _ in range(6):
        tagged.wait(7 * DAY_MS)
        tagged.sweep(1, 2, 3, 4)
        chances.append(tagged.known.distribution.get(4, 0.0))
    assert chances[0] < 0.1
    assert chances == sorted(chances)
    assert chances[-1] > 0.3


def test_a_partial_sweep_proves_presence_and_no_absence(tagged: Location) -> None:
    before = tagged.known
    tagged.sweep(1, is_complete=False)
    assert tagged.known.best == before.best
    assert tagged.known.p_best == pytest.approx(before.p_best, abs=0.01)


def test_a_unit_with_a_dead_tag_stays_believed_in(location: Location) -> None:
    location.count(3)
    for _ in range(4):
        location.sweep(1, 2)
        location.wait(DAY_MS)
        location.count(3)
    assert location.known.best == 3
    assert location.known.p_best > 0.9


def test_silence_of_a_seller_makes_its_record_doubtful(location: Location) -> None:
    location.count(60)
    for _ in range(28):
        location.wait(DAY_MS)
        location.sell(2)
    assert (location.state.on_hand, location.known.best) == (4, 4)
    before = location.known.p_out
    location.wait(12 * DAY_MS)
    assert location.known.p_phantom > 10 * before
    location.sell()
    assert location.known.p_out < 0.2, "a sale proves that there were some"


def test_a_shelf_that_bears_fewer_units_than_the_book_says_is_heard(location: Location) -> None:
    location.count(6)
    before = location.known.distribution[5]
    location.hear(
        ShelfCounted(
            occurred_at_ms=location.now_ms,
            source="scale",
            gtin=GTIN,
            shelf="A1",
            quantity=5,
            weight_g=500,
            error_units=0.05,
        )
    )
    assert location.known.distribution[5] > 2 * before


def test_a_weighed_article_is_believed_in_wider_and_wider_steps(location: Location) -> None:
    fact: dict[str, Any] = {"source": "till", "gtin": GTIN, "measure": "grams"}
    location.hear(
        StockCounted(occurred_at_ms=location.now_ms, quantity=20_000, evidence="document", **fact)
    )
    for number in range(200):
        location.wait(MINUTE_MS)
        location.hear(
            UnitsSold(
                occurred_at_ms=location.now_ms,
                quantity=73,
                transaction=f"g{number}",
                line=1,
                **fact,
            )
        )
    assert abs(location.known.best - (20_000 - 200 * 73)) <= 600
    assert len(location.state.belief) < 1_000


facts = st.one_of(
    st.tuples(st.just("sell"), st.integers(1, 3)),
    st.tuples(st.just("back"), st.integers(1, 2)),
    st.tuples(st.just("leave"), st.integers(1, 9)),
    st.tuples(st.just("receive"), st.integers(1, 9)),
    st.tuples(st.just("paper"), st.integers(1, 20)),
    st.tuples(st.just("count"), st.integers(0, 12)),
    st.tuples(st.just("sweep"), st.integers(0, 511)),
    st.tuples(st.just("wait"), st.integers(1, 10)),
)


@given(st.lists(facts, max_size=60))
def test_whatever_is_heard_the_belief_stays_a_distribution(heard: list[tuple[str, int]]) -> None:
    location = Location()
    for what, number in heard:
        tell(location, what, number)
        location.wait(20 * MINUTE_MS)
        known = location.known
        assert sum(known.distribution.values()) == pytest.approx(1.0)
        assert min(known.distribution) >= 0
        assert known.low <= known.best <= known.high
    if location.state.belief:
        assert len(location.state.belief) < 2_500
        belief, _ = parts(location.state.belief)
        assert len(belief.cells) <= 4 * CELLS_MAX
        assert len(belief.tags) <= 10 * TAGS_MAX


def tell(location: Location, what: str, number: int) -> None:
    actions = {
        "sell": lambda: location.sell(number),
        "back": lambda: location.till(UnitsReturned, number),
        "leave": lambda: location.leave(number, confidence=number / 9),
        "receive": lambda: location.receive(1, number),
        "paper": lambda: location.receive(number),
        "count": lambda: location.count(number),
        "sweep": lambda: location.sweep(*bits(number)),
        "wait": lambda: location.wait(number * DAY_MS),
    }
    actions[what]()


def bits(number: int) -> Iterable[int]:
    return [bit + 1 for bit in range(9) if number >> bit & 1]


def test_many_tags_are_believed_in_within_bounds(location: Location) -> None:
    location.count(300)
    location.sweep(*range(295))
    location.wait(DAY_MS)
    location.sweep(*range(290))
    assert 285 <= location.known.best <= 305
    assert len(location.state.belief) < 2_500
