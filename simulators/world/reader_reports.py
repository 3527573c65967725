"""How what a reader has read gets to the gateway: by its own clock, in reports, mostly. Pure.

A reader reports four times a second what each antenna has read of each tag since the last report.
Reports get lost, come late or twice; while the line is down the reader keeps them.
"""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final, NamedTuple

from protocol.ids import Epc
from simulators.world.happenings import Observed, TagRead, TagReads
from simulators.world.outages import Outages
from simulators.world.reader_clock import NoisyReaderClock
from simulators.world.reader_settings import ReaderFaultSettings

if TYPE_CHECKING:
    from random import Random

REPORT_MS: Final = 250
LATENCY_MS: Final = 40
LATE_MS: Final = 1_000
RECONNECTED_MS: Final = 500

Show = Callable[[Observed], None]


class RawRead(NamedTuple):
    """One tag answered one antenna, at a true time."""

    at_ms: int
    antenna: int
    epc: Epc
    rssi_dbm: float


class ReaderReports:
    """The reports of one reader. `show` is given them, also those of times to come."""

    def __init__(
        self,
        reader: str,
        settings: ReaderFaultSettings,
        started_ms: int,
        rng: "Random",
        show: Show,
    ) -> None:
        self._reader: Final = reader
        self._settings: Final = settings
        self._rng: Final = rng
        self._show: Final = show
        # A stream for all three would let what is read decide when the line is down.
        seeds = [rng.getrandbits(64) for _ in range(2)]
        self._clock: Final = NoisyReaderClock(settings, started_ms, type(rng)(seeds[0]))
        self._down: Final = Outages(
            settings.disconnections_per_month,
            settings.disconnected_minutes,
            started_ms,
            type(rng)(seeds[1]),
        )

    def report(self, reads: Iterable[RawRead]) -> None:
        """Report these reads, each at its time."""
        slots: dict[int, dict[tuple[int, Epc], list[float]]] = {}
        for at_ms, antenna, epc, rssi_dbm in reads:
            slot = slots.setdefault(at_ms // REPORT_MS, {})
            known = slot.get((antenna, epc))
            if known is None:
                slot[antenna, epc] = [rssi_dbm, at_ms, 1]
                continue
            known[2] += 1
            if rssi_dbm > known[0]:
                known[0], known[1] = rssi_dbm, at_ms
        for number in sorted(slots):
            self._send(slots[number], (number + 1) * REPORT_MS + LATENCY_MS)

    def _send(self, slot: dict[tuple[int, Epc], list[float]], arrives_ms: int) -> None:
        faults, draw = self._settings, self._rng.random()
        if draw < faults.lost_report_share:
            return
        draw -= faults.lost_report_share
        reads = tuple(
            TagRead(antenna, epc, round(level, 1), self._clock.says(int(at_ms)), int(count))
            for (antenna, epc), (level, at_ms, count) in slot.items()
        )
        if draw < faults.late_report_share:
            arrives_ms += LATE_MS
        up_again_ms = self._down.ends_ms(arrives_ms)
        if up_again_ms is not None:
            arrives_ms = up_again_ms + RECONNECTED_MS
        self._show(TagReads(arrives_ms, self._reader, reads))
        if 0 <= draw - faults.late_report_share < faults.duplicate_report_share:
            self._show(TagReads(arrives_ms + 1, self._reader, reads))
