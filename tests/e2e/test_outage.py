"""A short outage of a busy store, with real processes behind a line that is cut."""

from pathlib import Path

from simulators.outage.options import OutageOptions
from simulators.outage.run import OutageRun


async def test_a_cut_line_loses_nothing_doubles_nothing_and_drains_fast(tmp_path: Path) -> None:
    options = OutageOptions(folder=tmp_path, minutes=0.1, speed=200, seed=5, steady_s=2.0)
    phases: list[str] = []
    outcome = await OutageRun(options, lambda phase, _: phases.append(phase)).run()
    assert outcome.violations == []
    assert (outcome.lost, outcome.doubled) == (0, 0)
    assert outcome.facts_in_outage > 400
    assert outcome.outbox_mib_end_of_outage > 0
    assert outcome.latency_after.sales > 0
    assert {"steady", "outage", "steady again"} <= set(phases)
    assert any(line.startswith("drain ") for line in outcome.lines())
