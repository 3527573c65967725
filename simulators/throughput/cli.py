"""The commands `stocktruth-sim reader` and `stocktruth-sim throughput`."""

import asyncio
import os
import sys
import time
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from simulators.errors import AddressUnavailable, BenchmarkFailed, ChildDied, DemoFailed

EXIT_LOST = 1
EXIT_FAILED = 1
EXIT_USAGE = 2

Rate = Annotated[int, typer.Option(min=1, max=1_000_000, help="Tag reads a second.")]
Tags = Annotated[int, typer.Option(min=1, max=100_000, help="Tags that are there.")]
Antennas = Annotated[int, typer.Option(min=1, max=32, help="Antennas that read them.")]


def reader(
    rate: Rate = 20_000,
    duration_s: Annotated[
        float | None,
        typer.Option("--for", min=0.1, help="Seconds of reading; until interrupted if absent."),
    ] = None,
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="TCP port to listen on; 0 takes a free one.")
    ] = 5084,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    tags: Tags = 2_000,
    antennas: Antennas = 4,
    impinj: Annotated[
        bool, typer.Option("--impinj", help="Call itself an Impinj reader, for llrpkit.")
    ] = False,
) -> None:
    """Run one LLRP reader that reads as many tags a second as you like, for a client of yours."""
    from simulators.throughput.busy_reader import Load, run_reader  # noqa: PLC0415 # Others start faster.

    load = Load(
        rate_per_s=rate,
        duration_s=duration_s,
        tags=max(tags, antennas),
        antennas=antennas,
        host=host,
        port=port,
        is_impinj=impinj,
    )
    try:
        asyncio.run(run_reader(load, typer.echo))
    except AddressUnavailable as error:
        typer.echo(str(error), err=True)
        sys.exit(EXIT_USAGE)


def throughput(
    rate: Rate = 20_000,
    duration_s: Annotated[
        float, typer.Option("--for", min=0.1, max=86_400, help="Seconds of reading.")
    ] = 60.0,
    tags: Tags = 2_000,
    antennas: Antennas = 4,
    folder: Annotated[
        Path | None,
        typer.Option("--dir", help="Where configurations, data and logs go; must not exist."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Tell everything, as JSON.")] = False,
) -> None:
    """Send tag reads from one reader to a real agent. Exits with 1 when any was lost.

    The agent runs as in a store, with the embedded broker; its own counters say what it took.
    """
    from simulators.throughput.agent_run import measure  # noqa: PLC0415 # See `reader`.
    from simulators.throughput.busy_reader import Load  # noqa: PLC0415 # See `reader`.

    load = Load(rate_per_s=rate, duration_s=duration_s, tags=max(tags, antennas), antennas=antennas)
    try:
        outcome = asyncio.run(measure(load, _new_folder(folder), _to_stderr))
    except TimeoutError:
        _to_stderr("throughput: the agent does not begin to read")
        sys.exit(EXIT_FAILED)
    except (BenchmarkFailed, ChildDied, DemoFailed, OSError) as error:
        _to_stderr(f"throughput: {error}")
        sys.exit(EXIT_FAILED)
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(outcome)))
    else:
        typer.echo("\n".join(outcome.lines()))
    sys.exit(EXIT_LOST if outcome.lost else 0)


def _new_folder(given: Path | None) -> Path:
    name = f"throughput-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
    folder = given or Path(".demo") / name
    folder.mkdir(parents=True)
    return folder.resolve()


def _to_stderr(text: str) -> None:
    typer.echo(text, err=True)
