"""The antenna side of a reader: inventory rounds, and the reports that come of them (pure).

A round singulates every tag in the field of every connected antenna of the active AISpec, and
hops to the next channel. Reading is perfect.
"""

from collections.abc import Callable, Sequence

from llrpkit.protocol import params

from simulators.devices.llrp_reader.capabilities import CHANNELS_KHZ
from simulators.devices.llrp_reader.reports import ReportPlan, TagBuffer
from simulators.devices.llrp_reader.rospec_run import RoSpecRun
from simulators.devices.llrp_reader.settings import ReaderStats, TagInField


class Inventory:
    """Rounds over what `field(antenna)` shows, accumulated in `buffer`."""

    def __init__(
        self,
        *,
        field: Callable[[int], Sequence[TagInField]],
        clock_us: Callable[[], int],
        buffer: TagBuffer,
        stats: ReaderStats,
    ) -> None:
        self._field = field
        self._clock_us = clock_us
        self._buffer = buffer
        self._stats = stats
        self._plans: dict[tuple[int, int], ReportPlan] = {}

    def round(
        self,
        run: RoSpecRun,
        default_report: params.ROReportSpec,
        connected: dict[int, bool],
        now_ms: int,
    ) -> list[bytes]:
        """Read every tag once per antenna; returns the EPCs, one per observation."""
        plan = self._plan(run, default_report)
        channel = self._stats.rounds % len(CHANNELS_KHZ) + 1
        epcs: list[bytes] = []
        for antenna in run.antennas:
            if connected[antenna]:
                tags = self._field(antenna)
                clock_us = self._clock_us()
                self._buffer.observe(plan, antenna, channel, tags, now_ms=now_ms, clock_us=clock_us)
                epcs += [tag.epc for tag in tags]
        self._buffer.make_ready(plan)
        self._stats.rounds += 1
        self._stats.tag_reads += len(epcs)
        return epcs

    def _plan(self, run: RoSpecRun, default_report: params.ROReportSpec) -> ReportPlan:
        """The plan of an AISpec is kept between its runs, so that its tags go on accumulating."""
        key = (run.spec.ro_spec_id, run.spec_index)
        report = run.spec.ro_report_spec or default_report
        plan = self._plans.get(key)
        if plan is None or plan.ai_spec is not run.ai_spec or plan.report is not report:
            plan = self._plans[key] = ReportPlan.of(*key, run.ai_spec, report)
        return plan
