"""What is attempted: who wants what, how he asks, and what he does with it. Pure and seeded.

The same seed gives the same attempts, whichever client makes them and however they are answered.
"""

from collections.abc import Sequence
from itertools import accumulate
from random import Random
from typing import Final, Literal, NamedTuple

from simulators.oversell.options import CHANNELS

Manner = Literal["once", "twice_at_once", "impatient", "again_later"]
"""Asks once; on two connections at the same time; hangs up early and asks again; asks again when
everything is over. Always with the same key."""
Sequel = Literal["abandon", "release", "release_part", "extend", "confirm", "ship", "ship_part"]

LINES_MAX: Final = 3
UNITS_MAX: Final = 6
HOLD_MS_MIN: Final = 200
HOLD_MS_MAX: Final = 3_000
LONG_HOLD_S: Final = 600
PATIENCE_S_MIN: Final = 0.001
PATIENCE_S_MAX: Final = 0.05

_MANNERS: Final[dict[Manner, int]] = {
    "once": 80,
    "twice_at_once": 8,
    "impatient": 6,
    "again_later": 6,
}
_SEQUELS: Final[dict[Sequel, int]] = {
    "abandon": 30,
    "release": 15,
    "release_part": 5,
    "extend": 5,
    "confirm": 10,
    "ship": 25,
    "ship_part": 10,
}
_FLATNESS: Final = 3
"""Smaller makes the first articles more wanted than the last."""


class Attempt(NamedTuple):
    """One attempt. Lines may name a GTIN twice. `hold_ms` is how long the goods are wanted."""

    number: int
    store: str
    channel: str
    lines: tuple[tuple[str, int], ...]
    hold_ms: int
    manner: Manner
    patience_s: float
    sequel: Sequel

    @property
    def quantities(self) -> dict[str, int]:
        """What is wanted of each GTIN."""
        wanted: dict[str, int] = {}
        for gtin, quantity in self.lines:
            wanted[gtin] = wanted.get(gtin, 0) + quantity
        return wanted


class Plan:
    """All attempts of a run."""

    def __init__(self, seed: int, stores: Sequence[str], gtins: Sequence[str]) -> None:
        self._seed: Final = seed
        self._stores: Final = stores
        self._gtins: Final = gtins
        self._wanted: Final = list(accumulate(1 / (_FLATNESS + n) for n in range(len(gtins))))

    def attempt(self, number: int) -> Attempt:
        """Return one attempt."""
        rng = Random(f"{self._seed}/{number}")
        count = rng.choices(range(1, LINES_MAX + 1), (6, 3, 1))[0]
        gtins = rng.choices(self._gtins, cum_weights=self._wanted, k=count)
        return Attempt(
            number=number,
            store=rng.choice(self._stores),
            channel=rng.choice(CHANNELS),
            lines=tuple((gtin, rng.randint(1, UNITS_MAX)) for gtin in gtins),
            hold_ms=rng.randint(HOLD_MS_MIN, HOLD_MS_MAX),
            manner=rng.choices(list(_MANNERS), list(_MANNERS.values()))[0],
            patience_s=rng.uniform(PATIENCE_S_MIN, PATIENCE_S_MAX),
            sequel=rng.choices(list(_SEQUELS), list(_SEQUELS.values()))[0],
        )
