"""What a location expects, found by document, tag or GTIN: an index over its open advices. Pure.

It lives as long as one group commit and follows every record that is changed meanwhile, so that it
answers the same wherever a group begins or ends.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from cloud.records import Record
from cloud.records.despatch_advice import DespatchAdvice
from cloud.records.discrepancy import Discrepancy

RECEIVED_TOGETHER_MS: Final = 1_800_000
"""Half an hour: what crosses a portal this soon after goods of a despatch, came with them."""


class ExpectedGoods:
    """The open advices of one location, and what closed ones are still short of, by tag.

    `is_used`: something was advised to this location, ever.
    """

    def __init__(
        self,
        *,
        is_used: bool,
        advices: Iterable[DespatchAdvice] = (),
        discrepancies: Iterable[Discrepancy] = (),
    ) -> None:
        self.is_used = is_used
        self._open: Final[dict[str, DespatchAdvice]] = {}
        self._indexed: Final[set[str]] = set()
        self._by_tag: Final[dict[bytes, list[str]]] = {}
        self._by_sscc: Final[dict[str, list[str]]] = {}
        self._by_gtin: Final[dict[str, list[str]]] = {}
        self._missing: Final[dict[bytes, dict[str, str]]] = {}
        self._missing_by_short: Final[dict[str, tuple[bytes, ...]]] = {}
        for record in (*advices, *discrepancies):
            self.note(record)

    def note(self, record: Record) -> None:
        """Follow a record of this location that is new or has changed."""
        if isinstance(record, DespatchAdvice):
            self._note_advice(record)
        elif isinstance(record, Discrepancy) and record.kind == "short":
            self._note_short(record)

    def _note_advice(self, advice: DespatchAdvice) -> None:
        self.is_used = True
        if not advice.is_open:
            self._open.pop(advice.id, None)
            return
        self._open[advice.id] = advice
        if advice.id in self._indexed:
            return
        self._indexed.add(advice.id)
        for gtin in {line.gtin for line in advice.lines}:
            self._by_gtin.setdefault(gtin, []).append(advice.id)
        for sscc in {line.sscc for line in advice.lines if line.sscc}:
            self._by_sscc.setdefault(sscc, []).append(advice.id)
        for line in advice.lines:
            for epc in line.epcs:
                self._by_tag.setdefault(epc, []).append(advice.id)

    def _note_short(self, short: Discrepancy) -> None:
        # A tag that was found is missing no more, and is not listed any more either.
        for epc in self._missing_by_short.pop(short.id, ()):
            del self._missing[epc][short.id]
        if short.is_open:
            self._missing_by_short[short.id] = short.epcs
            for epc in short.epcs:
                self._missing.setdefault(epc, {})[short.id] = short.despatch_id

    def _still_open(self, despatches: Iterable[str]) -> list[DespatchAdvice]:
        """Return those that are open, the oldest first."""
        found = [self._open[name] for name in despatches if name in self._open]
        return sorted(found, key=_age)

    def open(self, despatch_id: str) -> DespatchAdvice | None:
        """Return an open advice by its id."""
        return self._open.get(despatch_id)

    def with_sscc(self, sscc: str) -> DespatchAdvice | None:
        """Return the oldest open advice of a logistic unit."""
        return next(iter(self._still_open(self._by_sscc.get(sscc, ()))), None)

    def listing(self, epc: bytes) -> str | None:
        """Return the oldest open despatch that lists a tag, or a closed one that misses it."""
        listed = self._still_open(self._by_tag.get(epc, ()))
        if listed:
            return listed[0].id
        return min(self._missing.get(epc, {}).values(), default=None)

    def of_gtin(self, gtin: str) -> list[DespatchAdvice]:
        """Return the open advices with a line of a GTIN, the oldest first."""
        return self._still_open(self._by_gtin.get(gtin, ()))

    def being_received(self, at_ms: int) -> DespatchAdvice | None:
        """Return the despatch of which goods came last, if that was at about this time."""
        return max(self._received_about(at_ms), key=_last_arrival, default=None)

    def _received_about(self, at_ms: int) -> Iterator[DespatchAdvice]:
        for advice in self._open.values():
            is_begun = advice.status == "receiving"
            if is_begun and abs(at_ms - advice.arrived_at_ms) <= RECEIVED_TOGETHER_MS:
                yield advice


def _age(advice: DespatchAdvice) -> tuple[int, str]:
    return (advice.created_at_ms, advice.id)


def _last_arrival(advice: DespatchAdvice) -> tuple[int, str]:
    return (advice.arrived_at_ms, advice.id)
