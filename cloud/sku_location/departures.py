"""Goods that leave twice in the telling: by a command first, through a reader's portal later. Pure.

An associate ships an order or a transfer: that takes the goods off. Then the dock's reader sees
their tags go out, and must not take them off again. So what was shipped is remembered as departing,
for `WINDOW_MS` at most; tags that are seen leaving explain themselves by it first. Goods without
tags, and stores without a portal, forget it in time.
"""

from typing import Any, Final

from cloud.sku_location.state import Movement, SkuLocation

WINDOW_MS: Final = 24 * 3_600_000
"""From packing a parcel to the carrier's van."""

DEPARTURES_MAX: Final = 32
"""Of one SKU-location; the oldest is forgotten first."""


CLOCKS_DIFFER_MS: Final = 60_000
"""A reader's clock may be this far behind the cloud's."""


def explained(state: SkuLocation, tags: int, left_at_ms: int) -> int:
    """Return how many of the tags that were seen leaving had been taken off before."""
    return min(tags, sum(departure.change for departure in _before(state, left_at_ms)))


def departed(state: SkuLocation, quantity: int, now_ms: int) -> dict[str, Any]:
    """Return the fields that remember goods on their way to the dock."""
    recent = (*_recent(state, now_ms), Movement(now_ms, quantity))
    return {"departing": recent[-DEPARTURES_MAX:]}


def seen(state: SkuLocation, quantity: int, left_at_ms: int) -> dict[str, Any]:
    """Return the fields after the tags of so many were seen leaving, the oldest first."""
    left: list[Movement] = []
    explaining = _before(state, left_at_ms)
    for departure in state.departing:
        used = min(quantity, departure.change) if departure in explaining else 0
        quantity -= used
        if departure.change > used:
            left.append(Movement(departure.happened_at_ms, departure.change - used))
    return {"departing": tuple(left)}


def _before(state: SkuLocation, left_at_ms: int) -> tuple[Movement, ...]:
    """Return what was sent away within the window before tags were seen leaving."""
    latest_ms = left_at_ms + CLOCKS_DIFFER_MS
    return tuple(d for d in _recent(state, left_at_ms) if d.happened_at_ms <= latest_ms)


def _recent(state: SkuLocation, now_ms: int) -> tuple[Movement, ...]:
    return tuple(d for d in state.departing if now_ms - d.happened_at_ms <= WINDOW_MS)
