"""What a run found out, as tables for people."""

from typing import Final

from rich.console import Console
from rich.table import Table

from simulators.truth.calibration import SURENESS, Calibration
from simulators.truth.closing import LAST_COUNT, LEDGER_ONLY, METHODS, SWEEP_ONLY, US
from simulators.truth.options import DAY_MS
from simulators.truth.outcome import Outcome
from simulators.truth.report import all_days, causes

NAMES: Final = {
    US: "Stocktruth",
    LEDGER_ONLY: "ledger only",
    SWEEP_ONLY: "RFID sweep only",
    LAST_COUNT: "last count plus ledger",
}
CAUSES_SHOWN: Final = 8


def show(outcome: Outcome, console: Console) -> None:
    """Write the tables for people."""
    options, final = outcome.options, outcome.closings[-1]
    title = (
        f"{options.scenario}, day {options.days}, {options.stores} store(s), seed {options.seed}"
    )
    if set(options.factors) != {1.0}:
        title += ", " + ", ".join(f"{n} x {f:g}" for n, f in options.factors._asdict().items())
    console.print(_methods_table(title, outcome))
    console.print(_losses_table(outcome))
    console.print(_calibration_table(final.calibration, all_days(outcome)))
    console.print(_reliability_table(all_days(outcome)))
    console.print(_portals_table(outcome))
    flags = (("our book", final.book_flags), ("a ledger", final.ledger_flags))
    for name, flag in flags:
        console.print(
            f"phantom stock in {name}: {flag.phantoms}, flagged {flag.flagged}, "
            f"precision {_percent(flag.precision)}, recall {_percent(flag.recall)}"
        )
    counted = causes(outcome).most_common(CAUSES_SHOWN)
    what = ", ".join(f"{kind} {number}" for kind, number in counted) or "nothing"
    console.print(f"what is wrong in the end is put down to: {what}")
    console.print(
        f"{outcome.facts} facts, {outcome.recounts} recounts asked, "
        f"{sum(outcome.quarantined.values())} quarantined, {outcome.took_s:.0f} s"
    )


def _methods_table(title: str, outcome: Outcome) -> Table:
    final = outcome.closings[-1]
    table = _table(title, "exact", "within 1", "mean error")
    for method in METHODS:
        score = final.accuracy[method]
        shares = _percent(score.exact_share), _percent(score.within_one_share)
        table.add_row(NAMES[method], *shares, f"{score.mean_error_units:.4f}")
    return table


def _losses_table(outcome: Outcome) -> Table:
    heads = ("said empty: right", "empty: said", "thefts noticed", "in a week", "median")
    table = _table("Nothing there, and thefts", *heads)
    for method in METHODS:
        empty, thefts = outcome.closings[-1].out_of_stock[method], outcome.thefts[method]
        table.add_row(
            NAMES[method],
            _percent(empty.precision),
            _percent(empty.recall),
            _percent(thefts.noticed_share),
            _percent(thefts.within_share(7 * DAY_MS)),
            f"{thefts.median_delay_days:.1f} d",
        )
    return table


def _table(title: str, *heads: str) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("")
    for head in heads:
        table.add_column(head, justify="right")
    return table


def _calibration_table(final: Calibration, all_days: Calibration) -> Table:
    heads = ("50 % covers", "90 % covers", "integers cover", "should", "log score")
    table = _table("Are 90 % nine times in ten?", *heads)
    for name, score in (("last day", final), ("all days", all_days)):
        table.add_row(
            name,
            _percent(score.coverage_50),
            _percent(score.coverage_90),
            _percent(score.plain_coverage),
            _percent(score.plain_nominal),
            f"{score.mean_log_score_nats:.4f}",
        )
    return table


def _reliability_table(score: Calibration) -> Table:
    table = Table(title="How sure, and how often right (all days)", title_justify="left")
    for head in ("sure from", "to", "counts", "mean sure", "right"):
        table.add_column(head, justify="right")
    for number, bucket in enumerate(score.buckets):
        if bucket.said:
            table.add_row(
                f"{SURENESS[number]:g}",
                f"{SURENESS[number + 1]:g}",
                str(bucket.said),
                _percent(bucket.sure / bucket.said),
                _percent(bucket.exact / bucket.said),
            )
    return table


def _portals_table(outcome: Outcome) -> Table:
    heads = ("told", "right way", "wrong", "invented", "of both, unsure", "untold")
    table = _table("Portals", *heads)
    for portal, score in outcome.directions.items():
        table.add_row(
            portal,
            str(score.right + score.wrong + score.invented),
            _percent(score.accuracy),
            str(score.wrong),
            str(score.invented),
            _percent(score.wrong_unsure_share),
            str(score.untold),
        )
    return table


def _percent(value: float) -> str:
    return f"{100 * value:.2f} %"
