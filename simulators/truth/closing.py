"""One closing of a store: what everybody says of every SKU-location, held against what is there.

`Closing` is what remains of it: sums, which add up over stores. Pure; randomness is passed in.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from cloud.sku_location.belief import Estimate
from protocol.facts import Measure
from protocol.ids import Gtin
from simulators.truth.accuracy import (
    Accuracy,
    OutOfStock,
    Told,
    accuracy,
    out_of_stock,
    share,
)
from simulators.truth.calibration import Calibration, Forecast

if TYPE_CHECKING:
    from random import Random

US: Final = "stocktruth"
LEDGER_ONLY: Final = "ledger_only"
SWEEP_ONLY: Final = "sweep_only"
LAST_COUNT: Final = "last_count_and_ledger"
METHODS: Final = (US, LEDGER_ONLY, SWEEP_ONLY, LAST_COUNT)

FLAGGED_FROM: Final = 0.5
"""So likely must it be that nothing is there, for a count of some to be called a phantom."""


class Shown(NamedTuple):
    """One SKU-location at a closing: what is there, what we say, and what the others say."""

    gtin: Gtin
    measure: Measure
    truth: int
    book: int
    known: Estimate
    others: Mapping[str, int]

    def said(self, method: str) -> int:
        """Return what somebody says."""
        return self.known.best if method == US else self.others[method]


class Flags(NamedTuple):
    """Phantom stock: how often a count above 0 is of what is not there.

    `phantoms` are such counts, `flagged` those that we call so, `both` those of these that are.
    """

    phantoms: int = 0
    flagged: int = 0
    both: int = 0

    def __add__(self, other: object) -> "Flags":
        """Return the score of both."""
        if not isinstance(other, Flags):
            return NotImplemented
        return Flags(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))

    @property
    def precision(self) -> float:
        """Of what we call a phantom, the share that is one."""
        return share(self.both, self.flagged)

    @property
    def recall(self) -> float:
        """Of phantoms, the share that we call so."""
        return share(self.both, self.phantoms)


@dataclass(slots=True)
class Closing:
    """The sums of one day. `book_flags` are about our own book, `ledger_flags` about a ledger."""

    accuracy: dict[str, Accuracy]
    out_of_stock: dict[str, OutOfStock]
    book_flags: Flags
    ledger_flags: Flags
    calibration: Calibration

    def merge(self, other: "Closing") -> None:
        """Take another store's closing of the same day in."""
        for method in METHODS:
            self.accuracy[method] += other.accuracy[method]
            self.out_of_stock[method] += other.out_of_stock[method]
        self.book_flags += other.book_flags
        self.ledger_flags += other.ledger_flags
        self.calibration.merge(other.calibration)


def nothing_yet() -> Closing:
    """Return the sums over no SKU-locations."""
    accuracies = {method: Accuracy() for method in METHODS}
    empty = {method: OutOfStock() for method in METHODS}
    return Closing(accuracies, empty, Flags(), Flags(), Calibration())


def close(shown: Iterable[Shown], rng: "Random") -> Closing:
    """Return the sums over SKU-locations at a closing."""
    everything = list(shown)
    accuracies: dict[str, Accuracy] = {}
    empty: dict[str, OutOfStock] = {}
    for method in METHODS:
        told = [Told(each.truth, each.said(method), each.measure) for each in everything]
        accuracies[method] = accuracy(told)
        empty[method] = out_of_stock(told)
    pieces = [each for each in everything if each.measure == "units"]
    calibration = Calibration()
    for each in pieces:
        calibration.add(_forecast(each.known), each.truth, rng.random())
    return Closing(
        accuracies,
        empty,
        _flags((each.truth, each.book, each.known.p_phantom >= FLAGGED_FROM) for each in pieces),
        _flags((each.truth, each.others[LEDGER_ONLY], each.known.best == 0) for each in pieces),
        calibration,
    )


def _forecast(known: Estimate) -> Forecast:
    return Forecast(known.best, known.low, known.high, known.distribution)


def _flags(counts: Iterable[tuple[int, int, bool]]) -> Flags:
    """Score flags on counts above 0; each is given as truth, count and whether it is flagged."""
    phantoms = flagged = both = 0
    for truth, count, is_flagged in counts:
        if count > 0:
            phantoms += truth == 0
            flagged += is_flagged
            both += is_flagged and truth == 0
    return Flags(phantoms, flagged, both)
