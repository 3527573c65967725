"""A picture of a run: how many counts are right, day by day, for us and for the others.

Matplotlib is loaded only here, when somebody asks for a picture.
"""

from pathlib import Path
from typing import Final

from simulators.truth.closing import LAST_COUNT, LEDGER_ONLY, SWEEP_ONLY, US
from simulators.truth.outcome import Outcome

SIZE_INCHES: Final = (9.0, 4.8)
RESOLUTION_DPI: Final = 120
LABELS: Final = {
    US: "Stocktruth",
    LAST_COUNT: "last count plus ledger",
    SWEEP_ONLY: "RFID sweep only",
    LEDGER_ONLY: "ledger only",
}
COLOURS: Final = {
    US: "#0b6e4f",
    LAST_COUNT: "#c08a1e",
    SWEEP_ONLY: "#3c6997",
    LEDGER_ONLY: "#a23b3b",
}
WIDTH_POINTS: Final = 1.6
OUR_WIDTH_POINTS: Final = 2.6


def draw(outcome: Outcome, path: Path) -> None:
    """Write the picture to a file of the kind that its name says. Raises `OSError`, `ValueError`.

    The latter names the kinds of picture that there are.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415 # See the module's docstring.

    figure = Figure(figsize=SIZE_INCHES, dpi=RESOLUTION_DPI, layout="constrained")
    axes = figure.subplots()
    days = range(1, len(outcome.closings) + 1)
    for method, label in LABELS.items():
        shares = [100 * each.accuracy[method].exact_share for each in outcome.closings]
        width = OUR_WIDTH_POINTS if method == US else WIDTH_POINTS
        axes.plot(days, shares, label=label, color=COLOURS[method], linewidth=width)
        axes.annotate(
            f" {shares[-1]:.1f} %",
            (days[-1], shares[-1]),
            color=COLOURS[method],
            va="center",
            annotation_clip=False,
        )
    axes.set_title(f"Counts that are exactly right: {outcome.options.scenario}")
    axes.set_xlabel("day, at closing")
    axes.set_ylabel("share of SKU-locations, %")
    axes.set_xlim(1, max(2, len(days)))
    axes.set_ylim(top=100.5)
    axes.grid(visible=True, alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=len(LABELS), frameon=False)
    figure.savefig(path)
