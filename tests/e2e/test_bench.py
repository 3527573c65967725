"""The built-in benches run, and what they assert holds on a small size too."""

import msgspec
from typer.testing import CliRunner

from cloud.__main__ import app


def test_the_availability_bench_answers_what_it_measured() -> None:
    arguments = ["--sku-locations", "2000", "--locations", "100", "--requests", "20", "--json"]
    result = CliRunner().invoke(app, ["bench", "availability", *arguments])
    (report,) = msgspec.json.decode(result.stdout)
    assert report["sku_locations"] == 2_000
    assert report["requests"] == 20
    assert 0 < report["p50_ms"] <= report["p99_ms"]
    assert (result.exit_code == 0) == (report["ratio"] <= report["ratio_max"])
