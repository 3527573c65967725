"""`stocktruth-sim crash`: real processes are killed at named points, and nothing is missing."""

import json
import subprocess
import sys
from pathlib import Path

from simulators.crash.outcome import CrashOutcome, percentile
from simulators.crash.points import points_of


def crash(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "simulators", "crash", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)


def test_a_few_kills_lose_nothing(tmp_path: Path) -> None:
    done = crash("--cycles", "5", "--seed", "5", "--json", "--dir", str(tmp_path / "crash"))
    assert done.stdout, done.stderr
    outcome = json.loads(done.stdout)
    assert (outcome["cycles"], outcome["lost"], outcome["doubled"]) == (5, 0, 0)
    assert outcome["verified"].startswith("identical")
    # How fast it recovers depends on what else the machine does; that is the campaign's to judge.
    slow = [each for each in outcome["violations"] if not each.startswith("recovery")]
    assert slow == []


def test_the_points_are_listed() -> None:
    done = crash("--list-points")
    assert done.returncode == 0
    names = [line.split()[0] for line in done.stdout.splitlines()]
    assert names == [point.name for point in points_of("sqlite")]
    assert len(names) >= 40
    assert len(set(names)) == len(names)


def test_what_is_lost_is_told() -> None:
    outcome = CrashOutcome(seed=1, lost=1, violations=["00614141123452@S001: sold 4, heard 3"])
    outcome.add("edge.random", reached=True, killed_s=1.0, started_s=0.5)
    lines = list(outcome.lines())
    assert any("lost 1" in line for line in lines)
    assert lines[-1] == "00614141123452@S001: sold 4, heard 3"


def test_percentiles_are_of_the_nearest_rank() -> None:
    assert percentile([], 99) == 0.0
    assert percentile([3.0, 1.0, 2.0], 50) == 2.0
    assert percentile([float(n) for n in range(1, 101)], 99) == 99.0
