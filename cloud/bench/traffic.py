"""What stores send, for the benches: seeded, in batches as outboxes make them.

Popularity is Zipf's: the k-th best seller of a store sells 1/k as often as the best. What is sold
comes in baskets; the rest of the mix is what sensors and staff tell meanwhile.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from typing import Final

from msgspec.structs import replace

from cloud.journal.rows import JournalWrite, StateRow, StoreRow, encode_state
from cloud.sku_location.decide import cause_of, decide
from cloud.sku_location.evolve import evolve
from cloud.sku_location.refusal import Refused
from cloud.sku_location.state import SkuLocation
from protocol.codec import encode_batch, encode_fact
from protocol.facts import (
    AnyFact,
    GoodsReceived,
    ShelfCounted,
    StockCounted,
    StockFact,
    TagsMoved,
    TagsSwept,
    UnitsReturned,
    UnitsSold,
)

BENCH_MS: Final = 1_790_000_000_000
DAY_MS: Final = 86_400_000
BATCH_FACTS: Final = 2_000
"""What an outbox sends at once when it has so much."""

MIX: Final = {"sold": 88, "returned": 4, "shelf": 3, "moved": 2, "received": 2, "counted": 1}
"""Per cent of the facts."""

TAGGED_EVERY: Final = 10
"""One article in so many carries tags, and a portal tells of their moves to the sales floor."""

BASKET_LINES_MAX: Final = 6
OPENING_UNITS: Final = 200
DELIVERED_UNITS: Final = 48
"""What is delivered is about what is sold."""

TAGS: Final = 12
"""Of a tagged article that are known."""

BATCH_MS: Final = 3_600_000
"""A batch tells of an hour: a store drains what it could not send."""

_BLOCK: Final = 4_096


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How many stores there are, and how many articles each of them has."""

    stores: int
    articles: int

    @property
    def sku_locations(self) -> int:
        """Return how many there are in all."""
        return self.stores * self.articles


def store_id(number: int) -> str:
    """Return a store's id; ids sort as their numbers do."""
    return f"S{number:05d}"


def gtin_of(number: int) -> str:
    """Return a GTIN with its check digit (GS1 General Specifications, 7.9)."""
    digits = f"{400_000_000_000 + number:013d}"
    total = sum(int(digit) * (3 if place % 2 == 0 else 1) for place, digit in enumerate(digits))
    return f"{digits}{-total % 10}"


def stock_of(store: str, position: int, gtins: Sequence[str]) -> JournalWrite:
    """Return the stock of one store after a few days, as a journal would have it."""
    lives = _lives()
    rows = [
        StateRow(
            store,
            gtin,
            position,
            encode_state(replace(lives[place % len(lives)], store=store, gtin=gtin)),
        )
        for place, gtin in enumerate(gtins)
    ]
    return JournalWrite(states=rows, stores=[StoreRow(store, position, 1)])


@cache
def _lives() -> list[SkuLocation]:
    """Return what becomes of a SKU-location: counted, some swept, sold a few times."""
    return [_lived(number) for number in range(TAGGED_EVERY)]


def _lived(sales: int) -> SkuLocation:
    state = SkuLocation(store="S00000", gtin=gtin_of(0))
    units = TAGS if sales == TAGGED_EVERY - 1 else OPENING_UNITS
    told: list[StockFact] = [_counted(state.gtin, BENCH_MS - 9 * DAY_MS, units)]
    if sales == TAGGED_EVERY - 1:
        told.append(_swept(state.gtin, BENCH_MS - 8 * DAY_MS))
    for number in range(sales):
        at_ms = BENCH_MS - (sales - number) * DAY_MS // 2
        told.append(_till_line(UnitsSold, state.gtin, f"T{number}", 1, at_ms))
    for seq, fact in enumerate(told, 1):
        events = decide(state, fact, cause_of(fact, 1, seq), fact.occurred_at_ms)
        if isinstance(events, Refused):
            raise AssertionError(f"the bench's own fact is refused: {events}")
        for event in events:
            state = evolve(state, event)
    return state


