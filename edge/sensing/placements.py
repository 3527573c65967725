"""A counter scale's readings as placements: goods put on an empty scale, and at rest.

Pure. Between two placements the scale was empty, so one placement is counted once, however often
the scale tells its weight. A weight holds when it was told twice in a row: the lines of these
scales have no checksum, and a digit that fell over once is no weight.
"""

from typing import Final, NamedTuple

EMPTY_G: Final = 5
"""Up to this weight a scale counts as empty: its division, dust, a label."""


class CounterReading(NamedTuple):
    """What a counter scale says now. `weight_g` is `None` when it tells no weight.

    `fault` is what it says is broken, in its own words, else empty.
    """

    weight_g: int | None = None
    is_moving: bool = False
    is_zero: bool = False
    is_over: bool = False
    is_under: bool = False
    needs_zero: bool = False
    fault: str = ""


class Placement(NamedTuple):
    """Goods at rest on the scale. `number` tells one placement from the next."""

    number: int
    weight_g: int


class Placements:
    """Follows one scale. Placements are numbered from `first` on.

    What lies there before the scale was seen empty is no placement: it may have been counted.
    """

    def __init__(self, first: int) -> None:
        self._next = first
        self._number: int | None = None
        self._was_empty = False
        self._last_g: int | None = None

    def read(self, reading: CounterReading) -> Placement | None:
        """Return what lies at rest on the scale now, if anything does."""
        before_g, self._last_g = self._last_g, reading.weight_g
        if reading.is_zero or (reading.weight_g is not None and abs(reading.weight_g) <= EMPTY_G):
            self._was_empty = True
            return None
        is_odd = reading.is_moving or reading.is_over or reading.is_under or reading.fault
        if reading.weight_g is None or reading.weight_g < 0 or is_odd:
            return None
        if reading.weight_g != before_g:
            return None
        if self._was_empty:
            self._was_empty = False
            self._number, self._next = self._next, self._next + 1
        return None if self._number is None else Placement(self._number, reading.weight_g)


def trouble_of(reading: CounterReading) -> str | None:
    """Return what is wrong with a scale, in words for its health; motion is not."""
    if reading.fault:
        return reading.fault
    if reading.is_over:
        return "overload"
    if reading.needs_zero:
        return "it needs zeroing"
    if reading.is_under:
        return "below zero"
    return None
