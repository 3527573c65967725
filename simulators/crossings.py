"""Crossings: how often the portal's sensing is right, against a simulated portal's truth.

`stocktruth-sim crossings` lets goods be carried through a portal while other tags linger beside it
and strays are read by chance, and holds every fact of the real tag sensing to the truth. Virtual
time, no sockets; the same seed gives the same readings.
"""

from collections import Counter, defaultdict
from random import Random
from typing import Final

from msgspec import Struct

from edge.sensing.layout import Layout, PortalAntenna, PortalSettings
from edge.sensing.readings import TagReading
from edge.sensing.register import Entry
from edge.sensing.tag_settings import TagSettings
from edge.sensing.tags import TagSensing
from protocol.facts import AnyFact, GoodsReceived, TagsMoved
from protocol.ids import Epc
from simulators.world.portal_radio import ANTENNAS, DWELL_MS, PortalReader, Report
from simulators.world.portal_traffic import Role, Traffic, Truth

START_MS: Final = 1_700_000_000_000
SURE: Final = 0.9
"""A decision that says less was unsure."""
READER: Final = "portal"
DOCK: Final = PortalSettings(name="dock", outside="transit", inside="backroom")
LAYOUT: Final[Layout] = {
    (READER, antenna.number): PortalAntenna(DOCK, "inside" if antenna.looks_y > 0 else "outside")
    for antenna in ANTENNAS
}


class Reliability(Struct, frozen=True, kw_only=True):
    """Of the decisions that were told with this confidence, how many were right."""

    confidence: float
    decisions: int
    right: int


class CrossingsOutcome(Struct, frozen=True, kw_only=True):
    """What was told of all tags near the portal. A tag that is told twice is wrong."""

    crossings: int
    tags: int
    """Tags that were carried through."""
    right: int
    wrong: int
    undecided: int
    """Nothing was told of these."""
    unread: int
    """Of the undecided, those that no antenna ever read."""
    lingering: int
    lingering_told: int
    strays: int
    strays_told: int
    decisions_wrong: int
    decisions_wrong_and_sure: int
    reliability: list[Reliability]
    reads: int
    virtual_s: float
    accuracy: float
    """Share of the carried tags that were told once and right."""

    def lines(self) -> list[str]:
        """Return what people want to know."""
        unsure = self.decisions_wrong - self.decisions_wrong_and_sure
        return [
            f"{self.tags} tags in {self.crossings} crossings: {self.accuracy:.2%} right",
            f"{self.wrong} wrong, {self.undecided} undecided, {self.unread} of them never read",
            f"told as crossings: {self.lingering_told} of {self.lingering} lingering tags",
            f"told as crossings: {self.strays_told} of {self.strays} strays",
            f"{self.decisions_wrong} wrong decisions, {unsure} of them less than {SURE} sure",
            *(
                f"  said {line.confidence:.2f}: {line.right / line.decisions:.3f} right "
                f"of {line.decisions}"
                for line in self.reliability
            ),
        ]


class Crossings:
    """One run: traffic, radio, sensing, and what was told of each tag."""

    def __init__(
        self,
        seed: int,
        *,
        lingering: int,
        strays: int,
        settings: TagSettings = TagSettings(),  # noqa: B008 # It is frozen.
    ) -> None:
        rng = Random(seed)
        self._now_ms = START_MS
        self._register: dict[Epc, Entry] = {}
        self._sensing = TagSensing(
            LAYOUT, settings, self._register, baseline_done=True, now_ms=START_MS
        )
        self._traffic = Traffic(rng, START_MS, lingering=lingering, strays=strays)
        self._reader = PortalReader(rng, START_MS)
        self._settings = settings
        self._truth: dict[Epc, Truth] = {}
        self._told: dict[Epc, list[tuple[bool, float]]] = defaultdict(list)
        self._reads: Counter[Epc] = Counter()

    def run(self, crossings: int) -> CrossingsOutcome:
        """Let so many groups of goods pass, and until the last of them is decided."""
        while self._traffic.crossings < crossings or self._traffic.is_crossed:
            self._step(crossings)
        after_ms = self._now_ms + 2 * self._settings.portal_window_ms
        while self._now_ms < after_ms:
            self._step(crossings)
        return self._outcome()

    def _step(self, crossings: int) -> None:
        came, _ = self._traffic.advance(self._now_ms, crossings_max=crossings)
        self._truth.update(came)
        for epc, truth in came.items():
            if truth.begins_inside:
                self._register[epc] = Entry("backroom", self._now_ms - 1)
        reports = self._reader.dwell(self._traffic.tags, self._now_ms)
        self._now_ms += DWELL_MS
        for report in reports:
            self._reads[report.epc] += report.reads
        readings = [_reading(report) for report in reports]
        for fact in self._sensing.observe(readings, self._now_ms).facts:
            self._tell(fact)

    def _tell(self, fact: AnyFact) -> None:
        if isinstance(fact, GoodsReceived | TagsMoved):
            inwards = isinstance(fact, GoodsReceived) or fact.to_zone == DOCK.inside
            for epc in fact.epcs:
                self._told[Epc(epc)].append((inwards, fact.confidence))

    def _outcome(self) -> CrossingsOutcome:
        count: Counter[str] = Counter()
        said: Counter[float] = Counter()
        said_right: Counter[float] = Counter()
        for epc, truth in self._truth.items():
            told = self._told[epc]
            count[_verdict(truth, told, self._reads[epc])] += 1
            count[truth.role.value] += 1
            for inwards, confidence in told:
                is_right = truth.role is Role.CROSSING and inwards == truth.ends_inside
                said[confidence] += 1
                said_right[confidence] += is_right
                count["decisions wrong"] += not is_right
                count["wrong and sure"] += not is_right and confidence >= SURE
        return CrossingsOutcome(
            crossings=self._traffic.crossings,
            tags=count["crossing"],
            right=count["right"],
            wrong=count["wrong"],
            undecided=count["undecided"] + count["unread"],
            unread=count["unread"],
            lingering=count["lingering"],
            lingering_told=count["lingering told"],
            strays=count["stray"],
            strays_told=count["stray told"],
            decisions_wrong=count["decisions wrong"],
            decisions_wrong_and_sure=count["wrong and sure"],
            reliability=[
                Reliability(confidence=sure, decisions=said[sure], right=said_right[sure])
                for sure in sorted(said)
            ],
            reads=self._reads.total(),
            virtual_s=(self._now_ms - START_MS) / 1_000,
            accuracy=count["right"] / max(1, count["crossing"]),
        )


def _verdict(truth: Truth, told: list[tuple[bool, float]], reads: int) -> str:
    if truth.role is not Role.CROSSING:
        return f"{truth.role.value} told" if told else f"{truth.role.value} not told"
    if not told:
        return "undecided" if reads else "unread"
    return "right" if [inwards for inwards, _ in told] == [truth.ends_inside] else "wrong"


def _reading(report: Report) -> TagReading:
    antenna, epc, rssi_dbm, first_ms, last_ms, count = report
    return TagReading(READER, antenna, epc, rssi_dbm, first_ms, last_ms, count)
