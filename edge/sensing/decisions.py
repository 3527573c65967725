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
    Zone,
)
from protocol.ids import Epc, Gtin

SOURCE: Final = "tags"


class Decisions(NamedTuple):
    """Facts, and the checkpoints that must commit with them."""

    facts: list[AnyFact]
    checkpoints: dict[str, bytes | None]


class _Swept(NamedTuple):
    gtin: Gtin

    def facts(self, epcs: list[bytes], at_ms: int) -> Iterator[AnyFact]:
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

    def facts(self, epcs: list[bytes], at_ms: int) -> Iterator[AnyFact]:
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
            )


class _Moved(NamedTuple):
    gtin: Gtin
    from_zone: Zone
    to_zone: Zone

    def facts(self, epcs: list[bytes], at_ms: int) -> Iterator[AnyFact]:
        for piece in _pieces(epcs):
            yield TagsMoved(
                occurred_at_ms=at_ms,
                source=SOURCE,
                gtin=self.gtin,
                from_zone=self.from_zone,
                to_zone=self.to_zone,
                epcs=piece,
            )


class _Noticed(NamedTuple):
    gtin: Gtin
    zone: Zone
    what: Literal["appeared", "left"]

    def facts(self, epcs: list[bytes], at_ms: int) -> Iterator[AnyFact]:
        kind = TagsAppeared if self.what == "appeared" else TagsLeft
        fact: Callable[..., AnyFact] = partial(kind, occurred_at_ms=at_ms, source=SOURCE)
        for piece in _pieces(epcs):
            yield fact(gtin=self.gtin, zone=self.zone, epcs=piece)


_Kind = _Swept | _Received | _Moved | _Noticed


@dataclass(slots=True)
class _Group:
    epcs: dict[Epc, None] = field(default_factory=dict)
    at_ms: int = 0


class Outcome:
    """Collects decisions. A fact happened when the last reading that led to it was made."""

    def __init__(self) -> None:
        self._groups: dict[_Kind, list[_Group]] = {}
        self.checkpoints: dict[str, bytes | None] = {}

    def swept(self, gtin: Gtin, epc: Epc, at_ms: int) -> None:
        """A tag was there at the first start."""
        self._add(_Swept(gtin), epc, at_ms)

    def received(self, gtin: Gtin, epc: Epc, zone: Zone, evidence: Evidence, at_ms: int) -> None:
        """A tag that was not known is in the store."""
        self._add(_Received(gtin, zone, evidence), epc, at_ms)

    def moved(self, gtin: Gtin, epc: Epc, from_zone: Zone, to_zone: Zone, at_ms: int) -> None:
        """A known tag is in another zone."""
        self._add(_Moved(gtin, from_zone, to_zone), epc, at_ms)

    def appeared(self, gtin: Gtin, epc: Epc, zone: Zone, at_ms: int) -> None:
        """A tag that had left its zone is read there again."""
        self._add(_Noticed(gtin, zone, "appeared"), epc, at_ms)

    def left(self, gtin: Gtin, epc: Epc, zone: Zone, at_ms: int) -> None:
        """A tag is no longer read in its zone."""
        self._add(_Noticed(gtin, zone, "left"), epc, at_ms)

    def register(self, epc: Epc, entry: Entry) -> None:
        """Where a tag is from now on."""
        self.checkpoints[checkpoint_name(epc)] = checkpoint_value(entry)

    def decisions(self) -> Decisions:
        """Return the facts, those that change counts first."""
        facts: list[AnyFact] = []
        for kind in sorted(self._groups, key=lambda kind: isinstance(kind, _Noticed)):
            for group in self._groups[kind]:
                facts += kind.facts(list(group.epcs), group.at_ms)
        return Decisions(facts, self.checkpoints)

    def _add(self, kind: _Kind, epc: Epc, at_ms: int) -> None:
        groups = self._groups.setdefault(kind, [_Group()])
        if epc in groups[-1].epcs:  # The same way once more, so it is another fact.
            groups.append(_Group())
        groups[-1].epcs[epc] = None
        groups[-1].at_ms = max(groups[-1].at_ms, at_ms)


def _pieces(epcs: list[bytes]) -> Iterator[list[bytes]]:
    for start in range(0, len(epcs), EPCS_PER_FACT_MAX):
        yield epcs[start : start + EPCS_PER_FACT_MAX]
