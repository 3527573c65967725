"""What readers read in a noisy store: goods that pass portals, strays beside them, sweeps. Pure.

A coarse model of what `portal_radio` works out from physics: a tag that passes is read on each side
around the moment it is there, with levels that rise and fall; whether it is read at all depends on
its quality. It costs microseconds a tag, so that a store lives through months in seconds.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from protocol.ids import Epc
from simulators.world.happenings import Observed, TagRead, TagReads
from simulators.world.noisy_goods import TaggedUnit
from simulators.world.noisy_settings import (
    PortalReaderSettings,
    ReaderFaultSettings,
    SweepSettings,
    TagQualitySettings,
)
from simulators.world.reader_clock import NoisyReaderClock
from simulators.world.truth_events import Portal

if TYPE_CHECKING:
    from random import Random

REPORT_MS: Final = 250
"""A reader reports so often what it has read."""
LATENCY_MS: Final = 40
LATE_MS: Final = 1_000
SIDE_DISTANCE_MS: Final = 700
"""From the middle of one side's field to the doorway, at walking pace."""
SIDE_SPREAD_MS: Final = 420
EDGE_LOSS_DB: Final = 12.0
READS_MAX: Final = 60
HANDHELD_DBM: Final = -58.0
TAGS_PER_REPORT: Final = 60
OUTSIDE: Final[dict[Portal, int]] = {"dock": 1, "exit": 2}
INSIDE: Final[dict[Portal, int]] = {"dock": 2, "exit": 1}

Show = Callable[[Observed], None]


class RadioSettings(NamedTuple):
    """The parts of a store's settings that readers depend on."""

    portals: PortalReaderSettings
    sweeps: SweepSettings
    tags: TagQualitySettings
    readers: ReaderFaultSettings


