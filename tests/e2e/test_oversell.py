"""An oversell run as a user starts it: contested, and never oversold."""

import json
import subprocess
import sys
from pathlib import Path

from simulators.audit.grants import Witness
from simulators.audit.report import audit_file

RUN_DEADLINE_S = 120.0


def oversell(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "simulators", "oversell", "--dir", str(folder / "run")]
    return subprocess.run(
        [*command, "--json", str(folder / "outcome.json"), *arguments],
        capture_output=True,
        text=True,
        timeout=RUN_DEADLINE_S,
        check=False,
    )


def test_contested_goods_are_never_oversold(tmp_path: Path) -> None:
    few = ("--stores", "2", "--skus", "3", "--units", "10")
    result = oversell(tmp_path, "--clients", "16", "--attempts", "480", *few)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.endswith("verdict: never oversold\n")
    outcome = json.loads((tmp_path / "outcome.json").read_bytes())
    assert outcome["attempts"] == 480
    assert outcome["refused"]["insufficient"] > 0, "it was contested"
    assert outcome["granted"] > 0
    assert outcome["replayed"] > 0
    assert outcome["units_sold"] > 0
    assert outcome["server_errors"] == {}
    assert outcome["verify"].startswith("identical")
    assert outcome["audit"]["violations"] == 0
    journal = tmp_path / "run" / "data" / "journal.db"
    assert_an_audit_can_fail(journal, outcome["audit"]["grants"])


def assert_an_audit_can_fail(journal: Path, grants: int) -> None:
    """A rule that was not in force, and clients who know nothing, are seen in the same journal."""
    report = audit_file(journal, Witness(), {"web": 3})
    assert report.violations >= grants
    assert any("hidden from web, the rules say 3" in each for each in report.named)


def test_a_running_cloud_needs_all_that_tells_of_it(tmp_path: Path) -> None:
    result = oversell(tmp_path, "--url", "http://127.0.0.1:1")
    assert result.returncode == 1
    assert "--url, --token and --config belong together" in result.stdout
