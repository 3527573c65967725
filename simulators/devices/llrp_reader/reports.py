"""Tag observations between singulation and report (LLRP 1.0.1 §13.2.1, §13.2.3; pure).

Observations accumulate per ROSpec, EPC and antenna, as §13.2.3 allows: first and last time, the
highest RSSI, the first channel, the count. A report trigger makes what has accumulated ready;
ready tags leave oldest first, and go on accumulating as long as nobody takes them.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from llrpkit.protocol import params
from llrpkit.protocol.enums import ROReportTriggerType

from simulators.devices.llrp_reader.accessspec import Accessed
from simulators.devices.llrp_reader.octane import content_of
from simulators.devices.llrp_reader.settings import ReaderStats, TagInField
from simulators.devices.llrp_reader.tag_report_data import Sighting, TagReportEncoder

_TLV_HEADER_BYTES: Final = 4
_TAG_REPORT_DATA: Final = params.TagReportData.PARAM_TYPE.to_bytes(2, "big")

Access = Callable[[bytes], Accessed | None]
"""Executes what is to be executed on a tag that was just singulated."""


@dataclass(frozen=True, eq=False)
class ReportPlan:
    """What the reports of one AISpec contain, and when they are due. Compared by identity."""

    ai_spec: params.AISpec
    report: params.ROReportSpec
    encoder: TagReportEncoder

    @classmethod
    def of(
        cls,
        ro_spec_id: int,
        index: int,
        ai_spec: params.AISpec,
        report: params.ROReportSpec,
        *,
        utc: bool = True,
    ) -> "ReportPlan":
        """The plan for the AISpec at a one-based index of a ROSpec."""
        inventory_id = ai_spec.inventory_parameter_specs[0].inventory_parameter_spec_id
        selector = report.tag_report_content_selector
        octane = content_of(report)
        encoder = TagReportEncoder(ro_spec_id, index, inventory_id, selector, octane, utc=utc)
        return cls(ai_spec, report, encoder)

    @property
    def on_request_only(self) -> bool:
        """The client fetches these reports with GET_REPORT."""
        return self.report.ro_report_trigger == ROReportTriggerType.None_


class TagReport(NamedTuple):
    """The body of an RO_ACCESS_REPORT: its bytes, its entries, and the reads that these count."""

    body: bytes
    tags: int
    reads: int


class TagBuffer:
    """Accumulated tags, at most `tags_max` of them; beyond it the oldest are lost and counted."""

    def __init__(self, tags_max: int, stats: ReaderStats) -> None:
        self.tags_max = tags_max
        self._stats = stats
        self._tags: OrderedDict[tuple[ReportPlan, bytes, int, Accessed | None], Sighting]
        self._tags = OrderedDict()
        self._ready = 0
        self.overflowed = False

    @property
    def ready(self) -> int:
        """How many tags may be reported now."""
        return self._ready

    def observe(
        self,
        plan: ReportPlan,
        antenna: int,
        channel: int,
        tags: Sequence[TagInField],
        *,
        now_ms: int,
        clock_us: int,
        access: Access | None = None,
    ) -> None:
        """Accumulate what one antenna has singulated at a time on the reader's clock.

        What was executed on a tag is a report of its own, for it happened once.
        """
        known = self._tags
        done = None
        for epc, rssi_dbm, phase_deg, doppler_hz in tags:
            if access is not None:
                done = access(epc)
            key = (plan, epc, antenna, done)
            sighting = known.get(key)
            if sighting is None:
                known[key] = Sighting(
                    epc, antenna, channel, rssi_dbm, phase_deg, doppler_hz, done, clock_us, now_ms
                )
            else:
                sighting.again(rssi_dbm, phase_deg, doppler_hz, clock_us)
        while len(known) > self.tags_max:
            _, lost = known.popitem(last=False)
            self._ready = max(0, self._ready - 1)
            self._stats.tags_lost += 1
            self._stats.reads_overflowed += lost.count
            self.overflowed = True

    def make_ready(self, plan: ReportPlan) -> None:
        """A round of this plan has ended: make full reports ready.

        N = 0 sets no limit (§13.2.1) and leaves the moment to the reader. Ours then reports at the
        end of each round, or an AISpec without a stop trigger would never be reported.
        """
        count = len(self._tags)
        if not plan.on_request_only:
            size = plan.report.n or 1
            self._ready = max(self._ready, count - count % size)

    def make_all_ready(self) -> None:
        """Whatever has accumulated may be reported now."""
        self._ready = len(self._tags)

    def oldest_ms(self) -> int | None:
        """Since when the oldest tag waits for its report, if any waits that is not ready."""
        if self._ready == len(self._tags):
            return None
        (plan, _, _, _), sighting = next(iter(self._tags.items()))
        return None if plan.on_request_only else sighting.since_ms

    def forget(self) -> None:
        """Lose power."""
        self._stats.reads_forgotten += sum(each.count for each in self._tags.values())
        self._tags.clear()
        self._ready = 0

    def take(self, tags_max: int) -> TagReport:
        """Take out the next report: of N tags if the client set N, else of at most `tags_max`."""
        plan = next(iter(self._tags))[0]
        size = min(self._ready, plan.report.n or tags_max)
        parts: list[bytes] = []
        reads = 0
        for _ in range(size):
            (plan, _, _, _), sighting = self._tags.popitem(last=False)
            content = plan.encoder.encode(sighting)
            length = len(content) + _TLV_HEADER_BYTES
            parts += (_TAG_REPORT_DATA, length.to_bytes(2, "big"), content)
            reads += sighting.count
        self._ready -= size
        return TagReport(b"".join(parts), size, reads)
