"""Real power cuts of a small machine: its page cache, and what its disk still kept, are gone."""

import os
from pathlib import Path

import pytest

from simulators.powercut.campaign import Campaign
from simulators.powercut.command import missing
from simulators.powercut.machine import machine
from simulators.powercut.options import Planted, PowercutOptions
from simulators.powercut.outcome import PowercutOutcome

CYCLES = 2
SEED = 14


@pytest.fixture(autouse=True)
def _needs_user_mode_linux() -> None:
    lack = missing()
    if lack is not None and os.environ.get("STOCKTRUTH_REQUIRE_UML"):
        pytest.fail(lack)
    if lack is not None:
        pytest.skip(lack)


def campaign(folder: Path, planted: Planted | None = None) -> PowercutOutcome:
    options = PowercutOptions(folder=folder, cycles=CYCLES, seed=SEED, planted=planted)
    with machine(folder) as cut_machine:
        return Campaign(options, cut_machine, lambda: None).run()


def test_nothing_acknowledged_is_lost_and_no_number_used_twice(tmp_path: Path) -> None:
    outcome = campaign(tmp_path)
    assert outcome.violations == []
    assert outcome.cuts_judged == CYCLES
    assert outcome.findings.acknowledged_appends > 0
    assert outcome.findings.acknowledged_groups > 0
    assert outcome.findings.inputs_replayed > 0


def test_without_a_sync_at_each_commit_a_power_cut_is_noticed(tmp_path: Path) -> None:
    outcome = campaign(tmp_path, planted="synchronous-normal")
    assert outcome.openings_caught > 0
    assert outcome.findings.lost > 0
