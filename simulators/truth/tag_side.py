"""The gateway's part of a run that has to do with tags: reports of readers in, facts out.

It stands in for the tag tracker's thread, in virtual time: sensing looks at each report when it
arrives, and once more when a portal has been quiet for long enough to decide.
"""

from typing import Final

from edge.devices.llrp_clock import ReaderClock, Received
from edge.sensing.readings import TagReading
from edge.sensing.register import Entry
from edge.sensing.tags import Layout, TagSensing, TagSettings
from protocol.facts import AnyFact
from protocol.ids import Epc
from simulators.world.happenings import TagReads

QUIET_AFTER_MS: Final = 250
"""So long after its patience is over does sensing look again: two ticks of the tracker."""
LEAVE_AFTER_MS: Final = 86_400_000
"""No antenna watches a zone here, so nothing is ever seen to leave one, and none is searched."""


class TagSide:
    """Tag sensing of one store. Its register outlives what `restart` throws away."""

    def __init__(self, layout: Layout, now_ms: int) -> None:
        self._layout: Final = layout
        self._settings: Final = TagSettings(leave_after_ms=LEAVE_AFTER_MS)
        self._register: Final[dict[Epc, Entry]] = {}
        self._clocks: dict[str, ReaderClock] = {}
        self._look_again_ms: int | None = None
        self._swept_through_ms = 0
        self._sensing = self._begin(now_ms)

    def restart(self, now_ms: int) -> None:
        """Begin anew with what the register says, as after a reboot of the gateway."""
        self._clocks.clear()
        self._look_again_ms = None
        self._sensing = self._begin(now_ms)

    def read(self, report: TagReads) -> list[AnyFact]:
        """Take in a report at the time it arrived, and return what follows."""
        self._look_again_ms = report.at_ms + self._settings.portal_window_ms + QUIET_AFTER_MS
        return self._observe(self._readings(report), report.at_ms)

    def sweep_started(self, sweep: str, at_ms: int) -> None:
        """Somebody begins to walk through the store with a handheld."""
        self._sensing.sweep_started(sweep, at_ms)

    def sweep_ended(self, at_ms: int) -> list[AnyFact]:
        """Return what a sweep has read that is over."""
        self._sensing.sweep_ended(at_ms)
        self._swept_through_ms = at_ms
        return self._observe([], at_ms)

    def let_time_pass(self, until_ms: int) -> list[AnyFact]:
        """Return what follows from nothing more being read until then."""
        look_ms = self._look_again_ms
        if look_ms is None or look_ms > until_ms:
            return []
        self._look_again_ms = None
        return self._observe([], look_ms)

    def _begin(self, now_ms: int) -> TagSensing:
        return TagSensing(
            self._layout,
            self._settings,
            self._register,
            baseline_done=True,
            now_ms=now_ms,
            swept_through_ms=self._swept_through_ms,
        )

    def _observe(self, readings: list[TagReading], now_ms: int) -> list[AnyFact]:
        facts, checkpoints = self._sensing.observe(readings, now_ms)
        del checkpoints  # The register in memory is all the disk there is.
        return facts

    def _readings(self, report: TagReads) -> list[TagReading]:
        if not report.reads:
            return []
        clock = self._clocks.setdefault(report.reader, ReaderClock())
        received = Received(report.at_ms, report.at_ms)
        clock.observe(1_000 * max(read.read_at_ms for read in report.reads), received)
        readings: list[TagReading] = []
        for read in report.reads:
            seen_ms = clock.to_gateway_ms(1_000 * read.read_at_ms, received)
            reading = TagReading(
                report.reader,
                read.antenna,
                read.epc,
                read.rssi_dbm,
                seen_ms,
                seen_ms,
                read.count,
            )
            readings.append(reading)
        return readings
