"""`stocktruth-edge bench`: measure what is promised to be fast or small, on this machine."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from edge.bench.showing import progress_bar, show

app = typer.Typer(help="Measure what is promised to be fast or small.", no_args_is_help=True)

Seed = Annotated[int, typer.Option(help="Repeats what was measured.")]
Rounds = Annotated[int, typer.Option(min=1, max=100, help="Medians are of so many rounds.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Folder = Annotated[
    Path | None, typer.Option("--dir", help="On whose disk to write; a temporary folder's if none.")
]


@app.callback()
def bench() -> None:
    """Measure what is promised to be fast or small."""


@app.command()
def portal(
    reads: Annotated[int, typer.Option(min=1_000, max=50_000_000)] = 500_000,
    tags_per_report: Annotated[int, typer.Option(min=1, max=2_000)] = 200,
    under_way: Annotated[
        int, typer.Option(min=1, max=100_000, help="Tags that the portal holds at a time.")
    ] = 5_000,
    rounds: Rounds = 3,
    folder: Folder = None,
    seed: Seed = 1,
    *,
    as_json: AsJson = False,
) -> None:
    """Take tag reads from a socket to durable facts (exit status 1: a ratio is short)."""
    from edge.bench import portal as portal_bench  # noqa: PLC0415 # The others need no LLRP client.
    from edge.bench.portal_traffic import Traffic  # noqa: PLC0415 # See above.

    traffic = Traffic(seed=seed, reads=reads, tags_per_report=tags_per_report, under_way=under_way)
    with _workplace(folder) as place, progress_bar("portal") as advance:
        report = portal_bench.bench(place, traffic, rounds, advance)
    show(report, as_json=as_json)


@app.command()
def outbox(
    facts: Annotated[int, typer.Option(min=1, max=10_000_000)] = 20_000,
    callers: Annotated[
        int, typer.Option(min=1, max=200, help="Devices that append at the same time.")
    ] = 26,
    rounds: Rounds = 9,
    folder: Folder = None,
    seed: Seed = 1,
    *,
    as_json: AsJson = False,
) -> None:
    """Make facts durable and drain them again (exit status 1: a ratio is short)."""
    from edge.bench import outbox as outbox_bench  # noqa: PLC0415 # See `portal`.

    size = outbox_bench.Size(facts, callers, seed)
    with _workplace(folder) as place, progress_bar("outbox") as advance:
        report = outbox_bench.bench(place, size, rounds, advance)
    show(report, as_json=as_json)


@app.command()
def idle(
    config: Annotated[Path, typer.Option("--config", "-c", help="The agent's store.toml.")],
    for_s: Annotated[float, typer.Option("--for", min=0.5, help="Seconds to watch it.")] = 60.0,
    after_s: Annotated[
        float, typer.Option("--after", min=0.5, help="Seconds that it has to begin.")
    ] = 20.0,
    *,
    as_json: AsJson = False,
) -> None:
    """Run an agent and watch what it takes of the gateway (exit status 1: a ratio is short).

    Devices, broker and cloud have to be there; `stocktruth-sim bench-idle` brings a whole store.
    """
    from edge.bench import idle as idle_bench  # noqa: PLC0415 # See `portal`.
    from edge.config import load_settings  # noqa: PLC0415 # See `portal`.

    settings = load_settings(config)
    with progress_bar("idle") as advance:
        report = idle_bench.bench(settings, config, after_s, for_s, advance)
    show(report, as_json=as_json)


@contextmanager
def _workplace(folder: Path | None) -> Iterator[Path]:
    """Yield a new folder on the disk that is wanted, and delete it in the end."""
    with tempfile.TemporaryDirectory(prefix="stocktruth-bench-", dir=folder) as place:
        yield Path(place)
