"""Matching: what of a despatch an arrival is, and in what it differs. Pure; takes and returns data.

An arrival is goods of one GTIN. Its units are told apart by what is known of them:

    the tag came with this despatch before            received twice, and not counted again
    the whole of an SSCC that has come in full        received twice, and not counted again
    the despatch has no line of this GTIN             wrong item
    the tag is listed on a line                       this line, as far as it still expects any
    no tag, or one that its despatch does not list    lines of the GTIN, those of its SSCC first;
                                                      for tags only lines that list none
    beyond that, and tags are listed for the GTIN     unknown tag
    beyond that                                       over

What is damaged is a discrepancy as well, whatever line it is of. A unit belongs to one discrepancy
at most, so that resolving each of them once accounts for all goods.
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from msgspec.structs import replace

from cloud.records.despatch_advice import AdvisedLine
from cloud.records.discrepancy import DiscrepancyKind
from protocol.facts import Measure

NOTHING_FOUND: Final[Mapping[int, int]] = {}


class Arrival(NamedTuple):
    """Goods of one GTIN that arrived together; `epcs` is empty, or has a tag for each unit."""

    gtin: str
    quantity: int
    measure: Measure
    epcs: tuple[bytes, ...] = ()
    sscc: str = ""
    is_damaged: bool = False


class Deviation(NamedTuple):
    """How a part of an arrival differs from what was advised."""

    kind: DiscrepancyKind
    quantity: int
    epcs: tuple[bytes, ...] = ()


class Matched(NamedTuple):
    """What an arrival is.

    `lines` are the lines after it. `expected` of it was outstanding, `found` had been given up as
    short, by line and with its tags. The rest is in `deviations`.
    """

    lines: tuple[AdvisedLine, ...]
    expected: int
    found: tuple[tuple[int, int, tuple[bytes, ...]], ...]
    deviations: tuple[Deviation, ...]


def match(
    lines: Sequence[AdvisedLine],
    arrival: Arrival,
    came_before: frozenset[bytes] = frozenset(),
    findable: Mapping[int, int] = NOTHING_FOUND,
) -> Matched:
    """Match an arrival with the lines of its despatch.

    `came_before` are those of its tags that came with this despatch before; `findable` is how much
    of a line, by its number, is short and may still turn up.
    """
    matching = _Matching(lines, arrival, findable)
    if arrival.epcs:
        matching.take_tags(came_before)
    else:
        matching.take_quantity()
    return matching.result()


class _Matching:
    """One arrival while it is being matched."""

    def __init__(
        self, lines: Sequence[AdvisedLine], arrival: Arrival, findable: Mapping[int, int]
    ) -> None:
        self._lines: Final = list(lines)
        self._arrival: Final = arrival
        self._findable: Final = dict(findable)
        self._found: Final[list[tuple[int, int, tuple[bytes, ...]]]] = []
        self._deviations: Final[list[Deviation]] = []
        self._expected = 0
        self._filled_tags: list[bytes] = []
        self._filled = 0
        mine = [number for number, line in enumerate(lines) if line.gtin == arrival.gtin]
        self._candidates: Final = sorted(mine, key=lambda n: lines[n].sscc != arrival.sscc)

    def take_tags(self, came_before: frozenset[bytes]) -> None:
        """Match an arrival of which every unit has a tag."""
        twice = tuple(epc for epc in self._arrival.epcs if epc in came_before)
        self._deviate("received_twice", len(twice), twice)
        fresh = [epc for epc in self._arrival.epcs if epc not in came_before]
        if not self._candidates:
            self._deviate("wrong_item", len(fresh), tuple(fresh))
            return
        listed_on = {epc: n for n in self._candidates for epc in self._lines[n].epcs}
        by_line: dict[int, list[bytes]] = {}
        unlisted: list[bytes] = []
        for epc in fresh:
            by_line.setdefault(listed_on.get(epc, -1), []).append(epc)
        unlisted.extend(by_line.pop(-1, []))
        surplus: list[bytes] = []
        for number, tags in by_line.items():
            surplus.extend(tags[self._fill(number, len(tags), tuple(tags)) :])
        for number in self._candidates:
            if not self._lines[number].epcs:
                del unlisted[: self._fill(number, len(unlisted), tuple(unlisted))]
        self._deviate("over", len(surplus), tuple(surplus))
        kind: DiscrepancyKind = "unknown_tag" if listed_on else "over"
        self._deviate(kind, len(unlisted), tuple(unlisted))

    def take_quantity(self) -> None:
        """Match an arrival without tags."""
        left = self._arrival.quantity
        if not self._candidates:
            self._deviate("wrong_item", left)
        elif self._is_whole_unit_again():
            self._deviate("received_twice", left)
        else:
            for number in self._candidates:
                left -= self._fill(number, left)
            self._deviate("over", left)

    def _is_whole_unit_again(self) -> bool:
        """Say whether all of a logistic unit's goods of the GTIN come when they have come."""
        sscc = self._arrival.sscc
        lines = [self._lines[n] for n in self._candidates if self._lines[n].sscc == sscc]
        advised = sum(line.advised for line in lines)
        is_complete = all(line.received == line.advised for line in lines)
        return bool(sscc and lines) and is_complete and self._arrival.quantity == advised

    def _fill(self, number: int, quantity: int, tags: tuple[bytes, ...] = ()) -> int:
        """Enter what a line still expects, or had given up; return how much that was."""
        line = self._lines[number]
        expected = min(quantity, line.outstanding)
        found = min(quantity - expected, self._findable.get(number, 0))
        filled = expected + found
        if not filled:
            return 0
        came = tags[:filled]
        self._lines[number] = replace(
            line,
            received=line.received + filled,
            short=line.short - found,
            damaged=line.damaged + (filled if self._arrival.is_damaged else 0),
            arrived=(*line.arrived, *came) if line.epcs else line.arrived,
        )
        if found:
            self._findable[number] -= found
            self._found.append((number, found, came[expected:]))
        self._expected += expected
        self._filled += filled
        self._filled_tags.extend(came)
        return filled

    def _deviate(self, kind: DiscrepancyKind, quantity: int, epcs: tuple[bytes, ...] = ()) -> None:
        if quantity:
            self._deviations.append(Deviation(kind, quantity, epcs))

    def result(self) -> Matched:
        """Return what the arrival was."""
        if self._arrival.is_damaged:
            self._deviate("damaged", self._filled, tuple(self._filled_tags))
        return Matched(
            lines=tuple(self._lines),
            expected=self._expected,
            found=tuple(self._found),
            deviations=tuple(self._deviations),
        )
