"""The edge's benches run as a user runs them, and say what they measured beside its limit."""

import asyncio
import gc
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import quantiles

import msgspec
import pytest
from typer.testing import CliRunner

from edge.__main__ import app
from edge.bench.showing import percentiles
from protocol.bench_report import BenchReport, Figure

DEADLINE_S = 120.0


@pytest.fixture(autouse=True)
def collector() -> Iterator[None]:
    """A bench sets the garbage collector as an agent does; the tests' own stays as it was."""
    thresholds = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)


def bench(*arguments: str) -> BenchReport:
    result = CliRunner().invoke(app, ["bench", *arguments, "--json"])
    report = msgspec.json.decode(result.stdout, type=BenchReport)
    assert result.exit_code == (0 if report.holds else 1)
    return report


def figures(report: BenchReport) -> dict[str, Figure]:
    found = {figure.name: figure for figure in report.figures}
    assert len(found) == len(report.figures), "a figure's name is its own"
    return found


def test_the_portal_bench_says_what_part_of_the_bare_decode_it_is(tmp_path: Path) -> None:
    report = bench(
        *("portal", "--reads", "200000", "--under-way", "3000", "--rounds", "1", "--seed", "7"),
        *("--dir", str(tmp_path)),
    )
    found = figures(report)
    assert (report.bench, report.seed) == ("portal", 7)
    assert report.conditions["reads"] == 200_000
    reads, bare = found["tag reads"], found["bare decode by sllurp, the limit"]
    assert (reads.at_least, reads.is_ratio) == (50_000, False)
    share = found["share of sllurp's bare decode"]
    assert share.is_ratio
    assert share.value == pytest.approx(reads.value / bare.value)
    assert found["durable facts of a round"].value > 0
    assert list(tmp_path.iterdir()) == [], "it leaves nothing behind"


def test_the_outbox_bench_says_what_part_of_bare_apsw_it_is(tmp_path: Path) -> None:
    report = bench(
        *("outbox", "--facts", "400", "--callers", "5", "--rounds", "1", "--dir", str(tmp_path))
    )
    found = figures(report)
    assert report.conditions == {"facts": 400, "callers": 5, "rounds": 1}
    for share, ours, bare in (
        ("share of bare apsw", "facts made durable", "bare apsw, the limit"),
        ("share of bare apsw in draining", "facts drained", "bare apsw in draining, the limit"),
    ):
        assert found[share].is_ratio
        assert found[share].value == pytest.approx(found[ours].value / found[bare].value)
    assert 1 <= found["facts in a commit"].value <= 25
    median, longest = (
        found[f"an append until it is durable, {which}"].value for which in ("p50", "longest")
    )
    assert 0 < median <= longest


async def test_the_idle_bench_watches_an_agent_among_a_whole_store(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "simulators", "bench-idle", "--json", "--seed", "3"),
        *("--for", "3", "--after", "6", "--dir", str(tmp_path / "run")),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(DEADLINE_S):
        output, errors = await process.communicate()
    assert output, errors.decode()
    report = msgspec.json.decode(output, type=BenchReport)
    assert process.returncode == (0 if report.holds else 1)
    found = figures(report)
    assert (report.bench, report.seed) == ("idle", 3)
    devices = {name: report.conditions[name] for name in ("readers", "scales", "tills")}
    assert devices == {"readers": 4, "scales": 20, "tills": 2}
    assert found["a core's time"].at_most == 3
    assert found["memory (RSS)"].at_most == 70
    assert found["written to disk"].at_most == 1
    assert found["memory (RSS)"].value > found["the libraries alone, the limit"].value > 0
    assert found["threads"].value > 26, "each device has one"
    assert "fault" not in errors.decode().lower()


def test_an_agent_that_ends_is_no_figure(tmp_path: Path) -> None:
    config = tmp_path / "store.toml"
    config.write_text('store = "S001"\n[broker]\nurl = "mqtt://127.0.0.1:1"\n')
    (tmp_path / "data").write_text("no folder")
    result = CliRunner().invoke(app, ["bench", "idle", "--config", str(config)])
    assert result.exit_code == 1
    assert "the agent ended with status 1" in str(result.exception)


@pytest.mark.parametrize(
    "times_s", [[0.25], [0.1, 0.2, 0.4], [each / 1_000 for each in range(500)]]
)
def test_percentiles_are_those_of_the_standard_library(times_s: list[float]) -> None:
    values = {figure.name: figure.value for figure in percentiles("wait", times_s)}
    assert values["wait, longest"] == max(times_s) * 1_000
    expected = quantiles(times_s, n=100, method="inclusive")[94] if times_s[1:] else times_s[0]
    assert values["wait, p95"] == pytest.approx(expected * 1_000)
