"""Goods-in: which tags are in the box being received, and which are strays of the shop around it.

Pure. A receiving station's `GoodsIn` takes the readings of its antennas between `start` and
`stop` and judges each tag: in the box, stray, or unsure, with a probability and what it rests on.
It judges twice. First each tag by itself; then by its company as well, for what moves together
lies together. A station that has seen other boxes also knows what it read then: a `Background`.
"""

import math
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import mul
from typing import Final, Literal, NamedTuple

from edge.sensing.decisions import Outcome
from edge.sensing.goods_in_features import Features, Ties, features, novelty, ties
from edge.sensing.goods_in_reads import SessionReads, TagTrace
from edge.sensing.goods_in_settings import SHIPPED, GoodsInSettings, Weights
from edge.sensing.readings import TagReading
from protocol.facts import AnyFact, Zone
from protocol.ids import Epc, gtin_of_tag

SESSIONS_REMEMBERED: Final = 50
"""A background forgets older sessions: the shop around a station changes."""

SHARE_REMEMBERED_MIN: Final = 0.005
"""What is read less than that, or surely is goods, is not worth remembering."""

Verdict = Literal["in_box", "stray", "unsure"]


class JudgedTag(NamedTuple):
    """One tag's verdict. `share` is the share of blocks that read it."""

    epc: Epc
    probability: float
    verdict: Verdict
    share: float
    basis: str


class Judgement(NamedTuple):
    """What a session, so far or over, has come to. Tags most probably in the box come first."""

    box: str
    tags: Sequence[JudgedTag]
    ignored_reads: int

    def of(self, verdict: Verdict) -> list[JudgedTag]:
        """Return the tags with a verdict."""
        return [tag for tag in self.tags if tag.verdict == verdict]


class Background:
    """What the station read while other boxes stood there, and does not think was in them."""

    def __init__(self) -> None:
        self._sessions: deque[tuple[str, Mapping[Epc, float]]] = deque(maxlen=SESSIONS_REMEMBERED)

    def learn(self, judged: Judgement) -> None:
        """Remember a session's strays by how present they were. Goods leave no trace."""
        shares = {tag.epc: (1 - tag.probability) * tag.share for tag in judged.tags}
        kept = {epc: share for epc, share in shares.items() if share >= SHARE_REMEMBERED_MIN}
        self._sessions.append((judged.box, kept))

    def shares(self, box: str) -> dict[Epc, float] | None:
        """Return each stray's mean share of blocks with boxes other than this, if there were any.

        A box that is read once more must not find its own tags among the strays.
        """
        others = [shares for name, shares in self._sessions if name != box]
        if not others:
            return None
        total: dict[Epc, float] = {}
        for shares in others:
            for epc, share in shares.items():
                total[epc] = total.get(epc, 0.0) + share
        return {epc: share / len(others) for epc, share in total.items()}


@dataclass(frozen=True, slots=True)
class Evidence:
    """What judging rests on: all that depends on the reads and not on the weights."""

    traces: Sequence[TagTrace]
    own: Sequence[Features]
    ties: Ties
    block_count: int

    @classmethod
    def of(cls, reads: SessionReads) -> "Evidence":
        """Work the features of a session out."""
        traces = reads.traces()
        own = [features(trace, reads.block_count) for trace in traces]
        return cls(traces, own, ties(traces, reads), reads.block_count)

    def novelties(self, before: Mapping[Epc, float] | None) -> list[float] | None:
        """Return how new each tag is here, or None where there is no background."""
        if before is None:
            return None
        return [
            novelty(own.share, before.get(trace.epc, 0.0), self.block_count)
            for trace, own in zip(self.traces, self.own, strict=True)
        ]

    def rows(self, new: Sequence[float] | None) -> list[list[float]]:
        """Return what is known of each tag by itself, in the order of `Weights`."""
        news = [0.0] * len(self.own) if new is None else new
        return [
            [own.presence, own.spread_db, novel] for own, novel in zip(self.own, news, strict=True)
        ]

    def rows_with_company(self, rows: Sequence[list[float]], first: Weights) -> list[list[float]]:
        """Return the rows with each tag's company, given how the first stage judges the tags."""
        company = self.ties.company([probability(first, row) for row in rows])
        return [[*row, with_box] for row, with_box in zip(rows, company, strict=True)]


