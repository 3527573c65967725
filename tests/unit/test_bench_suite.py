"""The page of figures, the pictures, and what a change cost."""

from pathlib import Path

from protocol.bench_report import BenchReport, Figure, Plot
from simulators.bench_suite.benches import BENCHES
from simulators.bench_suite.comparing import changes
from simulators.bench_suite.document import document
from simulators.bench_suite.pictures import draw_all
from simulators.bench_suite.running import Ran, run_one

PLOT = Plot(title="Time per fact", x="stored", y="us", lines={"a": [(1, 2.0), (10, 3.0)]})


def report(rate: float, plots: list[Plot] | None = None) -> BenchReport:
    figures = [
        Figure(name="rate", value=rate, unit="facts/s", at_least=1_000),
        Figure(name="share", value=0.5, unit="", at_least=0.4, is_ratio=True),
        Figure(name="bytes", value=12, unit="bytes"),
    ]
    return BenchReport(bench="ingest", seed=7, conditions={}, figures=figures, plots=plots or [])


def test_the_page_says_which_figures_are_short() -> None:
    run = Ran(BENCHES[0], report(900, [PLOT]), 60.0)
    page = document([run], "a machine", "abc", {PLOT.title: "bench-ingest.png"})
    assert "1 of 2 figures are what they should be." in page
    assert "| rate | 900 facts/s | at least 1,000 | **short** |" in page
    assert "| share | 0.5 | at least 0.4 | holds |" in page
    assert "| bytes | 12 bytes |  |  |" in page
    assert "![Time per fact](bench-ingest.png)" in page


def test_a_rate_may_be_short_on_a_slow_machine_and_a_ratio_may_not() -> None:
    assert report(900).holds
    bad = Figure(name="share", value=0.3, unit="", at_least=0.4, is_ratio=True)
    assert not BenchReport(bench="b", seed=1, conditions={}, figures=[bad]).holds


def test_plots_become_pictures(tmp_path: Path) -> None:
    assert draw_all(report(1, [PLOT]), tmp_path) == {PLOT.title: "bench-ingest.png"}
    assert (tmp_path / "bench-ingest.png").read_bytes().startswith(b"\x89PNG")


def test_a_change_is_told_by_the_medians_of_both() -> None:
    before = [report(rate) for rate in (100, 5, 110)]
    after = [report(rate) for rate in (120, 900, 121)]
    rate, share, _ = changes(before, after)
    assert (rate.before, rate.after) == (100, 121)
    assert rate.cells() == ("ingest", "rate", "100 facts/s", "121 facts/s", "+21.0 %")
    assert share.percent == 0


def test_a_bench_runs_as_a_command_of_its_own() -> None:
    (ingest,) = (bench for bench in BENCHES if bench.name == "ingest")
    small = ingest._replace(brief=("--facts", "4000", "--stores", "2", "--articles", "100"))
    ran = run_one(small, Path(__file__).parents[2], is_brief=True)
    assert ran.report.bench == "ingest"
    assert ran.report.conditions["facts"] == 4_000
    assert all(figure.value > 0 for figure in ran.report.figures)
