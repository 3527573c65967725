"""In which zone a tag is, when several zones read it.

Pure. The rule of Intel's RSP and of EdgeX (app-rfid-llrp-inventory, "mobility profile") compares
the mean power of the last reads of each zone, and helps the present zone by an offset that wears
off while it does not read the tag: `offset = min(T, m * age + b)`. Three things are done better:

- The power is summed with a memory that fades, instead of averaged: a zone that reads a tag seldom
  is farther away than one that reads it as strongly and often, and one that has fallen silent loses
  at once. The memory is longer for zones that are read slowly.
- No read counts for more than a few times what its zone usually receives, because reflections make
  a tag look nearer, never farther.
- A lead must last. It is added up over time, the larger the faster, and starts again when the
  present zone leads for as long (a CUSUM test: Page, "Continuous inspection schemes", 1954).
"""

import math
from typing import Final, Literal, NamedTuple

from edge.sensing.readings import TagReading
from protocol.facts import Zone

Motion = Literal["garment", "asset"]

SPIKE_RATIO: Final = 4.0
"""A read may count for so many times the mean of its zone (6 dB)."""
SMOOTHING: Final = 0.2
"""How much a new read changes what is usual in its zone."""
LEAD_MAX_DB: Final = 20.0
"""A zone that is silent is not farther away than this says."""
STEP_MAX_MS: Final = 2_000
"""A lead is known to last only while the tag is read; a silence counts as so much of it."""
MEMORY_READS: Final = 2.0
MEMORY_MAX_MS: Final = 20_000.0
"""The memory is so many reads of a slow zone long, and at most this."""
UNKNOWN_DBM: Final = -128.0
SILENCE_DBM: Final = -200.0

_NOMINAL_DBM: Final = -60.0
"""What a read counts for of which the reader tells no level."""
_MILLIWATTS: Final[tuple[float, ...]] = tuple(
    math.pow(10.0, level_dbm / 10.0) for level_dbm in range(-128, 1)
)


class MotionProfile(NamedTuple):
    """How goods move: what the present zone is helped by, and how long a lead must last."""

    threshold_db: float
    """T: the offset while the present zone still reads the tag."""
    slope_db_per_ms: float
    """m: how the offset wears off when it does not, after `holdoff_ms`."""
    holdoff_ms: int
    memory_ms: float
    """How fast the power of a zone is forgotten."""
    evidence_db_s: float
    """The lead over the present zone, added up over time, that moves a tag."""

    def offset_db(self, age_ms: int) -> float:
        """Return what the present zone is helped by that read the tag so long ago."""
        late_ms = max(0, age_ms - self.holdoff_ms)
        return self.threshold_db + self.slope_db_per_ms * late_ms


PROFILES: Final[dict[Motion, MotionProfile]] = {
    "asset": MotionProfile(6.0, -0.008, 500, 250.0, 30.0),
    "garment": MotionProfile(6.0, -0.0005, 500, 1_000.0, 60.0),
}
"""Assets are wheeled about; garments hang for days, and a flap is worse than a late decision."""


class ZonePower:
    """What one zone receives of one tag: a sum over its reads, with a memory that fades."""

    __slots__ = ("_interval_ms", "_mean_mw", "_memory_ms", "_sum_mw", "last_ms")

    def __init__(self, first_ms: int, memory_ms: float) -> None:
        self._sum_mw = self._mean_mw = self._interval_ms = 0.0
        self._memory_ms = memory_ms
        self.last_ms = first_ms

    def read(self, seen_ms: int, rssi_dbm: float, reads: int, memory_ms: float) -> None:
        """Take reads in that are not older than the last ones."""
        power_mw = _milliwatts(rssi_dbm)
        if self._sum_mw > 0.0:
            power_mw = min(power_mw, SPIKE_RATIO * self._mean_mw)
            passed_ms = seen_ms - self.last_ms
            self._sum_mw *= math.exp(-passed_ms / self._memory_ms)
            self._mean_mw += (power_mw - self._mean_mw) * SMOOTHING
            self._interval_ms += (passed_ms / reads - self._interval_ms) * SMOOTHING
            wanted_ms = min(MEMORY_MAX_MS, MEMORY_READS * self._interval_ms)
            self._memory_ms = max(memory_ms, wanted_ms)
        else:
            self._mean_mw = power_mw
        self._sum_mw += power_mw * reads
        self.last_ms = seen_ms

    def level_dbm(self, at_ms: int) -> float:
        """Return the power received per time, as a level that only compares with another zone's."""
        passed = (at_ms - self.last_ms) / self._memory_ms
        if self._sum_mw <= 0.0 or passed > 40.0:
            return SILENCE_DBM
        return 10.0 * math.log10(self._sum_mw * math.exp(-passed) / self._memory_ms)


