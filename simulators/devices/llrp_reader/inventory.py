"""The antenna side of a reader: inventory rounds, and the reports that come of them (pure).

In a round each connected antenna of the active AISpec singulates what the world lets it read, as
it is driven; AccessSpecs are executed on the way, and the reader hops to the next channel.
"""

from collections.abc import Callable
from functools import partial

from llrpkit.protocol import params

from simulators.devices.llrp_reader.accessspec import AccessSpecs
from simulators.devices.llrp_reader.capabilities import CHANNELS_KHZ
from simulators.devices.llrp_reader.config import ReaderConfig
from simulators.devices.llrp_reader.drive import AntennaDrive, ReadModel, driven
from simulators.devices.llrp_reader.reports import ReportPlan, TagBuffer
from simulators.devices.llrp_reader.rospec_run import RoSpecRun
from simulators.devices.llrp_reader.settings import ReaderStats


class Inventory:
    """Rounds over what `reads` lets each antenna read, accumulated in `buffer`."""

    def __init__(
        self,
        *,
        reads: ReadModel,
        clock_us: Callable[[], int],
        config: ReaderConfig,
        access_specs: AccessSpecs,
        buffer: TagBuffer,
        stats: ReaderStats,
        utc: bool,
    ) -> None:
        self._reads = reads
        self._clock_us = clock_us
        self._config = config
        self._access_specs = access_specs
        self._buffer = buffer
        self._stats = stats
        self._utc = utc
        self._plans: dict[tuple[int, int], ReportPlan] = {}
        self._drives: tuple[params.AISpec | None, int, list[AntennaDrive]] = (None, 0, [])

    def round(self, run: RoSpecRun, now_ms: int) -> list[bytes]:
        """Read every tag once per antenna; returns the EPCs, one per observation."""
        plan = self._plan(run)
        hop = self._stats.rounds % len(CHANNELS_KHZ)
        epcs: list[bytes] = []
        for each in self._driven(run):
            if not self._config.connected[each.antenna]:
                continue
            clock_us = self._clock_us()
            tags = self._reads(each._replace(channel_khz=CHANNELS_KHZ[hop], at_us=clock_us))
            access = None
            if self._access_specs.any_enabled:
                access = partial(self._access_specs.execute, each.antenna, run.spec.ro_spec_id)
            self._buffer.observe(
                plan,
                each.antenna,
                hop + 1,
                tags,
                now_ms=now_ms,
                clock_us=clock_us,
                access=access,
            )
            epcs += [tag.epc for tag in tags]
        self._buffer.make_ready(plan)
        self._stats.rounds += 1
        self._stats.tag_reads += len(epcs)
        self._stats.access_operations = self._access_specs.operations
        return epcs

    def _driven(self, run: RoSpecRun) -> list[AntennaDrive]:
        ai_spec, state_value, drives = self._drives
        if ai_spec is not run.ai_spec or state_value != self._config.state_value:
            own = run.ai_spec.inventory_parameter_specs[0].antenna_configurations
            drives = [
                driven(antenna, [self._config.antenna_configuration(antenna), *own])
                for antenna in run.antennas
            ]
            self._drives = (run.ai_spec, self._config.state_value, drives)
        return drives

    def _plan(self, run: RoSpecRun) -> ReportPlan:
        """The plan of an AISpec is kept between its runs, so that its tags go on accumulating."""
        key = (run.spec.ro_spec_id, run.spec_index)
        report = run.spec.ro_report_spec or self._config.ro_report
        plan = self._plans.get(key)
        if plan is None or plan.ai_spec is not run.ai_spec or plan.report is not report:
            plan = self._plans[key] = ReportPlan.of(*key, run.ai_spec, report, utc=self._utc)
        return plan
