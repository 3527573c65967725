"""How right counts are, and what they say of goods that are not there. Pure sums.

All of these are added up over SKU-locations, and then over stores: `a + b` is the score of both.
"""

from collections.abc import Iterable
from typing import NamedTuple

from protocol.facts import Measure

WEIGHED_WITHIN_G = 50
"""A count of goods by weight is right when it is off by no more: scales, tills and trimmings err so
much on every line, and nobody counts grams."""


class Told(NamedTuple):
    """What somebody says of one SKU-location, and what is there; units, or grams."""

    truth: int
    said: int
    measure: Measure = "units"

    @property
    def error(self) -> int:
        """How much too much is said."""
        return self.said - self.truth


class Accuracy(NamedTuple):
    """Sums over SKU-locations; `error_units` of absolute errors of those counted in units.

    Goods by weight are counted apart, as `weighed` and `weighed_exact`, and are a part of neither
    `locations` nor `exact`.
    """

    locations: int = 0
    exact: int = 0
    within_one: int = 0
    error_units: int = 0
    too_much: int = 0
    weighed: int = 0
    weighed_exact: int = 0

    def __add__(self, other: object) -> "Accuracy":
        """Return the score of both."""
        if not isinstance(other, Accuracy):
            return NotImplemented
        return Accuracy(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))

    @property
    def exact_share(self) -> float:
        """The share of SKU-locations whose count is right."""
        return share(self.exact, self.locations)

    @property
    def within_one_share(self) -> float:
        """The share of SKU-locations whose count is off by at most one unit."""
        return share(self.within_one, self.locations)

    @property
    def mean_error_units(self) -> float:
        """The mean absolute error."""
        return share(self.error_units, self.locations)


class OutOfStock(NamedTuple):
    """Who notices that there is nothing, of the SKU-locations counted in units.

    `empty`: nothing is there. `said_empty`: the count says so, `both`: and is right. `phantoms`:
    the count says that there is some of what is not there.
    """

    empty: int = 0
    said_empty: int = 0
    both: int = 0

    def __add__(self, other: object) -> "OutOfStock":
        """Return the score of both."""
        if not isinstance(other, OutOfStock):
            return NotImplemented
        return OutOfStock(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))

    @property
    def phantoms(self) -> int:
        """Counts above 0 of what is not there."""
        return self.empty - self.both

    @property
    def precision(self) -> float:
        """Of what is said to be out of stock, the share that is."""
        return share(self.both, self.said_empty)

    @property
    def recall(self) -> float:
        """Of what is out of stock, the share that is said to be."""
        return share(self.both, self.empty)


def accuracy(told: Iterable[Told]) -> Accuracy:
    """Score counts of SKU-locations."""
    locations = exact = within_one = error_units = too_much = weighed = weighed_exact = 0
    for each in told:
        off = abs(each.error)
        if each.measure == "grams":
            weighed += 1
            weighed_exact += off <= WEIGHED_WITHIN_G
            continue
        locations += 1
        exact += off == 0
        within_one += off <= 1
        error_units += off
        too_much += each.error > 0
    return Accuracy(locations, exact, within_one, error_units, too_much, weighed, weighed_exact)


def out_of_stock(told: Iterable[Told]) -> OutOfStock:
    """Score what counts say of goods that are not there."""
    empty = said_empty = both = 0
    for truth, said, measure in told:
        if measure == "units":
            empty += truth == 0
            said_empty += said == 0
            both += truth == 0 and said == 0
    return OutOfStock(empty, said_empty, both)


def share(part: float, whole: float) -> float:
    """Return a part of a whole; 0 of nothing."""
    return part / whole if whole else 0.0