class Whereabouts:
    """The zones that read one tag, and how they compete for it."""

    __slots__ = ("_evidence_db_s", "_led_since_ms", "_rival", "_weighed_ms", "first_ms", "zones")

    def __init__(self) -> None:
        self.zones: dict[Zone, ZonePower] = {}
        self.first_ms: int | None = None
        """Since when it is read in a zone."""
        self._rival: Zone | None = None
        self._led_since_ms = self._weighed_ms = 0
        self._evidence_db_s = 0.0

    @property
    def last_ms(self) -> int:
        """When a zone last read it; only if one has."""
        return max(power.last_ms for power in self.zones.values())

    def read(self, zone: Zone, reading: TagReading, profile: MotionProfile) -> None:
        """Take a zone's reading in, unless it is older than its last one."""
        power = self.zones.get(zone)
        if power is None:
            power = self.zones[zone] = ZonePower(reading.last_seen_ms, profile.memory_ms)
        power.read(
            reading.last_seen_ms, reading.rssi_dbm, max(1, reading.seen_count), profile.memory_ms
        )
        if self.first_ms is None:
            self.first_ms = reading.first_seen_ms

    def strongest(self) -> Zone:
        """Return the zone that receives most, with no regard to where it was before."""
        if len(self.zones) == 1:
            return next(iter(self.zones))
        at_ms = self.last_ms
        return max(self.zones, key=lambda zone: self.zones[zone].level_dbm(at_ms))

    def moved_to(
        self, present: Zone, at_ms: int, profile: MotionProfile, grace_ms: int
    ) -> Zone | None:
        """Return the zone that has led over the present one for long enough, now that one read.

        Least time in the lead: `grace_ms`.
        """
        here = self.zones.get(present)
        if here is not None and len(self.zones) == 1:
            return None
        # What comes late is compared with what is known since; it must not lead over the future.
        at_ms = max(at_ms, self.last_ms)
        rival, lead_db = present, -LEAD_MAX_DB
        ours_dbm = SILENCE_DBM
        if here is not None:
            ours_dbm = here.level_dbm(at_ms) + profile.offset_db(at_ms - here.last_ms)
        for zone, power in self.zones.items():
            if zone != present and power.level_dbm(at_ms) - ours_dbm > lead_db:
                rival, lead_db = zone, power.level_dbm(at_ms) - ours_dbm
        if rival == present:
            self.settle()
            return None
        if self._rival is None or (rival != self._rival and lead_db > 0.0):
            self._rival, self._led_since_ms, self._weighed_ms = rival, at_ms, at_ms
            self._evidence_db_s = 0.0
            return rival if self._has_won(at_ms, profile, grace_ms) else None
        step_ms = min(STEP_MAX_MS, at_ms - self._weighed_ms)
        self._weighed_ms = at_ms
        self._evidence_db_s += min(LEAD_MAX_DB, lead_db) * step_ms / 1_000.0
        if self._evidence_db_s < 0.0:
            self.settle()
            return None
        return rival if lead_db > 0.0 and self._has_won(at_ms, profile, grace_ms) else None

    def settle(self) -> None:
        """Let nothing of an earlier lead count any more."""
        self._rival = None
        self._evidence_db_s = 0.0

    def forget_through(self, at_ms: int) -> None:
        """Let nothing count that was read until then."""
        self.zones = {zone: power for zone, power in self.zones.items() if power.last_ms > at_ms}
        self.settle()

    def _has_won(self, at_ms: int, profile: MotionProfile, grace_ms: int) -> bool:
        if grace_ms == 0:
            return True
        lasted_ms = at_ms - self._led_since_ms
        return lasted_ms >= grace_ms and self._evidence_db_s >= profile.evidence_db_s


def _milliwatts(rssi_dbm: float) -> float:
    level_dbm = _NOMINAL_DBM if rssi_dbm <= UNKNOWN_DBM else min(0.0, rssi_dbm)
    return _MILLIWATTS[int(level_dbm) + 128]
