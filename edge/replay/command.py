"""`stocktruth-edge replay` and `stocktruth-edge tune`: sensing at a desk.

Neither needs a device, a broker or a network, and neither writes anything. What runs sensing is
imported when it is used, so that the agent's other commands stay light.
"""

import sys
import time
from collections.abc import Iterable
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Annotated, Final, Literal

import msgspec
import typer

from edge.config import EdgeSettings, load_settings
from edge.replay.errors import ReplayRefused

if TYPE_CHECKING:
    from edge.replay.judging import Verdict
    from edge.replay.labels import Labels
    from edge.replay.replaying import Replay
    from edge.replay.sensing import SensedFact

TRIALS_MAX: Final = 100_000
SECONDS_MAX: Final = 1_000_000_000

Format = Literal["recording", "goods-in"]
Recording = Annotated[Path, typer.Argument(help="A recording, or a folder of recordings.")]
Config = Annotated[Path, typer.Option("--config", "-c", help="The agent's store.toml.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON lines.")]
LabelsFile = Annotated[
    Path | None, typer.Option("--labels", help="What truly happened; for goods-in its folder.")
]
FormatName = Annotated[Format, typer.Option("--format", help="How the recording is stored.")]
FromS = Annotated[
    float, typer.Option("--from", min=0, max=SECONDS_MAX, help="Show and judge from this second.")
]
ToS = Annotated[
    float | None, typer.Option("--to", min=0, max=SECONDS_MAX, help="Stop at this second.")
]
Parameters = Annotated[
    list[str] | None,
    typer.Option("--parameter", "-p", help="NAME=LOW:HIGH:STEP, as often as you like."),
]
Trials = Annotated[int, typer.Option("--trials", min=1, max=TRIALS_MAX, help="Settings to try.")]
Seed = Annotated[int, typer.Option("--seed", help="Where chance begins.")]
DEFAULT_CONFIG: Final = Path("store.toml")


def replay(
    file: Recording,
    config: Config = DEFAULT_CONFIG,
    from_s: FromS = 0.0,
    to_s: ToS = None,
    labels: LabelsFile = None,
    format_name: FormatName = "recording",
    *,
    as_json: AsJson = False,
) -> None:
    """Run sensing over a recording, print its facts, and judge them if there are labels."""
    if format_name == "goods-in":
        from edge.replay.goods_in import replay_goods_in  # noqa: PLC0415 # See the module's head.

        code = replay_goods_in(file, labels, as_json, typer.echo)
        if code:
            raise typer.Exit(code)
        return
    if to_s is not None and to_s <= from_s:
        raise ReplayRefused(f"--to {to_s:g}: must be after --from {from_s:g}")
    settings = load_settings(config)
    wanted = _labels(labels)
    _replay(file, settings, wanted, from_s, to_s, as_json=as_json)


def _replay(
    file: Path,
    settings: EdgeSettings,
    labels: "Labels | None",
    from_s: float,
    to_s: float | None,
    *,
    as_json: bool,
) -> None:
    from edge.replay.replaying import Replay  # noqa: PLC0415 # See the module's head.
    from edge.replay.showing import fact_json, fact_line  # noqa: PLC0415

    running = Replay(file, settings, to_s=to_s)
    kept: list[SensedFact] = []
    started_s = time.perf_counter()
    for sensed in running.facts():
        if labels is not None:
            kept.append(sensed)
        if sensed.at_ms >= from_s * 1_000:
            typer.echo(fact_json(sensed) if as_json else fact_line(sensed))
    elapsed_s = time.perf_counter() - started_s
    verdicts = _verdicts(kept, labels, running, from_s, to_s)
    _summarise(running, elapsed_s, verdicts, as_json=as_json)