def probability(weights: Weights, row: Sequence[float]) -> float:
    """Return the logistic of the weighted features."""
    factors = (weights.presence, weights.spread_db, weights.novelty, weights.company)
    odds = weights.bias + sum(map(mul, factors, row))  # A row without company is shorter.
    return 1 / (1 + math.exp(-min(max(odds, -30.0), 30.0)))


def judge(
    box: str,
    reads: SessionReads,
    settings: GoodsInSettings = SHIPPED,
    before: Mapping[Epc, float] | None = None,
) -> Judgement:
    """Judge each tag of a session; `before` is what was read with other boxes, if that is known."""
    return judge_evidence(box, Evidence.of(reads), settings, before, reads.ignored_reads)


def judge_evidence(
    box: str,
    evidence: Evidence,
    settings: GoodsInSettings,
    before: Mapping[Epc, float] | None,
    ignored_reads: int = 0,
) -> Judgement:
    """Judge on evidence that was worked out before."""
    new = evidence.novelties(before)
    stages = settings.alone if new is None else settings.background
    rows = evidence.rows_with_company(evidence.rows(new), stages.first)
    tags = [
        _judged(evidence, index, row, probability(stages.second, row), settings.sure, before)
        for index, row in enumerate(rows)
    ]
    tags.sort(key=lambda tag: (-tag.probability, tag.epc))
    return Judgement(box, tags, ignored_reads)


def received(judgement: Judgement, zone: Zone, at_ms: int) -> list[AnyFact]:
    """Return the facts about what is surely in the box, one or more for each GTIN.

    Unsure tags are not booked: they are for somebody to look at. Tags without a GTIN are no goods
    that can be counted; the judgement still names them.
    """
    outcome = Outcome()
    for tag in judgement.of("in_box"):
        gtin = gtin_of_tag(tag.epc)
        if gtin is not None:
            outcome.received(gtin, tag.epc, zone, "portal", at_ms, tag.probability, tag.basis)
    return outcome.decisions().facts


@dataclass(slots=True)
class GoodsIn:
    """A receiving station. One box at a time stands there, from `start` to `stop`."""

    settings: GoodsInSettings = SHIPPED
    background: Background = field(default_factory=Background)
    box: str | None = None
    _reads: SessionReads = field(default_factory=SessionReads)

    def start(self, box: str) -> None:
        """A box stands at the station; an earlier one that was not ended is dropped."""
        self.box, self._reads = box, SessionReads()

    def observe(self, readings: Iterable[TagReading]) -> None:
        """Take readings of the station's antennas in; without a box they are nobody's."""
        if self.box is not None:
            self._reads.observe(readings)

    def so_far(self) -> Judgement | None:
        """Return what the session has come to by now, or None where there is no box."""
        if self.box is None:
            return None
        before = self.background.shares(self.box)
        return judge(self.box, self._reads, self.settings, before)

    def stop(self) -> Judgement | None:
        """The box is over: return the judgement, and remember its strays for the next."""
        judgement = self.so_far()
        self.box, self._reads = None, SessionReads()
        if judgement is not None:
            self.background.learn(judgement)
        return judgement


def _judged(
    evidence: Evidence,
    index: int,
    row: Sequence[float],
    p: float,
    sure: float,
    before: Mapping[Epc, float] | None,
) -> JudgedTag:
    trace, own = evidence.traces[index], evidence.own[index]
    verdict: Verdict = "in_box" if p >= sure else "stray" if p <= 1 - sure else "unsure"
    basis = (
        f"read in {len(trace.blocks)} of {evidence.block_count} blocks, "
        f"spread {own.spread_db:.1f} dB, company {row[-1]:+.1f}"
    )
    if before is not None:
        basis += f", with other boxes in {before.get(trace.epc, 0.0):.0%} of blocks"
    return JudgedTag(trace.epc, p, verdict, own.share, basis)
