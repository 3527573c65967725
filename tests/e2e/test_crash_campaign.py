"""`stocktruth-sim crash`: real processes are killed at named points, and nothing is missing."""

import json
import subprocess
import sys
from pathlib import Path

from simulators.crash.points import points_of


def crash(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "simulators", "crash", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)


def test_a_few_kills_lose_nothing(tmp_path: Path) -> None:
    done = crash("--cycles", "4", "--seed", "5", "--json", "--dir", str(tmp_path / "crash"))
    assert done.stdout, done.stderr
    outcome = json.loads(done.stdout)
    lost = sum(kind["lost"] for kind in outcome["kinds"].values())
    doubled = sum(kind["doubled"] for kind in outcome["kinds"].values())
    assert (outcome["cycles"], lost, doubled) == (4, 0, 0)
    # How fast it recovers depends on what else the machine does; that is the campaign's to judge.
    slow = [each for each in outcome["violations"] if "recover" not in each]
    assert slow == []


def test_the_points_are_listed() -> None:
    done = crash("--list-points")
    assert done.returncode == 0
    for point in points_of("sqlite"):
        assert point.name in done.stdout
    names = [point.name for point in points_of("sqlite")]
    assert len(names) >= 40
    assert len(set(names)) == len(names)
