"""Which way goods went through portals, as told and in truth. Pure.

A told crossing is held against the true crossing of the same tag nearest in time. What is told of a
tag that did not cross is *invented*; a crossing of which nothing is told is *untold*: the tag was
not read, or nobody knew it yet and it left.
"""

from collections.abc import Iterable
from typing import Final, Literal, NamedTuple

from protocol.facts import AnyFact, GoodsReceived, TagsMoved
from protocol.ids import Epc
from simulators.truth.accuracy import share

Portal = Literal["dock", "exit"]

SAME_CROSSING_MS: Final = 90_000
"""A told crossing and a true one further apart are two."""
SURE_FROM: Final = 0.9
"""A decision of less confidence says that it is unsure."""


class Crossing(NamedTuple):
    """One tag went through a portal, or is said to have gone."""

    at_ms: int
    portal: Portal
    epc: Epc
    is_inwards: bool
    confidence: float = 1.0


class Directions(NamedTuple):
    """Sums over crossings."""

    right: int = 0
    wrong: int = 0
    wrong_unsure: int = 0
    invented: int = 0
    invented_unsure: int = 0
    untold: int = 0
    unsure: int = 0

    def __add__(self, other: object) -> "Directions":
        """Return the score of both."""
        if not isinstance(other, Directions):
            return NotImplemented
        return Directions(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))

    @property
    def accuracy(self) -> float:
        """The share of right ones among the true crossings of which a way was told."""
        return share(self.right, self.right + self.wrong)

    @property
    def wrong_unsure_share(self) -> float:
        """The share of wrong and invented ones that said they were unsure."""
        return share(self.wrong_unsure + self.invented_unsure, self.wrong + self.invented)


def crossings_told(fact: AnyFact) -> Iterable[Crossing]:
    """Yield what a fact says of tags that went through a portal."""
    way = _way(fact)
    if way is None or not isinstance(fact, GoodsReceived | TagsMoved):
        return
    portal, is_inwards = way
    for epc in fact.epcs:
        yield Crossing(fact.occurred_at_ms, portal, Epc(epc), is_inwards, fact.confidence)


def _way(fact: AnyFact) -> tuple[Portal, bool] | None:
    if isinstance(fact, GoodsReceived):
        return ("dock", True) if fact.evidence == "portal" else None
    if not isinstance(fact, TagsMoved):
        return None
    if fact.to_zone in ("exit", "transit"):
        return ("exit" if fact.to_zone == "exit" else "dock"), False
    if fact.from_zone in ("exit", "transit"):
        return ("exit" if fact.from_zone == "exit" else "dock"), True
    return None


class Comparison(NamedTuple):
    """The score, and what of it went wrong: true crossings untold, told ones that are not true."""

    score: Directions
    untold: list[Crossing]
    untrue: list[Crossing]


def compare(told: Iterable[Crossing], true: Iterable[Crossing]) -> Comparison:
    """Hold what was told against what happened, portal by portal and tag by tag."""
    happened: dict[tuple[Portal, Epc], list[Crossing]] = {}
    for crossing in true:
        happened.setdefault((crossing.portal, crossing.epc), []).append(crossing)
    score = Directions()
    untrue: list[Crossing] = []
    for said in told:
        candidates = happened.get((said.portal, said.epc), [])
        nearest = min(candidates, key=lambda each: abs(each.at_ms - said.at_ms), default=None)
        if nearest is None or abs(nearest.at_ms - said.at_ms) > SAME_CROSSING_MS:
            judged = _invented(said)
        else:
            candidates.remove(nearest)
            judged = _judged(said, nearest)
        score += judged
        if not judged.right:
            untrue.append(said)
    untold = [crossing for crossings in happened.values() for crossing in crossings]
    return Comparison(score + Directions(untold=len(untold)), untold, untrue)


def _invented(said: Crossing) -> Directions:
    is_unsure = said.confidence < SURE_FROM
    return Directions(invented=1, invented_unsure=int(is_unsure), unsure=int(is_unsure))


def _judged(said: Crossing, happened: Crossing) -> Directions:
    is_unsure = said.confidence < SURE_FROM
    if said.is_inwards == happened.is_inwards:
        return Directions(right=1, unsure=int(is_unsure))
    return Directions(wrong=1, wrong_unsure=int(is_unsure), unsure=int(is_unsure))
