"""Receiving by portal: facts that goods arrived are matched with what was advised. Pure.

A fact belongs, as far as it goes, to

    1. the despatch that its document names, by id or by SSCC: all of it, open or closed
    2. the despatch that lists its tags: an open one, or a closed one that misses them
    3. the despatch that brought its tags before, if it is open or no other expects the GTIN
    4. the oldest open despatches that still expect its GTIN, for tags on lines that list none
    5. what is left: the last open one of these; or the oldest open one that lists other tags of the
       GTIN; or, through a portal, the one of which goods came within half an hour

What none of them explains is counted as if nothing had ever been advised: goods that are there are
there. Whatever it is, a fact remains one change of its SKU-location.
"""

from typing import Final, TypeGuard

from cloud.receiving.arrivals import Share, arrive, despatch_of_tag
from cloud.receiving.expected import ExpectedGoods
from cloud.receiving.matching import Arrival
from cloud.records.despatch_advice import DespatchAdvice
from cloud.shards.desk import Desk
from cloud.sku_location.messages import TakeIn
from cloud.sku_location.movements import happened_at_ms
from cloud.sku_location.refusal import Refused
from cloud.sku_location.state import Cause
from protocol.facts import GoodsReceived, StockFact, TagsMoved

ArrivalFact = GoodsReceived | TagsMoved


def is_arrival(fact: StockFact) -> TypeGuard[ArrivalFact]:
    """Say whether a fact tells of goods that came into the location."""
    if isinstance(fact, TagsMoved):
        return fact.from_zone == "transit" and fact.to_zone != "transit"
    return isinstance(fact, GoodsReceived)


def receive_fact(
    desk: Desk, expected: ExpectedGoods, fact: ArrivalFact, cause: Cause
) -> Refused | None:
    """Take in what arrived, by the despatches that it belongs to; refuse what no advice changes."""
    arrived_at_ms = happened_at_ms(fact.occurred_at_ms, desk.now_ms)
    parts = _Sorting(desk, expected, fact, arrived_at_ms).parts()
    if not parts:
        told = desk.tell_fact(fact, cause)
        return told if isinstance(told, Refused) else None
    shares = [arrive(desk, advice, arrival, arrived_at_ms) for advice, arrival in parts]
    explained = sum(arrival.quantity for _, arrival in parts)
    told = desk.tell_instead(_take_in(desk, fact, shares, explained), cause)
    return told if isinstance(told, Refused) else None


def _take_in(desk: Desk, fact: ArrivalFact, shares: list[Share], explained: int) -> TakeIn:
    unexplained = _arrival(fact).quantity - explained
    counted = unexplained + sum(share.counted for share in shares)
    zone = fact.to_zone if isinstance(fact, TagsMoved) else fact.zone
    withheld = sum(share.withheld for share in shares)
    numbers = {share.reorder_number for share in shares}
    return TakeIn(
        store=desk.stamp.store,
        gtin=fact.gtin,
        quantity=counted,
        measure=_arrival(fact).measure,
        to_backroom=counted if zone == "backroom" else 0,
        from_incoming=sum(share.expected for share in shares),
        withheld=withheld,
        reason="quality_control" if withheld else None,
        occurred_at_ms=fact.occurred_at_ms,
        fills_reorder=bool(unexplained) or any(share.fills_reorder for share in shares),
        reorder_number=numbers.pop() if len(numbers) == 1 else 0,
        epcs=_arrival(fact).epcs,
    )


def _arrival(fact: ArrivalFact) -> Arrival:
    """Return what arrived; tags that are not one for each unit say nothing."""
    if isinstance(fact, TagsMoved):
        return Arrival(fact.gtin, len(fact.epcs), "units", tuple(fact.epcs))
    has_tags = len(set(fact.epcs)) == len(fact.epcs) == fact.quantity and fact.measure == "units"
    return Arrival(fact.gtin, fact.quantity, fact.measure, tuple(fact.epcs) if has_tags else ())


