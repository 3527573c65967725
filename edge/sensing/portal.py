"""Which way a tag went through a portal, from the order in which its two sides read it.

Pure. A crossing is told once the tag has been quiet on the side it came from for `settle_ms`; a tag
that both sides read all the time is decided when it has left, by its first and its last side.
"""

from typing import Final, Literal, NamedTuple

Side = Literal["outside", "inside"]
_OTHER: Final[dict[Side, Side]] = {"outside": "inside", "inside": "outside"}


class Crossing(NamedTuple):
    """A tag came to this side; it was last read there at `at_ms`."""

    to_side: Side
    at_ms: int


class Passage:
    """One tag in one portal, from its first read until nobody has read it for a while."""

    __slots__ = ("_first_ms", "_last_ms", "_side")

    def __init__(self) -> None:
        self._first_ms: dict[Side, int] = {}
        self._last_ms: dict[Side, int] = {}
        self._side: Side | None = None

    def read(self, side: Side, first_ms: int, last_ms: int) -> None:
        """Take one reading in; readings may come late and out of order."""
        self._first_ms[side] = min(first_ms, self._first_ms.get(side, first_ms))
        self._last_ms[side] = max(last_ms, self._last_ms.get(side, last_ms))
        if self._side is None or first_ms < self._first_ms.get(_OTHER[side], first_ms + 1):
            self._side = side if len(self._first_ms) == 1 else self._earlier_side()

    @property
    def last_ms(self) -> int:
        """When the tag was last read on either side."""
        return max(self._last_ms.values())

    def crossing(self, settle_ms: int, *, is_over: bool) -> Crossing | None:
        """Return which way the tag went, once, or `None`. `is_over`: it has left the portal."""
        if self._side is None or len(self._last_ms) == 1:
            return None
        target = _OTHER[self._side]
        ahead_ms = self._last_ms[target] - self._last_ms[self._side]
        if ahead_ms >= settle_ms or (is_over and ahead_ms > 0):
            # The next crossing, if any, starts where this one ended.
            self._side = target
            self._first_ms = {target: self._last_ms[target]}
            self._last_ms = {target: self._last_ms[target]}
            return Crossing(target, self._last_ms[target])
        return None

    def _earlier_side(self) -> Side:
        return min(self._first_ms, key=lambda side: self._first_ms[side])
