"""Evidence beside the book: what an input says of the true count, and when the book follows. Pure.

Every input that says something of the count updates the belief; the event that it leads to carries
the new belief, or `EvidenceTaken` does. After a complete sweep the book follows the belief where
that is sure: the difference is found or lost, as if somebody had counted, with the sweep as cause.
"""

from typing import Final

from msgspec.structs import replace

from cloud.sku_location.belief import believed, estimate
from cloud.sku_location.events import AnyEvent, EvidenceTaken, Found, Lost, OpeningCounted
from cloud.sku_location.movements import happened_at_ms, is_outdated, is_superseded
from cloud.sku_location.state import Cause, SkuLocation
from protocol.facts import Fact, ShelfCounted, TagsMoved, TagsSwept

BOOK_FOLLOWS_FROM: Final = 0.95
"""A sweep corrects the book when it makes one count this likely."""
_OF_UNITS: Final = (TagsSwept, TagsMoved, ShelfCounted)
"""What counts pieces says nothing of goods in grams."""


def with_evidence(
    state: SkuLocation, message: object, events: list[AnyEvent], cause: Cause, now_ms: int
) -> list[AnyEvent]:
    """Return the events with what is believed after them, and what the book learns from it."""
    if state.measure == "grams" and isinstance(message, _OF_UNITS):
        return events
    at_ms = happened_at_ms(message.occurred_at_ms, now_ms) if isinstance(message, Fact) else now_ms
    belief = believed(state, message, events, at_ms)
    if belief == state.belief:
        return events
    if isinstance(message, TagsSwept) and message.is_complete:
        events = [*events, *book_follows(state, belief, cause, at_ms, now_ms)]
    if not events:
        measure = state.measure or "units"
        return [EvidenceTaken(cause=cause, at_ms=now_ms, measure=measure, belief=belief)]
    return [*events[:-1], replace(events[-1], belief=belief)]


def book_follows(
    state: SkuLocation, belief: bytes, cause: Cause, at_ms: int, now_ms: int
) -> list[AnyEvent]:
    """Return what the book finds or loses as of `at_ms`, to say what is believed; often nothing."""
    if not belief:
        return []
    if is_superseded(state, at_ms) or is_outdated(state, at_ms) or state.measure == "grams":
        return []
    known = estimate(replace(state, belief=belief), at_ms)
    difference = known.best - state.on_hand
    if known.p_best < BOOK_FOLLOWS_FROM or not difference:
        return []
    event: type[OpeningCounted | Found | Lost] = OpeningCounted
    if state.counted:
        event = Found if difference > 0 else Lost
    counted = event(
        cause=cause,
        at_ms=now_ms,
        measure="units",
        quantity=difference if event is OpeningCounted else abs(difference),
        happened_at_ms=at_ms,
    )
    return [counted]
