"""The day that the documentation tells is the day that happens."""

import re
import subprocess
import sys
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
DEADLINE_S = 120


def test_the_worked_day_goes_as_it_is_told() -> None:
    command = [sys.executable, str(DOCS / "worked_day.py")]
    day = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    assert day.returncode == 0, day.stderr
    told = re.search(r"```text\n(.*?)\n```", (DOCS / "worked-day.md").read_text(), re.DOTALL)
    assert told is not None
    assert day.stdout.strip() == told.group(1)
    assert "conservation: 0 unexplained" in day.stdout
