"""The command `stocktruth-sim bench-idle`."""

import asyncio
import os
import sys
import time
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from protocol.bench_report import BenchReport, report_lines
from simulators.errors import SimulatorError

STATUS_FAILED = 1


def bench_idle(
    seconds: Annotated[float, typer.Option("--for", min=0.5, help="Seconds to watch it.")] = 60.0,
    after_s: Annotated[
        float, typer.Option("--after", min=0.5, help="Seconds that the agent has to begin.")
    ] = 30.0,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same day.")] = 1,
    folder: Annotated[
        Path | None,
        typer.Option("--dir", help="Where configurations, data and logs go; must not exist."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Watch what an agent takes of its gateway on a store's normal day.

    4 doorways with readers, 20 shelf scales and 2 tills are simulated; broker and cloud are real.
    Exits with 1 when a ratio is not what it must be.
    """
    from simulators.bench.idle_store import measure  # noqa: PLC0415 # Others start faster.

    name = f"bench-idle-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
    path = folder or Path(".demo") / name
    try:
        path.mkdir(parents=True)
        output, status = asyncio.run(measure(path.resolve(), seed, seconds, after_s, _to_stderr))
    except (SimulatorError, OSError) as error:
        _to_stderr(f"bench-idle: {error}")
        sys.exit(STATUS_FAILED)
    report = msgspec.structs.replace(msgspec.json.decode(output, type=BenchReport), seed=seed)
    typer.echo(msgspec.json.encode(report) if as_json else "\n".join(report_lines(report)))
    sys.exit(status)


def _to_stderr(text: str) -> None:
    typer.echo(text, err=True)
