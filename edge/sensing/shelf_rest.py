"""When a scale is at rest, at which weight, and how much it flutters there. Pure.

At rest is a scale whose last readings are all stable by its own word and agree, the one farthest
from the others left out: a bump is no weight. Its weight is their median. A hand that leans on a
shelf never agrees with itself, so most leaning ends here. A scale that flutters for long has to
agree with itself for twice as long before it is believed, or chance would count.
"""

import math
from collections import deque
from itertools import pairwise
from statistics import median
from typing import Final, NamedTuple

from edge.sensing.shelf_moves import Motion
from edge.sensing.shelf_traits import ScaleTraits, WeightReading

LOOK_MS_MAX: Final = 1_500
"""Goods can be taken and the scale be at rest again between two readings farther apart."""
RESTLESS_MS: Final = 60_000
STUCK_READINGS: Final = 240
STUCK_NOISE_RESOLUTIONS: Final = 2.0
"""A scale whose noise is more than this many steps of its display cannot repeat itself so long."""
_SPREAD_NOISES_MIN: Final = 6.0
_SPREAD_NOISES_MAX: Final = 15.0
_SPREAD_ITEMS: Final = 0.1
_TRIMMED_READINGS_MIN: Final = 5
_NOISE_LEARNT: Final = 0.02
_NOISE_GROWTH_MAX: Final = 9.0
_JUMP_SDS: Final = 4.0


class Rest(NamedTuple):
    """A weight at rest, the variance of its noise, and over how much the readings spread."""

    weight_g: float
    noise_g2: float
    spread_g: float
    readings: int


class RestDetector:
    """The last readings of one shelf, on which the lightest item weighs `item_g`."""

    def __init__(self, traits: ScaleTraits, item_g: float) -> None:
        self._traits = traits
        self._readings: deque[float] = deque(maxlen=traits.rest_readings)
        noise_g = traits.noise_sd_g
        allowed_g = max(_SPREAD_ITEMS * item_g, _SPREAD_NOISES_MIN * noise_g)
        allowed_g = min(allowed_g, max(_SPREAD_NOISES_MAX * noise_g, 2 * traits.resolution_g))
        self._spread_g_max = allowed_g + 2 * traits.resolution_g
        self._moved = True
        self._looked_away = True
        self._read_at_ms: int | None = None
        self._restless_since_ms: int | None = None
        self._rests = 0
        self._repeats = 0
        self.noise_sd_g = noise_g
        """Of one reading; learnt, and never taken for less than the configured one."""

    def read(self, reading: WeightReading, at_ms: int) -> Rest | None:
        """Take a reading; return the weight when the scale is at rest."""
        self._note_gap(at_ms)
        if not reading.stable or reading.overload or reading.fault:
            self._readings.clear()
            self._moved = True
            self._note_restless(at_ms)
            return None
        self._note_repeat(reading.weight_g)
        self._readings.append(reading.weight_g)
        if len(self._readings) < self._traits.rest_readings:
            self._note_restless(at_ms)
            return None
        agreeing = _without_farthest(sorted(self._readings))
        spread_g = agreeing[-1] - agreeing[0]
        if spread_g > self._spread_g_max:
            self._note_restless(at_ms)
            return None
        self._rests += 1
        if self._rests > self._traits.rest_readings:
            self._restless_since_ms = None
        elif self.is_restless(at_ms):
            return None
        self._learn_noise()
        return Rest(median(self._readings), self._noise_g2(), spread_g, len(self._readings))

    def motion(self, rest: Rest, before_g: float) -> Motion:
        """Return what was seen since the scale was at rest at `before_g`, and forget it."""
        moved, looked_away = self._moved, self._looked_away
        jump_g = _JUMP_SDS * math.sqrt(2 * rest.noise_g2) + self._traits.resolution_g
        has_jumped = abs(rest.weight_g - before_g) > jump_g
        self._moved = self._looked_away = False
        if moved:
            return Motion.SEEN
        if not has_jumped:
            return Motion.NONE
        return Motion.UNWATCHED if looked_away else Motion.UNSEEN

    def is_restless(self, at_ms: int) -> bool:
        """Return whether it has not come to rest for long."""
        since_ms = self._restless_since_ms
        return since_ms is not None and at_ms - since_ms >= RESTLESS_MS

    @property
    def is_stuck(self) -> bool:
        """Whether it shows the same weight for longer than its noise would let it."""
        flutters_g = STUCK_NOISE_RESOLUTIONS * self._traits.resolution_g
        return self._repeats >= STUCK_READINGS and self.noise_sd_g >= flutters_g

    def _note_restless(self, at_ms: int) -> None:
        self._rests = 0
        if self._restless_since_ms is None or at_ms < self._restless_since_ms:
            self._restless_since_ms = at_ms

    def _note_gap(self, at_ms: int) -> None:
        before_ms, self._read_at_ms = self._read_at_ms, at_ms
        if before_ms is None or not 0 <= at_ms - before_ms <= LOOK_MS_MAX:
            self._looked_away = True

    def _note_repeat(self, weight_g: float) -> None:
        is_same = bool(self._readings) and self._readings[-1] == weight_g
        self._repeats = self._repeats + 1 if is_same else 0

    def _learn_noise(self) -> None:
        """From successive differences, which drift and bumps hardly touch (von Neumann 1941)."""
        readings = tuple(self._readings)
        if len(readings) < _TRIMMED_READINGS_MIN or self._repeats:
            return
        configured_g2 = self._traits.noise_sd_g**2
        squares = sorted((after - before) ** 2 / 2 for before, after in pairwise(readings))
        seen_g2 = sum(squares) / len(squares)
        known_g2 = self.noise_sd_g**2
        seen_g2 = min(seen_g2, _NOISE_GROWTH_MAX * known_g2)
        self.noise_sd_g = math.sqrt(
            max(configured_g2, known_g2 + _NOISE_LEARNT * (seen_g2 - known_g2))
        )

    def _noise_g2(self) -> float:
        """Return the variance of the median of as many readings as there are."""
        share = math.pi / 2 / (len(self._readings) + math.pi / 2 - 1)
        return share * self.noise_sd_g**2 + self._traits.resolution_g**2 / 12


def _without_farthest(readings: list[float]) -> list[float]:
    if len(readings) < _TRIMMED_READINGS_MIN:
        return readings
    is_low = readings[1] - readings[0] > readings[-1] - readings[-2]
    return readings[1:] if is_low else readings[:-1]
