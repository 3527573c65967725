"""How far one clock is from another, and how much faster it runs, from one-way messages.

Pure. A message that was stamped by one clock and received by the other gives `received - stamped`:
the offset, plus a delay that is never negative. In each of a few slots of time the least such
difference is the one that waited least (the minimum filter of NTP, RFC 5905 section 10, with one
direction only), so the slots' minima lie on the line that offset and drift draw, or a little above
it. The line is the Theil-Sen estimate through them (Sen, "Estimates of the regression coefficient
based on Kendall's tau", 1968): the median of the slopes of all pairs, which nearly a third of the
slots may spoil, moved down to the lowest slots. A difference that no delay and no drift explains is
a clock that was set: earlier than possible at once, later than possible when it lasts.
"""

from typing import Final, NamedTuple

SLOT_MS: Final = 20_000
SLOTS_MAX: Final = 30
"""Ten minutes: enough to see 5 ppm of drift, and short enough to follow a warming crystal."""
SLOTS_FOR_DRIFT_MIN: Final = 6
DRIFT_MAX_PPM: Final = 200.0
"""Crystals of readers and gateways stay within 100 ppm each; more is delay taken for drift."""
JUMP_MS: Final = 250.0
"""A clock that is set by less is followed like drift."""
LATE_SLOTS_MAX: Final = 3
"""So many slots in a row that are all late: the clock was set back, or the way became longer."""


class ClockFit(NamedTuple):
    """What is known of the other clock, as of `at_ms` on ours."""

    at_ms: float
    offset_ms: float
    """Ours minus the other's, without the least delay, which nobody can see."""
    drift_ppm: float
    """How much the offset grows: positive when the other clock is slow."""
    residual_ms: float
    """The median distance of the slots from the line: how far a conversion may be off."""


class _Slot:
    """The message of a slot that waited least."""

    __slots__ = ("at_ms", "difference_ms", "number")

    def __init__(self, number: int, at_ms: float, difference_ms: float) -> None:
        self.number = number
        self.at_ms = at_ms
        self.difference_ms = difference_ms


class ClockEstimator:
    """Follows one other clock. Times are milliseconds; ours must never go back (monotonic)."""

    def __init__(self) -> None:
        self.jumps = 0
        """How often the other clock was set since the start."""
        self._slots: list[_Slot] = []
        self._fit: ClockFit | None = None

    @property
    def fit(self) -> ClockFit | None:
        """Return the present line, or `None` while nothing was heard."""
        return self._fit

    def observe(self, stamped_ms: float, received_ms: float) -> bool:
        """Take in when something was stamped by the other clock, and when we received it.

        Returns whether this shows that the other clock was set. What waited for minutes in a buffer
        may be given as well; it only ever looks late.
        """
        difference_ms = received_ms - stamped_ms
        if self._fit is not None and difference_ms < self._expected_ms(received_ms) - JUMP_MS:
            self._start_over(received_ms, difference_ms)
            return True
        number = int(received_ms // SLOT_MS)
        last = self._slots[-1] if self._slots else None
        if last is not None and number <= last.number:
            if difference_ms < last.difference_ms:
                last.at_ms, last.difference_ms = received_ms, difference_ms
                self._fit = _line(self._slots)
            return False
        has_jumped = self._was_late_for_long()
        if has_jumped:
            del self._slots[:-LATE_SLOTS_MAX]
            self.jumps += 1
        self._slots.append(_Slot(number, received_ms, difference_ms))
        del self._slots[:-SLOTS_MAX]
        self._fit = _line(self._slots)
        return has_jumped

    def to_ours_ms(self, stamped_ms: float) -> float:
        """Return a stamp of the other clock on ours; `ValueError` while nothing was heard."""
        if self._fit is None:
            raise ValueError("the other clock was never heard")
        fit = self._fit
        slope = fit.drift_ppm / 1e6
        # received = stamped + offset + slope * (received - at), solved for received.
        return (stamped_ms + fit.offset_ms - slope * fit.at_ms) / (1.0 - slope)

    def _expected_ms(self, received_ms: float) -> float:
        fit = self._fit
        if fit is None:
            return 0.0
        return fit.offset_ms + fit.drift_ppm / 1e6 * (received_ms - fit.at_ms)

    def _start_over(self, received_ms: float, difference_ms: float) -> None:
        self.jumps += 1
        self._slots = [_Slot(int(received_ms // SLOT_MS), received_ms, difference_ms)]
        self._fit = _line(self._slots)

    def _was_late_for_long(self) -> bool:
        """Whether the newest slots are all later than the line of those before them."""
        before, late = self._slots[:-LATE_SLOTS_MAX], self._slots[-LATE_SLOTS_MAX:]
        if not before:
            return False
        line = _line(before)
        return all(
            slot.difference_ms
            > line.offset_ms + line.drift_ppm / 1e6 * (slot.at_ms - line.at_ms) + JUMP_MS
            for slot in late
        )


def _line(slots: list[_Slot]) -> ClockFit:
    """Return the line through the slots' minima, as of the last of them."""
    last_ms = slots[-1].at_ms
    slope = _slope(slots)
    levels = sorted(slot.difference_ms + slope * (last_ms - slot.at_ms) for slot in slots)
    lowest = levels[: max(1, len(levels) // 4)]
    offset_ms = lowest[len(lowest) // 2]
    residuals = sorted(abs(level - offset_ms) for level in levels)
    return ClockFit(last_ms, offset_ms, slope * 1e6, residuals[len(residuals) // 2])


def _slope(slots: list[_Slot]) -> float:
    if len(slots) < SLOTS_FOR_DRIFT_MIN:
        return 0.0
    slopes = sorted(
        (later.difference_ms - earlier.difference_ms) / (later.at_ms - earlier.at_ms)
        for index, earlier in enumerate(slots)
        for later in slots[index + 1 :]
        if later.at_ms > earlier.at_ms
    )
    middle = slopes[len(slopes) // 2] if slopes else 0.0
    return max(-DRIFT_MAX_PPM / 1e6, min(DRIFT_MAX_PPM / 1e6, middle))