def _verdicts(
    kept: "list[SensedFact]",
    labels: "Labels | None",
    running: "Replay",
    from_s: float,
    to_s: float | None,
) -> "list[Verdict]":
    from edge.replay.judging import judge  # noqa: PLC0415 # See the module's head.

    if labels is None:
        return []
    facts = [sensed.fact for sensed in kept]
    end_ms = float("inf") if to_s is None else to_s * 1_000
    return [
        verdict
        for verdict in judge(facts, labels, running.header.started_utc_ms)
        if from_s * 1_000 <= verdict.at_ms < end_ms
    ]


def _summarise(
    running: "Replay", elapsed_s: float, verdicts: "list[Verdict]", *, as_json: bool
) -> None:
    from edge.replay.scoring import scores  # noqa: PLC0415 # See the module's head.
    from edge.replay.showing import score_lines, summary_json, summary_lines  # noqa: PLC0415

    summary = running.summary(elapsed_s)
    scored = scores(verdicts)
    if as_json:
        typer.echo(summary_json(summary, scored, verdicts))
        return
    _echo(summary_lines(summary))
    _echo(score_lines(scored, verdicts))


def tune(
    file: Recording,
    labels: LabelsFile = None,
    config: Config = DEFAULT_CONFIG,
    parameter: Parameters = None,
    trials: Trials = 200,
    seed: Seed = 1,
    to_s: ToS = None,
    format_name: FormatName = "recording",
    *,
    as_json: AsJson = False,
) -> None:
    """Search sensing's parameters for those that agree best with the labels.

    Prints the best settings and the lines for store.toml. Never writes the file itself.
    """
    if labels is None:
        raise ReplayRefused("--labels: tuning needs to know what truly happened")
    if format_name == "goods-in":
        _tune_goods_in(file, labels)
        return
    settings = load_settings(config)
    wanted = _labels(labels)
    assert wanted is not None, "labels were given"  # noqa: S101 # Checked above.
    _tune(file, settings, wanted, parameter or [], trials, seed, to_s, as_json=as_json)


def _tune(
    file: Path,
    settings: EdgeSettings,
    labels: "Labels",
    texts: list[str],
    trials: int,
    seed: int,
    to_s: float | None,
    *,
    as_json: bool,
) -> None:
    from edge.replay.replaying import Replay  # noqa: PLC0415 # See the module's head.
    from edge.replay.tuning.parameters import default_parameters, parse_parameters  # noqa: PLC0415
    from edge.replay.tuning.showing import advice_lines, table_rows, tuning_json  # noqa: PLC0415
    from edge.replay.tuning.tuning import Tuner  # noqa: PLC0415

    parameters = parse_parameters(texts, settings) if texts else default_parameters(settings)
    running = Replay(file, settings, to_s=to_s)
    inputs = running.inputs_in_memory()
    tuner = Tuner(settings, inputs, labels, running.header.started_utc_ms, parameters)
    # Chance only spreads the trials; the same seed gives the same settings.
    tuning = tuner.tune(trials, Random(seed))  # noqa: S311
    if as_json:
        typer.echo(tuning_json(parameters, tuning))
        return
    _print_table(list(table_rows(parameters, tuning)))
    typer.echo(f"{tuning.trials} settings tried")
    _echo(advice_lines(parameters, tuning))


def _tune_goods_in(folder: Path, labels: Path) -> None:
    from edge.replay.goods_in_fit import fit_folder  # noqa: PLC0415 # See the module's head.

    typer.echo(msgspec.json.format(msgspec.json.encode(fit_folder(folder, labels))).decode())


def _labels(path: Path | None) -> "Labels | None":
    from edge.replay.labels_file import load_labels  # noqa: PLC0415 # See the module's head.

    return None if path is None else load_labels(path)


def _print_table(rows: list[list[str]]) -> None:
    if not sys.stdout.isatty():
        _echo("\t".join(row) for row in rows)
        return
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        typer.echo("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)))


def _echo(lines: Iterable[str]) -> None:
    for line in lines:
        typer.echo(line)
