"""A simulated store for somebody else's agent: `stocktruth-sim store` and `broker`."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.brokers import free_port, wait_for

DEADLINE_S = 30.0


@contextmanager
def running(output: Path, *arguments: str) -> Iterator["subprocess.Popen[bytes]"]:
    with output.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments], stdout=file, stderr=file, cwd=output.parent
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait(DEADLINE_S)


def test_a_store_waits_for_an_agent_lives_and_leaves_its_truth(tmp_path: Path) -> None:
    folder, output = tmp_path / "store", tmp_path / "store.txt"
    nowhere = f"mqtt://127.0.0.1:{free_port()}"
    command = ("simulators", "store", "--dir", str(folder), "--broker", nowhere)
    with running(output, *command, "--open-after", "0") as store:
        wait_for(lambda: "stocktruth-edge run" in output.read_text(), DEADLINE_S, "addresses")
        assert "doors" not in output.read_text(), "nobody has counted yet"
        agent = ("edge", "run", "--config", str(folder / "store.toml"))
        with running(tmp_path / "agent.txt", *agent):
            wait_for(lambda: "the doors are open" in output.read_text(), DEADLINE_S, "open doors")
            store.send_signal(signal.SIGINT)
            assert store.wait(DEADLINE_S) == 0, output.read_text()
    truth = json.loads((folder / "truth.json").read_bytes())
    assert len(truth) == 200
    for ledger in truth.values():
        gained = ledger["opening"] + ledger["received"] + ledger["returned"]
        assert ledger["on_hand"] == gained - ledger["sold"]


def test_a_device_address_that_is_taken_is_named(tmp_path: Path) -> None:
    scenario = tmp_path / "scenario.toml"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        scenario.write_text(f"[hardware]\nreader_port = {port}\n")
        command = ("store", "--scenario", str(scenario), "--dir", str(tmp_path / "store"))
        result = subprocess.run(
            [sys.executable, "-m", "simulators", *command],
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            check=False,
        )
    assert result.returncode == 2
    assert f"LLRP reader at 127.0.0.1:{port}" in result.stderr
    assert "Traceback" not in result.stderr


def test_the_embedded_broker_runs_by_itself(tmp_path: Path) -> None:
    port = free_port()
    with running(tmp_path / "broker.txt", "simulators", "broker", "--port", str(port)):
        wait_for(lambda: accepts(port), DEADLINE_S, "the broker")


def accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1.0).close()
    except OSError:
        return False
    return True