class Radio:
    """All readers of one store. `show` is given their reports, also of times to come."""

    def __init__(self, settings: RadioSettings, started_ms: int, rng: "Random", show: Show) -> None:
        self._settings: Final = settings
        self._rng: Final = rng
        self._show: Final = show
        self._clocks: Final = {
            name: NoisyReaderClock(settings.readers, started_ms, rng)
            for name in ("dock", "exit", "handheld")
        }
        self._healthy_sweep: Final = healthy_read_probability(settings.sweeps, settings.tags)

    def pass_portal(
        self,
        portal: Portal,
        units: Sequence[TaggedUnit],
        at_ms: int,
        strays: Sequence[TaggedUnit] = (),
        *,
        is_inwards: bool,
    ) -> None:
        """Let units go through a portal, in the doorway at `at_ms`, with strays beside it."""
        outside, inside = OUTSIDE[portal], INSIDE[portal]
        first, last = (outside, inside) if is_inwards else (inside, outside)
        reads: list[TagRead] = []
        for unit in units:
            if self._is_read(portal, unit):
                pace = self._rng.uniform(0.7, 1.6)
                reads += self._side(first, unit, at_ms - int(SIDE_DISTANCE_MS * pace), pace)
                reads += self._side(last, unit, at_ms + int(SIDE_DISTANCE_MS * pace), pace)
        for unit in strays:
            reads += self._stray(inside, unit, at_ms)
        self._report(portal, reads)

    def linger(self, unit: TaggedUnit, at_ms: int) -> None:
        """Let a unit be carried up to the exit and back again."""
        reads: list[TagRead] = []
        if self._is_read("exit", unit):
            for _ in range(self._rng.randint(2, 5)):
                when_ms = at_ms + self._rng.randrange(12_000)
                reads += self._side(INSIDE["exit"], unit, when_ms, 1.5)
            if self._rng.random() < 0.5:  # The outer antennas hear it too, a little.
                reads += self._stray(OUTSIDE["exit"], unit, at_ms + self._rng.randrange(12_000))
        self._report("exit", reads)

    def sweep(self, units: Sequence[TaggedUnit], started_ms: int, ended_ms: int) -> None:
        """Let somebody walk past all units with a handheld."""
        rng = self._rng
        step_ms = (ended_ms - started_ms) / max(1, len(units))
        clock = self._clocks["handheld"]
        batch: list[TagRead] = []
        at_ms = started_ms
        for index, unit in enumerate(units):
            at_ms = started_ms + int(step_ms * index)
            if unit.foreign_epc is not None and rng.random() < self._healthy_sweep:
                batch.append(TagRead(1, unit.foreign_epc, HANDHELD_DBM, clock.says(at_ms)))
            if rng.random() < self._sweep_probability(unit):
                level_dbm = round(rng.gauss(HANDHELD_DBM, 5.0), 1)
                read = TagRead(1, unit.epc, level_dbm, clock.says(at_ms), rng.randint(1, 4))
                batch.append(read)
            if len(batch) >= TAGS_PER_REPORT:
                self._show(TagReads(at_ms + LATENCY_MS, "handheld", tuple(batch)))
                batch = []
        if batch:
            self._show(TagReads(at_ms + LATENCY_MS, "handheld", tuple(batch)))

    def _sweep_probability(self, unit: TaggedUnit) -> float:
        if unit.quality == "dead":
            return 0.0
        sweeps = self._settings.sweeps
        read = self._healthy_sweep if unit.quality == "healthy" else sweeps.weak_read_probability
        return read * sweeps.misplaced_factor if unit.is_misplaced else read

    def _is_read(self, portal: Portal, unit: TaggedUnit) -> bool:
        if unit.quality == "dead":
            return False
        portals = self._settings.portals
        read = portals.exit_read_probability
        if portal == "dock":
            read = portals.dock_read_probability
        if unit.quality == "weak":
            read *= portals.weak_factor
        return self._rng.random() < read

    def _side(self, antenna: int, unit: TaggedUnit, middle_ms: int, pace: float) -> list[TagRead]:
        rng, mean = self._rng, self._settings.portals.reads_per_side * pace
        if unit.quality == "weak":
            mean *= 0.5
        count = min(READS_MAX, max(1, int(rng.expovariate(1.0 / mean) * 0.5 + mean * 0.5)))
        reads = []
        for _ in range(count):
            away = rng.gauss(0.0, 1.0)
            when_ms = middle_ms + int(away * SIDE_SPREAD_MS * pace)
            level = self._settings.portals.peak_dbm - EDGE_LOSS_DB * min(1.5, away * away / 3)
            reads.append(TagRead(antenna, unit.epc, round(rng.gauss(level, 2.0), 1), when_ms))
        return reads

    def _stray(self, antenna: int, unit: TaggedUnit, at_ms: int) -> list[TagRead]:
        if unit.quality == "dead":
            return []
        rng = self._rng
        level = self._settings.portals.peak_dbm - rng.uniform(10.0, 18.0)
        return [
            TagRead(
                antenna,
                unit.epc,
                round(rng.gauss(level, 2.0), 1),
                at_ms + rng.randrange(-2_000, 2_000),
            )
            for _ in range(rng.randint(1, 4))
        ]

    def _report(self, reader: str, reads: list[TagRead]) -> None:
        """Give what was read to whoever listens, every `REPORT_MS`, by the reader's clock."""
        clock, faults = self._clocks[reader], self._settings.readers
        slots: dict[int, dict[tuple[int, Epc], TagRead]] = {}
        for read in reads:
            slot = slots.setdefault(read.read_at_ms // REPORT_MS, {})
            known = slot.get(read[:2])
            if known is None or known.rssi_dbm < read.rssi_dbm:
                count = 1 if known is None else known.count + 1
                slot[read[:2]] = read._replace(count=count)
            else:
                slot[read[:2]] = known._replace(count=known.count + 1)
        for slot_number, slot in sorted(slots.items()):
            draw = self._rng.random()
            if draw < faults.lost_report_share:
                continue
            arrives_ms = (slot_number + 1) * REPORT_MS + LATENCY_MS
            if draw < faults.lost_report_share + faults.late_report_share:
                arrives_ms += LATE_MS
            shown = tuple(
                read._replace(read_at_ms=clock.says(read.read_at_ms)) for read in slot.values()
            )
            self._show(TagReads(arrives_ms, reader, shown))


def healthy_read_probability(sweeps: SweepSettings, tags: TagQualitySettings) -> float:
    """Return how often a healthy tag is read, so that the mean over all tags is as set."""
    healthy = 1.0 - tags.weak_share - tags.dead_share
    if healthy <= 0:
        return 0.0
    rest = sweeps.read_probability - tags.weak_share * sweeps.weak_read_probability
    return min(0.9995, max(0.0, rest / healthy))
