"""What facts mean to a SKU-location. Pure."""

from collections.abc import Iterator
from typing import Final

from cloud.sku_location.departures import explained
from cloud.sku_location.events import (
    AnyEvent,
    BackroomChanged,
    CountConfirmed,
    CountEvent,
    DepartureSeen,
    Found,
    Lost,
    MovedAway,
    MovedHere,
    OpeningCounted,
    Received,
    Returned,
    ReturnUndone,
    SaleUndone,
    Sold,
    Withheld,
)
from cloud.sku_location.movements import (
    absorber_of,
    happened_at_ms,
    is_outdated,
    is_superseded,
    moved_since,
)
from cloud.sku_location.refusal import Refusal, Refused
from cloud.sku_location.state import UNAVAILABLE_REASONS, Cause, SkuLocation
from protocol.facts import (
    GoodsReceived,
    Measure,
    ReturnVoided,
    SaleVoided,
    ShelfCounted,
    StockCounted,
    StockFact,
    TagsAppeared,
    TagsLeft,
    TagsMoved,
    TagsSwept,
    TillLine,
    UnitsReturned,
    UnitsSold,
    Zone,
)

TAG_MEASURE: Final[Measure] = "units"

EvidenceOnly = (TagsAppeared, TagsLeft, ShelfCounted, TagsSwept)
"""Facts that say something about where goods are, and nothing about how many."""


def measure_conflict(state: SkuLocation, measure: Measure) -> Refused | None:
    """Refuse another measure than the one that the SKU-location has for ever."""
    if state.measure is None or state.measure == measure:
        return None
    detail = f"{state.gtin} is counted in {state.measure} at {state.store}, not in {measure}"
    return Refused(Refusal.MEASURE_CONFLICT, detail)


def decide_fact(
    state: SkuLocation, fact: StockFact, cause: Cause, now_ms: int
) -> list[AnyEvent] | Refused:
    """Return what follows from a fact; its time decides whether a count has it already."""
    # Till lines come first: they are most of what there is.
    if isinstance(fact, TillLine):
        conflict = measure_conflict(state, fact.measure)
        if conflict is not None:
            return conflict
        return [_till_line(state, fact, cause, now_ms, happened_at_ms(fact.occurred_at_ms, now_ms))]
    if isinstance(fact, EvidenceOnly):
        return []
    measure = fact.measure if not isinstance(fact, TagsMoved) else TAG_MEASURE
    conflict = measure_conflict(state, measure)
    if conflict is not None:
        return conflict
    moved_at_ms = happened_at_ms(fact.occurred_at_ms, now_ms)
    if isinstance(fact, GoodsReceived):
        received = Received(
            cause=cause,
            at_ms=now_ms,
            measure=measure,
            quantity=fact.quantity,
            to_backroom=fact.quantity if fact.zone == "backroom" else 0,
            happened_at_ms=moved_at_ms,
            absorbed_by=absorber_of(state, moved_at_ms),
        )
        return [received]
    if isinstance(fact, TagsMoved):
        return _tags_moved(state, fact, cause, now_ms, moved_at_ms)
    return _counted(state, fact, cause, now_ms, moved_at_ms)


_TILL_EVENTS: Final[dict[type[TillLine], type[Sold | SaleUndone | Returned | ReturnUndone]]] = {
    UnitsSold: Sold,
    SaleVoided: SaleUndone,
    UnitsReturned: Returned,
    ReturnVoided: ReturnUndone,
}


def _till_line(
    state: SkuLocation, line: TillLine, cause: Cause, now_ms: int, moved_at_ms: int
) -> AnyEvent:
    event = _TILL_EVENTS[type(line)]
    return event(
        cause=cause,
        at_ms=now_ms,
        measure=line.measure,
        quantity=line.quantity,
        happened_at_ms=moved_at_ms,
        absorbed_by=absorber_of(state, moved_at_ms),
    )