class Traffic:
    """Makes the batches of many stores, each store's in the order of its outbox."""

    def __init__(self, size: Size, seed: int) -> None:
        self._rng: Final = random.Random(seed)  # noqa: S311 -- which article sells is no secret.
        self._gtins: Final = [gtin_of(number) for number in range(size.articles)]
        self._weights: Final = list(accumulate(1 / rank for rank in range(1, size.articles + 1)))
        self._next_seq: Final[dict[int, int]] = {}
        self._clock_ms = BENCH_MS

    def batches(self, stores: Sequence[int], facts: int) -> Iterator[tuple[str, bytes]]:
        """Return so many facts as `(store, frame)`, the stores by turns."""
        while facts > 0:
            self._clock_ms += BATCH_MS
            for store in stores:
                count = min(facts, BATCH_FACTS)
                if count:
                    yield self._batch(store, count)
                facts -= count

    def _batch(self, store: int, count: int) -> tuple[str, bytes]:
        first_seq = self._next_seq.get(store, 1)
        self._next_seq[store] = first_seq + count
        facts = [encode_fact(fact) for fact in self._facts(store, first_seq, count)]
        name = store_id(store)
        return name, encode_batch(name, 1, first_seq, self._clock_ms, facts)

    def _facts(self, store: int, first_seq: int, count: int) -> Iterator[AnyFact]:
        kinds = self._rng.choices(list(MIX), list(MIX.values()), k=count)
        places = self._rng.choices(range(len(self._gtins)), cum_weights=self._weights, k=count)
        line, lines = 0, 0
        for index, (kind, place) in enumerate(zip(kinds, places, strict=True)):
            if line == lines:
                line, lines = 0, self._rng.randint(1, BASKET_LINES_MAX)
                transaction = f"T{first_seq + index:09d}"
            line += 1
            if kind == "moved":
                # The tagged one next to it.
                place += TAGGED_EVERY - 1 - place % TAGGED_EVERY  # noqa: PLW2901 # As said.
            at_ms = self._clock_ms - BATCH_MS + BATCH_MS * index // count
            yield self._fact(kind, self._gtin(store, place), transaction, line, at_ms)

    def _gtin(self, store: int, place: int) -> str:
        """Return the article at a place of a store's own ranking."""
        return self._gtins[(place + store * 7_919) % len(self._gtins)]

    def _fact(self, kind: str, gtin: str, transaction: str, line: int, at_ms: int) -> AnyFact:
        if kind in ("sold", "returned"):
            till_line = UnitsSold if kind == "sold" else UnitsReturned
            return _till_line(till_line, gtin, transaction, line, at_ms)
        if kind == "moved":
            epcs = [_epc(self._rng.randrange(TAGS))]
            return TagsMoved(
                occurred_at_ms=at_ms,
                source="portal-1",
                gtin=gtin,
                from_zone="backroom",
                to_zone="sales_floor",
                epcs=epcs,
                confidence=0.98,
            )
        if kind == "received":
            return GoodsReceived(
                occurred_at_ms=at_ms,
                source="dock-1",
                gtin=gtin,
                quantity=DELIVERED_UNITS,
                measure="units",
                zone="backroom",
                evidence="document",
            )
        if kind == "shelf":
            quantity = self._rng.randint(2, 12)
            return ShelfCounted(
                occurred_at_ms=at_ms,
                source="shelf-1",
                gtin=gtin,
                shelf="shelf-1",
                quantity=quantity,
                weight_g=quantity * 250,
                error_units=0.2,
            )
        return _counted(gtin, at_ms, OPENING_UNITS)


def _till_line(
    kind: type[UnitsSold | UnitsReturned], gtin: str, transaction: str, line: int, at_ms: int
) -> UnitsSold | UnitsReturned:
    return kind(
        occurred_at_ms=at_ms,
        source="till-1",
        gtin=gtin,
        quantity=1,
        measure="units",
        transaction=transaction,
        line=line,
    )


def _counted(gtin: str, at_ms: int, units: int) -> StockCounted:
    return StockCounted(
        occurred_at_ms=at_ms,
        source="staff",
        gtin=gtin,
        quantity=units,
        measure="units",
        evidence="document",
    )


def _swept(gtin: str, at_ms: int) -> TagsSwept:
    return TagsSwept(
        occurred_at_ms=at_ms,
        source="sweep-1",
        gtin=gtin,
        sweep="sweep-1",
        quantity=TAGS,
        is_complete=True,
        epcs=[_epc(number) for number in range(TAGS)],
    )


def _epc(number: int) -> bytes:
    return number.to_bytes(12)
