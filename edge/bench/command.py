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
    reads: Annotated[int, typer.Option(min=1_000, max=50_000_000)] = 400_000,
    tags_per_report: Annotated[int, typer.Option(min=1, max=2_000)] = 200,
    under_way: Annotated[
        int, typer.Option(min=1, max=100_000, help="Tags that the portal holds at a time.")
    ] = 2_000,
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


@contextmanager
def _workplace(folder: Path | None) -> Iterator[Path]:
    """Yield a new folder on the disk that is wanted, and delete it in the end."""
    with tempfile.TemporaryDirectory(prefix="stocktruth-bench-", dir=folder) as place:
        yield Path(place)
