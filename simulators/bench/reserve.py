"""`bench reserve`: how many reservations a second are granted, in process and over HTTP.

Each is durable, with its record and its key. The peer is PostgreSQL on the same disk: a row, and a
conditional update of one hot row, by pgbench.
"""

import subprocess
import sys
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from cloud.bench.cloud_process import BenchCloud
from cloud.bench.ingest import fill
from cloud.bench.measuring import spread
from cloud.bench.showing import Advance
from cloud.bench.traffic import TAGGED_EVERY, Size, gtin_of, store_id
from protocol.bench_report import BenchReport, Figure
from simulators.bench.http_clients import Asked, Task
from simulators.bench.pgbench import Peer, hot_row
from simulators.bench.reserving import Reserved, Reserving
from simulators.errors import BenchmarkFailed

TIMES_PEER_MIN: Final = 5.0
HTTP_PER_S_MIN: Final = 4_000
HTTP_P99_MS_MAX: Final = 10.0
WARM_UP: Final = 200


class ReserveOptions(NamedTuple):
    """How much is reserved; `clients` are those in process, HTTP has eight."""

    folder: Path
    reservations: int
    clients: int
    articles: int
    http_clients: int
    seed: int
    peer_seconds: int


def run(options: ReserveOptions, advance: Advance) -> BenchReport:
    """Reserve in every way, one after the other."""
    peer = hot_row(options.folder, options.peer_seconds)
    advance(0.25)
    spread_out, hot = _in_process(options)
    advance(0.6)
    over_http, hot_over_http = _over_http(options)
    advance(1.0)
    figures = [
        *_in_process_figures("in process, spread", spread_out),
        *_in_process_figures("in process, one hot SKU", hot),
        *_http_figures("over HTTP, spread", over_http),
        *_http_figures("over HTTP, one hot SKU", hot_over_http),
        *_peer_figures(peer, hot),
    ]
    return BenchReport(
        bench="reserve",
        seed=options.seed,
        conditions={
            "reservations": options.reservations,
            "clients": options.clients,
            "http_clients": options.http_clients,
            "articles": options.articles,
        },
        figures=figures,
    )


def _in_process(options: ReserveOptions) -> tuple[Reserved, Reserved]:
    folder = options.folder / "in-process"
    folder.mkdir()
    shard = Reserving(folder, options.articles)
    try:
        shard.run(WARM_UP, options.clients, is_hot=False)
        spread_out = shard.run(options.reservations, options.clients, is_hot=False)
        return spread_out, shard.run(options.reservations, options.clients, is_hot=True)
    finally:
        shard.close()


def _over_http(options: ReserveOptions) -> tuple[Asked, Asked]:
    folder = options.folder / "http"
    folder.mkdir()
    fill(folder / "journal.db", Size(stores=1, articles=options.articles))
    # Of tagged articles there are few.
    plenty = (number for number in range(options.articles) if (number + 1) % TAGGED_EVERY)
    gtins = [gtin_of(number) for number in plenty]
    with BenchCloud(folder) as cloud:
        cloud.start()
        cloud.until_serving(store_id(0), gtins[0])
        _ask(cloud, options, "warm", gtins, WARM_UP)
        spread_out = _ask(cloud, options, "spread", gtins, options.reservations)
        hot = _ask(cloud, options, "hot", gtins[1:2], HOT_UNITS)
    return spread_out, hot


HOT_UNITS: Final = 150
"""Of an article that a store has 200 of."""


def _ask(
    cloud: BenchCloud, options: ReserveOptions, name: str, gtins: list[str], requests: int
) -> Asked:
    task = Task(
        port=cloud.port,
        token=cloud.token,
        clients=options.http_clients,
        requests=requests,
        store=store_id(0),
        gtins=gtins,
        name=name,
    )
    done = subprocess.run(
        [sys.executable, "-m", "simulators.bench.http_clients"],
        input=msgspec.json.encode(task),
        stdout=subprocess.PIPE,
        check=True,
    )
    asked = msgspec.json.decode(done.stdout, type=Asked)
    if asked.refusal:
        raise BenchmarkFailed(f"over HTTP: {asked.refusal}")
    return asked


def _in_process_figures(name: str, reserved: Reserved) -> list[Figure]:
    took = spread(reserved.times_ms)
    return [
        Figure(name=name, value=reserved.per_s, unit="per s"),
        Figure(name=f"{name}, p99", value=took.p99, unit="ms"),
    ]


def _http_figures(name: str, asked: Asked) -> list[Figure]:
    took = spread(asked.times_ms)
    rate = len(asked.times_ms) / asked.seconds
    return [
        Figure(name=name, value=rate, unit="per s", at_least=HTTP_PER_S_MIN),
        Figure(name=f"{name}, p99", value=took.p99, unit="ms", at_most=HTTP_P99_MS_MAX),
    ]


def _peer_figures(peer: Peer | None, hot: Reserved) -> list[Figure]:
    """Return the peer's figures, and ours in them; none where there is no PostgreSQL."""
    if peer is None:
        return []
    return [
        Figure(name="pgbench, one hot row, 8 clients", value=peer.per_s, unit="per s"),
        Figure(name="pgbench, on average", value=peer.mean_ms, unit="ms"),
        Figure(
            name="in process, one hot SKU, in pgbenches",
            value=hot.per_s / peer.per_s,
            unit="",
            at_least=TIMES_PEER_MIN,
            is_ratio=True,
        ),
    ]
