"""The demo end to end, as a user starts it: agreement is total, and nothing stays behind."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.brokers import wait_for

RUN_DEADLINE_S = 120.0
OPEN_DEADLINE_S = 60.0
STOP_DEADLINE_S = 30.0


class RunningDemo:
    """A demo in a process of its own, with its output in a file."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder = folder / "run"
        self.outcome = folder / "outcome.json"
        self._output = folder / "output.txt"
        command = [sys.executable, "-m", "simulators", "demo", "--dir", str(self.folder)]
        command += ["--json", str(self.outcome)]
        environment = {name: value for name, value in os.environ.items() if name != "BROKER"}
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                [*command, *arguments], stdout=output, stderr=output, env=environment
            )

    @property
    def output(self) -> str:
        return self._output.read_text()

    def wait(self, deadline_s: float) -> int:
        return self.process.wait(deadline_s)

    def children(self) -> set[int]:
        """Processes whose command line names this demo's folder, or whose parent is the demo."""
        return {pid for pid in processes() if pid != self.process.pid and self._owns(pid)}

    def _owns(self, pid: int) -> bool:
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
            status = Path(f"/proc/{pid}/status").read_text()
        except OSError:
            return False
        is_child = f"\nPPid:\t{self.process.pid}\n" in status
        return is_child or str(self.folder) in command


def processes() -> Iterator[int]:
    return (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())


@pytest.fixture
def started(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[RunningDemo]:
    demo = RunningDemo(tmp_path, *request.param)
    yield demo
    if demo.process.poll() is None:
        demo.process.kill()
        demo.wait(STOP_DEADLINE_S)


@pytest.mark.parametrize(
    "started",
    [("--for", "6", "--check", "--stores", "1", "--skus", "40")],
    indirect=True,
)
def test_a_short_demo_ends_in_total_agreement(started: RunningDemo) -> None:
    status = started.wait(RUN_DEADLINE_S)
    output = started.output
    assert status == 0, output
    assert "agreement: 40/40 SKU-locations, facts lost 0, doubled 0" in output
    assert re.search(r"latency till → WMS subscriber: p50 \d+ ms, p99 \d+ ms \(n=\d+\)", output)
    outcome = json.loads(started.outcome.read_text())
    assert outcome["latency"]["sales"] > 0
    assert outcome["verify_status"] == 0
    assert outcome["violations"] == []
    assert "audit: never oversold: " in output
    assert outcome["audit"]["grants"] > 0
    assert outcome["web_shop"]["shipped"] > 0
    assert outcome["shop_failures"] == []
    assert started.children() == set()


@pytest.mark.parametrize(
    "started",
    [("--for", "12", "--check", "--chaos", "--stores", "1", "--skus", "40", "--seed", "3")],
    indirect=True,
)
def test_a_short_demo_with_kills_ends_in_total_agreement(started: RunningDemo) -> None:
    status = started.wait(RUN_DEADLINE_S)
    assert status == 0, started.output
    assert "agreement: 40/40 SKU-locations, facts lost 0, doubled 0" in started.output
    assert "audit: never oversold: " in started.output
    assert re.search(r"chaos: [1-9]\d* kills and cuts", started.output)
    assert started.children() == set()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize(
    "started", [("--stores", "1", "--skus", "20", "--for", "60")], indirect=True
)
def test_a_demo_that_is_stopped_leaves_no_process(started: RunningDemo, number: int) -> None:
    wait_for(lambda: " open; " in started.output, OPEN_DEADLINE_S, "open doors")
    assert len(started.children()) == 4, "broker, cloud, hardware, agent"
    started.process.send_signal(number)
    status = started.wait(STOP_DEADLINE_S)
    assert status == (-signal.SIGKILL if number == signal.SIGKILL else 130), started.output
    wait_for(lambda: not started.children(), STOP_DEADLINE_S, "the end of the children")


def test_a_demo_whose_broker_is_not_there_says_so(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "simulators", "demo", "--dir", str(tmp_path / "run")],
        env=os.environ | {"BROKER": "http://127.0.0.1"},
        capture_output=True,
        text=True,
        timeout=STOP_DEADLINE_S,
        check=False,
    )
    assert result.returncode == 2
    assert "BROKER='http://127.0.0.1': expected mqtt://HOST[:PORT]" in result.stderr
