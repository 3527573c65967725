"""`bench recover`: from SIGKILL under load to serving again, with many SKU-locations.

A real `stocktruth-cloud run` reserves over HTTP as fast as one client asks, and is killed.
It serves again when a read is answered and one more reservation is granted, durably. The limit is
how long the interpreter takes to import the same program.
"""

import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Final

from cloud.api.access import new_token, token_entry
from cloud.bench.ingest import fill
from cloud.bench.measuring import spread
from cloud.bench.showing import Advance
from cloud.bench.traffic import Size, gtin_of, store_id
from protocol.bench_report import BenchReport, Figure

SERVING_S_MAX: Final = 2.0
TIMES_IMPORT_MAX: Final = 4.0
KILLED_AFTER_S: Final = 1.5
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


def bench(folder: Path, stored: Size, kills: int, seed: int, advance: Advance) -> BenchReport:
    """Kill a cloud so often; return how long it took until it served again."""
    fill(folder / "journal.db", stored, lambda done: advance(0.5 * done))
    cloud = _Cloud(folder, stored, random.Random(seed))  # noqa: S311 # No secret.
    import_s = _import_s()
    cloud.start()
    cloud.until_serving()
    seconds: list[float] = []
    granted = 0
    for number in range(kills):
        granted += cloud.reserve_until_killed(KILLED_AFTER_S)
        begun_s = time.perf_counter()
        cloud.start()
        cloud.until_serving()
        seconds.append(time.perf_counter() - begun_s)
        advance(0.5 + 0.5 * (number + 1) / kills)
    cloud.kill()
    took = spread(seconds)
    return BenchReport(
        bench="recover",
        seed=seed,
        conditions={"sku_locations": stored.sku_locations, "kills": kills, "granted": granted},
        figures=[
            Figure(name="SIGKILL to serving, p50", value=took.p50, unit="s"),
            Figure(
                name="SIGKILL to serving, max",
                value=max(seconds),
                unit="s",
                at_most=SERVING_S_MAX,
            ),
            Figure(name="importing the program", value=import_s, unit="s"),
            Figure(
                name="to serving, in imports",
                value=took.p50 / import_s,
                unit="",
                at_most=TIMES_IMPORT_MAX,
                is_ratio=True,
            ),
        ],
    )


def _import_s() -> float:
    begun_s = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import cloud.__main__"], check=True)
    return time.perf_counter() - begun_s


class _Cloud:
    """A cloud's process over a folder, and a client of it."""

    def __init__(self, folder: Path, stored: Size, rng: random.Random) -> None:
        token, digest = new_token()
        (folder / "tokens.toml").write_text(token_entry("bench", digest, ["ops"], [], []) + "\n")
        self._port: Final = _free_port()
        config = CONFIG.format(port=self._port, no_broker=_free_port())
        self._config: Final = folder / "cloud.toml"
        self._config.write_text(config)
        self._log: Final = folder / "cloud.log"
        self._stored: Final = stored
        self._rng: Final = rng
        self._numbers: Final = count(1)
        self._headers: Final = {
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process, and do not wait."""
        command = [sys.executable, "-m", "cloud", "run", "--config", str(self._config)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)

    def until_serving(self) -> None:
        """Wait for a read and a durable reservation."""
        deadline_s = time.monotonic() + DEADLINE_S
        while time.monotonic() < deadline_s:
            try:
                with self._connection() as connection:
                    self._read(connection)
                    self._reserve(connection)
                return
            except OSError:
                time.sleep(POLL_S)
        raise AssertionError(f"the cloud does not serve; see its log:\n{self._log.read_text()}")

    def reserve_until_killed(self, after_s: float) -> int:
        """Reserve one after the other until the process is killed; return how many were granted."""
        killer = threading.Timer(after_s, self.kill)
        killer.start()
        granted = 0
        try:
            with self._connection() as connection:
                while True:
                    self._reserve(connection)
                    granted += 1
        except (OSError, http.client.HTTPException):
            killer.join()
        return granted

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        if self._process is not None:
            os.kill(self._process.pid, signal.SIGKILL)
            self._process.wait()

    @contextmanager
    def _connection(self) -> Iterator[http.client.HTTPConnection]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=DEADLINE_S)
        try:
            yield connection
        finally:
            connection.close()

    def _read(self, connection: http.client.HTTPConnection) -> None:
        store, gtin = self._some()
        self._ask(connection, "GET", f"/v1/stock/{store}/{gtin}", None)

    def _reserve(self, connection: http.client.HTTPConnection) -> None:
        store, gtin = self._some()
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
        headers = self._headers | {"Idempotency-Key": f"key-{next(self._numbers)}"}
        connection.request(method, path, body=body, headers=headers)
        response = connection.getresponse()
        answer = response.read()
        # An article may be sold out by then: that is an answer too.
        if response.status not in (http.client.OK, http.client.CREATED, http.client.CONFLICT):
            raise AssertionError(f"{method} {path}: {response.status} {answer[:500]!r}")

    def _some(self) -> tuple[str, str]:
        store = self._rng.randrange(self._stored.stores)
        return store_id(store), gtin_of(self._rng.randrange(self._stored.articles))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
