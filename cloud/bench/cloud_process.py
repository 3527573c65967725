"""A real `stocktruth-cloud run` for the benches, and a simple client of its API."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Final

from cloud.api.access import new_token, token_entry

DEADLINE_S: Final = 60.0
POLL_S: Final = 0.005
CHANNEL: Final = "web"

CONFIG: Final = """\
[broker]
url = "mqtt://127.0.0.1:{no_broker}"
[journal]
path = "journal.db"
[api]
port = {port}
tokens_file = "tokens.toml"
requests_per_minute = 10000000
"""
"""Nobody listens where it looks for a broker."""


class BenchCloud:
    """A cloud's process over the journal in a folder; killed in the end."""

    def __init__(self, folder: Path) -> None:
        self.token, digest = new_token()
        entry = token_entry("bench", digest, ["ops", "channel"], [], [])
        (folder / "tokens.toml").write_text(entry + "\n")
        self.port: Final = _free_port()
        self._config: Final = folder / "cloud.toml"
        self._config.write_text(CONFIG.format(port=self.port, no_broker=_free_port()))
        self._log: Final = folder / "cloud.log"
        self._numbers: Final = count(1)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "BenchCloud":
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.kill()

    def start(self) -> None:
        """Start the process, and do not wait."""
        command = [sys.executable, "-m", "cloud", "run", "--config", str(self._config)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)

    def until_serving(self, store: str, gtin: str) -> None:
        """Wait for a read and a durable reservation of this article."""
        deadline_s = time.monotonic() + DEADLINE_S
        while time.monotonic() < deadline_s:
            try:
                with self.connection() as connection:
                    self.read(connection, store, gtin)
                    self.reserve(connection, store, gtin)
                return
            except OSError:
                time.sleep(POLL_S)
        raise AssertionError(f"the cloud does not serve; see its log:\n{self._log.read_text()}")

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        if self._process is not None:
            os.kill(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    @contextmanager
    def connection(self) -> Iterator[http.client.HTTPConnection]:
        """Connect. Raises `OSError`, also later, when the process is gone."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE_S)
        try:
            yield connection
        finally:
            connection.close()

    def read(self, connection: http.client.HTTPConnection, store: str, gtin: str) -> None:
        """Ask for an article's stock."""
        self._ask(connection, "GET", f"/v1/stock/{store}/{gtin}", None)

    def reserve(self, connection: http.client.HTTPConnection, store: str, gtin: str) -> None:
        """Reserve one unit."""
        body = {
            "order_id": f"order-{next(self._numbers)}",
            "channel": CHANNEL,
            "location": store,
            "lines": [{"gtin": gtin, "quantity": 1}],
            "hold_s": 600,
        }
        self._ask(connection, "POST", "/v1/reservations", json.dumps(body))

    def _ask(
        self, connection: http.client.HTTPConnection, method: str, path: str, body: str | None
    ) -> None:
        headers = {
            "Authorization": f"Bearer {self.token}",
            "Content-Type": "application/json",
            "Idempotency-Key": f"key-{next(self._numbers)}",
        }
        connection.request(method, path, body=body, headers=headers)
        response = connection.getresponse()
        answer = response.read()
        # An article may be sold out by then: that is an answer too.
        if response.status not in (http.client.OK, http.client.CREATED, http.client.CONFLICT):
            raise AssertionError(f"{method} {path}: {response.status} {answer[:500]!r}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
