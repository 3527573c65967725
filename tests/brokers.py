"""MQTT brokers as child processes that a test may kill and start again.

Two of them, because they fail differently: the embedded one forgets everything, Mosquitto brings
back what it last saved.
"""

import getpass
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from simulators.demo.config_files import broker_config

DEPLOY: Final = Path(__file__).parent.parent / "deploy"
START_DEADLINE_S: Final = 15.0
STOP_DEADLINE_S: Final = 5.0
POLL_S: Final = 0.01
HOST: Final = "127.0.0.1"


class Broker:
    """A broker on a port of its own, from construction until `stop`."""

    def __init__(self, command: list[str], port: int, log: Path) -> None:
        self.host: Final = HOST
        self.port: Final = port
        self.url: Final = f"mqtt://{HOST}:{port}"
        self._command = command
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self.restart()

    def restart(self) -> None:
        """Start the broker (again), and return when it accepts connections."""
        self.kill()
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        wait_for(self._accepts, START_DEADLINE_S, f"{self._command[0]} on port {self.port}")

    def kill(self) -> None:
        """End the broker with SIGKILL: nothing is flushed, nobody is told."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(STOP_DEADLINE_S)
            self._process = None

    def stop(self) -> None:
        """End the broker in an orderly way: clients are disconnected, state is saved."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_DEADLINE_S)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None

    def _accepts(self) -> bool:
        if self._process is not None and self._process.poll() is not None:
            output = self._log.read_text(errors="replace")
            raise AssertionError(f"{self._command[0]} ended with {self._process.poll()}: {output}")
        try:
            socket.create_connection((self.host, self.port), timeout=1.0).close()
        except OSError:
            return False
        return True


def embedded_broker(folder: Path) -> Broker:
    """Start the broker that the demo embeds (iotcore). It keeps everything in memory."""
    port = free_port()
    config = folder / "broker.toml"
    config.write_text(broker_config(HOST, port))
    command = [sys.executable, "-m", "iotcore", "--config", str(config), "--log-level", "ERROR"]
    return Broker(command, port, folder / "broker.log")


def mosquitto_broker(folder: Path, binary: str) -> Broker:
    """Start Mosquitto with the configuration we ship."""
    port = free_port()
    data = folder / "mosquitto"
    data.mkdir()
    text = (DEPLOY / "mosquitto.conf").read_text()
    text = _replace_once(text, "listener 1883 ", f"listener {port} ")
    text = _replace_once(text, "location /var/lib/mosquitto/", f"location {data}/")
    config = folder / "mosquitto.conf"
    # Started by root, Mosquitto would change to a user who may not enter the test's folder.
    config.write_text(f"{text}\nuser {getpass.getuser()}\n")
    return Broker([binary, "-c", str(config)], port, folder / "broker.log")


def mosquitto_binary() -> str | None:
    """Return the path of Mosquitto, if installed; Debian keeps it out of a plain user's PATH."""
    path = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin", "/usr/local/sbin"))
    return shutil.which("mosquitto", path=path)


def free_port() -> int:
    """Return a TCP port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(condition: Callable[[], bool], deadline_s: float, what: str) -> None:
    """Return as soon as `condition` holds; fail the test when it does not within the deadline."""
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, f"{what}: not within {deadline_s} s"
        time.sleep(POLL_S)


def _replace_once(text: str, old: str, new: str) -> str:
    assert text.count(old) == 1, f"deploy/mosquitto.conf should contain {old!r} once"
    return text.replace(old, new)
