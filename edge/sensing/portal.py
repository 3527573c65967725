"""Which way a tag went through a portal, from how its two sides read it over time.

Pure. A crossing is told as soon as it is nearly certain and the side that the tag came from has
been quiet for `settle_ms`; anything else is decided when the tag has left, and only if it is sure
enough. A tag that lingers is read for long on both sides and never looks like a crossing; what it
did longer than `WINDOW_MS` ago is forgotten.
"""

import math
from functools import lru_cache
from typing import Final, Literal, NamedTuple

from edge.sensing.layout import Side
from edge.sensing.portal_score import BIN_MS, DOUBTFUL_MAX, Bin, score

WINDOW_MS: Final = 20_000
BINS_MAX: Final = 2 * WINDOW_MS // BIN_MS
"""A passage forgets down to its window when it has so many bins."""
EARLY_CONFIDENCE: Final = 0.98
"""So sure must be a crossing that is told while the tag is still in the portal."""
EARLY_ENDS_MIN: Final = 0.2
"""And so clearly must it have begun on one side and ended on the other (`Score.ends`)."""
REST_MS: Final = 3_000
"""Who has come through and was not read for so long begins anew if he turns round."""
JUDGE_PERIOD_MS: Final = 250
RSSI_UNKNOWN_DBM: Final = -128.0
"""Readers that tell no level are given as this; each read then weighs the same."""

_NOMINAL_DBM: Final = -58.0


class Crossing(NamedTuple):
    """A tag came to this side, where it was last read at `at_ms`."""

    to_side: Side
    at_ms: int
    confidence: float
    basis: str


class _SideReads:
    """What one side read of a passage, for people."""

    __slots__ = ("first_ms", "last_ms", "peak_dbm", "reads")

    def __init__(self) -> None:
        self.first_ms = self.last_ms = -1
        self.reads = 0
        self.peak_dbm = -math.inf


class Passage:
    """One tag in one portal, from its first read until nobody has read it for a while."""

    __slots__ = ("_bins", "_inside", "_judged_ms", "_outside", "_peak_mw", "_told", "last_ms")

    def __init__(self) -> None:
        self._bins: dict[int, Bin] = {}
        self._inside = _SideReads()
        self._outside = _SideReads()
        self._told: Side | None = None
        self._judged_ms: int | None = None
        self._peak_mw = 0.0
        self.last_ms = -1

    def read(self, side: Side, first_ms: int, last_ms: int, rssi_dbm: float, reads: int) -> None:
        """Take one reading in; readings may come late and out of order."""
        if self._told is not None and first_ms - self.last_ms > REST_MS:
            self._start_from(self._told, self.last_ms)
        seen = self._inside if side == "inside" else self._outside
        reads = max(1, reads)
        if seen.reads == 0 or first_ms < seen.first_ms:
            seen.first_ms = first_ms
        if last_ms > seen.last_ms:
            seen.last_ms = last_ms
            if last_ms > self.last_ms:
                self.last_ms = last_ms
        seen.reads += reads
        if rssi_dbm > seen.peak_dbm:
            seen.peak_dbm = rssi_dbm
        number = last_ms // BIN_MS
        power_mw = _milliwatts(rssi_dbm)
        if power_mw > self._peak_mw:
            self._peak_mw = power_mw
        if reads > 1 and first_ms // BIN_MS != number:
            # It was read throughout: half of it counts at either end.
            half = reads // 2
            self._add(side, first_ms // BIN_MS, power_mw, half)
            reads -= half
        self._add(side, number, power_mw, reads)

    def crossing(
        self, now_ms: int, settle_ms: int, confidence_min: float, *, is_over: bool
    ) -> Crossing | None:
        """Return which way the tag went, once, or `None`. `is_over`: it has left the portal."""
        ahead_ms = self._inside.last_ms - self._outside.last_ms
        if not self._inside.reads or not self._outside.reads:
            return None
        if is_over:
            if self._told is not None:
                # What trails behind a crossing that was told must be as sure as that to undo it.
                confidence_min = max(EARLY_CONFIDENCE, confidence_min)
            return self._judge(confidence_min)
        to_side: Side = "inside" if ahead_ms > 0 else "outside"
        if abs(ahead_ms) < settle_ms or to_side == self._told or self._has_lingered:
            return None
        if self._judged_ms is not None and 0 <= now_ms - self._judged_ms < JUDGE_PERIOD_MS:
            return None
        self._judged_ms = now_ms
        return self._judge(max(EARLY_CONFIDENCE, confidence_min), to_side)

    @property
    def _has_lingered(self) -> bool:
        """Whether both sides have read it for so long that it never is surely a crossing."""
        return self.last_ms - min(self._inside.first_ms, self._outside.first_ms) > WINDOW_MS

    def _judge(self, confidence_min: float, to_side: Side | None = None) -> Crossing | None:
        judged = score(self._bins, self._peak_mw)
        if judged is None or judged.ends < (0.0 if to_side is None else EARLY_ENDS_MIN):
            return None
        side: Side = "inside" if judged.is_inwards else "outside"
        if side == self._told or (to_side is not None and side != to_side):
            return None
        confidence = judged.confidence
        if self._has_lingered:
            confidence = min(confidence, DOUBTFUL_MAX)
        if confidence < confidence_min:
            return None
        there = self._inside if side == "inside" else self._outside
        crossing = Crossing(side, there.last_ms, confidence, self._basis())
        self._start_from(side, there.last_ms)
        return crossing

    def _start_from(self, side: Side, at_ms: int) -> None:
        """The next crossing, if any, starts where this one ended."""
        self._told = side
        self._bins.clear()
        seen = _SideReads()
        self._inside, self._outside = (
            (seen, _SideReads()) if side == "inside" else (_SideReads(), seen)
        )
        seen.first_ms = seen.last_ms = at_ms

    def _add(self, side: Side, number: int, power_mw: float, reads: int) -> None:
        cell = self._bins.get(number)
        if cell is None:
            cell = self._bins[number] = Bin()
            if len(self._bins) > BINS_MAX:
                self._forget()
        if side == "inside":
            cell.inside_mw += reads * power_mw
            cell.inside_reads += reads
        else:
            cell.outside_mw += reads * power_mw
            cell.outside_reads += reads

    def _forget(self) -> None:
        least = (self.last_ms - WINDOW_MS) // BIN_MS
        self._bins = {number: cell for number, cell in self._bins.items() if number >= least}

    def _basis(self) -> str:
        start_ms = min(self._inside.first_ms, self._outside.first_ms)
        sides: tuple[tuple[Literal["outside", "inside"], _SideReads], ...]
        sides = (("outside", self._outside), ("inside", self._inside))
        return "; ".join(
            f"{side} {seen.reads} reads {(seen.first_ms - start_ms) / 1000:.1f} to "
            f"{(seen.last_ms - start_ms) / 1000:.1f} s, peak {seen.peak_dbm:.0f} dBm"
            for side, seen in sorted(sides, key=lambda pair: pair[1].first_ms)
        )


@lru_cache(maxsize=512)
def _milliwatts(rssi_dbm: float) -> float:
    level_dbm = _NOMINAL_DBM if rssi_dbm <= RSSI_UNKNOWN_DBM else rssi_dbm
    return float(10.0 ** (max(-100.0, min(0.0, level_dbm)) / 10.0))
