"""Customers of the web shop: what they order, and whether they pay. Pure and seeded.

They order what they were shown as available, so that most are served; how long they think is long
enough for a shopper in the store to be faster.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Final, Literal, NamedTuple

from msgspec import Meta, Struct

if TYPE_CHECKING:
    from random import Random

Mind = Literal["pays", "cancels", "forgets"]
"""Pays after a while; gives the goods back; never comes again, so that the hold expires."""

PerMinute = Annotated[float, Meta(gt=0, le=60_000)]
Share = Annotated[float, Meta(ge=0, le=1)]

_MINUTE_S: Final = 60.0


class WebShopSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the web shop lives. Times are wall time."""

    orders_per_minute: PerMinute = 120.0
    """Orders of all customers, on average."""
    orders_max: Annotated[int, Meta(ge=1, le=1_000)] = 24
    """Orders under way at the same time; more customers are turned away."""
    articles: Annotated[int, Meta(ge=1, le=100)] = 16
    """Different articles that the shop sells of each store."""
    lines_max: Annotated[int, Meta(ge=1, le=20)] = 3
    """An order has 1 to this many articles …"""
    units_per_line_max: Annotated[int, Meta(ge=1, le=100)] = 4
    """… and of each 1 to this many units."""
    cancel_rate: Share = 0.12
    """Chance that a customer gives the goods back before he pays."""
    forget_rate: Share = 0.12
    """Chance that a customer never comes back."""
    hold_s: Annotated[int, Meta(ge=1, le=3_600)] = 4
    """How long goods are held for a customer who has not begun to pay."""
    think_s_max: Annotated[float, Meta(gt=0, le=3_600)] = 2.0
    """How long customers think, at most, before they pay or cancel."""
    buffer_units: Annotated[int, Meta(ge=0, le=1_000)] = 1
    """Units of each article that a rule hides from the shop."""


class Order(NamedTuple):
    """One customer's wish. `lines` is by GTIN; `think_s` passes before what is on his mind."""

    location: str
    lines: dict[str, int]
    mind: Mind
    think_s: float


class Customers:
    """All customers. `rng` decides everything."""

    def __init__(self, settings: WebShopSettings, rng: "Random") -> None:
        self._settings: Final = settings
        self._rng: Final = rng

    def next_after_s(self) -> float:
        """Return how long it takes until the next one comes."""
        return self._rng.expovariate(self._settings.orders_per_minute / _MINUTE_S)

    def order(self, shown: Sequence[tuple[str, str, int]]) -> Order | None:
        """Return what the next one orders of what is shown: location, GTIN and what is available.

        `None` when nothing is available.
        """
        by_location: dict[str, list[tuple[str, int]]] = {}
        for location, gtin, available in shown:
            if available > 0:
                by_location.setdefault(location, []).append((gtin, available))
        if not by_location:
            return None
        location = self._rng.choice(sorted(by_location))
        choice = by_location[location]
        count = min(self._rng.randint(1, self._settings.lines_max), len(choice))
        units_max = self._settings.units_per_line_max
        return Order(
            location=location,
            lines={
                gtin: min(available, self._rng.randint(1, units_max))
                for gtin, available in self._rng.sample(choice, count)
            },
            mind=self._mind(),
            think_s=self._rng.uniform(0.1, 1.0) * self._settings.think_s_max,
        )

    def _mind(self) -> Mind:
        chance = self._rng.random()
        if chance < self._settings.cancel_rate:
            return "cancels"
        is_forgetful = chance < self._settings.cancel_rate + self._settings.forget_rate
        return "forgets" if is_forgetful else "pays"
