"""`docs/benchmarks.md`: what was measured, on what, beside what was asked for. Pure."""

from collections.abc import Iterator, Sequence

from protocol.bench_report import BenchReport, Figure, aim, shown
from simulators.bench_suite.running import Ran

HEAD = """\
# Benchmarks

Made by `make bench`; do not edit. Each figure stands beside its limit, measured in the same run: a
ratio says the same on any machine, a rate only on this one. Everything is durable
(`synchronous=FULL`), validated, deduplicated and published.
"""


def document(runs: Sequence[Ran], machine: str, commit: str, pictures: dict[str, str]) -> str:
    """Return the page; `pictures` are the files of plots by their titles."""
    minutes = sum(run.seconds for run in runs) / 60
    head = [
        HEAD,
        f"- Machine: {machine}",
        f"- Commit: {commit}",
        f"- {minutes:.1f} minutes in all",
        "",
    ]
    short = [figure for run in runs for figure in run.report.figures if figure.is_short]
    asked = [figure for run in runs for figure in run.report.figures if aim(figure)]
    head.append(f"{len(asked) - len(short)} of {len(asked)} figures are what they should be.\n")
    return "\n".join([*head, *(line for run in runs for line in _section(run, pictures))])


def _section(run: Ran, pictures: dict[str, str]) -> Iterator[str]:
    report = run.report
    yield f"## {report.bench}\n"
    yield f"`{run.bench.shown()}`: {_conditions(report)}\n"
    yield "| figure | measured | asked for | |"
    yield "|---|---:|---:|---|"
    for figure in report.figures:
        yield _row(figure)
    yield ""
    for plot in report.plots:
        yield f"![{plot.title}]({pictures[plot.title]})\n"


def _conditions(report: BenchReport) -> str:
    named = (
        f"{name.replace('_', ' ')} {_number(value)}" for name, value in report.conditions.items()
    )
    return ", ".join((*named, f"seed {report.seed}"))


def _number(value: int | float | str) -> str:
    return value if isinstance(value, str) else f"{value:,}"


def _row(figure: Figure) -> str:
    measured = f"{shown(figure.value)} {figure.unit}".strip()
    bound = aim(figure)
    verdict = ("**short**" if figure.is_short else "holds") if bound else ""
    return f"| {figure.name} | {measured} | {bound} | {verdict} |"
