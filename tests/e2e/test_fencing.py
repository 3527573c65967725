"""Suspended owners of a journal: a few real hand-overs, and a missing fence is noticed."""

import json
import subprocess
import sys
from pathlib import Path

from simulators.fencing.campaign import Campaign
from simulators.fencing.options import FencingOptions
from tests.cloud_process import REPOSITORY

DEADLINE_S = 120
COMMAND = "from simulators.fencing.cli import fencing; import typer; typer.run(fencing)"


def nothing() -> None:
    """Take no notice of progress."""


async def test_hand_overs_from_suspended_owners_leave_no_stale_commit(tmp_path: Path) -> None:
    options = FencingOptions(folder=tmp_path, kind="sqlite", handovers=5, seed=3)
    outcome = await Campaign(options, str(tmp_path / "journal.db"), nothing).run()
    findings = outcome.findings
    assert findings.is_clean, findings.violations
    assert outcome.stale_ended_well == outcome.handovers == 5
    assert findings.refused_stale >= 5 * 4
    assert findings.acknowledged_groups > 0


async def test_a_journal_without_a_fence_is_caught(tmp_path: Path) -> None:
    options = FencingOptions(
        folder=tmp_path,
        kind="sqlite",
        handovers=1,
        seed=3,
        owner_module="tests.fencing_without_fence",
        stale_deadline_s=2.0,
    )
    findings = (await Campaign(options, str(tmp_path / "journal.db"), nothing).run()).findings
    # What exactly goes wrong is a race: the stale owner gets in and never ends, or one of the two
    # trips over a position that the other has taken.
    assert findings.acknowledged_groups > 0
    assert not findings.is_clean


def test_whole_programs_hand_over_by_the_command(tmp_path: Path) -> None:
    arguments = ("--handovers", "0", "--programs", "2", "--dir", str(tmp_path / "run"), "--json")
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, *arguments],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        cwd=REPOSITORY,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    programs = json.loads(done.stdout)["programs"]
    assert programs["ended_well"] == programs["handovers"] == 2
    assert programs["violations"] == []


def test_a_url_without_postgres_is_one_clear_line(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, "--url", "postgresql://x", "--dir", str(tmp_path / "run")],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        cwd=REPOSITORY,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == "--url belongs to --journal postgres\n"
