"""The auditor's own books: how much of a GTIN is at a location, and to whom it is promised. Pure.

Nothing here is shared with the cloud's `decide` and `evolve`, on purpose. The rules are those of
the documentation:

- A count fixes what is on hand as of its moment; what moved before it is in it already. No more can
  be unavailable than it found.
- What was promised is kept until it was released, shipped, lost, or its time is over.
- When less is there than was promised, promises lose: those whose time is over first, then the
  newest, but last those with goods in hand and those that must leave within two hours.
- A confirmed promise has no end any more; one that is being paid keeps the latest end it was given.
"""

from collections import Counter
from typing import Final, NamedTuple

CLOCK_UNSET_BEFORE_MS: Final = 1_577_836_800_000
NEAR_DEADLINE_MS: Final = 7_200_000
UNAVAILABLE: Final = ("damaged", "quality_control", "in_return")


class Promise:
    """What one reservation has of one SKU-location."""

    __slots__ = (
        "expires_at_ms",
        "granted_at_ms",
        "is_confirmed",
        "is_paying",
        "name",
        "picked",
        "quantity",
        "ship_by_ms",
    )

    def __init__(
        self, name: str, quantity: int, granted_at_ms: int, expires_at_ms: int, ship_by_ms: int
    ) -> None:
        self.name: Final = name
        self.quantity = quantity
        self.granted_at_ms: Final = granted_at_ms
        self.expires_at_ms = expires_at_ms
        self.ship_by_ms: Final = ship_by_ms
        self.is_confirmed = False
        self.is_paying = False
        self.picked = 0

    def is_over(self, now_ms: int) -> bool:
        """Say whether its time is over: not once it is confirmed, or goods are in hand."""
        is_bound = self.is_confirmed or self.picked > 0 or not self.expires_at_ms
        return not is_bound and self.expires_at_ms <= now_ms

    def extend(self, until_ms: int) -> None:
        """Let it end at another time (0: never)."""
        self.expires_at_ms = self._latest(until_ms) if self.is_paying else until_ms

    def await_payment(self, until_ms: int) -> None:
        """Keep it for who is paying."""
        self.expires_at_ms = self._latest(until_ms)
        self.is_paying = True

    def _latest(self, until_ms: int) -> int:
        ends = (self.expires_at_ms, until_ms)
        return max(ends) if all(ends) else 0

    def reduce(self, quantity: int) -> None:
        """Let there be less of it."""
        self.quantity -= quantity
        self.picked = min(self.picked, self.quantity)


class Movement(NamedTuple):
    """Goods came (or went, below 0) at a time."""

    at_ms: int
    change: int


class Book:
    """One SKU-location."""

    __slots__ = ("counted_at_ms", "movements", "on_hand", "promises", "unavailable")

    def __init__(self) -> None:
        self.on_hand = 0
        self.counted_at_ms: int | None = None
        self.movements: list[Movement] = []
        self.unavailable: Counter[str] = Counter()
        self.promises: dict[str, Promise] = {}

    @property
    def promised(self) -> int:
        """How much is promised, whether in time or over."""
        return sum(promise.quantity for promise in self.promises.values())

    def allowed(self, buffer: int, now_ms: int) -> int:
        """Return how much may be granted now, with `buffer` hidden."""
        bound = sum(p.quantity for p in self.promises.values() if not p.is_over(now_ms))
        return self.on_hand - bound - self.unavailable.total() - buffer

    def grant(self, promise: Promise, now_ms: int) -> None:
        """Promise goods, and forget promises whose time is over."""
        self._forget_over(now_ms)
        self.promises[promise.name] = promise

    def _forget_over(self, now_ms: int) -> None:
        over = [name for name, known in self.promises.items() if known.is_over(now_ms)]
        for name in over:
            del self.promises[name]

    def reduce(self, name: str, quantity: int) -> int:
        """Take a quantity off a promise; return how much of that was never promised."""
        promise = self.promises.get(name)
        if promise is None:
            return quantity
        excess = max(0, quantity - promise.quantity)
        promise.reduce(quantity - excess)
        if not promise.quantity:
            del self.promises[name]
        return excess

    def ship(self, name: str, quantity: int, now_ms: int) -> int:
        """Let promised goods leave; return how much of that was never promised."""
        promise = self.promises.get(name)
        if promise is not None:
            promise.picked = max(0, promise.picked - quantity)
        excess = self.reduce(name, quantity)
        self.move(now_ms, -quantity, now_ms)
        return excess

    def move(self, at_ms: int, change: int, now_ms: int) -> None:
        """Let goods come or go, unless a later count has seen that already."""
        at_ms = believable(at_ms, now_ms)
        if self.counted_at_ms is None or at_ms >= self.counted_at_ms:
            self.on_hand += change
            self.movements.append(Movement(at_ms, change))
        self.shorten(now_ms)

    def count(self, at_ms: int, quantity: int, now_ms: int) -> None:
        """Let there be what was counted, and what has moved since."""
        at_ms = believable(at_ms, now_ms)
        if self.counted_at_ms is not None and at_ms < self.counted_at_ms:
            return
        self.movements = [each for each in self.movements if each.at_ms > at_ms]
        self.on_hand = quantity + sum(each.change for each in self.movements)
        self.counted_at_ms = at_ms
        excess = self.unavailable.total() - max(0, self.on_hand)
        for reason in UNAVAILABLE:
            gone = max(0, min(excess, self.unavailable[reason]))
            self.unavailable[reason] -= gone
            excess -= gone
        self.shorten(now_ms)

    def withhold(self, reason: str, quantity: int, now_ms: int) -> None:
        """Let goods not be sellable (below 0: be sellable again)."""
        self.unavailable[reason] += quantity
        self.shorten(now_ms)

    def shorten(self, now_ms: int) -> None:
        """Take off promises what is not there any more."""
        there = max(0, self.on_hand - self.unavailable.total())
        if self.promised <= there:
            return
        self._forget_over(now_ms)
        missing = self.promised - there

        def resistance(promise: Promise) -> tuple[bool, bool, int, str]:
            is_near = 0 < promise.ship_by_ms <= now_ms + NEAR_DEADLINE_MS
            return promise.picked > 0, is_near, -promise.granted_at_ms, promise.name

        for promise in sorted(self.promises.values(), key=resistance):
            if missing <= 0:
                return
            lost = min(missing, promise.quantity)
            self.reduce(promise.name, lost)
            missing -= lost


def believable(at_ms: int, now_ms: int) -> int:
    """Return when something happened; a clock that was never set or is ahead is not believed."""
    return now_ms if at_ms < CLOCK_UNSET_BEFORE_MS or at_ms > now_ms else at_ms
