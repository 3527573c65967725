"""`bench recover`: from SIGKILL under load to serving again, with many SKU-locations.

A real `stocktruth-cloud run` reserves over HTTP as fast as one client asks, and is killed.
It serves again when a read is answered and one more reservation is granted, durably. The limit is
how long the interpreter takes to import the same program.
"""

import http.client
import random
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Final

from cloud.bench.cloud_process import BenchCloud
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


def bench(folder: Path, stored: Size, kills: int, seed: int, advance: Advance) -> BenchReport:
    """Kill a cloud so often; return how long it took until it served again."""
    fill(folder / "journal.db", stored, lambda done: advance(0.5 * done))
    import_s = _import_s()
    seconds: list[float] = []
    answered = 0
    with BenchCloud(folder) as cloud:
        customer = _Customer(cloud, stored, random.Random(seed))  # noqa: S311 # No secret.
        cloud.start()
        customer.until_serving()
        for number in range(kills):
            answered += customer.reserve_until_killed(KILLED_AFTER_S)
            begun_s = time.perf_counter()
            cloud.start()
            customer.until_serving()
            seconds.append(time.perf_counter() - begun_s)
            advance(0.5 + 0.5 * (number + 1) / kills)
    took = spread(seconds)
    return BenchReport(
        bench="recover",
        seed=seed,
        conditions={"sku_locations": stored.sku_locations, "kills": kills, "answered": answered},
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


class _Customer:
    """Reads and reserves at random, until the cloud is gone."""

    def __init__(self, cloud: BenchCloud, stored: Size, rng: random.Random) -> None:
        self._cloud: Final = cloud
        self._stored: Final = stored
        self._rng: Final = rng

    def until_serving(self) -> None:
        """Wait for a read and a durable reservation."""
        self._cloud.until_serving(*self._some())

    def reserve_until_killed(self, after_s: float) -> int:
        """Reserve until the process is killed; return how many requests were answered."""
        killer = threading.Timer(after_s, self._cloud.kill)
        killer.start()
        answered = 0
        try:
            with self._cloud.connection() as connection:
                while True:
                    self._cloud.reserve(connection, *self._some())
                    answered += 1
        except (OSError, http.client.HTTPException):
            killer.join()
        return answered

    def _some(self) -> tuple[str, str]:
        store = self._rng.randrange(self._stored.stores)
        return store_id(store), gtin_of(self._rng.randrange(self._stored.articles))
