"""`stocktruth-sim truth`: run the benchmark, write what it found, draw it."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from protocol.errors import InvalidIdentifier
from protocol.ids import Gtin, parse_gtin
from simulators.errors import ScenarioInvalid, SimulatorError
from simulators.truth.benchmark import run
from simulators.truth.noisy_world import check_scenario
from simulators.truth.options import TruthOptions, parse_factors
from simulators.truth.outcome import Outcome
from simulators.truth.report import document
from simulators.truth.tables import show

STATUS_FAILED: Final = 1
STATUS_USAGE: Final = 2
PICTURES: Final = (".png", ".svg", ".pdf")


def truth_options(
    *,
    scenario: str,
    days: int,
    stores: int,
    seed: int,
    factors: Sequence[str],
    processes: int,
    trace: str | None,
    plot: Path | None,
) -> TruthOptions:
    """Return what a command line asks for. Raises `ScenarioInvalid` and `ValueError`."""
    check_scenario(scenario)
    writable(plot)
    if plot is not None and plot.suffix.lower() not in PICTURES:
        raise ValueError(f"--plot {plot}: the name of a picture ends in {', '.join(PICTURES)}")
    return TruthOptions(
        scenario=scenario,
        days=days,
        stores=stores,
        seed=seed,
        factors=parse_factors(factors),
        processes=processes,
        trace=None if trace is None else _traced(trace),
        plot=plot,
    )


def _traced(text: str) -> Gtin:
    try:
        return parse_gtin(text)
    except InvalidIdentifier as error:
        raise ValueError(f"--trace {text}: {error}") from error


def writable(path: Path | None) -> None:
    """Raise `ValueError` for a file that cannot be written, before hours are spent on it."""
    if path is not None and not path.parent.is_dir():
        raise ValueError(f"{path}: there is no folder {path.parent}")


def run_truth(options: TruthOptions, *, as_json: bool, json_file: Path | None) -> int:
    """Carry out the command and return its exit status."""
    errors = Console(stderr=True)
    try:
        outcome = _run(options, errors)
    except SimulatorError as error:
        errors.print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
        return STATUS_USAGE if isinstance(error, ScenarioInvalid) else STATUS_FAILED
    try:
        _write(outcome, as_json=as_json, json_file=json_file)
        if options.plot is not None:
            from simulators.truth.plot import draw  # noqa: PLC0415 # It loads Matplotlib.

            draw(outcome, options.plot)
    except (OSError, ValueError) as error:
        errors.print(str(error), style="red", markup=False, highlight=False)
        return STATUS_USAGE
    return 0


def _run(options: TruthOptions, errors: Console) -> Outcome:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total} store-days"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=errors, transient=True) as progress:
        task = progress.add_task(options.scenario, total=options.days * options.stores)
        return run(
            options,
            lambda days: progress.advance(task, days),
            lambda text: errors.print(text, markup=False, highlight=False, soft_wrap=True),
        )


def _write(outcome: Outcome, *, as_json: bool, json_file: Path | None) -> None:
    text = msgspec.json.format(msgspec.json.encode(document(outcome)), indent=2)
    if json_file is not None:
        json_file.write_bytes(text + b"\n")
    if as_json and json_file is None:
        sys.stdout.buffer.write(text + b"\n")
        sys.stdout.flush()
    else:
        show(outcome, Console())
