"""`stocktruth-cloud bench`: measure the parts whose speed is a promise, on this machine."""

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Final

import typer

from cloud.bench import belief as belief_bench
from cloud.bench import growth as growth_bench
from cloud.bench import ingest as ingest_bench
from cloud.bench import query as query_bench
from cloud.bench import recover as recover_bench
from cloud.bench import resident as resident_bench
from cloud.bench.query import Size as QuerySize
from cloud.bench.showing import progress_bar, show
from cloud.bench.traffic import Size as TrafficSize

Seed = Annotated[int, typer.Option(help="The same seed makes the same traffic.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

GROWTH_SIZES: Final = (10_000, 100_000, 1_000_000)

app = typer.Typer(help="Measure what is promised to be fast.", no_args_is_help=True)


PLUG_INS: Final = "stocktruth.benches"
"""Entry points of benches that need more than the cloud: whole stores, a broker, a WMS."""


@app.callback()
def bench() -> None:
    """Measure what is promised to be fast."""


@app.command()
def query(
    sku_locations: Annotated[int, typer.Option(min=1, max=20_000_000)] = 1_000_000,
    locations: Annotated[int, typer.Option(min=1, max=2_000)] = 500,
    requests: Annotated[int, typer.Option(min=10, max=100_000)] = 500,
    rules: Annotated[int, typer.Option(min=0, max=500)] = 20,
    seed: Seed = 1,
    as_json: AsJson = False,
) -> None:
    """Ask for one GTIN at many locations, explained, over HTTP."""
    # What the server says of each request would be part of what is measured.
    logging.disable(logging.INFO)
    size = QuerySize(
        sku_locations=sku_locations, locations=locations, requests=requests, rules=rules
    )
    with _folder() as folder, progress_bar("query") as advance:
        report = query_bench.bench(folder, size, seed, advance)
    show(report, as_json=as_json)


@app.command()
def ingest(
    facts: Annotated[int, typer.Option(min=2_000, max=100_000_000)] = 800_000,
    stores: Annotated[int, typer.Option(min=1, max=5_000)] = 10,
    articles: Annotated[int, typer.Option(min=1, max=100_000, help="Per store.")] = 10_000,
    seed: Seed = 1,
    as_json: AsJson = False,
) -> None:
    """Ingest batches into a durable journal, beside a bare loop over the same bytes and rows."""
    size = TrafficSize(stores=stores, articles=articles)
    with _folder() as folder, progress_bar("ingest") as advance:
        report = ingest_bench.bench(folder, size, facts, seed, advance)
    show(report, as_json=as_json)


@app.command()
def growth(
    sizes: Annotated[
        list[int] | None, typer.Option("--size", min=10_000, help="Stored; again and again.")
    ] = None,
    facts: Annotated[int, typer.Option(min=2_000, max=100_000_000)] = 96_000,
    seed: Seed = 1,
    as_json: AsJson = False,
) -> None:
    """Ingest the same traffic into journals that hold ever more."""
    with _folder() as folder, progress_bar("growth") as advance:
        report = growth_bench.bench(folder, sizes or GROWTH_SIZES, facts, seed, advance)
    show(report, as_json=as_json)


@app.command()
def resident(
    sku_locations: Annotated[int, typer.Option(min=20_000, max=100_000_000)] = 1_000_000,
    active: Annotated[int, typer.Option(min=20_000, help="In memory at most.")] = 1_000_000,
    articles: Annotated[int, typer.Option(min=1, max=100_000, help="Per store.")] = 10_000,
    seed: Seed = 1,
    as_json: AsJson = False,
) -> None:
    """Weigh active SKU-locations with beliefs, and activate others that are stored."""
    stored = TrafficSize(stores=max(1, sku_locations // articles), articles=articles)
    with _folder() as folder, progress_bar("resident") as advance:
        report = resident_bench.bench(folder, stored, active, seed, advance)
    show(report, as_json=as_json)


@app.command()
def recover(
    sku_locations: Annotated[int, typer.Option(min=1_000, max=100_000_000)] = 1_000_000,
    kills: Annotated[int, typer.Option(min=2, max=1_000)] = 5,
    articles: Annotated[int, typer.Option(min=1, max=100_000, help="Per store.")] = 10_000,
    seed: Seed = 1,
    as_json: AsJson = False,
) -> None:
    """Kill a cloud under load, and see how soon it serves again."""
    stored = TrafficSize(stores=max(1, sku_locations // articles), articles=articles)
    with _folder() as folder, progress_bar("recover") as advance:
        report = recover_bench.bench(folder, stored, kills, seed, advance)
    show(report, as_json=as_json)


@app.command()
def belief(
    sku_locations: Annotated[int, typer.Option(min=1_000, max=20_000_000)] = 1_000_000,
    seed: Seed = 1,
    as_json: AsJson = False,
) -> None:
    """Let many SKU-locations hear facts and say how sure they are."""
    with progress_bar("belief") as advance:
        report = belief_bench.bench(sku_locations, seed, advance)
    show(report, as_json=as_json)


for _plug_in in sorted(entry_points(group=PLUG_INS)):
    app.command(_plug_in.name)(_plug_in.load())


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="stocktruth-bench-") as folder:
        yield Path(folder)
