"""The commands `stocktruth-sim benchmarks` and `stocktruth-sim bench-compare`."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from simulators.bench_suite.benches import BENCHES, Bench
from simulators.bench_suite.running import Ran, run_one
from simulators.errors import BenchmarkFailed

EXIT_SHORT = 1
EXIT_MISUSED = 2

Only = Annotated[list[str] | None, typer.Option("--only", help="This bench alone; again.")]


def benchmarks(
    docs: Annotated[Path, typer.Option(help="Where benchmarks.md and pictures go.")] = Path("docs"),
    only: Only = None,
) -> None:
    """Run all benches and write docs/benchmarks.md. Exits with 1 when a ratio is short."""
    from simulators.bench_suite.document import document  # noqa: PLC0415 # Others start faster.
    from simulators.bench_suite.machine import commit_of, this_machine  # noqa: PLC0415
    from simulators.bench_suite.pictures import draw_all  # noqa: PLC0415

    tree = Path.cwd()
    # Before the page itself changes the tree.
    commit = commit_of(tree)
    runs = _run(_chosen(only), tree)
    pictures = {title: name for run in runs for title, name in draw_all(run.report, docs).items()}
    page = docs / "benchmarks.md"
    page.write_text(document(runs, this_machine().line(), commit, pictures))
    short = [run.report.bench for run in runs if not run.report.holds]
    typer.echo(f"{page}: {len(runs)} benches" + (f"; short: {', '.join(short)}" if short else ""))
    sys.exit(EXIT_SHORT if short else 0)


def bench_compare(
    base: Annotated[str, typer.Argument(help="The revision to compare with.")],
    rounds: Annotated[int, typer.Option(min=1, max=20, help="Runs of each, by turns.")] = 3,
    only: Only = None,
) -> None:
    """Tell what changed since a revision: the same benches of both, by turns."""
    from simulators.bench_suite.comparing import compare, tree_of  # noqa: PLC0415 # See above.

    present = Path.cwd()
    benches = [bench for bench in _chosen(only) if bench.brief is not None]
    table = Table("bench", "figure", base, "now", "change")
    try:
        with tree_of(base, present) as tree:
            for changes in compare(benches, tree, present, rounds):
                if isinstance(changes, BenchmarkFailed):
                    typer.echo(f"not compared: {changes}", err=True)
                    continue
                for change in changes:
                    table.add_row(*change.cells())
    except BenchmarkFailed as error:
        typer.echo(f"bench-compare: {error}", err=True)
        sys.exit(EXIT_MISUSED)
    Console(width=None if sys.stdout.isatty() else 140).print(table)


def _chosen(only: list[str] | None) -> list[Bench]:
    known = {bench.name: bench for bench in BENCHES}
    unknown = [name for name in only or () if name not in known]
    if unknown:
        raise typer.BadParameter(f"{unknown[0]!r}: one of {', '.join(known)}", param_hint="--only")
    return [known[name] for name in only] if only else list(BENCHES)


def _run(benches: list[Bench], tree: Path) -> list[Ran]:
    columns = (TextColumn("{task.description:<12}"), MofNCompleteColumn(), TimeElapsedColumn())
    runs: list[Ran] = []
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=len(benches))
        for bench in benches:
            progress.update(task, description=bench.name)
            try:
                runs.append(run_one(bench, tree))
            except BenchmarkFailed as error:
                progress.stop()
                typer.echo(f"benchmarks: {error}", err=True)
                sys.exit(EXIT_MISUSED)
            progress.advance(task)
    return runs
