"""What was decided about single tags, gathered into facts about one GTIN each. Pure."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Literal, NamedTuple

from edge.sensing.register import Entry, checkpoint_name, checkpoint_value
from protocol.facts import (
    EPCS_PER_FACT_MAX,
    AnyFact,
    Evidence,
    GoodsReceived,
    StockCounted,
    TagsAppeared,
    TagsLeft,
    TagsMoved,
    TagsSwept,
    Zone,
)
from protocol.ids import Epc, Gtin

SOURCE: Final = "tags"
CONFIDENCE_STEP: Final = 0.05
"""Tags are told together when their confidences agree to this, so that facts stay few."""


class Decisions(NamedTuple):
    """Facts, and the checkpoints that must commit with them."""

    facts: list[AnyFact]
    checkpoints: dict[str, bytes | None]


class _Swept(NamedTuple):
    gtin: Gtin

    def facts(self, epcs: list[bytes], at_ms: int, _: str) -> Iterator[AnyFact]:
        yield StockCounted(
            occurred_at_ms=at_ms,
            source=SOURCE,
            gtin=self.gtin,
            quantity=len(epcs),
            measure="units",
            evidence="sweep",
        )


class _Received(NamedTuple):
    gtin: Gtin
    zone: Zone
    evidence: Evidence
    confidence: float

    def facts(self, epcs: list[bytes], at_ms: int, basis: str) -> Iterator[AnyFact]:
        for piece in _pieces(epcs):
            yield GoodsReceived(
                occurred_at_ms=at_ms,
                source=SOURCE,
                gtin=self.gtin,
                quantity=len(piece),
                measure="units",
                zone=self.zone,
                evidence=self.evidence,
                epcs=piece,
                confidence=self.confidence,
                basis=basis,
            )


class _Moved(NamedTuple):
    gtin: Gtin
    from_zone: Zone
    to_zone: Zone
    confidence: float

    def facts(self, epcs: list[bytes], at_ms: int, basis: str) -> Iterator[AnyFact]:
        for piece in _pieces(epcs):
            yield TagsMoved(
                occurred_at_ms=at_ms,
                source=SOURCE,
                gtin=self.gtin,
                from_zone=self.from_zone,
                to_zone=self.to_zone,
                epcs=piece,
                confidence=self.confidence,
                basis=basis,
            )


class _Noticed(NamedTuple):
    gtin: Gtin
    zone: Zone
    what: Literal["appeared", "left"]

    def facts(self, epcs: list[bytes], at_ms: int, _: str) -> Iterator[AnyFact]:
        kind = TagsAppeared if self.what == "appeared" else TagsLeft
        fact: Callable[..., AnyFact] = partial(kind, occurred_at_ms=at_ms, source=SOURCE)
        for piece in _pieces(epcs):
            yield fact(gtin=self.gtin, zone=self.zone, epcs=piece)


_Kind = _Swept | _Received | _Moved | _Noticed


@dataclass(slots=True)
class _Group:
    epcs: dict[Epc, None] = field(default_factory=dict)
    at_ms: int = 0
    basis: str = ""

    def told_basis(self) -> str:
        """Return what the first tag's decision rests on, which stands for those of the others."""
        others = len(self.epcs) - 1
        return f"{self.basis}; {others} more alike" if self.basis and others else self.basis


class Outcome:
    """Collects decisions. A fact happened when the last reading that led to it was made."""

    def __init__(self) -> None:
        self._groups: dict[_Kind, list[_Group]] = {}
        self._sweeps: list[AnyFact] = []
        self.checkpoints: dict[str, bytes | None] = {}

    def swept(self, gtin: Gtin, epc: Epc, at_ms: int) -> None:
        """A tag was there at the first start."""
        self._add(_Swept(gtin), epc, at_ms)

    def tags_swept(
        self, gtin: Gtin, sweep: str, epcs: list[Epc], at_ms: int, basis: str, *, is_complete: bool
    ) -> None:
        """A sweep has read these tags of a GTIN, and it is over."""
        fact = TagsSwept(
            occurred_at_ms=at_ms,
            source=SOURCE,
            gtin=gtin,
            sweep=sweep,
            quantity=len(epcs),
            is_complete=is_complete,
            epcs=list[bytes](epcs[:EPCS_PER_FACT_MAX]),
            basis=basis,
        )
        self._sweeps.append(fact)

    def received(
        self,
        gtin: Gtin,
        epc: Epc,
        zone: Zone,
        evidence: Evidence,
        at_ms: int,
        confidence: float = 1.0,
        basis: str = "",
    ) -> None:
        """A tag that was not known is in the store."""
        self._add(_Received(gtin, zone, evidence, _rounded(confidence)), epc, at_ms, basis)

    def moved(
        self,
        gtin: Gtin,
        epc: Epc,
        from_zone: Zone,
        to_zone: Zone,
        at_ms: int,
        confidence: float = 1.0,
        basis: str = "",
    ) -> None:
        """A known tag is in another zone."""
        self._add(_Moved(gtin, from_zone, to_zone, _rounded(confidence)), epc, at_ms, basis)

    def appeared(self, gtin: Gtin, epc: Epc, zone: Zone, at_ms: int) -> None:
        """A tag that had left its zone is read there again."""
        self._add(_Noticed(gtin, zone, "appeared"), epc, at_ms)

    def left(self, gtin: Gtin, epc: Epc, zone: Zone, at_ms: int) -> None:
        """A tag is no longer read in its zone."""
        self._add(_Noticed(gtin, zone, "left"), epc, at_ms)

    def register(self, epc: Epc, entry: Entry) -> None:
        """Where a tag is from now on."""
        self.checkpoints[checkpoint_name(epc)] = checkpoint_value(entry)

    def forgotten(self, epc: Epc) -> None:
        """The register no longer knows a tag."""
        self.checkpoints[checkpoint_name(epc)] = None

    def decisions(self) -> Decisions:
        """Return the facts, those that change counts first."""
        stock: list[AnyFact] = []
        noticed: list[AnyFact] = []
        for kind, groups in self._groups.items():
            facts = noticed if isinstance(kind, _Noticed) else stock
            for group in groups:
                facts += kind.facts(list(group.epcs), group.at_ms, group.told_basis())
        return Decisions(stock + self._sweeps + noticed, self.checkpoints)

    def _add(self, kind: _Kind, epc: Epc, at_ms: int, basis: str = "") -> None:
        groups = self._groups.setdefault(kind, [_Group(basis=basis)])
        if epc in groups[-1].epcs:  # The same way once more, so it is another fact.
            groups.append(_Group(basis=basis))
        groups[-1].epcs[epc] = None
        groups[-1].at_ms = max(groups[-1].at_ms, at_ms)


def _rounded(confidence: float) -> float:
    return round(round(confidence / CONFIDENCE_STEP) * CONFIDENCE_STEP, 2)


def _pieces(epcs: list[bytes]) -> Iterator[list[bytes]]:
    for start in range(0, len(epcs), EPCS_PER_FACT_MAX):
        yield epcs[start : start + EPCS_PER_FACT_MAX]
