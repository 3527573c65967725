"""`stocktruth-cloud bench pipeline | fanout | reserve`, also as `stocktruth-sim bench …`.

The cloud's command finds them as plug-ins (entry points of the group `stocktruth.benches`): it may
not import simulators, and a cloud without them has no benches that need simulated stores.
"""

import asyncio
import sys
import tempfile
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import typer

from cloud.bench.showing import progress_bar, show
from protocol.bench_report import BenchReport
from simulators.bench.brokers import BrokerKind, usual_kind
from simulators.errors import SimulatorError

T = TypeVar("T")

STATUS_FAILED: Final = 1
TOPICS: Final = {"stream": "st/1/+/stock", "gtin": "st/1/+/stock/+"}

Seed = Annotated[int, typer.Option(min=0, help="The same seed makes the same traffic.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Broker = Annotated[
    str | None, typer.Option(help="mosquitto or embedded; Mosquitto where it is installed.")
]

app = typer.Typer(help="Measure what is promised to be fast.", no_args_is_help=True)


@app.callback()
def bench() -> None:
    """Measure what is promised to be fast."""


@app.command()
def pipeline(
    seconds: Annotated[
        float, typer.Option("--for", min=1, max=86_400, help="Of the sustained run.")
    ] = 60.0,
    rate: Annotated[
        float, typer.Option(min=1, max=1_000_000, help="Facts a second, for the delay.")
    ] = 1_000.0,
    stores: Annotated[int, typer.Option(min=1, max=64)] = 2,
    articles: Annotated[int, typer.Option(min=8, max=100_000, help="Per store.")] = 5_000,
    subscribe: Annotated[
        str, typer.Option(help="What the WMS listens to: stream, or gtin for retained states.")
    ] = "stream",
    broker: Broker = None,
    seed: Seed = 1,
    as_json: AsJson = False,
) -> None:
    """From a till's append to a warehouse system, in real processes: facts/s, delay, memory."""
    from simulators.bench.pipeline import PipelineOptions, run  # noqa: PLC0415 # Others start faster.

    with tempfile.TemporaryDirectory(prefix="stocktruth-bench-") as folder:
        options = PipelineOptions(
            folder=Path(folder),
            broker=_kind(broker),
            seconds=seconds,
            rate_per_s=rate,
            stores=stores,
            articles=articles,
            seed=seed,
            topic=_one_of(subscribe, TOPICS, "--subscribe"),
        )
        with progress_bar("pipeline") as advance:
            report = _run(run(options, advance))
    show(report, as_json=as_json)


@app.command()
def fanout(
    states: Annotated[int, typer.Option(min=100, max=100_000_000)] = 200_000,
    subscribers: Annotated[int, typer.Option(min=1, max=64)] = 2,
    broker: Broker = None,
    seed: Seed = 1,
    as_json: AsJson = False,
) -> None:
    """Retained states through the real publisher and a broker to subscribers, states/s."""
    from simulators.bench.fanout import FanoutOptions, run  # noqa: PLC0415 # Others start faster.

    with tempfile.TemporaryDirectory(prefix="stocktruth-bench-") as folder:
        options = FanoutOptions(
            folder=Path(folder),
            broker=_kind(broker),
            states=states,
            subscribers=subscribers,
            seed=seed,
        )
        with progress_bar("fanout") as advance:
            report = _run(run(options, advance))
    show(report, as_json=as_json)


@app.command()
def reserve(
    reservations: Annotated[int, typer.Option(min=200, max=9_000)] = 2_000,
    clients: Annotated[int, typer.Option(min=1, max=1_000, help="In process.")] = 256,
    http_clients: Annotated[int, typer.Option(min=1, max=256)] = 8,
    articles: Annotated[int, typer.Option(min=100, max=100_000)] = 2_000,
    peer_seconds: Annotated[int, typer.Option(min=1, max=600, help="Of pgbench.")] = 8,
    seed: Seed = 1,
    as_json: AsJson = False,
) -> None:
    """Reserve in process and over HTTP, beside pgbench on a hot row."""
    from simulators.bench.reserve import ReserveOptions, run  # noqa: PLC0415 # Others start faster.

    with tempfile.TemporaryDirectory(prefix="stocktruth-bench-") as folder:
        options = ReserveOptions(
            folder=Path(folder),
            reservations=reservations,
            clients=clients,
            articles=articles,
            http_clients=http_clients,
            seed=seed,
            peer_seconds=peer_seconds,
        )
        try:
            with progress_bar("reserve") as advance:
                report = run(options, advance)
        except SimulatorError as error:
            typer.echo(f"bench: {error}", err=True)
            sys.exit(STATUS_FAILED)
    show(report, as_json=as_json)


def _run(work: Coroutine[Any, Any, BenchReport]) -> BenchReport:
    try:
        return asyncio.run(work)
    except TimeoutError:
        typer.echo("bench: a process does not answer in time", err=True)
    except SimulatorError as error:
        typer.echo(f"bench: {error}", err=True)
    sys.exit(STATUS_FAILED)


def _kind(name: str | None) -> BrokerKind:
    kinds: dict[str, BrokerKind] = {"mosquitto": "mosquitto", "embedded": "embedded"}
    return usual_kind() if name is None else _one_of(name, kinds, "--broker")


def _one_of(name: str, known: Mapping[str, T], option: str) -> T:
    if name not in known:
        raise typer.BadParameter(f"{name!r}: one of {', '.join(known)}", param_hint=option)
    return known[name]
