"""The built-in benches run, and what they assert holds on a small size too."""

import subprocess
import sys

import msgspec
import pytest

from protocol.bench_report import BenchReport


@pytest.mark.parametrize(
    ("bench", "arguments"),
    [
        ("query", ["--sku-locations", "2000", "--locations", "100", "--requests", "20"]),
        ("belief", ["--sku-locations", "2000"]),
        ("ingest", ["--facts", "6000", "--stores", "3", "--articles", "200"]),
        ("growth", ["--facts", "4000", "--size", "10000", "--size", "20000"]),
        ("resident", ["--sku-locations", "40000", "--active", "30000", "--articles", "500"]),
        ("recover", ["--sku-locations", "2000", "--kills", "2", "--articles", "500"]),
    ],
)
def test_a_bench_reports_figures_beside_its_limit(bench: str, arguments: list[str]) -> None:
    # In a process of its own: memory is what one of them measures.
    command = [sys.executable, "-m", "cloud", "bench", bench, *arguments, "--json"]
    done = subprocess.run(command, capture_output=True, check=False)
    report = msgspec.json.decode(done.stdout, type=BenchReport)
    assert report.bench == bench
    assert all(figure.value >= 0 for figure in report.figures)
    assert any(figure.is_ratio for figure in report.figures), "a ratio decides"
    assert (done.returncode == 0) == report.holds
