"""What a change cost: the same benches of two states of the code, by turns.

The machine's mood changes within minutes, so each bench runs of one state, then of the other, then
again; the median of each state's runs counts.
"""

import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import NamedTuple

from protocol.bench_report import BenchReport, shown
from simulators.bench_suite.benches import Bench
from simulators.bench_suite.running import run_one
from simulators.errors import BenchmarkFailed


class Change(NamedTuple):
    """One figure before and after."""

    bench: str
    name: str
    unit: str
    before: float
    after: float

    @property
    def percent(self) -> float:
        """By how much it changed."""
        return 100 * (self.after / self.before - 1) if self.before else 0.0

    def cells(self) -> tuple[str, ...]:
        """Return it as cells of a table."""
        unit = f" {self.unit}".rstrip()
        values = (f"{shown(value)}{unit}" for value in (self.before, self.after))
        return (self.bench, self.name, *values, f"{self.percent:+.1f} %")


@contextmanager
def tree_of(revision: str, repository: Path) -> Iterator[Path]:
    """Check a revision out beside the repository. Raises `BenchmarkFailed` if there is none."""
    with tempfile.TemporaryDirectory(prefix="stocktruth-base-") as folder:
        tree = Path(folder) / "tree"
        _git(repository, "worktree", "add", "--detach", str(tree), revision)
        try:
            yield tree
        finally:
            _git(repository, "worktree", "remove", "--force", str(tree))


def _git(repository: Path, *arguments: str) -> None:
    done = subprocess.run(
        ["git", *arguments],  # noqa: S607 # As the user's shell finds it.
        cwd=repository,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise BenchmarkFailed(f"git {arguments[0]}: {done.stderr.strip()}")


def compare(
    benches: Sequence[Bench], base: Path, present: Path, rounds: int
) -> Iterator[list[Change] | BenchmarkFailed]:
    """Return the changes of each bench, or why it cannot be compared."""
    for bench in benches:
        try:
            before, after = _by_turns(bench, base, present, rounds)
        except BenchmarkFailed as error:
            yield error
        else:
            yield changes(before, after)


def _by_turns(
    bench: Bench, base: Path, present: Path, rounds: int
) -> tuple[list[BenchReport], list[BenchReport]]:
    before: list[BenchReport] = []
    after: list[BenchReport] = []
    for _ in range(rounds):
        before.append(run_one(bench, base, is_brief=True).report)
        after.append(run_one(bench, present, is_brief=True).report)
    return before, after


def changes(before: Sequence[BenchReport], after: Sequence[BenchReport]) -> list[Change]:
    """Return how the figures that both have changed, by their medians. Pure."""
    old, new = _medians(before), _medians(after)
    return [
        Change(before[0].bench, name, unit, old[name, unit], value)
        for (name, unit), value in new.items()
        if (name, unit) in old
    ]


def _medians(reports: Sequence[BenchReport]) -> dict[tuple[str, str], float]:
    values: dict[tuple[str, str], list[float]] = {}
    for report in reports:
        for figure in report.figures:
            values.setdefault((figure.name, figure.unit), []).append(figure.value)
    return {key: median(several) for key, several in values.items()}
