"""Movements and counts by *when they happened*, whatever order they arrive in. Pure.

A count fixes `on_hand` as of its moment. So:

    a movement before the newest count         is in that count already: `on_hand` stays, and the
                                               difference that the count found is corrected
    a count with movements after its moment    fixes the moment; those movements stay on top
    a count older than the newest one          says nothing any more

What happened in the same millisecond, happened in the order of arrival.

Movements since the newest count are remembered for this, the newest `MOVEMENTS_MAX` of them; a
count from before what is remembered is refused. Times come from gateways, whose clocks can be
unset or ahead: a time that cannot be is taken as the time of arrival.
"""

from typing import Any, Final

from cloud.sku_location.events import Absorber
from cloud.sku_location.state import Movement, SkuLocation

MOVEMENTS_MAX: Final = 32

CLOCK_UNSET_BEFORE_MS: Final = 1_577_836_800_000
"""2020-01-01T00:00:00Z: a clock that says less was never set."""


def happened_at_ms(occurred_at_ms: int, now_ms: int) -> int:
    """Return when something happened, as far as the clock of its device can be believed."""
    if occurred_at_ms < CLOCK_UNSET_BEFORE_MS or occurred_at_ms > now_ms:
        return now_ms
    return occurred_at_ms


def absorber_of(state: SkuLocation, moved_at_ms: int) -> Absorber | None:
    """Return the count that has already taken in a movement of that time, if one has."""
    if not state.counted or moved_at_ms >= state.counted_at_ms:
        return None
    return "opening" if moved_at_ms < state.opened_at_ms else "count"


def is_superseded(state: SkuLocation, counted_at_ms: int) -> bool:
    """Say whether a count is older than the newest one."""
    return state.counted and counted_at_ms < state.counted_at_ms


def is_outdated(state: SkuLocation, counted_at_ms: int) -> bool:
    """Say whether more has moved since the moment of a count than is remembered."""
    return counted_at_ms < state.forgotten_through_ms


def moved_since(state: SkuLocation, counted_at_ms: int) -> int:
    """Return by how much the remembered movements after a moment changed `on_hand`."""
    return sum(m.change for m in state.recent if m.happened_at_ms > counted_at_ms)


def remembered(state: SkuLocation, moved_at_ms: int, change: int) -> dict[str, Any]:
    """Return the fields that remember one more movement."""
    movement = Movement(moved_at_ms, change)
    recent = state.recent
    if not recent or recent[-1].happened_at_ms <= moved_at_ms:
        recent = (*recent, movement)
    else:
        recent = tuple(sorted((*recent, movement), key=_time_of))
    if len(recent) <= MOVEMENTS_MAX:
        return {"recent": recent}
    forgotten_ms = max(state.forgotten_through_ms, recent[0].happened_at_ms)
    return {"recent": recent[1:], "forgotten_through_ms": forgotten_ms}


def remembered_after_count(state: SkuLocation, counted_at_ms: int) -> dict[str, Any]:
    """Return the fields that remember a count; movements before it are told by it."""
    recent = tuple(m for m in state.recent if m.happened_at_ms > counted_at_ms)
    fields: dict[str, Any] = {"recent": recent, "counted_at_ms": counted_at_ms, "counted": True}
    if not state.counted:
        fields["opened_at_ms"] = counted_at_ms
    return fields


def absorbed(state: SkuLocation, absorber: Absorber, change: int) -> dict[str, Any]:
    """Return the columns after a late movement that a count had already taken in.

    The count had found the book off by `change` too much or too little because of it.
    """
    if absorber == "opening":
        return {"opening": state.opening - change}
    if change < 0:
        explained = min(-change, max(0, state.lost - state.written_off - state.stolen))
        return {"lost": state.lost - explained, "found": state.found - change - explained}
    explained = min(change, max(0, state.found))
    return {"found": state.found - explained, "lost": state.lost + change - explained}


def _time_of(movement: Movement) -> int:
    return movement.happened_at_ms
