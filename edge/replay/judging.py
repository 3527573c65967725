"""Compares what sensing decided with labels: one verdict for each thing labelled or decided.

Pure. Verdicts carry their time, so that one replay can be judged over any part of it.

- A crossing is right when the tag came into the zone within the label's time; each decision
  answers one label. Other decisions about the labelled zones are wrong, if labels are complete.
- A tag in a box is right when goods received within the label's time name it.
- A shelf is right when the last count told before the label's moment is the label's.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final, Literal, NamedTuple

from edge.replay.labels import InBoxLabel, Labels, ShelfLabel
from protocol.facts import AnyFact, GoodsReceived, ShelfCounted, TagsMoved, Zone

Subject = Literal["crossings", "in_box", "shelves"]
Outcome = Literal["right", "wrong", "missed"]
MS_PER_S: Final = 1_000


class Verdict(NamedTuple):
    """`at_ms` is since the recording began; `confidence` is what the decision said of itself."""

    at_ms: float
    subject: Subject
    outcome: Outcome
    what: str
    confidence: float = 1.0
    error_units: int = 0


class _Arrival(NamedTuple):
    at_ms: float
    confidence: float


class _Expected(NamedTuple):
    at_ms: float
    within_ms: float


_Key = tuple[bytes, Zone]


def judge(facts: Sequence[AnyFact], labels: Labels, started_utc_ms: int) -> list[Verdict]:
    """Return the verdicts over a whole recording that began at `started_utc_ms`, in time order."""
    verdicts = [
        *_crossings(facts, labels, started_utc_ms),
        *_boxes(facts, labels.in_box, started_utc_ms),
        *_shelves(facts, labels.shelves, started_utc_ms),
    ]
    return sorted(verdicts, key=lambda verdict: verdict.at_ms)


def _crossings(facts: Iterable[AnyFact], labels: Labels, started_ms: int) -> Iterator[Verdict]:
    expected: dict[_Key, list[_Expected]] = defaultdict(list)
    for label in labels.crossings:
        at_ms = _label_ms(label.at_s, label.at, started_ms)
        each = _Expected(at_ms, label.within_s * MS_PER_S)
        for digits in label.epcs:
            expected[bytes.fromhex(digits), label.to_zone].append(each)
    zones = {zone for _, zone in expected}
    arrivals: dict[_Key, list[_Arrival]] = defaultdict(list)
    for fact in facts:
        for epc, zone, confidence in _arrived(fact):
            if zone in zones:
                at_ms = fact.occurred_at_ms - started_ms
                arrivals[epc, zone].append(_Arrival(at_ms, confidence))
    for key in sorted(expected.keys() | arrivals.keys()):
        verdicts = _match(key, expected.get(key, []), arrivals.get(key, []))
        yield from (each for each in verdicts if each.outcome != "wrong" or labels.is_complete)


def _arrived(fact: AnyFact) -> Iterator[tuple[bytes, Zone, float]]:
    if isinstance(fact, TagsMoved):
        for epc in fact.epcs:
            yield epc, fact.to_zone, fact.confidence
    elif isinstance(fact, GoodsReceived):
        for epc in fact.epcs:
            yield epc, fact.zone, fact.confidence


def _match(key: _Key, expected: list[_Expected], arrivals: list[_Arrival]) -> Iterator[Verdict]:
    """Pair labels and decisions about one tag and zone, both in time order."""
    epc, zone = key
    what = f"{epc.hex()} to {zone}"
    waiting = sorted(expected)
    for arrival in sorted(arrivals):
        while waiting and waiting[0].at_ms + waiting[0].within_ms < arrival.at_ms:
            yield Verdict(waiting.pop(0).at_ms, "crossings", "missed", what)
        if waiting and waiting[0].at_ms - waiting[0].within_ms <= arrival.at_ms:
            at_ms = waiting.pop(0).at_ms
            yield Verdict(at_ms, "crossings", "right", what, arrival.confidence)
        else:
            yield Verdict(arrival.at_ms, "crossings", "wrong", what, arrival.confidence)
    for each in waiting:
        yield Verdict(each.at_ms, "crossings", "missed", what)


def _boxes(
    facts: Sequence[AnyFact], labels: Sequence[InBoxLabel], started_ms: int
) -> Iterator[Verdict]:
    received = [fact for fact in facts if isinstance(fact, GoodsReceived) and fact.epcs]
    for label in labels:
        from_ms, to_ms = label.from_s * MS_PER_S, label.to_s * MS_PER_S
        inside = {bytes.fromhex(epc) for epc in label.epcs}
        found: dict[bytes, float] = {}
        for fact in received:
            if from_ms <= fact.occurred_at_ms - started_ms < to_ms:
                found |= dict.fromkeys(fact.epcs, fact.confidence)
        for epc in sorted(inside | found.keys()):
            outcome: Outcome = "missed" if epc not in found else "wrong"
            if epc in inside and epc in found:
                outcome = "right"
            what = f"{epc.hex()} in the box of {label.from_s:g} s"
            yield Verdict(from_ms, "in_box", outcome, what, found.get(epc, 1.0))


def _shelves(
    facts: Iterable[AnyFact], labels: Sequence[ShelfLabel], started_ms: int
) -> Iterator[Verdict]:
    told: dict[str, list[ShelfCounted]] = defaultdict(list)
    for fact in facts:
        if isinstance(fact, ShelfCounted):
            told[fact.shelf].append(fact)
    for label in labels:
        at_ms = _label_ms(label.at_s, label.at, started_ms)
        counts = sorted(told[label.shelf], key=lambda fact: fact.occurred_at_ms)
        times = [fact.occurred_at_ms - started_ms for fact in counts]
        before = bisect_right(times, at_ms)
        if not before:
            what = f"shelf {label.shelf}: {label.quantity}, and no count was told"
            yield Verdict(at_ms, "shelves", "missed", what, error_units=label.quantity)
            continue
        quantity = counts[before - 1].quantity
        what = f"shelf {label.shelf}: {label.quantity}, told was {quantity}"
        outcome: Outcome = "right" if quantity == label.quantity else "wrong"
        error_units = abs(quantity - label.quantity)
        yield Verdict(at_ms, "shelves", outcome, what, error_units=error_units)


def _label_ms(at_s: float | None, at: datetime | None, started_ms: int) -> float:
    if at is not None:
        return at.timestamp() * MS_PER_S - started_ms
    return (at_s or 0.0) * MS_PER_S
