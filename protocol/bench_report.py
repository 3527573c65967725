"""What a `bench` command measured: the document that it prints, and that runs are compared by.

A figure is an absolute number of this machine, or a ratio of two numbers of one run, which holds on
any machine. Only ratios decide whether a bench succeeds. Pure.
"""

from typing import Final

from msgspec import Struct

_NAME_WIDTH: Final = 46
_MANY: Final = 1_000


class Figure(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One measured number. `at_least` or `at_most` is what it should be; `is_ratio`: must be."""

    name: str
    value: float
    unit: str
    at_least: float | None = None
    at_most: float | None = None
    is_ratio: bool = False

    @property
    def is_short(self) -> bool:
        """Say whether it is not what it should be."""
        too_low = self.at_least is not None and self.value < self.at_least
        return too_low or (self.at_most is not None and self.value > self.at_most)


class Plot(Struct, frozen=True, kw_only=True):
    """Lines of `(x, y)`, each under its name."""

    title: str
    x: str
    y: str
    lines: dict[str, list[tuple[float, float]]]
    is_log_x: bool = False


class BenchReport(Struct, frozen=True, kw_only=True):
    """One run of one bench. `conditions` are what a second run needs to be the same."""

    bench: str
    seed: int
    conditions: dict[str, int | float | str]
    figures: list[Figure]
    plots: list[Plot] = []

    @property
    def holds(self) -> bool:
        """Say whether every ratio is what it must be."""
        return not any(figure.is_ratio and figure.is_short for figure in self.figures)


def report_lines(report: BenchReport) -> list[str]:
    """Return a report for people: its conditions, then a figure a line."""
    conditions = ", ".join(f"{name} {value}" for name, value in report.conditions.items())
    return [f"{report.bench}: {conditions}, seed {report.seed}", *map(_line, report.figures)]


def _line(figure: Figure) -> str:
    line = f"  {figure.name:<{_NAME_WIDTH}} {shown(figure.value):>12} {figure.unit:<10}"
    bound = aim(figure)
    if not bound:
        return line.rstrip()
    return f"{line} {bound:<14} {'short' if figure.is_short else 'holds'}"


def aim(figure: Figure) -> str:
    """Return what a figure should be, in words; empty when nothing is asked of it."""
    if figure.at_least is not None:
        return f"at least {shown(figure.at_least)}"
    return "" if figure.at_most is None else f"at most {shown(figure.at_most)}"


def shown(value: float) -> str:
    """Return a number as people read it: whole when large, three digits when small."""
    return f"{value:,.0f}" if abs(value) >= _MANY else f"{value:.3g}"
