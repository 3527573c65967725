"""What a run found out: sums of each day and of the whole, for one store and for all together."""

from collections import Counter
from dataclasses import dataclass, field

from simulators.truth.causes import WrongCount
from simulators.truth.closing import METHODS, Closing
from simulators.truth.directions import Directions, Portal
from simulators.truth.options import TruthOptions
from simulators.truth.thefts import Thefts


@dataclass(slots=True)
class StoreOutcome:
    """What one store has led to; sums, apart from `wrong`, the counts that are wrong in the end."""

    closings: list[Closing] = field(default_factory=list)
    thefts: dict[str, Thefts] = field(
        default_factory=lambda: {method: Thefts() for method in METHODS}
    )
    directions: dict[Portal, Directions] = field(
        default_factory=lambda: {"dock": Directions(), "exit": Directions()}
    )
    wrong: list[WrongCount] = field(default_factory=list)
    observed: Counter[str] = field(default_factory=Counter)
    """How often what was observable, by kind."""
    quarantined: Counter[str] = field(default_factory=Counter)
    facts: int = 0
    recounts: int = 0
    took_s: float = 0.0

    def merge(self, other: "StoreOutcome") -> None:
        """Take another store's outcome of as many days in."""
        for mine, theirs in zip(self.closings, other.closings, strict=True):
            mine.merge(theirs)
        for method in METHODS:
            self.thefts[method].merge(other.thefts[method])
        for portal in self.directions:
            self.directions[portal] += other.directions[portal]
        self.wrong += other.wrong
        self.observed += other.observed
        self.quarantined += other.quarantined
        self.facts += other.facts
        self.recounts += other.recounts
        self.took_s += other.took_s


@dataclass(slots=True)
class Outcome(StoreOutcome):
    """What all stores of a run have led to."""

    options: TruthOptions = field(kw_only=True)
