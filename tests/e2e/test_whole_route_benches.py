"""The benches of the whole route run through the command line, and report what they measured."""

from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from cloud.__main__ import app
from protocol.bench_report import BenchReport
from simulators.bench.brokers import mosquitto_program
from simulators.bench.delays import delays
from simulators.bench.messages import Noted, Sale

BROKERS = ("embedded", "mosquitto")


def reported(*arguments: str) -> tuple[BenchReport, int]:
    result = CliRunner().invoke(app, ["bench", *arguments, "--json"])
    assert result.exit_code in (0, 1), result.output
    return msgspec.json.decode(result.stdout, type=BenchReport), result.exit_code


def values(report: BenchReport) -> dict[str, Any]:
    return {figure.name: figure.value for figure in report.figures}


def needs(broker: str) -> None:
    if broker == "mosquitto" and mosquitto_program() is None:
        pytest.skip("mosquitto is not installed")


@pytest.mark.parametrize("broker", BROKERS)
def test_the_pipeline_bench_brings_every_fact_to_the_subscriber(broker: str) -> None:
    needs(broker)
    arguments = ("--for", "3", "--rate", "200", "--stores", "2", "--articles", "40")
    topic = "stream" if broker == "mosquitto" else "gtin"
    report, status = reported("pipeline", *arguments, "--broker", broker, "--subscribe", topic)
    found = values(report)
    assert report.bench == "pipeline"
    assert report.conditions["broker"] == broker
    assert found["facts lost or doubled"] == 0
    assert found["sustained, till to subscriber"] > 0
    assert found["same bytes, nothing done"] > found["sustained, till to subscriber"]
    assert 0 < found["at 200 facts/s: p50"] <= found["at 200 facts/s: p99"]
    assert int(report.conditions["facts"]) > 200
    assert [name for name in found if name.startswith("memory of cloud")]
    assert [plot.title for plot in report.plots] == ["heard by a subscriber", "memory"]
    assert (status == 0) == report.holds


@pytest.mark.parametrize("broker", BROKERS)
def test_the_fanout_bench_brings_every_state_to_every_subscriber(broker: str) -> None:
    needs(broker)
    report, status = reported("fanout", "--states", "300", "--subscribers", "2", "--broker", broker)
    found = values(report)
    assert report.conditions["states"] == 300
    per_s = found["published, heard by all subscribers"]
    assert per_s > 0
    assert found["deliveries"] == pytest.approx(2 * per_s)
    assert found["bare client in a loop"] > 0
    assert (status == 0) == report.holds


def test_the_reserve_bench_grants_every_reservation_both_ways() -> None:
    sizes = ("--reservations", "300", "--clients", "16", "--articles", "100", "--peer-seconds", "1")
    report, status = reported("reserve", *sizes)
    found = values(report)
    assert report.conditions["reservations"] == 300
    for way in ("in process, spread", "in process, one hot SKU", "over HTTP, spread"):
        assert found[way] > 0
        assert found[f"{way}, p99"] > 0
    assert (status == 0) == report.holds


def test_an_unknown_broker_is_a_user_s_mistake() -> None:
    result = CliRunner().invoke(app, ["bench", "fanout", "--broker", "rabbit"])
    assert result.exit_code == 2


def test_a_fact_is_heard_with_the_first_state_that_has_it() -> None:
    sales = [("S1", [Sale("g", 1, 0), Sale("g", 2, 1_000_000), Sale("g", 3, 2_000_000)])]
    noted = [Noted("S1/g", 2, 5_000_000), Noted("S2/g", 3, 6_000_000)]
    found = delays(sales, noted)
    assert (found.facts, found.unheard) == (3, 1)
    assert 4.0 <= found.p50_ms <= 5.0
