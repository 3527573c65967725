"""Which thefts a count has noticed, and how long that took. Pure.

A theft counts as noticed at the first closing at which the count of its article is not above the
truth: whoever believes in the stolen unit until the next inventory has not noticed.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from protocol.ids import Gtin
from simulators.truth.accuracy import share

DAY_MS: Final = 86_400_000


class Theft(NamedTuple):
    """Units of an article left unpaid."""

    at_ms: int
    gtin: Gtin
    quantity: int = 1


class Thefts:
    """The thefts of a store, as one count sees them; counted in units stolen."""

    def __init__(self) -> None:
        self._open: list[Theft] = []
        self.stolen = 0
        self.delays_ms: list[int] = []
        """How long it took, of each unit that was noticed."""

    def happened(self, theft: Theft) -> None:
        """Goods were stolen."""
        self.stolen += theft.quantity
        self._open.append(theft)

    def look(self, error_of: Callable[[Gtin], int], now_ms: int) -> None:
        """Look at the counts of a closing; `error_of` is how much too much one says."""
        unnoticed: list[Theft] = []
        for theft in self._open:
            if error_of(theft.gtin) > 0:
                unnoticed.append(theft)
            else:
                self.delays_ms += [now_ms - theft.at_ms] * theft.quantity
        self._open = unnoticed

    def merge(self, other: "Thefts") -> None:
        """Take another store's thefts in."""
        self.stolen += other.stolen
        self.delays_ms += other.delays_ms

    @property
    def noticed(self) -> int:
        """Units whose theft was noticed."""
        return len(self.delays_ms)

    @property
    def noticed_share(self) -> float:
        """The share of stolen units whose theft was noticed."""
        return share(self.noticed, self.stolen)

    def within_share(self, delay_ms: int) -> float:
        """Return the share of stolen units whose theft was noticed within a time."""
        return share(sum(delay <= delay_ms for delay in self.delays_ms), self.stolen)

    @property
    def median_delay_days(self) -> float:
        """The median delay of those noticed, in days; 0 if there are none."""
        delays = sorted(self.delays_ms)
        return delays[len(delays) // 2] / DAY_MS if delays else 0.0