class _Sorting:
    """Sorts the units of one fact by despatch."""

    def __init__(
        self, desk: Desk, expected: ExpectedGoods, fact: ArrivalFact, arrived_at_ms: int
    ) -> None:
        self._desk: Final = desk
        self._store: Final = desk.stamp.store
        self._expected: Final = expected
        self._fact: Final = fact
        self._arrival: Final = _arrival(fact)
        self._arrived_at_ms: Final = arrived_at_ms
        self._tags: Final[dict[str, list[bytes]]] = {}
        self._quantities: Final[dict[str, int]] = {}

    def parts(self) -> list[tuple[DespatchAdvice, Arrival]]:
        """Return the arrivals at each despatch, in the order in which they were found."""
        if isinstance(self._fact, TagsMoved):
            if len(set(self._fact.epcs)) != len(self._fact.epcs):
                return []
        elif self._fact.document:
            named = self._named(self._fact.document)
            if named is not None:
                return [named]
        left = self._by_tag() if self._arrival.epcs else ()
        self._by_gtin(list(left))
        return [self._part(name, quantity) for name, quantity in self._quantities.items()]

    def _named(self, document: str) -> tuple[DespatchAdvice, Arrival] | None:
        advice = self._expected.open(document) or self._advice(document)
        if advice is not None:
            return advice, self._arrival
        advice = self._expected.with_sscc(document) or self._closed_with_sscc(document)
        return None if advice is None else (advice, self._arrival._replace(sscc=document))

    def _advice(self, despatch_id: str) -> DespatchAdvice | None:
        return self._desk.record(DespatchAdvice, self._store, despatch_id)

    def _closed_with_sscc(self, sscc: str) -> DespatchAdvice | None:
        found = self._desk.records.by_ref(DespatchAdvice, f"sscc:{sscc}")
        here = [advice for advice in found if advice.store == self._store]
        return max(here, key=lambda advice: (advice.created_at_ms, advice.id), default=None)

    def _by_tag(self) -> list[bytes]:
        """Sort tags that are known; return the others."""
        unknown: list[bytes] = []
        for epc in self._arrival.epcs:
            if self._is_back(epc):
                continue
            name = self._expected.listing(epc) or self._brought_before(epc)
            if name is None:
                unknown.append(epc)
            else:
                self._assign(name, 1, [epc])
        return unknown

    def _is_back(self, epc: bytes) -> bool:
        """Say whether a tag of an open despatch has come, has left and comes again."""
        if not isinstance(self._fact, TagsMoved):
            return False
        name = despatch_of_tag(self._desk, self._store, epc)
        return name is not None and self._expected.open(name) is not None

    def _brought_before(self, epc: bytes) -> str | None:
        if isinstance(self._fact, TagsMoved):
            return None
        name = despatch_of_tag(self._desk, self._store, epc)
        if name is None or self._expected.open(name) is not None:
            return name
        return None if self._expecting() else name

    def _expecting(self) -> list[tuple[DespatchAdvice, int]]:
        """Return the despatches that still expect goods like these, and how much."""
        is_tagged = bool(self._arrival.epcs)
        found = []
        for advice in self._expected.of_gtin(self._arrival.gtin):
            room = sum(
                line.outstanding
                for line in advice.lines
                if line.gtin == self._arrival.gtin and not (is_tagged and line.epcs)
            )
            if room:
                found.append((advice, room))
        return found

    def _by_gtin(self, tags: list[bytes]) -> None:
        """Sort units that nothing but their GTIN tells apart."""
        left = len(tags) if self._arrival.epcs else self._arrival.quantity
        for advice, room in self._expecting():
            taken = min(room, left)
            self._assign(advice.id, taken, tags[:taken])
            del tags[:taken]
            left -= taken
        if left:
            name = self._last_open() or self._deviating()
            if name is not None:
                self._assign(name, left, tags)

    def _last_open(self) -> str | None:
        """Return the last open despatch that other units of the fact belong to."""
        mine = (name for name in reversed(self._quantities) if self._expected.open(name))
        return next(mine, None)

    def _deviating(self) -> str | None:
        """Return the despatch from which unexpected goods differ, if there is one."""
        if self._arrival.epcs:
            for advice in self._expected.of_gtin(self._arrival.gtin):
                mine = [line for line in advice.lines if line.gtin == self._arrival.gtin]
                if any(line.epcs and line.outstanding for line in mine):
                    return advice.id
        if isinstance(self._fact, TagsMoved) or self._fact.evidence != "portal":
            return None
        received = self._expected.being_received(self._arrived_at_ms)
        return None if received is None else received.id

    def _assign(self, name: str, quantity: int, tags: list[bytes]) -> None:
        if quantity:
            self._quantities[name] = self._quantities.get(name, 0) + quantity
            self._tags.setdefault(name, []).extend(tags)

    def _part(self, name: str, quantity: int) -> tuple[DespatchAdvice, Arrival]:
        advice = self._expected.open(name) or self._advice(name)
        if advice is None:
            raise AssertionError(f"despatch {name} to {self._store} is indexed and not there")
        tags = tuple(self._tags.get(name, ()))
        return advice, self._arrival._replace(quantity=quantity, epcs=tags)
