"""Plots of reports as PNG files. Matplotlib is loaded only here, when somebody wants a picture."""

from pathlib import Path
from typing import Final

from protocol.bench_report import BenchReport, Plot

SIZE_INCHES: Final = (8.0, 4.2)
RESOLUTION_DPI: Final = 110
COLOURS: Final = ("#0b6e4f", "#c08a1e", "#3c6997", "#a23b3b", "#6b4c9a")


def draw_all(report: BenchReport, folder: Path) -> dict[str, str]:
    """Draw a report's plots; return the files' names by the plots' titles. Raises `OSError`."""
    names: dict[str, str] = {}
    for number, plot in enumerate(report.plots, 1):
        suffix = f"-{number}" if len(report.plots) > 1 else ""
        names[plot.title] = f"bench-{report.bench}{suffix}.png"
        _draw(plot, folder / names[plot.title])
    return names


def _draw(plot: Plot, path: Path) -> None:
    from matplotlib.figure import Figure  # noqa: PLC0415 # See the module's docstring.

    figure = Figure(figsize=SIZE_INCHES, dpi=RESOLUTION_DPI, layout="constrained")
    axes = figure.subplots()
    for number, (name, points) in enumerate(plot.lines.items()):
        xs, ys = zip(*points, strict=True)
        colour = COLOURS[number % len(COLOURS)]
        axes.plot(xs, ys, label=name, color=colour, marker="o", markersize=3, linewidth=2)
    if plot.is_log_x:
        axes.set_xscale("log")
    axes.set_title(plot.title)
    axes.set_xlabel(plot.x)
    axes.set_ylabel(plot.y)
    axes.set_ylim(bottom=0)
    axes.grid(visible=True, alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    if len(plot.lines) > 1:
        axes.legend(frameon=False)
    figure.savefig(path)