def _tags_moved(
    state: SkuLocation, moved: TagsMoved, cause: Cause, now_ms: int, moved_at_ms: int
) -> list[AnyEvent] | Refused:
    """Only `transit` is outside the location; what passes the exit, the till accounts for."""
    tags = len(moved.epcs)
    if tags != len(set(moved.epcs)):
        return Refused(Refusal.REPEATED_TAG, f"a tag of {moved.gtin} is listed twice")
    origin, destination = moved.from_zone, moved.to_zone
    per_tag = _is_backroom(destination) - _is_backroom(origin)
    if origin == "transit" and destination != "transit":
        return [_crossed(MovedHere, state, tags, per_tag, cause, now_ms, moved_at_ms)]
    if destination == "transit" and origin != "transit":
        return _left(state, tags, per_tag, cause, now_ms, moved_at_ms)
    if not per_tag:
        return []
    changed = BackroomChanged(
        cause=cause, at_ms=now_ms, measure=TAG_MEASURE, to_backroom=tags * per_tag
    )
    return [changed]


def _left(
    state: SkuLocation, tags: int, per_tag: int, cause: Cause, now_ms: int, moved_at_ms: int
) -> list[AnyEvent]:
    """Tell tags that leave by what a command has taken off already, and the rest as moved."""
    is_absorbed = absorber_of(state, moved_at_ms) is not None
    known = 0 if is_absorbed else explained(state, tags, moved_at_ms)
    events: list[AnyEvent] = []
    if known:
        seen = DepartureSeen(
            cause=cause,
            at_ms=now_ms,
            measure=TAG_MEASURE,
            to_backroom=known * per_tag,
            quantity=known,
            happened_at_ms=moved_at_ms,
        )
        events.append(seen)
    if tags > known:
        events.append(_crossed(MovedAway, state, tags - known, per_tag, cause, now_ms, moved_at_ms))
    return events


def _crossed(
    kind: type[MovedAway | MovedHere],
    state: SkuLocation,
    tags: int,
    per_tag: int,
    cause: Cause,
    now_ms: int,
    moved_at_ms: int,
) -> AnyEvent:
    return kind(
        cause=cause,
        at_ms=now_ms,
        measure=TAG_MEASURE,
        quantity=tags,
        to_backroom=tags * per_tag,
        happened_at_ms=moved_at_ms,
        absorbed_by=absorber_of(state, moved_at_ms),
    )


def _is_backroom(zone: Zone) -> bool:
    return zone == "backroom"


def _counted(
    state: SkuLocation, count: StockCounted, cause: Cause, now_ms: int, counted_at_ms: int
) -> list[AnyEvent] | Refused:
    if is_superseded(state, counted_at_ms):
        return []
    if is_outdated(state, counted_at_ms):
        detail = (
            f"{state.gtin} at {state.store} has moved too often since this count to apply it;"
            " count again"
        )
        return Refused(Refusal.COUNT_OUTDATED, detail)
    difference = count.quantity + moved_since(state, counted_at_ms) - state.on_hand
    measure = count.measure
    if state.counted and difference == 0:
        confirmed = CountConfirmed(
            cause=cause, at_ms=now_ms, measure=measure, happened_at_ms=counted_at_ms
        )
        return [confirmed, *_withheld_no_more(state, confirmed, state.on_hand)]
    event: type[OpeningCounted | Found | Lost] = OpeningCounted
    if state.counted:
        event = Found if difference > 0 else Lost
    counted = event(
        cause=cause,
        at_ms=now_ms,
        measure=measure,
        quantity=difference if event is OpeningCounted else abs(difference),
        happened_at_ms=counted_at_ms,
    )
    return [counted, *_withheld_no_more(state, counted, state.on_hand + difference)]


def _withheld_no_more(
    state: SkuLocation, counted: CountEvent | CountConfirmed, on_hand: int
) -> Iterator[Withheld]:
    """Return what cannot be withheld any more, since it is not there."""
    excess = state.unavailable - max(0, on_hand)
    for reason in UNAVAILABLE_REASONS:
        gone = min(excess, getattr(state, reason))
        if gone > 0:
            excess -= gone
            yield Withheld(
                cause=counted.cause,
                at_ms=counted.at_ms,
                measure=counted.measure,
                reason=reason,
                quantity=-gone,
            )
